"""The node's image: a small Debian with systemd, sshd, containerd and the release's binaries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell
from kubeup.core.plan import Log
from kubeup.images.build import build_image, building
from kubeup.images.rootfs import Origin, Rootfs, importing, load
from kubeup.system import cache
from kubeup.system.engine import Engine

PACKAGES = (
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iptables",
    "nftables",
    "ipset",
    "conntrack",
    "ebtables",
    "ethtool",
    "socat",
    "iproute2",
    "kmod",
    "procps",
    "ca-certificates",
    "python3",
    "python3-apt",
)
NAME = "localhost/kubeup/node"
# its text counts in the image's name
CONTAINERFILE = Path(__file__).with_name("Containerfile")


def rootfs(origin: Origin) -> Rootfs:
    return Rootfs("machine", "bookworm", PACKAGES, seconds=64, origin=origin)


def tag(root: Rootfs, release: str) -> str:
    """The image's name: its tag changes with anything that goes into it."""
    digest = cache.digest(root.path.parent.name, release, CONTAINERFILE.read_text())
    return f"{NAME}:{digest}"


@dataclass(frozen=True)
class BuildNodeImage:
    """Build the node's image from its root file system and the release's node binaries."""

    engine: Engine
    root: Rootfs
    binaries: tuple[Path, ...]
    image: str

    def already(self) -> str:
        return "built" if self.engine.has("image", self.image) else ""

    def commands(self) -> tuple[str, ...]:
        base = f"BASE={self.root.image}"
        return (
            shell.shown(importing(self.root, self.engine)),
            building(self.engine, self.image, "--build-arg", base),
        )

    def run(self, log: Log) -> None:
        base = f"BASE={load(self.root, self.engine, log)}"
        files = {f"bin/{binary.name}": binary for binary in self.binaries}
        text = CONTAINERFILE.read_text()
        build_image(self.engine, self.image, text, files, log, "--build-arg", base)
