"""Networks: their size, what overlaps, and whether the nodes' addresses are usable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from kubeup.settings.checks.ranges import free_range
from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.tree import Node

POD, SERVICE, NODE = "network.pod_cidr", "network.service_cidr", "network.node_cidr"
CONTROL = "network.control_ip"
WORKERS, DATABASE = "nodes.workers.count", "nodes.database.count"
# what each node gets of the pod network (kube-controller-manager's --node-cidr-mask-size)
NODE_MASK = 24


@dataclass(frozen=True)
class Sizes:
    """The prefix lengths of a network that is large and small enough."""

    shortest: int
    longest: int
    why: str


# kube-apiserver refuses a Service network of more than 20 bits (kubernetes/kubernetes#12841).
_SIZES = {
    POD: Sizes(8, NODE_MASK, f"each node gets a /{NODE_MASK} of it"),
    SERVICE: Sizes(
        12, 28, "the API server takes none larger, and smaller ones hold too few services"
    ),
    NODE: Sizes(8, 29, "it must hold every node"),
}


def used_networks(settings: Settings, rules: Rules) -> dict[str, IPv4Network]:
    if not rules.makes_cluster:
        return {}
    networks = {POD: settings.network.pod_cidr, SERVICE: settings.network.service_cidr}
    return networks if rules.no_machines else networks | {NODE: settings.node_network}


def _keys(settings: Settings, key: str) -> tuple[str, ...]:
    """The keys a network comes from: the nodes' follows control_ip unless it is given."""
    return (CONTROL,) if key == NODE and settings.network.node_cidr is None else (key,)


def host_bits(settings: Settings, nodes: Mapping[str, Node]) -> Iterator[Problem]:
    """`172.16.1.0/16` names an address in a network, not the network: read as 172.16.0.0/16."""
    network = settings.network
    values = {POD: network.pod_cidr, SERVICE: network.service_cidr, NODE: network.node_cidr}
    for key in values.keys() & nodes.keys():
        text, value = nodes[key].text, values[key]
        if value and text.partition("/")[0] != str(value.network_address):
            yield settings.warning(
                key,
                f"{text}, which has host bits set",
                allowed="a network's first address",
                hint=f"read as {value}; write {value}",
                trap=1,
            )


def sizes(settings: Settings, rules: Rules) -> Iterator[Problem]:
    for key, network in used_networks(settings, rules).items():
        limits, related = _SIZES[key], _keys(settings, key)
        if not limits.shortest <= network.prefixlen <= limits.longest:
            allowed = f"a prefix length from /{limits.shortest} to /{limits.longest}"
            yield settings.error(
                key, str(network), allowed=allowed, why=limits.why, related=related
            )
        elif why := _special(network):
            yield settings.error(
                related[0], str(network), allowed="a private network", why=why, related=related
            )


def _special(network: IPv4Network) -> str:
    """Why machines can't have these addresses, or nothing."""
    for word in ("loopback", "multicast", "link_local", "reserved", "unspecified"):
        if getattr(network, f"is_{word}") or getattr(network[0], f"is_{word}"):
            return f"its addresses are {word.replace('_', '-')} ones, which no machine can have"
    return ""


def pod_ranges(settings: Settings, rules: Rules) -> Iterator[Problem]:
    """Each node takes a part of the pods' network."""
    network, nodes = settings.network.pod_cidr, rules.node_count(settings)
    room = 2 ** max(NODE_MASK - network.prefixlen, 0)
    if rules.makes_cluster and network.prefixlen <= NODE_MASK and room < nodes:
        yield settings.error(
            POD,
            f"{network}, which has room for {room} node{'s' if room > 1 else ''} of {nodes}",
            why=_SIZES[POD].why,
            hint="take a larger network",
            related=(WORKERS,),
        )


def overlaps(settings: Settings, rules: Rules) -> Iterator[Problem]:
    networks = used_networks(settings, rules)
    for first, second in combinations(networks, 2):
        network = networks[second]
        if networks[first].overlaps(network):
            free = free_range(network.prefixlen, networks.values())
            # The later key of the two is the one to change, unless only the other was written by
            # the user.
            yield settings.error(
                second,
                f"{network}, which overlaps {networks[first]} ({first})",
                allowed="networks apart",
                hint=f"free: {free}" if free else "",
                related=(*_keys(settings, second), *_keys(settings, first)),
            )


def addresses(settings: Settings, rules: Rules) -> Iterator[Problem]:
    """Every node's address must be one a machine can have, inside the nodes' network."""
    if rules.no_machines:
        return
    network, address = settings.node_network, settings.network.control_ip
    usable, workers = _usable(network), settings.nodes.workers.count
    if int(address) not in usable:
        addresses = f"{IPv4Address(usable[0])} to {IPv4Address(usable[-1])}" if usable else ""
        yield settings.error(
            CONTROL,
            str(address),
            allowed=addresses or "a network with room for nodes",
            why=f"in {network} the first address is this machine's own, and the last one is the "
            "broadcast",
            related=(NODE,),
        )
    elif int(address) + workers not in usable:
        yield settings.error(
            WORKERS,
            f"{workers} workers after {address}, more than {network} has addresses for",
            hint="take a lower control_ip, fewer workers or a larger node_cidr",
            related=(CONTROL, NODE),
        )
    elif settings.nodes.database.count and int(address) - 1 not in usable:
        yield settings.error(
            DATABASE,
            f"1, and the address before {address} can't be a machine's",
            why="the database's machine gets that one",
            hint="take a higher control_ip",
            related=(CONTROL, NODE),
        )


def _usable(network: IPv4Network) -> range:
    # The first address is the host's own on a bridge or host-only network; the last one is the
    # broadcast.
    return range(int(network.network_address) + 2, int(network.broadcast_address))
