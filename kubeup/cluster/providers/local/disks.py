"""The nodes' disks: one that is filled with images, and copies of it.

Volumes are root's: what is done to their files is done in a container, by the engine, so that
nothing else needs root.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.kubeadm import HOLDING, held
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.facts.containers import Volume, volumes
from kubeup.system.engine import Engine

COMPLETE = "lib/kubeup-disk"  # in the volume: every image was taken
IMPORT = (
    # waited for as long as it runs, not for some seconds: a machine may be slow
    "containerd >/tmp/containerd.log 2>&1 & pid=$!; "
    "until ctr version >/dev/null 2>&1; do "
    "kill -0 $pid || { cat /tmp/containerd.log >&2; exit 1; }; sleep 0.1; done; "
    'for archive in /archives/*; do ctr -n k8s.io images import "$archive" >/dev/null || exit '
    "1; done; "
    f"kill $pid; wait $pid; touch /var/{COMPLETE}"
)
# an engine that was killed while it removed a volume leaves half of its files
COPY = (
    'set -e; cd "$1"; find "$2" -mindepth 1 -delete; '
    'tar --exclude="./$3" --exclude="./$4" -cf - . | tar -C "$2" -xpf -; '
    'for part in "$3" "$4"; do cp -al "$part" "$2/$part" 2>/dev/null '
    '|| { rm -rf "$2/$part"; cp -a --reflink=auto "$part" "$2/$part"; }; done'
)
CONTAINERD = "lib/containerd/io.containerd"
SHARED = (f"{CONTAINERD}.content.v1.content", f"{CONTAINERD}.snapshotter.v1.overlayfs/snapshots")


@dataclass(frozen=True)
class MakeDisk:
    """A volume whose containerd already holds images: every node's /var starts as a copy of it."""

    engine: Engine
    image: str
    volume: str
    archives: tuple[Path, ...]

    def already(self) -> str:
        return "made" if complete_disk(self.engine, self.image, self.volume) else ""

    def commands(self) -> tuple[str, ...]:
        return tuple(map(shell.shown, self._lines()))

    def _lines(self) -> Iterator[tuple[str, ...]]:
        engine = self.engine
        # what an interrupted run left is not known to be whole
        yield engine.argv("volume", "rm", "--force", self.volume)
        yield engine.argv("volume", "create", "--label", "kubeup=disk", self.volume)
        mounts = [f"{path}:/archives/{n}.tar:ro" for n, path in enumerate(self.archives)]
        mounts.append(f"{self.volume}:/var")
        container = _container(engine, self.image, *mounts, options=("--privileged",))
        yield (*container, "sh", "-c", IMPORT)

    def run(self, log: Log) -> None:
        engine = self.engine
        for line in self._lines():
            shell.write(*line, log=log)
        if not complete_disk(engine, self.image, self.volume):
            raise KubeupError(
                "the nodes' disk could not be filled",
                "containerd did not take the images",
                "run the same again",
            )


def complete_disk(engine: Engine, image: str, volume: str) -> bool:
    """Whether a volume exists and was filled to the end.

    Raises CommandError where the engine can't tell.
    """
    if not engine.has("volume", volume):
        return False
    container = _container(engine, image, f"{volume}:/disk:ro")
    return shell.read(*container, "test", "-e", f"/disk/{COMPLETE}", ok=(0, 1)).ok


def named(engine: Engine, names: Collection[str]) -> tuple[Volume, ...]:
    """Of volumes with these names those that are there. Raises CommandError where it can't tell."""
    there = set(engine.read("volume", "ls", "--quiet").stdout.split()).intersection(names)
    if not there:
        return ()
    return volumes(engine.read("volume", "inspect", *sorted(there)).stdout)


def holding(
    engine: Engine, image: str, volume: str, names: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Which folders of those names in a volume hold something, and what that tells.

    Raises CommandError where the engine can't tell.
    """
    container = _container(engine, image, f"{volume}:/disk:ro")
    return held(shell.read(*container, "sh", "-c", HOLDING, "holding", "/disk", *names).stdout)


def copy_disk(engine: Engine, image: str, disk: str, volume: str, log: Log) -> None:
    """Fill a volume from the prepared disk.

    Committed image layers are never written in place, so they are hard-linked.
    """
    source, target = (_folder(engine, name) for name in (disk, volume))
    # both below one mount: a file can't be linked from one mount to another, be it of the same disk
    # (link(2), EXDEV)
    volumes = source.parent.parent
    container = _container(engine, image, f"{volumes}:{volumes}")
    log("copying the disk")
    shell.write(*container, "sh", "-c", COPY, "copy", str(source), str(target), *SHARED, log=log)


def _container(
    engine: Engine, image: str, *mounts: str, options: Sequence[str] = ()
) -> tuple[str, ...]:
    """The command line that runs what follows in a container of its own, with no network."""
    volumes = [word for mount in mounts for word in ("--volume", mount)]
    words = ("--rm", "--network", "none", *options, *engine.node_options, *volumes)
    return engine.argv("run", *words, image)


def _folder(engine: Engine, volume: str) -> Path:
    """Where the engine keeps a volume's files."""
    return Path(json.loads(engine.read("volume", "inspect", volume).stdout)[0]["Mountpoint"])
