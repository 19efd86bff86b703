"""The nodes' disks: one that is prepared with images, and copies of it.

Volumes are root's: what is done to their files is done in a container, by the engine, so that
nothing else needs root.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.kubeadm import HOLDING, held
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system.engine import Engine

COMPLETE = "lib/kubeup-disk"  # in the volume: every image was taken
IMPORT = (
    # as long as it is there it is waited for: a machine may be slow
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

    def run(self, log: Log) -> None:
        argv = self.engine.argv
        shell.write(*argv("volume", "rm", "--force", self.volume), log=log)
        shell.write(*argv("volume", "create", "--label", "kubeup=disk", self.volume), log=log)
        mounts = [
            word
            for n, path in enumerate(self.archives)
            for word in ("-v", f"{path}:/archives/{n}.tar:ro")
        ]
        shell.write(
            *argv(
                "run",
                "--rm",
                "--privileged",
                *self.engine.node_options,
                "--network",
                "none",
                *mounts,
                "-v",
                f"{self.volume}:/var",
                self.image,
                "/bin/sh",
                "-c",
                IMPORT,
            ),
            log=log,
        )
        if not complete_disk(self.engine, self.image, self.volume):
            raise KubeupError(
                "the nodes' disk could not be filled",
                "containerd did not take the images",
                "run it again",
            )


def complete_disk(engine: Engine, image: str, volume: str) -> bool:
    """Whether a volume is there and was filled to the end.

    Raises CommandError where the engine can't tell.
    """
    if not shell.read(*engine.argv("volume", "inspect", volume), ok=None).ok:
        return False
    mount = ("--volume", f"{volume}:/disk:ro")
    return shell.read(
        *_aside(engine, image, *mount), "test", "-e", f"/disk/{COMPLETE}", ok=(0, 1)
    ).ok


def holding(
    engine: Engine,
    image: str,
    volume: str,
    names: Sequence[str],
) -> tuple[tuple[str, str], ...]:
    """Which folders of those names in a volume hold something, and what that tells.

    Raises CommandError where that can't be told.
    """
    mount = ("--volume", f"{volume}:/disk:ro")
    look = ("sh", "-c", HOLDING, "holding", "/disk", *names)
    return held(shell.read(*_aside(engine, image, *mount), *look).stdout)


def copy_disk(engine: Engine, image: str, disk: str, volume: str, log: Log) -> None:
    """Fill a volume from the prepared disk.

    Committed image layers are never written in place, so they are hard-linked.
    """
    source, target = (_folder(engine, name) for name in (disk, volume))
    # both below one mount: a file can't be linked from one mount to another, be it of the same disk
    # (link(2), EXDEV)
    above = ("--volume", f"{source.parent.parent}:{source.parent.parent}")
    log("copying the disk")
    shell.write(
        *_aside(engine, image, *above),
        "sh",
        "-c",
        COPY,
        "copy",
        str(source),
        str(target),
        *SHARED,
        log=log,
    )


def _aside(engine: Engine, image: str, *options: str) -> tuple[str, ...]:
    """A command line that runs what follows in a container of its own, with no network."""
    return engine.argv("run", "--rm", "--network", "none", *engine.node_options, *options, image)


def _folder(engine: Engine, volume: str) -> Path:
    """Where the engine keeps a volume's files."""
    return Path(
        json.loads(shell.read(*engine.argv("volume", "inspect", volume)).stdout)[0]["Mountpoint"]
    )
