"""Checks of values against each other, and against the provider that will use them.

Each check is a pure function of the settings that yields problems; none looks at the machine.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeup.settings.checks import hosts, networks, services, software
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem


def check_provider(settings: Settings, provider: Provider) -> list[Problem]:
    """Every check, as it stands for this provider: ask again once `auto` has been decided."""
    return list(_checks(settings, provider))


def _checks(settings: Settings, provider: Provider) -> Iterator[Problem]:
    yield from networks.sizes(settings, provider)
    yield from networks.overlaps(settings, provider)
    yield from networks.addresses(settings, provider)
    yield from networks.virtualbox_range(settings, provider)
    yield from services.ports(settings)
    yield from services.database(settings)
    yield from services.machine(settings, provider)
    yield from services.images(settings)
    yield from services.mirrors(settings)
    yield from software.node_image(settings, provider)
    yield from software.pod_network(settings, provider)
    yield from software.vagrant_image(settings, provider)
    yield from software.vagrant_box(settings, provider)
    yield from software.containerd(settings, provider)
    yield from software.home_folder(settings, provider)
    yield from hosts.machines(settings, provider)
    yield from hosts.context(settings, provider)
