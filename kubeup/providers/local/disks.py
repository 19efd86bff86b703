"""The nodes' disks: one that is prepared with images, and copies of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kubeup import shell
from kubeup.engine import Engine
from kubeup.errors import KubeupError
from kubeup.plan import Log

IMPORT = (
    "containerd >/tmp/containerd.log 2>&1 & pid=$!; "
    "for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done; "
    'for archive in /archives/*; do ctr -n k8s.io images import "$archive" >/dev/null || exit 1; done; '
    "kill $pid; wait $pid; touch /var/lib/kubeup-disk"
)


@dataclass(frozen=True)
class MakeDisk:
    """A volume whose containerd already holds images: every node's /var starts as a copy of it."""

    engine: Engine
    image: str
    volume: str
    archives: tuple[Path, ...]

    def already(self) -> str:
        return "made" if complete_disk(self.engine, self.volume) else ""

    def run(self, log: Log) -> None:
        argv = self.engine.argv
        shell.write(*argv("volume", "rm", "--force", self.volume), log=log)
        shell.write(*argv("volume", "create", "--label", "kubeup=disk", self.volume), log=log)
        mounts = [word for n, path in enumerate(self.archives) for word in ("-v", f"{path}:/archives/{n}.tar:ro")]
        shell.write(*argv("run", "--rm", "--privileged", *self.engine.node_options, "--network", "none", *mounts, "-v", f"{self.volume}:/var",
                          self.image, "/bin/sh", "-c", IMPORT), log=log)
        if not complete_disk(self.engine, self.volume):
            raise KubeupError("the nodes' disk could not be filled", "containerd did not take the images", "run it again")


def complete_disk(engine: Engine, volume: str) -> bool:
    answer = shell.read(*engine.argv("volume", "inspect", volume), ok=None)
    return answer.ok and (mountpoint(answer.stdout) / "lib" / "kubeup-disk").exists()


def mountpoint(inspect_json: str) -> Path:
    return Path(json.loads(inspect_json)[0]["Mountpoint"])


def copy_disk(engine: Engine, disk: str, volume: str, log: Log) -> None:
    """Fill a volume from the prepared disk. Committed image layers are never written in place, so they are hard-linked."""
    source = mountpoint(shell.read(*engine.argv("volume", "inspect", disk)).stdout)
    target = mountpoint(shell.read(*engine.argv("volume", "inspect", volume)).stdout)
    shared = ("lib/containerd/io.containerd.content.v1.content", "lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots")
    log("copying the disk")
    script = (
        # an engine that was killed while it removed a volume leaves half of its files
        'set -e; cd "$1"; find "$2" -mindepth 1 -delete; tar --exclude="./$3" --exclude="./$4" -cf - . | tar -C "$2" -xpf -; '
        'for part in "$3" "$4"; do cp -al "$part" "$2/$part" 2>/dev/null || { rm -rf "$2/$part"; cp -a --reflink=auto "$part" "$2/$part"; }; done'
    )
    shell.write("sh", "-c", script, "copy", str(source), str(target), *shared, log=log)
