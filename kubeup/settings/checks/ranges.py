"""A network that nobody uses."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

# Those Kubernetes users know first, then everything private.
_POOLS = tuple(
    IPv4Network(text)
    for text in (
        "10.244.0.0/14",
        "10.96.0.0/12",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
    )
)


def free_range(prefix: int, taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """The first private network of this size that overlaps none of those taken."""
    used, size = list(taken), 2 ** (32 - prefix)
    # Where a pool or what is taken ends, rounded up: trying each of a million small networks would
    # take seconds.
    ends = sorted(int(network.broadcast_address) + 1 for network in used)
    for pool in _POOLS:
        first = int(pool.network_address)
        for start in (first, *(-(-end // size) * size for end in ends if end > first)):
            found = IPv4Network((start % 2**32, prefix), strict=False)
            if found.subnet_of(pool) and not any(found.overlaps(network) for network in used):
                return found
    return None
