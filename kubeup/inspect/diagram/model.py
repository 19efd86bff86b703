"""The picture as data: what every renderer draws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from kubeup.core.services import NAMES, SERVICES

ALL = "all"
APPS = tuple(reversed(NAMES))  # in the order in which a request passes them
PARTS = (ALL, *NAMES)
TITLES = {ALL: "the cluster"} | {one.name: one.title.removeprefix("the ") for one in SERVICES}
BROWSER = "browser"
HTTP = 80  # the port that a URL does without
ROLES = {"control": "control plane", "db": "the database's machine"}


def mark(ok: bool) -> str:
    return "✓" if ok else "✗"


def marked(ok: bool, text: str) -> str:
    """The text, with a mark where something is wrong: colours alone do not reach everybody."""
    return text if ok else f"{mark(ok)} {text}"


def shortened(text: str, letters: int) -> str:
    """The text, or its beginning with an ellipsis where it is longer."""
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


@dataclass(frozen=True)
class Pod:
    """A pod; `part` is one of APPS, or '' for the rest; `why` is set where it is not ready."""

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

    @property
    def restarted(self) -> str:
        """How often, in words; '' for never."""
        if not self.restarts:
            return ""
        return "1 restart" if self.restarts == 1 else f"{self.restarts} restarts"


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
        return ROLES.get(self.role, self.role)

    @property
    def applications(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if pod.part)

    @property
    def others(self) -> tuple[Pod, ...]:
        """The pods of Kubernetes itself."""
        return tuple(pod for pod in self.pods if not pod.part)

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
        # a target may be a port's name, which tells nothing here; equal numbers are said once
        target = self.target if self.target.isdigit() else ""
        steps = dict.fromkeys(filter(None, (str(self.node or ""), str(self.own), target)))
        protocol = "" if self.protocol == "TCP" else f"/{self.protocol}"
        return f"{' → '.join(steps)}{protocol}"


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
        if not self.external:
            return f"{self.type} {ports}"
        own = ", ".join(str(port.own) for port in self.ports)
        return f"{self.type} {ports}, {own} on {len(self.external)} nodes"

    def urls(self, address: str) -> tuple[str, ...]:
        """Where a browser finds it on the node of that address, the shortest first."""
        numbers = [port.node for port in self.ports if port.node]
        if address in self.external:
            numbers = [*(port.own for port in self.ports), *numbers]
        urls = (f"http://{address}:{number}" for number in numbers)
        return tuple(url.removesuffix(f":{HTTP}") for url in urls)


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

    @property
    def claimed(self) -> str:
        return f"claim {self.claim}" if self.claim else "no claim"


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

    @property
    def versions(self) -> str:
        """Kubernetes' on the nodes: one, but in the middle of an upgrade."""
        return ", ".join(sorted({node.version for node in self.nodes if node.version}))

    @property
    def app_services(self) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.part)

    def volumes_on(self, node: str) -> tuple[Volume, ...]:
        return tuple(volume for volume in self.volumes if volume.node == node)

    def users(self, volume: Volume) -> tuple[Pod, ...]:
        """The pods that use a volume by its claim."""
        return tuple(pod for pod in self.pods if volume.claim and volume.claim in pod.claims)

    def service(self, part: str) -> Service | None:
        """The Service of one of the applications."""
        return next((service for service in self.services if service.part == part), None)

    def only(self, part: str) -> Picture:
        """The picture of one part, with the nodes that carry any of it."""
        if part == "all":
            return self
        volumes = _of(part, self.volumes)
        nodes = [replace(node, pods=_of(part, node.pods)) for node in self.nodes]
        # the database's own machine carries it without being a node of the cluster
        carrying = {part, *(volume.node for volume in volumes)}
        return Picture(
            nodes=tuple(node for node in nodes if node.pods or {node.role, node.name} & carrying),
            unscheduled_pods=_of(part, self.unscheduled_pods),
            workloads=_of(part, self.workloads),
            services=_of(part, self.services),
            volumes=volumes,
            links=tuple(link for link in self.links if part in (link.source, link.target)),
        )


def _of(part: str, things: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(thing for thing in things if thing.part == part)
