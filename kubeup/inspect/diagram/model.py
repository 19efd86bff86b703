"""The picture as data: what every renderer draws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Part = Literal["all", "db", "api", "ui"]
APPS = ("ui", "api", "db")  # in the order in which a request passes them
TITLES = {"all": "the cluster", "db": "database", "api": "API", "ui": "UI"}
BROWSER = "browser"
HTTP = 80  # the port that a URL does without


@dataclass(frozen=True)
class Pod:
    """A pod; `part` is ui, api, db, or '' for the rest; `why` is set where it is not ready."""

    name: str
    namespace: str
    part: str
    node: str
    address: str
    why: str = ""
    restarts: int = 0
    claims: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Node:
    """A node and the machine under it, or with the role `db` a machine beside them.

    `machine` is the provider's word ('' where it told nothing); `version` is '' outside the
    cluster.
    """

    name: str
    role: str  # control, worker, db
    address: str
    version: str
    machine: str = ""
    why: str = ""
    pods: tuple[Pod, ...] = ()

    @property
    def title(self) -> str:
        return {"control": "control plane", "db": "the database's machine"}.get(
            self.role, self.role
        )

    @property
    def ok(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet."""

    kind: str
    name: str
    namespace: str
    part: str
    ready: int
    wanted: int

    @property
    def ok(self) -> bool:
        return self.ready >= self.wanted > 0


@dataclass(frozen=True)
class Port:
    """A Service's port: the one on every node (0: none), its own, and the pods'."""

    node: int
    own: int
    target: str
    protocol: str = "TCP"

    @property
    def words(self) -> str:
        """As in `31000 → 8000`: the way from outside to inside."""
        steps = [
            *([str(self.node)] if self.node else []),
            str(self.own),
            *([self.target] if self.target.isdigit() else []),
        ]
        return " → ".join(dict.fromkeys(steps)) + ("/UDP" if self.protocol == "UDP" else "")


@dataclass(frozen=True)
class Service:
    """A Service and the names of the pods behind it; `waiting` are those that are not ready."""

    name: str
    namespace: str
    part: str
    type: str
    address: str
    ports: tuple[Port, ...]
    pods: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()  # addresses behind it that are no pod's
    external: tuple[str, ...] = ()  # addresses of nodes that lead to it

    @property
    def ok(self) -> bool:
        return bool(self.pods or self.outside)

    @property
    def words(self) -> str:
        ports = ", ".join(port.words for port in self.ports)
        own = ", ".join(str(port.own) for port in self.ports)
        external = f", {own} on {len(self.external)} nodes" if self.external else ""
        return f"{self.type} {ports}{external}"

    def urls(self, address: str) -> tuple[str, ...]:
        """Where a browser finds it on the node of that address, the shortest first."""
        own = self.ports if address in self.external else ()
        numbers = [*(port.own for port in own), *(port.node for port in self.ports if port.node)]
        ends = [f":{number}" if number != HTTP else "" for number in numbers]
        return tuple(f"http://{address}{end}" for end in ends)


@dataclass(frozen=True)
class Volume:
    """A claim, the volume it is bound to, and the node and folder where that lies.

    `claim` is '' for a volume that nothing claims.
    """

    claim: str
    name: str
    node: str
    path: str
    size: str
    policy: str
    part: str = ""
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Link:
    """Who talks to whom: from browser or a part to the Service of a part.

    `label` is the way it takes.
    """

    source: str
    target: str
    label: str
    ok: bool


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn."""

    nodes: tuple[Node, ...] = ()
    unscheduled_pods: tuple[Pod, ...] = ()  # pods that are on no node
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    volumes: tuple[Volume, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def pods(self) -> tuple[Pod, ...]:
        return (*(pod for node in self.nodes for pod in node.pods), *self.unscheduled_pods)

    def service(self, part: str) -> Service | None:
        """The Service of one of the applications."""
        return next((service for service in self.services if service.part == part), None)

    def only(self, part: Part) -> Picture:
        """The picture of one part: its workloads, its Service, its volumes, and the nodes that
        carry any of it.
        """
        if part == "all":
            return self
        volumes = tuple(volume for volume in self.volumes if volume.part == part)
        nodes = tuple(
            replace(node, pods=tuple(pod for pod in node.pods if pod.part == part))
            for node in self.nodes
        )
        return Picture(
            tuple(
                node
                for node in nodes
                if node.pods
                or node.role == part
                or any(volume.node == node.name for volume in volumes)
            ),
            tuple(pod for pod in self.unscheduled_pods if pod.part == part),
            tuple(workload for workload in self.workloads if workload.part == part),
            tuple(service for service in self.services if service.part == part),
            volumes,
            tuple(link for link in self.links if part in (link.source, link.target)),
        )
