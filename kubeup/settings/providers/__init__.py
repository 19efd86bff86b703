"""The providers that settings may name: a module with the section, rules and checks of each.

Nothing else in the settings asks which provider it is.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Literal

from kubeup.settings.providers import auto, existing, hosts, local, minikube, vagrant
from kubeup.settings.providers.base import Rules

Provider = Literal["auto", "local", "minikube", "vagrant", "hosts", "existing"]

RULES: dict[str, Rules] = {
    rules.name: rules
    for rules in (
        auto.RULES,
        local.RULES,
        minikube.RULES,
        vagrant.RULES,
        hosts.RULES,
        existing.RULES,
    )
}


def tool_networks() -> tuple[IPv4Network, ...]:
    """Those that providers' tools take by themselves: nobody outside has a way there."""
    return tuple(network for rules in RULES.values() for network in rules.networks)
