"""The machines that a profile's settings describe."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kubeup.settings.model import Settings


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A machine as it should be.

    One with the role `db` is no node: it has the database and no Kubernetes.
    """

    name: str
    role: Literal["control", "worker", "db"]
    address: str
    cpus: int
    memory_mb: int


def created_nodes(settings: Settings) -> tuple[NodeSpec, ...]:
    """One control plane and the workers, with the addresses that follow its own."""
    slug, control, workers = settings.slug, settings.nodes.control, settings.nodes.workers
    first = NodeSpec(
        f"{slug}-control", "control", _address(settings, 0), control.cpu, control.memory
    )
    return (
        first,
        *(
            NodeSpec(
                f"{slug}-worker-{number}",
                "worker",
                _address(settings, number),
                workers.cpu,
                workers.memory,
            )
            for number in range(1, workers.count + 1)
        ),
    )


def database_machines(settings: Settings) -> tuple[NodeSpec, ...]:
    """The database's own machine, where there is to be one."""
    wanted = settings.nodes.database
    # before the control plane: workers may become more
    address = _address(settings, -1)
    machine = NodeSpec(settings.database_machine, "db", address, wanted.cpu, wanted.memory)
    return (machine,) if wanted.count else ()


def _address(settings: Settings, number: int) -> str:
    # around the ends of all addresses: a check refuses those, which has to name the nodes for it
    return str(IPv4Address((int(settings.network.control_ip) + number) % 2**32))
