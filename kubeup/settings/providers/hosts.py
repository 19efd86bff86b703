"""Machines of your own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Literal

from kubeup.settings import kinds
from kubeup.settings.nodes import NodeSpec
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Section

if TYPE_CHECKING:
    from kubeup.settings.model import Settings


class Host(Section):
    """A machine of your own."""

    name: kinds.HostName
    """its node name"""
    address: kinds.HostAddress
    """where SSH reaches it"""
    role: Literal["control", "worker"] = "worker"
    user: kinds.UserName | None = None
    """default: ssh.user"""
    port: kinds.Port = 22
    """SSH port"""


def nodes(settings: Settings) -> tuple[NodeSpec, ...]:
    return tuple(_node(settings, host) for host in settings.hosts)


def _node(settings: Settings, host: Host) -> NodeSpec:
    size = settings.nodes.control if host.role == "control" else settings.nodes.workers
    return NodeSpec(host.name, host.role, host.address, size.cpu, size.memory)


def node_count(settings: Settings) -> int:
    return len(settings.hosts)


def duplicates(settings: Settings) -> Iterator[Problem]:
    yield from _twice(settings, "name", [host.name for host in settings.hosts])
    addresses = [f"{host.address}:{host.port}" for host in settings.hosts]
    yield from _twice(settings, "address", addresses)


def _twice(settings: Settings, field: str, values: list[str]) -> Iterator[Problem]:
    for number, value in enumerate(values):
        if value in values[:number]:
            yield settings.error(
                f"hosts.{number}.{field}",
                f"{value}, which hosts.{values.index(value)} has too",
                allowed=f"another {field}",
                related=("hosts",),
            )


def control_plane(settings: Settings) -> Iterator[Problem]:
    count = sum(host.role == "control" for host in settings.hosts)
    if count != 1:
        yield settings.error(
            "hosts",
            f"{count} machines with role: control" if settings.hosts else "no machines",
            allowed="exactly one control plane",
            hint="such as: hosts: [{name: one, address: 192.168.1.10, role: control}]",
            related=("provider",),
        )


def addresses(settings: Settings) -> Iterator[Problem]:
    """No machine may have an address of the networks that are made for pods and Services."""
    made = {
        "network.pod_cidr": settings.network.pod_cidr,
        "network.service_cidr": settings.network.service_cidr,
    }
    for number, host in enumerate(settings.hosts):
        for key, network in made.items():
            if _is_in(host.address, network):
                yield settings.error(
                    f"hosts.{number}.address",
                    f"{host.address}, which is in {network} ({key})",
                    allowed="an address outside",
                    related=("hosts", key),
                )


def _is_in(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except AddressValueError:
        return False  # a host name: where it leads is known only when it is asked


RULES = Rules(
    name="hosts",
    uses_kubeadm=True,
    no_machines="with provider hosts the machines exist already",
    no_folders="not used: hosts shares no folders",
    nodes=nodes,
    node_count=node_count,
    checks=(control_plane, addresses),
    section_checks=(duplicates,),
)
