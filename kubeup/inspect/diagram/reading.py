"""From `kubectl get -o json` and the provider's view of its machines to the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from kubeup.cluster.providers.base import NodeState
from kubeup.facts import kubernetes
from kubeup.inspect import reasons
from kubeup.inspect import volumes as volume_facts
from kubeup.inspect.diagram.model import (
    APPS,
    BROWSER,
    Link,
    Node,
    Picture,
    Pod,
    Port,
    Service,
    Volume,
    Workload,
)
from kubeup.inspect.verify.probes import LABEL, OWNER
from kubeup.system.kubectl import Kubectl

NAMESPACES = ("default", "kube-system")
CLUSTER_KINDS = "nodes,persistentvolumes"
KINDS = "pods,services,endpoints,endpointslices,persistentvolumeclaims,deployments,statefulsets"
Item = dict[str, Any]


def collect(kubectl: Kubectl, machines: Sequence[NodeState]) -> Picture:
    """Read the cluster. Where it does not answer, the picture is of the machines alone."""
    if not kubectl.answers():
        return picture((), machines)
    with ThreadPoolExecutor(3) as pool:
        per_namespace = [pool.submit(kubectl.items, "-n", name, KINDS) for name in NAMESPACES]
        items = [
            *kubectl.items(CLUSTER_KINDS),
            *(item for future in per_namespace for item in future.result()),
        ]
    return picture(items, machines)


def as_dict(found: Picture) -> dict[str, Any]:
    """The picture for --json."""
    return asdict(found)


def picture(items: Iterable[Item], machines: Sequence[NodeState]) -> Picture:
    """The picture from objects of any kind; those that are not drawn are left out."""
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        if item["metadata"].get("namespace", "default") in NAMESPACES:
            by_kind.setdefault(item["kind"], []).append(item)
    pods = tuple(
        _pod(item)
        for item in by_kind.get("Pod", [])
        if item["metadata"].get("labels", {}).get(LABEL) != OWNER
    )
    nodes = _nodes(by_kind.get("Node", []), machines, pods)
    names = {node.name for node in nodes}
    endpoints = [*by_kind.get("Endpoints", []), *map(_by_hand, by_kind.get("EndpointSlice", []))]
    services = tuple(_service(item, endpoints, pods) for item in by_kind.get("Service", []))
    workloads = tuple(
        _workload(item) for kind in ("StatefulSet", "Deployment") for item in by_kind.get(kind, [])
    )
    volumes = _volumes(
        by_kind.get("PersistentVolumeClaim", []), by_kind.get("PersistentVolume", []), pods
    )
    drawn = sorted(
        services, key=lambda service: (_rank(service.part), service.namespace, service.name)
    )
    unscheduled_pods = tuple(pod for pod in pods if pod.node not in names)
    return Picture(
        nodes,
        unscheduled_pods,
        tuple(sorted(workloads, key=lambda one: _rank(one.part))),
        tuple(drawn),
        volumes,
        _links(services, nodes),
    )


def part_of(item: Item) -> str:
    """The application that an object belongs to, by its label `app`, or '' for the rest."""
    app = item["metadata"].get("labels", {}).get("app", "") or item.get("spec", {}).get(
        "selector", {}
    ).get("app", "")
    return app if app in APPS else ""


def _rank(part: str) -> int:
    return APPS.index(part) if part in APPS else len(APPS)


def _pod(item: Item) -> Pod:
    meta, fact = item["metadata"], kubernetes.pods([item])[0]
    claims = tuple(
        volume["persistentVolumeClaim"]["claimName"]
        for volume in item["spec"].get("volumes", [])
        if "persistentVolumeClaim" in volume
    )
    return Pod(
        meta["name"],
        meta["namespace"],
        part_of(item),
        fact.node,
        fact.address,
        reasons.pod_trouble(item),
        fact.restarts,
        claims,
    )


def _nodes(
    items: Sequence[Item], machines: Sequence[NodeState], pods: Sequence[Pod]
) -> tuple[Node, ...]:
    facts = {fact.name: fact for fact in kubernetes.nodes(items)}
    cordoned = {item["metadata"]["name"] for item in items if item["spec"].get("unschedulable")}
    states = {machine.name: machine for machine in machines}
    names = [*states, *(name for name in facts if name not in states)]
    drawn = (
        _node(facts.get(name), states.get(name), [pod for pod in pods if pod.node == name])
        for name in names
    )
    return tuple(
        replace(node, why=node.why or "cordoned") if node.name in cordoned else node
        for node in drawn
    )


def _node(fact: kubernetes.KubeNode | None, machine: NodeState | None, pods: Sequence[Pod]) -> Node:
    state, ordered = (
        machine.state if machine else "",
        tuple(sorted(pods, key=lambda pod: (_rank(pod.part), pod.name))),
    )
    if fact is None:
        assert machine is not None  # noqa: S101 - names come from the one or the other
        idle = "" if machine.role == "db" else "not in the cluster"
        why = idle if state == "running" else f"the machine is {state}"
        return Node(machine.name, machine.role, machine.address, "", state, why, ordered)
    why = "" if fact.ready else fact.why or "NotReady"
    if state not in ("", "running"):
        why = f"the machine is {state}"
    return Node(
        fact.name,
        "control" if fact.control else "worker",
        fact.address,
        fact.version,
        state,
        why,
        ordered,
    )


def _workload(item: Item) -> Workload:
    meta, status = item["metadata"], item.get("status", {})
    return Workload(
        item["kind"],
        meta["name"],
        meta["namespace"],
        part_of(item),
        status.get("readyReplicas", 0),
        item["spec"].get("replicas", 1),
    )


def _service(item: Item, endpoints: Sequence[Item], pods: Sequence[Pod]) -> Service:
    meta, spec = item["metadata"], item["spec"]
    mine = [
        one
        for one in endpoints
        if (one["metadata"]["namespace"], one["metadata"]["name"])
        == (meta["namespace"], meta["name"])
    ]
    subsets = [part for one in mine for part in one.get("subsets") or []]
    ready = [row for part in subsets for row in part.get("addresses") or []]
    waiting = [row for part in subsets for row in part.get("notReadyAddresses") or []]
    known = {pod.name for pod in pods}
    headless = spec.get("clusterIP") == "None"
    return Service(
        meta["name"],
        meta["namespace"],
        part_of(item),
        "headless" if headless else spec.get("type", "ClusterIP"),
        "" if headless else spec.get("clusterIP", ""),
        tuple(_port(row) for row in spec.get("ports", [])),
        tuple(name for name in map(_target, ready) if name in known),
        tuple(name for name in map(_target, waiting) if name in known),
        tuple(row["ip"] for row in ready if _target(row) not in known),
        tuple(spec.get("externalIPs", [])),
    )


def _by_hand(item: Item) -> Item:
    """A slice in the shape of Endpoints, where somebody wrote it: those of Kubernetes' own are
    told by the Endpoints already.
    """
    labels, meta = item["metadata"].get("labels", {}), item["metadata"]
    theirs = str(labels.get("endpointslice.kubernetes.io/managed-by", "")).endswith(".k8s.io")
    addresses = (
        []
        if theirs
        else [
            {"ip": address} for row in item.get("endpoints") or [] for address in row["addresses"]
        ]
    )
    return {
        "metadata": {
            "namespace": meta.get("namespace", ""),
            "name": labels.get("kubernetes.io/service-name", ""),
        },
        "subsets": [{"addresses": addresses}],
    }


def _target(row: Item) -> str:
    return str(row.get("targetRef", {}).get("name", ""))


def _port(row: Item) -> Port:
    return Port(
        row.get("nodePort", 0),
        row["port"],
        str(row.get("targetPort", row["port"])),
        row.get("protocol", "TCP"),
    )


def _volumes(
    claims: Sequence[Item], volumes: Sequence[Item], pods: Sequence[Pod]
) -> tuple[Volume, ...]:
    by_name = {item["metadata"]["name"]: item for item in volumes}
    users = {claim: pod.part for pod in pods for claim in pod.claims}
    drawn = [
        _claimed(item, by_name.get(item["spec"].get("volumeName", "")), users) for item in claims
    ]
    bound = {volume.name for volume in drawn}
    return (*drawn, *(_unclaimed(item) for name, item in by_name.items() if name not in bound))


def _claimed(claim: Item, volume: Item | None, users: dict[str, str]) -> Volume:
    name, phase = claim["metadata"]["name"], claim.get("status", {}).get("phase", "unknown")
    part = part_of(claim) or users.get(name, "")
    size = (
        claim.get("status", {}).get("capacity", {}).get("storage", "")
        or claim["spec"]["resources"]["requests"]["storage"]
    )
    if volume is None:
        return Volume(
            name,
            claim["spec"].get("volumeName", ""),
            "",
            "",
            size,
            "",
            part,
            "its volume is gone" if phase == "Bound" else phase,
        )
    return replace(
        _unclaimed(volume), claim=name, size=size, part=part, why="" if phase == "Bound" else phase
    )


def _unclaimed(volume: Item) -> Volume:
    spec, phase = volume["spec"], volume.get("status", {}).get("phase", "")
    return Volume(
        "",
        volume["metadata"]["name"],
        volume_facts.node_of(volume),
        volume_facts.path_of(volume),
        spec["capacity"]["storage"],
        spec.get("persistentVolumeReclaimPolicy", ""),
        part_of(volume),
        "" if phase in ("Bound", "Available") else phase,
    )


def _links(services: Sequence[Service], nodes: Sequence[Node]) -> tuple[Link, ...]:
    """The ways of a request, as far as the Services are there that it takes."""
    by_part = {service.part: service for service in services if service.part}
    address = next((node.address for node in nodes if node.ok), nodes[0].address if nodes else "")
    shown = [by_part[part] for part in ("ui", "api") if part in by_part]
    links = [_link(BROWSER, one, url, True) for one in shown for url in one.urls(address)[:1]]
    for source, target in (("ui", "api"), ("api", "db")):
        if source in by_part and target in by_part:
            service = by_part[target]
            links += [
                _link(source, service, f"{service.name}:{port.own}", by_part[source].ok)
                for port in service.ports[:1]
            ]
    return tuple(links)


def _link(source: str, service: Service, label: str, source_ok: bool) -> Link:
    return Link(source, service.part, label, source_ok and service.ok)
