"""The cluster's networks against the routes a machine already has."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from kubeup.facts.host import Route
from kubeup.settings.checks.networks import CONTROL, NODE, used_networks
from kubeup.settings.checks.ranges import free_range
from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem
from kubeup.settings.providers import RULES, Provider

# Networks that a provider makes for the nodes: found again on every later run.
_VIRTUAL = tuple(device for rules in RULES.values() for device in rules.devices)


def check_routes(
    settings: Settings, routes: Iterable[Route], provider: Provider | None = None
) -> list[Problem]:
    """One problem for each network that a route overlaps, with a free one to take instead."""
    networks = used_networks(settings, RULES[provider or settings.provider])
    # the default route leads everywhere and collides with nothing
    known = [route for route in routes if route.network.prefixlen]
    taken = [*(route.network for route in known), *networks.values()]
    return [
        _problem(settings, key, network, hits, taken)
        for key, network in networks.items()
        if (hits := [route for route in known if _collides(key, network, route)])
    ]


def _collides(key: str, network: IPv4Network, route: Route) -> bool:
    made = route.device.startswith(_VIRTUAL) and route.network.subnet_of(network)
    return route.network.overlaps(network) and not (key == NODE and made)


def _problem(
    settings: Settings,
    key: str,
    network: IPv4Network,
    hits: list[Route],
    taken: list[IPv4Network],
) -> Problem:
    named = " and ".join(f"{route.network} ({route.device})" for route in hits[:3])
    more = f" and {len(hits) - 3} more" if len(hits) > 3 else ""
    free = free_range(network.prefixlen, taken)
    return settings.error(
        key,
        f"{network}, which overlaps this machine's route to {named}{more}",
        allowed="a network without a route",
        why="traffic for one of them would end up in the other",
        hint=f"free here: {free}" if free else "",
        trap=2,
        related=(CONTROL,) if key == NODE else (),
    )
