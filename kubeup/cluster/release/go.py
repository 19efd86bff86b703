"""The Go that Kubernetes is compiled with: an installed one that fits, else Debian 12's.

The latter is unpacked into the cache.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell
from kubeup.core.plan import Log
from kubeup.images import rootfs
from kubeup.images.rootfs import IMAGE, MMDEBSTRAP, TAR, Origin, Rootfs
from kubeup.system import cache

FITTING = range(19, 22)  # Kubernetes 1.26.1 was released with Go 1.19; its modules build up to 1.21
DEBIAN_GO = "/usr/lib/go-1.{}/bin/go"
# of the package, which links from the one to the other
FOLDERS = ("./usr/lib/go-1.19", "./usr/share/go-1.19")


def debian_root(origin: Origin) -> Rootfs:
    """Debian 12 is the newest release with a Go that fits; other distributions have none."""
    return Rootfs("go", "bookworm", ("golang-1.19-go",), seconds=45, origin=origin)


def unpacked(root: Rootfs) -> Path:
    """The folder of a Go that comes with a root file system."""
    return cache.folder("go", root.path.parent.name)


def go_tool() -> str:
    """The path of a Go 1.19 to 1.21, or '' where there is none."""
    for path in map(DEBIAN_GO.format, FITTING):
        if Path(path).exists():
            return path
    on_path = shell.which("go")
    if on_path and go_minor(shell.read(on_path, "version", ok=None).stdout) in FITTING:
        return on_path
    for how in (MMDEBSTRAP, IMAGE):
        cached = unpacked(debian_root(Origin(how))) / FOLDERS[0] / "bin" / "go"
        if cached.exists():
            return str(cached)
    return ""


def go_minor(version: str) -> int:
    """19 from `go version go1.19.8 linux/amd64`; 0 where the text is another."""
    match = re.search(r"\bgo1\.(\d+)", version)
    return int(match.group(1)) if match else 0


@dataclass(frozen=True)
class UnpackGo:
    """Bring Debian's Go into the cache. It runs wherever its C library does, and needs no root."""

    root: Rootfs

    def already(self) -> str:
        return cache.hit(unpacked(self.root))

    def commands(self) -> tuple[str, ...]:
        target = unpacked(self.root)
        return (*rootfs.commands(self.root, target), shell.shown(self._unpack(target)))

    def run(self, log: Log) -> None:
        with cache.made_whole(unpacked(self.root)) as work:
            rootfs.make(self.root, work, log)
            shell.write(*self._unpack(work), log=log)
            (work / TAR).unlink()

    def _unpack(self, folder: Path) -> tuple[str, ...]:
        return ("tar", "-C", str(folder), "-xf", str(folder / TAR), *FOLDERS)
