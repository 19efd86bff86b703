"""Checks of values against each other, and against the provider that will use them.

Each check is a pure function of the settings that yields problems; none looks at the machine.
"""

from __future__ import annotations

from itertools import chain

from kubeup.settings.checks import networks, services, software
from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem
from kubeup.settings.providers import RULES, Provider


def check_provider(settings: Settings, provider: Provider) -> list[Problem]:
    """Every check, as it stands for this provider: ask again once `auto` has been decided."""
    rules = RULES[provider]
    of_sections = chain.from_iterable(each.section_checks for each in RULES.values())
    return [
        *chain.from_iterable(check(settings, rules) for check in _BY_RULES),
        *chain.from_iterable(check(settings) for check in (*_ALWAYS, *of_sections, *rules.checks)),
    ]


_ALWAYS = (
    services.ports,
    services.database,
    services.images,
    services.insecure_registry,
    services.mirrors,
)
_BY_RULES = (
    networks.sizes,
    networks.pod_ranges,
    networks.overlaps,
    networks.addresses,
    services.database_machine,
    software.release,
    software.pod_network,
    software.containerd,
    software.home_folder,
)
