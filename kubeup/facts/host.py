"""What kind of machine this is, read from its system files.

The reading itself is `kubeup.system.machine`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from kubeup.core.pace import AS_MEANT, Pace
from kubeup.facts import apt
from kubeup.facts.disks import Disk
from kubeup.facts.sites import Answer, Question, silent

CAP_SYS_RESOURCE = 24  # linux/capability.h
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "amd64": "amd64"}


@dataclass(frozen=True)
class Distribution:
    """A Linux distribution as os-release names it: debian or ubuntu, bookworm or jammy."""

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
class Address:
    """An IPv4 address of this machine with its network, and the device that has it."""

    device: str
    interface: IPv4Interface


@dataclass(frozen=True)
class Listener:
    """A TCP port that something listens on, on 0.0.0.0 or :: where on all addresses."""

    address: str
    port: int


@dataclass(frozen=True)
class Kernel:
    """What a Linux kernel brings for containers and pods; everything is empty on another system.

    `controllers` are those of cgroups that are switched on. `modules`: what is loaded, built in or
    can be loaded, `options`: what it was configured with. Both are None where the kernel does not
    tell of all (a container without /lib/modules): nothing follows from a missing name then.
    """

    release: str = ""
    filesystems: frozenset[str] = frozenset()
    controllers: frozenset[str] = frozenset()
    modules: frozenset[str] | None = None
    options: frozenset[str] | None = None

    def lacks(self, module: str, option: str = "") -> bool:
        """Whether a module is known to be missing, by its name or the option it is built with.

        Names are the same with - and _, as for modprobe(8).
        """
        if option and self.options is not None and option not in self.options:
            return True
        return self.modules is not None and module.replace("-", "_") not in self.modules

    def has(self, module: str, option: str = "") -> bool:
        """Whether it is known that a module can be had."""
        is_known = self.modules is not None or (bool(option) and self.options is not None)
        return is_known and not self.lacks(module, option)


@dataclass(frozen=True)
class HostFacts:
    """Everything a choice of kubeup may depend on. Memory in MiB, disk in GiB.

    `memory` is all there is, `memory_available` what programs could have now without swapping.
    `cache_disk` is where the user's cache lies, `home_disk` the home folder (minikube's and
    VirtualBox' machines), `storage` where each container engine would put nodes and their images,
    by its name: podman (which root runs, by sudo as well) and docker; `podman of this user` is
    where it builds images. Nothing where nodes don't lie on this machine's own disk.
    """

    system: str = "Linux"
    arch: str = "amd64"
    root: bool = True
    may_sudo: bool = False  # may become root by sudo(8), with or without a password
    distribution: Distribution = field(default_factory=Distribution)
    cpus: int = 2
    memory: int = 0
    memory_available: int = 0
    cache_disk: Disk = field(default_factory=Disk)
    home_disk: Disk = field(default_factory=Disk)
    storage: Mapping[str, Disk] = field(default_factory=dict)
    kernel: Kernel = Kernel()
    cgroup: int = 2
    systemd: bool = True
    sys_resource: bool = True
    open_files: int = 1048576
    processes: int = 65536
    inotify: int = 1024  # instances that a user may have, those in containers included
    modules_folder: bool = True
    tools: frozenset[str] = frozenset()
    podman: apt.Version = ()  # of the podman that is here, () where it is not told
    # of what decides how nodes are made; empty where nobody had to ask
    apt: apt.Index = field(default_factory=apt.Index)
    routes: tuple[Route, ...] = ()
    addresses: tuple[Address, ...] = ()
    stale_mirror: bool = False
    # of sites that were asked, by the address of what was asked for
    answers: Mapping[str, Answer] = field(default_factory=dict)
    variables: tuple[str, ...] = ()  # beside the proxies': those that podman needs, whoever runs it
    # see `kubeup.facts.proxies`
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    pace: Pace = field(default=AS_MEANT, compare=False)  # by the last run

    @property
    def linux(self) -> bool:
        return self.system == "Linux"

    @property
    def system_name(self) -> str:
        """As its users call it."""
        return "macOS" if self.system == "Darwin" else self.system

    def answer(self, question: Question) -> Answer:
        return self.answers.get(question.url) or silent(question, "it was not asked")

    def leads_to(self, address: str) -> bool:
        """Whether a network of this machine holds an IPv4 address.

        For another one a gateway far away may answer.
        """
        known = IPv4Address(address)
        return known.is_loopback or any(known in route.network for route in self.routes)


def distribution(os_release: str) -> Distribution:
    """From the text of /etc/os-release (freedesktop.org's os-release(5))."""
    pairs = re.findall(r"^(\w+)=(.*)$", os_release, re.MULTILINE)
    value = {key: text.strip().strip("\"'") for key, text in pairs}
    return Distribution(
        id=value.get("ID", ""),
        codename=value.get("VERSION_CODENAME", ""),
        version=value.get("VERSION_ID", ""),
        like=tuple(value.get("ID_LIKE", "").split()),
    )


def cgroup_version(mounts: str) -> int:
    """2 where /sys/fs/cgroup itself is cgroup2, else 1, from /proc/self/mounts.

    The hybrid layout has version 2 in a folder below it, and counts as 1.
    """
    return 2 if re.search(r"^\S+ /sys/fs/cgroup cgroup2 ", mounts, re.MULTILINE) else 1


def has_capability(status: str, number: int) -> bool:
    """Whether the bounding set in the text of /proc/self/status holds capability `number`."""
    found = re.search(r"^CapBnd:\s*(\w+)", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> number & 1)


def filesystems(proc_filesystems: str) -> frozenset[str]:
    """Those that the running kernel knows, from /proc/filesystems; a module may bring others."""
    return frozenset(re.findall(r"\S+$", proc_filesystems, re.MULTILINE))


def controllers(version: int, proc_cgroups: str, cgroup_controllers: str) -> frozenset[str]:
    """cgroup controllers that are switched on.

    Version 1 tells them in /proc/cgroups, version 2 in /sys/fs/cgroup/cgroup.controllers.
    """
    if version == 2:
        return frozenset(cgroup_controllers.split())
    enabled = r"^(\w+)\s+\d+\s+\d+\s+1$"
    return frozenset(re.findall(enabled, proc_cgroups, re.MULTILINE))


def modules(loaded: str, builtin: str, loadable: str) -> frozenset[str] | None:
    """Names from the texts of /proc/modules, modules.builtin and modules.dep below /lib/modules.

    None without the last two: what is loaded is not all there is, and all that a container sees.
    """
    if not builtin and not loadable:
        return None
    names = re.findall(r"^\S+", loaded, re.MULTILINE)
    names += re.findall(r"([^/\s]+)\.ko\b", f"{builtin}\n{loadable}")
    return frozenset(name.replace("-", "_") for name in names)


def options(config: str) -> frozenset[str] | None:
    """What is built in or as a module, from a kernel's configuration; None where there is none."""
    return frozenset(re.findall(r"^CONFIG_(\w+)=[ym]$", config, re.MULTILINE)) or None


def on_link(known: Iterable[Address]) -> tuple[Route, ...]:
    """The networks that this machine's addresses are in, where its routes can't be read."""
    return tuple(
        Route(address.interface.network, address.device)
        for address in known
        if not address.interface.is_loopback
    )


def addresses(rows: Iterable[tuple[str, str, str]]) -> tuple[Address, ...]:
    """From device, IPv4 address and netmask of each; what is none is left out."""
    return tuple(
        Address(device, IPv4Interface(f"{address}/{mask}"))
        for device, address, mask in rows
        if address and mask
    )


def routes(ip_json: str) -> tuple[Route, ...]:
    """IPv4 routes but the default one, from `ip -j -4 route`."""
    rows = json.loads(ip_json or "[]")
    found = [(row.get("dst", ""), row.get("dev", "")) for row in rows]
    return tuple(
        Route(IPv4Network(dst, strict=False), dev) for dst, dev in found if dst and dst != "default"
    )
