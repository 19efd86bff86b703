"""Machines and clusters that are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from kubeup.settings.checks.networks import used_networks
from kubeup.settings.checks.place import at
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem, error
from kubeup.settings.sections import Host

_EXAMPLE = "such as: hosts: [{name: one, address: 192.168.1.10, role: control}]"


def machines(settings: Settings, provider: Provider) -> Iterator[Problem]:
    yield from _twice(settings, "name", [host.name for host in settings.hosts])
    yield from _twice(
        settings, "address", [f"{host.address}:{host.port}" for host in settings.hosts]
    )
    if provider != "hosts":
        return
    controls = sum(host.role == "control" for host in settings.hosts)
    if controls != 1:
        found = f"{controls} machines with role: control" if settings.hosts else "no machines"
        origin = at(settings, "hosts", "provider")
        yield error(
            origin,
            "hosts",
            found,
            allowed="exactly one control plane",
            hint=_EXAMPLE,
            related=("provider",),
        )
    for number, host in enumerate(settings.hosts):
        yield from _inside(settings, f"hosts.{number}.address", host)


def _twice(settings: Settings, field: str, values: list[str]) -> Iterator[Problem]:
    counts = Counter(values)
    for number, value in enumerate(values):
        if counts[value] > 1 and value in values[:number]:
            key = f"hosts.{number}.{field}"
            found = f"{value}, which hosts.{values.index(value)} has too"
            yield error(
                at(settings, key), key, found, allowed=f"another {field}", related=("hosts",)
            )


def _inside(settings: Settings, key: str, host: Host) -> Iterator[Problem]:
    for network_key, network in used_networks(settings, "hosts").items():
        if _is_in(host.address, network):
            found = f"{host.address}, which lies in {network} ({network_key})"
            yield error(
                at(settings, key),
                key,
                found,
                allowed="an address outside",
                related=("hosts", network_key),
            )


def _is_in(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except AddressValueError:
        return False  # a host name: where it leads is known only when it is asked


def context(settings: Settings, provider: Provider) -> Iterator[Problem]:
    if provider == "existing" and not settings.existing.context:
        why = "the current context may be any cluster, also one that is not meant"
        origin = at(settings, "existing", "provider")
        key, allowed, hint = (
            "existing.context",
            "a context's name",
            "kubectl config get-contexts lists them",
        )
        yield error(
            origin, key, "nothing", allowed=allowed, why=why, hint=hint, related=("provider",)
        )
