"""How each distribution calls what kubeup needs, and how its package manager is asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubeup.facts import apt
from kubeup.facts.host import Distribution

# the program that tells whether it is there, by Debian's name of its package
PROGRAMS = {
    "podman": "podman",
    "openssh-client": "ssh-keygen",
    "mmdebstrap": "mmdebstrap",
    "zstd": "zstd",
}
# what podman's own package asks for elsewhere; Debian's at most recommends it
WITH_PODMAN = frozenset({"runc", "netavark", "aardvark-dns", "nftables", "iptables", "iproute2"})
SAME = {name: name for name in ("podman", "zstd")}


@dataclass(frozen=True)
class Manager:
    """A package manager: its command to install, and its names of packages by Debian's.

    None where its names are Debian's.
    """

    install: str
    names: Mapping[str, str] | None = None

    def command(self, wanted: Iterable[str]) -> str:
        """What a person types to install packages."""
        return f"{self.install} {' '.join(dict.fromkeys(filter(None, map(self.named, wanted))))}"

    def named(self, wanted: str) -> str:
        """What a package is called here, '' where there is none."""
        first = apt.names((wanted,))[0]
        return first if self.names is None else self.names.get(first, "")


DEBIAN = Manager("sudo apt-get install")
MANAGERS = {
    "fedora": Manager(
        "sudo dnf install",
        {
            **SAME,
            "openssh-client": "openssh-clients",
            "docker.io": "moby-engine",
            "mmdebstrap": "mmdebstrap",
        },
    ),
    "arch": Manager(
        "sudo pacman -S --needed", {**SAME, "openssh-client": "openssh", "docker.io": "docker"}
    ),
    "suse": Manager(
        "sudo zypper install", {**SAME, "openssh-client": "openssh-clients", "docker.io": "docker"}
    ),
}
UNKNOWN = Manager(
    "install with this system's package manager:",
    SAME | {"openssh-client": "openssh", "docker.io": "docker"},
)


def manager(distribution: Distribution) -> Manager:
    """A distribution's package manager, also of one that only says what it is like."""
    if distribution.has_apt:
        return DEBIAN
    return next(
        (MANAGERS[name] for name in (distribution.id, *distribution.like) if name in MANAGERS),
        UNKNOWN,
    )
