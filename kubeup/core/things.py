"""What is made outside the project's own folders, as a profile's record keeps it and steps name it.

| kind | name | at | found by | undone by |
|---|---|---|---|---|
| container, volume, network | the engine's | podman, docker | their labels | that engine's `rm` |
| rules | the nodes' network | podman, docker | the profile's chains in the packet filter | taking
the chains away |
| machine | Vagrant's | virtualbox, libvirt, docker | Vagrant's index in the profile | `vagrant
destroy` |
| profile | minikube's | minikube | `minikube profile list`, the mark in its folder | `minikube
delete` |
| service | its container | a machine: name, or name@address | docker there | `docker rm`, its
files, its packet filter and its timer |
| line | the line | a file | the line, as it was written | taking it away |
| context | its name | a kubeconfig | the name | taking it away, with what only it uses |

Images, prepared disks and the cache are named by their content and shared by all profiles and
checkouts: they are nobody's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

Kind = Literal[
    "container", "volume", "network", "rules", "machine", "profile", "service", "line", "context"
]


@dataclass(frozen=True, order=True)
class Thing:
    """One of them. `at`: who has it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}

    kind: Kind
    name: str
    at: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.at})" if self.at else f"{self.kind} {self.name}"


def of_kind(things: Collection[Thing], *kinds: Kind) -> tuple[Thing, ...]:
    return tuple(thing for thing in things if thing.kind in kinds)
