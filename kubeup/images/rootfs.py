"""Debian root file systems made by mmdebstrap: what images are built on where no registry answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup import cache, shell
from kubeup.errors import KubeupError
from kubeup.plan import Log, Room

# Documentation and translations are a third of a small system; copyright files stay, as licences ask for.
BASICS = ("usr-is-merged",)  # with its hook: without it usrmerge pulls in 50 MB of perl
MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
LEFT_OUT = ("path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/man/*",
            "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/info/*")


ROOM = Room(cache=310)  # the largest of them


@dataclass(frozen=True)
class Rootfs:
    """A Debian suite with packages. `stale` allows a mirror that is a frozen copy (its signatures are still checked)."""

    name: str
    suite: str
    packages: tuple[str, ...]
    seconds: float
    stale: bool = False
    left_out: tuple[str, ...] = ()  # paths, beside documentation and translations

    @property
    def path(self) -> Path:
        """The tar in the cache; its name holds a digest of what it is made from."""
        made_from = cache.digest(self.suite, *self.packages, *self.left_out, *LEFT_OUT)
        return cache.folder("rootfs", f"{self.name}-{self.suite}-{made_from}") / "rootfs.tar"

    def command(self, target: Path) -> tuple[str, ...]:
        rules = [*LEFT_OUT, *(f"path-exclude={path}" for path in self.left_out)]
        options = [f"--dpkgopt={rule}" for rule in rules]
        if self.suite != "sid":
            options.append(f"--hook-dir={MERGED}")
        if self.stale:
            options.append('--aptopt=Acquire::Check-Valid-Until "false"')
        packages = self.packages if self.suite == "sid" else (*BASICS, *self.packages)
        return ("mmdebstrap", "--variant=minbase", *options, f"--include={','.join(packages)}", self.suite, str(target))


@dataclass(frozen=True)
class MakeRootfs:
    """Make a root file system's tar in the cache."""

    rootfs: Rootfs

    def already(self) -> str:
        return "in the cache" if self.rootfs.path.exists() else ""

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.rootfs.command(self.rootfs.path), 2000),)

    def run(self, log: Log) -> None:
        with cache.made_whole(self.rootfs.path.parent) as work:
            try:
                shell.write(*self.rootfs.command(work / "rootfs.tar"), log=log)
            except KubeupError as error:
                error.next = ("look at /etc/apt/sources.list*: the packages come from the mirror named there or from deb.debian.org; "
                              "when the network was away, run the same again")
                raise
            work.chmod(0o755)
