"""What kind of machine this is, read from its system files. The reading itself is `kubeup.machine`'s."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

CAP_SYS_RESOURCE = 24  # linux/capability.h
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}


@dataclass(frozen=True)
class Distribution:
    """`id` as in os-release (debian, ubuntu, …) and the release's code name (bookworm, jammy, …)."""

    id: str = ""
    codename: str = ""
    version: str = ""
    like: tuple[str, ...] = ()

    @property
    def has_apt(self) -> bool:
        return bool({"debian", "ubuntu"} & {self.id, *self.like})


@dataclass(frozen=True)
class Route:
    """A route of this machine that a cluster network must not overlap."""

    network: IPv4Network
    device: str


@dataclass(frozen=True)
class HostFacts:
    """Everything a choice of kubeup may depend on. Memory in MiB, disk in GiB."""

    system: str = "Linux"
    arch: str = "amd64"
    root: bool = True
    may_sudo: bool = False  # may become root by sudo(8), with or without a password
    distribution: Distribution = field(default_factory=Distribution)
    cpus: int = 2
    memory: int = 0
    free_disk: int = 0
    cgroup: int = 2
    systemd: bool = True
    sys_resource: bool = True
    open_files: int = 1048576
    processes: int = 65536
    inotify: int = 1024  # instances that a user may have, those in containers included
    modules_folder: bool = True
    tools: frozenset[str] = frozenset()
    routes: tuple[Route, ...] = ()
    stale_mirror: bool = False
    reachable: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()  # beside the proxies': those that podman needs, whoever runs it
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # see `kubeup.facts.proxies`

    def leads_to(self, address: str) -> bool:
        """Whether a network of this machine holds an IPv4 address: for another one a gateway far away may answer."""
        known = IPv4Address(address)
        return known.is_loopback or any(known in route.network for route in self.routes)


def distribution(os_release: str) -> Distribution:
    """From the text of /etc/os-release (freedesktop.org's os-release(5))."""
    pairs = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line and not line.startswith("#"))
    value = {key: text.strip().strip("\"'") for key, text in pairs.items()}
    return Distribution(
        value.get("ID", ""), value.get("VERSION_CODENAME", ""), value.get("VERSION_ID", ""), tuple(value.get("ID_LIKE", "").split())
    )


def cgroup_version(mounts: str) -> int:
    """2 where /sys/fs/cgroup itself is cgroup2, else 1 (also for the hybrid layout), from /proc/self/mounts."""
    for row in mounts.splitlines():
        words = row.split()
        if len(words) > 2 and words[1] == "/sys/fs/cgroup":
            return 2 if words[2] == "cgroup2" else 1
    return 1


def has_capability(status: str, number: int) -> bool:
    """Whether the bounding set in the text of /proc/self/status holds capability `number`."""
    for row in status.splitlines():
        if row.startswith("CapBnd:"):
            return bool(int(row.split()[1], 16) >> number & 1)
    return False


def memory_mib(meminfo: str) -> int:
    """MemTotal of /proc/meminfo, in MiB."""
    for row in meminfo.splitlines():
        if row.startswith("MemTotal:"):
            return int(row.split()[1]) // 1024
    return 0


def routes(ip_json: str) -> tuple[Route, ...]:
    """IPv4 routes but the default one, from `ip -j -4 route`."""
    rows = json.loads(ip_json or "[]")
    found = [(row.get("dst", ""), row.get("dev", "")) for row in rows]
    return tuple(Route(IPv4Network(dst, strict=False), dev) for dst, dev in found if dst and dst != "default")
