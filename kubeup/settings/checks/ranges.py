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
    used = list(taken)
    found = (_in_pool(pool, prefix, used) for pool in _POOLS if pool.prefixlen <= prefix)
    return next((network for network in found if network), None)


def _in_pool(pool: IPv4Network, prefix: int, used: list[IPv4Network]) -> IPv4Network | None:
    # From one obstacle's end to the next: trying each of a million small networks would take
    # seconds.
    size, start, end = 2 ** (32 - prefix), int(pool.network_address), int(pool.broadcast_address)
    while start + size - 1 <= end:
        candidate = IPv4Network((start, prefix))
        obstacle = next((network for network in used if network.overlaps(candidate)), None)
        if obstacle is None:
            return candidate
        start = -(-(int(obstacle.broadcast_address) + 1) // size) * size
    return None
