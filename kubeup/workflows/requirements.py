"""Whether this machine does for what is left to do: memory, disk, processors, kernel and addresses.

Facts and plans in, findings out; nothing here looks at the machine. What is not known is never
called missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from kubeup.cluster.providers.base import Machines, Sizes
from kubeup.core.errors import Refused
from kubeup.core.plan import Room, Step
from kubeup.facts.disks import Disk
from kubeup.facts.host import HostFacts, Kernel, Listener
from kubeup.settings import Settings
from kubeup.settings.checks.ranges import free_range
from kubeup.settings.model import NodeSpec

# MiB: what nodes were seen to take with the application on them (docs/benchmarks.md), and this
# machine beside them
LEAST, OWN = {"control": 800, "worker": 300, "db": 300}, 400
# what kubeadm wants of a control plane (ControlPlaneMem in kubernetes/cmd/kubeadm/app/constants),
# and room to grow for others
USUAL = {"control": 1700, "worker": 700, "db": 700}
CONTROL_CPUS = 2  # kubeadm's ControlPlaneNumCPU
WATCHES = 20  # inotify instances of one node, systemd's and kubelet's above all (seen: 54 of three)
# https://github.com/kubernetes/system-validators, which kubeadm uses; version 2 has no files for
# the others
CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    2: ("cpu", "cpuset", "memory", "pids"),
}
# modules and the options they are built with, and what is not to be had without them
MODULES = (
    ("overlay", "OVERLAY_FS", "containerd keeps images on it"),
    ("bridge", "BRIDGE", "nodes and pods meet on one"),
    ("veth", "VETH", "it leads to nodes and pods"),
    ("nf_conntrack", "NF_CONNTRACK", "Services follow connections"),
    ("nf_nat", "NF_NAT", "Services' addresses are translated"),
    ("xt_comment", "NETFILTER_XT_MATCH_COMMENT", "kube-proxy's rules have comments"),
    ("br_netfilter", "BRIDGE_NETFILTER", "a pod reaches a Service's pod on its own node by it"),
    ("ip_set", "IP_SET", "NetworkPolicies name pods by it"),
    ("xt_set", "NETFILTER_XT_SET", "NetworkPolicies name pods by it"),
)
TABLES = (("ip_tables", "IP_NF_IPTABLES"), ("nf_tables", "NF_TABLES"))  # one of them
OF_USER = {"podman": "podman of this user"}  # which builds images, by its name in HostFacts.storage
NEW = "missing"


@dataclass(frozen=True)
class Requirement:
    """One thing looked at. `found` has the figure and what is needed, `fix` what would make it fit.

    `estimate`: what is needed is known roughly, so that somebody may know better.
    """

    name: str
    ok: bool
    found: str
    fix: str = ""
    estimate: bool = False


@dataclass(frozen=True)
class Work:
    """What is left to do: steps, machines as they are and should be, and what they are made with.

    `engine` is the container engine's name. `listening`: ports in use here, None where not known.
    """

    settings: Settings
    host: HostFacts
    machines: Machines
    wanted: tuple[NodeSpec, ...]
    steps: tuple[Step, ...]
    engine: str
    sizes: Sizes
    listening: frozenset[Listener] | None = None

    @property
    def new(self) -> tuple[NodeSpec, ...]:
        """The machines that are to be made."""
        there = {node.name for node in self.machines.nodes if node.state != NEW}
        return tuple(spec for spec in self.wanted if spec.name not in there)

    @property
    def room(self) -> Room:
        return sum((step.room for step in self.steps), Room())


def check(work: Work) -> tuple[Requirement, ...]:
    """Every finding at once, good ones as well, of what there is to say something about."""
    looks = (_memory, _disk, _processors, _kernel, _inotify, _addresses, _ports)
    return tuple(found for look in looks for found in look(work))


def require(found: Iterable[Requirement], force: bool) -> None:
    """Raises Refused for what does not do; with `force` for what is known for certain alone."""
    wrong = [one for one in found if not one.ok and not (force and one.estimate)]
    if not wrong:
        return
    fixes = [f"{one.name}: {one.fix}" for one in wrong]
    if all(one.estimate for one in wrong):
        fixes.append("some of these figures are estimates: --force continues anyway")
    raise Refused(
        "this machine does not meet the requirements",
        "\n".join(f"{one.name}: {one.found}" for one in wrong),
        "\n".join(fixes),
    )


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f} GiB"


# memory


def _memory(work: Work) -> Iterator[Requirement]:
    new, host = work.new, work.host
    if not host.memory:
        return
    here = f"{_gib(host.memory)} here, {_gib(_free(host))} free"
    if not new:
        yield Requirement("memory", True, f"{here}; no machine is to be made")
        return
    takes = f"{_count(new)} of {_sizes(new)} {'take' if len(new) > 1 else 'takes'}"
    least = _least(new)
    if least + OWN > host.memory:
        found = f"{here}; {takes} {_gib(least)} at the very least, this machine itself {_gib(OWN)}"
        yield Requirement("memory", False, found, _smaller(work))
    else:
        ok = _fits(work, new)
        found = f"{here}; {takes} about {_gib(_usual(work, new))}"
        yield Requirement("memory", ok, found, "" if ok else _smaller(work), estimate=True)


def _free(host: HostFacts) -> int:
    return host.memory_available or host.memory


def _least(specs: Iterable[NodeSpec]) -> int:
    return sum(min(spec.memory_mb, LEAST[spec.role]) for spec in specs)


def _usual(work: Work, specs: Iterable[NodeSpec]) -> int:
    """What is taken after a while: all of a virtual machine's memory, what is usual of a limit."""
    if not work.machines.containers:
        return sum(spec.memory_mb for spec in specs)
    return sum(min(spec.memory_mb, USUAL[spec.role]) for spec in specs)


def _fits(work: Work, specs: Sequence[NodeSpec]) -> bool:
    host, usual = work.host, _usual(work, specs)
    # a virtual machine takes its memory little by little: what others have may be free by then
    enough = usual <= _free(host) if work.machines.containers else usual + OWN <= host.memory
    return enough and _least(specs) + OWN <= host.memory


def _smaller(work: Work) -> str:
    """The settings that would make the nodes fit, with as few of them changed as does."""
    for specs in _smaller_ones(work):
        if _fits(work, specs):
            return f"{' and '.join(_changed(work, specs))} would fit"
    needed = _usual(work, _smallest(work.new)) + OWN
    return f"no number and size of nodes fits: the smallest take a machine with {_gib(needed)}"


def _smaller_ones(work: Work) -> Iterator[tuple[NodeSpec, ...]]:
    """Fewer workers, each time with the memory they have and then with less.

    A container takes no less for a lower limit.
    """
    workers = [spec for spec in work.new if spec.role == "worker"]
    others = [spec for spec in work.new if spec.role != "worker"]
    # one has the application
    few = 1 if len(workers) == sum(spec.role == "worker" for spec in work.wanted) else 0
    for count in range(len(workers), min(few, len(workers)) - 1, -1):
        kept = (*others, *workers[:count])
        yield kept
        for most in () if work.machines.containers else (4096, 3072, 2048, 1700):
            yield tuple(replace(spec, memory_mb=min(spec.memory_mb, most)) for spec in kept)


def _smallest(specs: Sequence[NodeSpec]) -> tuple[NodeSpec, ...]:
    control = [spec for spec in specs if spec.role == "control"]
    worker = [spec for spec in specs if spec.role == "worker"][:1]
    return tuple(replace(spec, memory_mb=1700) for spec in (*control, *worker))


def _changed(work: Work, specs: Sequence[NodeSpec]) -> list[str]:
    """Those settings with their new values."""
    kept = {spec.name: spec for spec in specs}
    gone = sum(spec.name not in kept for spec in work.new)
    workers = sum(spec.role == "worker" for spec in work.wanted)
    rows = [f"{work.sizes.count} {workers - gone + work.sizes.others}"] if gone else []
    for role, key in (("control", work.sizes.control), ("worker", work.sizes.worker)):
        both = [
            (spec, kept[spec.name]) for spec in work.new if spec.role == role and spec.name in kept
        ]
        smaller = [now.memory_mb for was, now in both if now.memory_mb < was.memory_mb]
        rows += [f"{key}.memory {smaller[0]}"] if smaller else []
    return list(dict.fromkeys(rows))


def _count(specs: Sequence[NodeSpec]) -> str:
    return f"{len(specs)} new machines" if len(specs) > 1 else "a new machine"


def _sizes(specs: Sequence[NodeSpec]) -> str:
    return " and ".join(f"{size} MiB" for size in sorted({spec.memory_mb for spec in specs}))


# disk


def _disk(work: Work) -> Iterator[Requirement]:
    """File system by file system: cache and storage are on one more often than not."""
    room, host = work.room, work.host
    prune = f"`{work.engine} system prune` removes unused images and volumes"
    if room == Room() and host.cache_disk.path:
        free = _gib(host.cache_disk.free * 1024)
        yield Requirement(
            "disk", True, f"{free} free at {host.cache_disk.path}; nothing is to be made"
        )
    places = [
        (room.cache, host.cache_disk, "XDG_CACHE_HOME names a folder elsewhere"),
        (room.home, host.home_disk, ""),
        (room.images, host.storage.get(OF_USER.get(work.engine, work.engine), Disk()), prune),
        (room.nodes, host.storage.get(work.engine, Disk()), prune),
    ]
    known = [place for place in places if place[0] and place[1].path]
    for filesystem in dict.fromkeys(disk.filesystem for _, disk, _ in known):
        here = [place for place in known if place[1].filesystem == filesystem]
        needed = sum(mib for mib, _, _ in here)
        left = min(disk.free for _, disk, _ in here) * 1024
        where = " and ".join(dict.fromkeys(disk.path for _, disk, _ in here))
        found = f"{_gib(left)} free at {where}; what is to be made takes about {_gib(needed)}"
        ways = dict.fromkeys(["make room there", *(way for _, _, way in here if way)])
        # half of what was seen is too little for certain
        yield Requirement("disk", needed <= left, found, "; ".join(ways), needed / 2 <= left)


# processors, kernel


def _processors(work: Work) -> Iterator[Requirement]:
    host, new = work.host, work.new
    if not new:
        return
    most = max(spec.cpus for spec in new)
    if work.machines.containers and work.engine == "docker" and most > host.cpus:
        greedy = {spec.role for spec in new if spec.cpus > host.cpus}
        keys = {"control": work.sizes.control, "worker": work.sizes.worker, "db": "nodes.database"}
        named = [
            f"{key}.{work.sizes.cpus} {host.cpus}" for role, key in keys.items() if role in greedy
        ]
        fits = dict.fromkeys(named)
        found = f"{host.cpus} here; docker gives no container {most}"
        yield Requirement(
            "processors",
            False,
            found,
            f"{' and '.join(fits)} would fit; or `--set local.engine=podman`",
        )
    else:
        control = any(spec.role == "control" for spec in new)
        ok = not control or host.cpus >= CONTROL_CPUS
        found = f"{host.cpus} here; kubeadm wants {CONTROL_CPUS} for a control plane"
        yield Requirement("processors", ok, found, "" if ok else "it works with one, slowly", True)


def _kernel(work: Work) -> Iterator[Requirement]:
    """Nodes in containers have this machine's kernel."""
    kernel = work.host.kernel
    if not work.machines.containers or not kernel.release:
        return
    missing = [*_missing_controllers(work.host), *_missing_modules(kernel)]
    known = kernel.modules is not None or kernel.options is not None
    unknown = "" if known else ", as far as is known: it does not tell its modules"
    good = f"{kernel.release} has what kubelet needs{unknown}"
    found = f"{kernel.release} lacks {'; '.join(missing)}" if missing else good
    yield Requirement(
        "kernel",
        not missing,
        found,
        "start a kernel that has it, as a distribution's usual one does",
    )


def _missing_controllers(host: HostFacts) -> list[str]:
    known = host.kernel.controllers
    gone = [name for name in CONTROLLERS[host.cgroup] if name not in known] if known else []
    switch = " (memory: start it with cgroup_enable=memory)" if "memory" in gone else ""
    return [f"the cgroup controllers {', '.join(gone)}{switch}"] if gone else []


def _missing_modules(kernel: Kernel) -> list[str]:
    gone = [
        f"{name} ({why})"
        for name, option, why in MODULES
        if kernel.lacks(name, option) and name not in kernel.filesystems
    ]
    if all(kernel.lacks(*one) for one in TABLES):
        gone.append("ip_tables and nf_tables (kube-proxy writes its rules with one of them)")
    return gone


def _inotify(work: Work) -> Iterator[Requirement]:
    """Nodes in containers share this machine's limit, as root on them is root here.

    See "Pod errors due to too many open files" in kind's known issues.
    """
    limit, nodes = work.host.inotify, len(work.wanted)
    if not work.machines.containers or not limit or not nodes:
        return
    most = WATCHES * nodes
    fix = f"sysctl fs.inotify.max_user_instances={8 * limit}; a file in /etc/sysctl.d keeps it"
    yield Requirement(
        "inotify",
        most <= limit,
        f"{limit} instances a user, the nodes may take {most}",
        fix,
        estimate=True,
    )


# addresses, ports


def _addresses(work: Work) -> Iterator[Requirement]:
    """A node must not have an address of this machine's, nor be in its network, or another's."""
    if not work.new or not any(spec.address for spec in work.new):
        return
    network = work.settings.node_network
    own = {address.interface.ip: address.device for address in work.host.addresses}
    taken = [
        f"{spec.address} of {spec.name} is this machine's own on {device}"
        for spec in work.new
        if spec.address and (device := own.get(IPv4Address(spec.address)))
    ]
    # the first address of the nodes' network is this machine's, once there is one
    gateway = next(iter(network.hosts()))
    inside = [one for one in work.host.addresses if one.interface.ip in network]
    within = [
        f"{network} is the network that {one.device} is in, as {one.interface.ip}"
        for one in inside
        if one.interface.ip != gateway
    ]
    if not work.machines.any_there and not taken:
        taken = within or ([f"{network} is {work.machines.taken}"] if work.machines.taken else [])
    known = [*work.settings.networks, *(route.network for route in work.host.routes)]
    known += [one.interface.network for one in work.host.addresses]
    free = free_range(network.prefixlen, known)
    fix = "set network.control_ip to an address in an unused network"
    if free and free.num_addresses > 20:
        fix = f"network.control_ip {free[10]} would fit"
    found = "; ".join(taken) or f"{network} is free for the nodes"
    yield Requirement("addresses", not taken, found, fix)


def _ports(work: Work) -> Iterator[Requirement]:
    """Only a node that is this machine itself shares its ports: others have their own addresses."""
    if not work.machines.shares_ports or not work.new or work.listening is None:
        return
    used = {one.port for one in work.listening}
    wanted = work.settings.ports.node_ports.items()
    taken = [f"{port} (ports.{name})" for name, port in wanted if port in used]
    found = f"something listens on {', '.join(taken)}" if taken else "the NodePorts are free"
    yield Requirement(
        "ports",
        not taken,
        found,
        "set them to others from 30000 to 32767, or end what listens there",
    )
