"""Networks: their size, what overlaps, and whether the nodes' addresses are usable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from kubeup.settings.checks.place import at
from kubeup.settings.checks.ranges import free_range
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Origin, Problem, error, warning

POD, SERVICE, NODE, CONTROL = (
    "network.pod_cidr",
    "network.service_cidr",
    "network.node_cidr",
    "network.control_ip",
)
COUNT, BESIDE = "nodes.workers.count", "nodes.database.count"
NODE_MASK = 24  # what kubeadm gives each node of the pod network
VIRTUALBOX = IPv4Network("192.168.56.0/21")
_SIZES = {
    POD: (8, NODE_MASK, f"each node gets a /{NODE_MASK} of it"),
    SERVICE: (12, 28, "the API server takes none larger, and smaller ones hold too few services"),
    NODE: (8, 29, "it must hold every node"),
}


def makes_nodes(provider: Provider) -> bool:
    """Whether the nodes' addresses come from these settings."""
    return provider in ("auto", "local", "vagrant")


def used_networks(settings: Settings, provider: Provider) -> dict[str, IPv4Network]:
    if provider == "existing":
        return {}
    networks = {POD: settings.network.pod_cidr, SERVICE: settings.network.service_cidr}
    return networks | ({NODE: settings.node_network} if makes_nodes(provider) else {})


def _keys(settings: Settings, key: str) -> tuple[str, ...]:
    """The keys a network comes from: the nodes' follows control_ip unless it is given."""
    return (CONTROL,) if key == NODE and settings.network.node_cidr is None else (key,)


def host_bits(settings: Settings, texts: Mapping[str, str]) -> Iterator[Problem]:
    """`172.16.1.0/16` names an address in a network, not the network: read as 172.16.0.0/16."""
    for key in (POD, SERVICE, NODE):
        value = getattr(settings.network, key.removeprefix("network."))
        text = texts.get(key, "").partition("/")[0]
        if text and value is not None and text != str(value.network_address):
            found = f"{texts[key]}, which has host bits set"
            hint = f"read as {value}; write {value}"
            yield warning(
                at(settings, key),
                key,
                found,
                allowed="a network's first address",
                hint=hint,
                trap=1,
            )


def sizes(settings: Settings, provider: Provider) -> Iterator[Problem]:
    for key, network in used_networks(settings, provider).items():
        smallest, largest, why = _SIZES[key]
        origin, related = at(settings, key), _keys(settings, key)
        if not smallest <= network.prefixlen <= largest:
            allowed = f"a prefix length from /{smallest} to /{largest}"
            yield error(origin, key, str(network), allowed=allowed, why=why, related=related)
        elif reason := _special(network):
            yield error(
                origin,
                related[0],
                str(network),
                allowed="a private network",
                why=reason,
                related=related,
            )
    yield from _room_for_pods(settings, provider)


def _special(network: IPv4Network) -> str:
    named = {
        "loopback addresses stay inside one machine": network.is_loopback,
        "multicast addresses can't belong to a machine": network.is_multicast,
        "link-local addresses are not routed": network.is_link_local,
        "these addresses are reserved": network.is_reserved
        or network.is_unspecified
        or network[0].is_unspecified,
    }
    return next((reason for reason, holds in named.items() if holds), "")


def _node_count(settings: Settings, provider: Provider) -> int:
    counts = {"hosts": len(settings.hosts), "minikube": settings.minikube.nodes}
    return counts.get(provider, settings.nodes.workers.count + 1)


def _room_for_pods(settings: Settings, provider: Provider) -> Iterator[Problem]:
    network, nodes = settings.network.pod_cidr, _node_count(settings, provider)
    room = 2 ** max(NODE_MASK - network.prefixlen, 0)
    if provider != "existing" and network.prefixlen <= NODE_MASK and room < nodes:
        found = f"{network}, which has room for {room} node{'s' if room > 1 else ''} of {nodes}"
        why = f"each node gets a /{NODE_MASK} of it"
        yield error(
            at(settings, POD, COUNT),
            POD,
            found,
            why=why,
            hint="take a larger network",
            related=(COUNT,),
        )


def overlaps(settings: Settings, provider: Provider) -> Iterator[Problem]:
    networks = used_networks(settings, provider)
    for (one, first), (other, second) in combinations(networks.items(), 2):
        if first.overlaps(second):
            yield _overlap(settings, (one, first), (other, second), list(networks.values()))


def _overlap(
    settings: Settings,
    one: tuple[str, IPv4Network],
    other: tuple[str, IPv4Network],
    taken: list[IPv4Network],
) -> Problem:
    # The later key of the two is the one to change, unless only the other was written by the user.
    (first, first_network), (second, second_network) = one, other
    keys = (*_keys(settings, second), *_keys(settings, first))
    free = free_range(second_network.prefixlen, taken)
    found = f"{second_network}, which overlaps {first_network} ({first})"
    hint = f"free: {free}" if free else ""
    return error(
        at(settings, *keys), second, found, allowed="networks apart", hint=hint, related=keys
    )


def addresses(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """Every node's address must be one a machine can have, inside the nodes' network."""
    if not makes_nodes(provider):
        return
    network, first = settings.node_network, int(settings.network.control_ip)
    origin = at(settings, CONTROL, NODE)
    if first not in _usable(network):
        yield _outside(origin, str(settings.network.control_ip), network)
    elif first + settings.nodes.workers.count not in _usable(network):
        last = settings.nodes.workers.count
        found = (
            f"{last} workers after {settings.network.control_ip}, more than {network} "
            "has addresses for"
        )
        hint = "take a lower control_ip, fewer workers or a larger node_cidr"
        yield error(at(settings, COUNT, CONTROL), COUNT, found, hint=hint, related=(CONTROL, NODE))
    elif settings.nodes.database.count and first - 1 not in _usable(network):
        found = f"1, and the address before {settings.network.control_ip} can't be a machine's"
        yield error(
            at(settings, BESIDE, CONTROL),
            BESIDE,
            found,
            why="the database's machine gets that one",
            hint="take a higher control_ip",
            related=(CONTROL, NODE),
        )


def _usable(network: IPv4Network) -> range:
    # The first address is the host's own on a bridge or host-only network; the last one is the
    # broadcast.
    return range(int(network.network_address) + 2, int(network.broadcast_address))


def _outside(origin: Origin, found: str, network: IPv4Network) -> Problem:
    usable = _usable(network)
    allowed = (
        f"{IPv4Address(usable[0])} to {IPv4Address(usable[-1])}"
        if usable
        else "a network with room for nodes"
    )
    why = f"in {network} the first address is this machine's own, and the last one is the broadcast"
    return error(origin, CONTROL, found, allowed=allowed, why=why, related=(NODE,))


def virtualbox_range(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """VirtualBox gives host-only networks from one range only, unless its networks.conf names
    more.
    """
    if provider not in ("auto", "vagrant") or settings.vagrant.provider != "virtualbox":
        return
    network, address = settings.node_network, settings.network.control_ip
    if not network.subnet_of(VIRTUALBOX):
        hint = (
            f"{network} is added to /etc/vbox/networks.conf when VirtualBox is used; or "
            "take 192.168.60.10"
        )
        why = (
            "VirtualBox allows host-only networks in no other range unless its "
            "networks.conf names one"
        )
        yield warning(
            at(settings, CONTROL),
            CONTROL,
            str(address),
            allowed=str(VIRTUALBOX),
            why=why,
            hint=hint,
            trap=3,
        )
