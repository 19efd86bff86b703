"""What each kind of machine is: the one table of them."""

from __future__ import annotations

from dataclasses import dataclass

# as an installer leaves a server: nothing that kubeup needs beside a Python, sudo and git
SERVER = (
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "sudo",
    "openssh-server",
    "git",
    "python3",
    "ca-certificates",
    "iproute2",
    "iputils-ping",
    "procps",
    "kmod",
    "curl",
    "less",
    "adduser",
    "passwd",
)


@dataclass(frozen=True)
class Kind:
    """A distribution's release. `init`: what its systemd is told where cgroups are v1."""

    name: str
    suite: str
    podman: str  # the version that its own packages have
    python: str
    init: tuple[str, ...] = ()


# systemd 256 and newer refuse cgroup v1 unless told twice
# (https://github.com/systemd/systemd/blob/v256/NEWS, "Support for cgroup v1")
LEGACY_CGROUPS = ("systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("debian-12", "bookworm", podman="4.3", python="3.11"),
        Kind("debian-13", "trixie", podman="5.4", python="3.13", init=LEGACY_CGROUPS),
    )
}
