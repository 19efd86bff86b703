"""From `kubectl get -o json` and the provider's view of its machines to the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from kubeup.cluster.providers.base import NodeState
from kubeup.core.services import SERVICES
from kubeup.facts import kubernetes, trouble
from kubeup.facts.volumes import node_of, path_of
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
CALLS = (("-n", "default", KINDS), ("-n", "kube-system", KINDS), (CLUSTER_KINDS,))
# Kubernetes' own controllers, which also mirror Endpoints into slices (kubernetes/kubernetes#91637)
CONTROLLER = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
Item = dict[str, Any]
Key = tuple[str, str]  # namespace and name


def collect(kubectl: Kubectl, machines: Sequence[NodeState]) -> Picture:
    """Read the cluster. Where it does not answer, the picture is of the machines alone."""
    if not kubectl.answers():
        return picture((), machines)
    with ThreadPoolExecutor(len(CALLS)) as pool:
        answers = pool.map(lambda words: kubectl.items(*words), CALLS)
        return picture([item for items in answers for item in items], machines)


def picture(items: Iterable[Item], machines: Sequence[NodeState]) -> Picture:
    """The picture from objects of any kind; those that are not drawn are left out."""
    by_kind = defaultdict[str, list[Item]](list)
    for item in items:
        # nodes and volumes are in no namespace
        if item["metadata"].get("namespace", "default") in NAMESPACES:
            by_kind[item["kind"]].append(item)
    # a verification that runs at the same time is not part of the system
    pods = [_pod(item) for item in by_kind["Pod"] if _labels(item).get(LABEL) != OWNER]
    nodes = _nodes(by_kind["Node"], machines, pods)
    names = {node.name for node in nodes}
    subsets = _subsets(by_kind["Endpoints"], by_kind["EndpointSlice"])
    services = [_service(item, subsets[_key(item)], pods) for item in by_kind["Service"]]
    services.sort(key=lambda service: (_rank(service.part), service.namespace, service.name))
    workloads = [_workload(item) for item in by_kind["StatefulSet"] + by_kind["Deployment"]]
    workloads.sort(key=lambda workload: _rank(workload.part))
    return Picture(
        nodes=tuple(nodes),
        unscheduled_pods=tuple(pod for pod in pods if pod.node not in names),
        workloads=tuple(workloads),
        services=tuple(services),
        volumes=tuple(
            _volumes(by_kind["PersistentVolumeClaim"], by_kind["PersistentVolume"], pods)
        ),
        links=tuple(_links(services, nodes)),
    )


def part_of(item: Item) -> str:
    """The application that an object belongs to, by its label `app`, or '' for the rest."""
    # a Service may have no label itself, but selects by one
    app = _labels(item).get("app") or item.get("spec", {}).get("selector", {}).get("app")
    return app if app in APPS else ""


def _labels(item: Item) -> Mapping[str, str]:
    labels: Mapping[str, str] = item["metadata"].get("labels", {})
    return labels


def _key(item: Item) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _rank(part: str) -> int:
    return APPS.index(part) if part in APPS else len(APPS)


def _pod(item: Item) -> Pod:
    (fact,) = kubernetes.pods([item])
    volumes = item["spec"].get("volumes", [])
    claims = [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in volumes]
    return Pod(
        name=fact.name,
        namespace=fact.namespace,
        part=part_of(item),
        node=fact.node,
        address=fact.address,
        why=trouble.why(item),
        restarts=fact.restarts,
        claims=tuple(filter(None, claims)),
    )


def _nodes(items: Sequence[Item], machines: Sequence[NodeState], pods: Sequence[Pod]) -> list[Node]:
    """The machines, then the nodes that the provider does not know of."""
    nodes = {machine.name: _machine(machine) for machine in machines}
    for fact in kubernetes.nodes(items):
        machine = nodes.get(fact.name)
        nodes[fact.name] = _node(fact, machine.machine if machine else "")
    # applications first: they are what a picture is looked at for
    ordered = sorted(pods, key=lambda pod: (_rank(pod.part), pod.name))
    return [
        replace(node, pods=tuple(pod for pod in ordered if pod.node == node.name))
        for node in nodes.values()
    ]


def _machine(machine: NodeState) -> Node:
    """A machine that is no node of the cluster."""
    why = ""
    if machine.state != "running":
        why = f"the machine is {machine.state}"
    elif machine.role != "db":
        why = "not in the cluster"
    return Node(machine.name, machine.role, machine.address, "", machine.state, why)


def _node(fact: kubernetes.KubeNode, machine: str) -> Node:
    """A node of the cluster, on a machine in that state ('' where it is not known)."""
    role = "control" if fact.control else "worker"
    why = ""
    if machine not in ("", "running"):
        # the API server hears of it 40 s later (node-monitor-grace-period)
        why = f"the machine is {machine}"
    elif not fact.ready:
        why = fact.why or "NotReady"
    elif not fact.schedulable:
        why = "cordoned"
    return Node(fact.name, role, fact.address, fact.version, machine, why)


def _workload(item: Item) -> Workload:
    namespace, name = _key(item)
    return Workload(
        kind=item["kind"],
        name=name,
        namespace=namespace,
        part=part_of(item),
        ready=item.get("status", {}).get("readyReplicas", 0),
        wanted=item["spec"].get("replicas", 1),
    )


def _service(item: Item, subsets: Sequence[Item], pods: Sequence[Pod]) -> Service:
    namespace, name = _key(item)
    spec = item["spec"]
    known = {pod.name for pod in pods}
    # addresses that are no pod's lead out of the cluster, as those of a database on a machine
    ready = [row for subset in subsets for row in subset.get("addresses") or []]
    waiting = [row for subset in subsets for row in subset.get("notReadyAddresses") or []]
    headless = spec.get("clusterIP") == "None"
    return Service(
        name=name,
        namespace=namespace,
        part=part_of(item),
        type="headless" if headless else spec.get("type", "ClusterIP"),
        address="" if headless else spec.get("clusterIP", ""),
        ports=tuple(map(_port, spec.get("ports", []))),
        pods=tuple(target for target in map(_target, ready) if target in known),
        waiting=tuple(target for target in map(_target, waiting) if target in known),
        outside=tuple(dict.fromkeys(row["ip"] for row in ready if _target(row) not in known)),
        external=tuple(spec.get("externalIPs", [])),
    )


def _subsets(endpoints: Sequence[Item], slices: Sequence[Item]) -> Mapping[Key, list[Item]]:
    """The addresses behind each Service.

    Slices count where somebody wrote them: Kubernetes' own say what the Endpoints say.
    """
    subsets = defaultdict[Key, list[Item]](list)
    for item in endpoints:
        subsets[_key(item)] += item.get("subsets") or []
    for item in slices:
        labels, (namespace, _) = _labels(item), _key(item)
        if labels.get(CONTROLLER, "").endswith(".k8s.io"):
            continue
        rows = item.get("endpoints") or []
        addresses = [{"ip": address} for row in rows for address in row["addresses"]]
        subsets[namespace, labels.get(SERVICE_NAME, "")].append({"addresses": addresses})
    return subsets


def _target(row: Item) -> str:
    return str(row.get("targetRef", {}).get("name", ""))


def _port(row: Item) -> Port:
    return Port(
        node=row.get("nodePort", 0),
        own=row["port"],
        target=str(row.get("targetPort", row["port"])),
        protocol=row.get("protocol", "TCP"),
    )


def _volumes(claims: Sequence[Item], volumes: Sequence[Item], pods: Sequence[Pod]) -> list[Volume]:
    """The claims with what they are bound to, then the volumes that nothing claims."""
    # what a claim is bound to is taken out; what is left nothing claims
    unclaimed = {item["metadata"]["name"]: _volume(item) for item in volumes}
    parts = {claim: pod.part for pod in pods for claim in pod.claims}
    drawn = []
    for item in claims:
        claim = _claim(item, unclaimed.pop(item["spec"].get("volumeName", ""), None))
        drawn.append(replace(claim, part=part_of(item) or parts.get(claim.claim, "")))
    return [*drawn, *unclaimed.values()]


def _claim(item: Item, volume: Volume | None) -> Volume:
    (claim,) = kubernetes.claims([item])
    size = claim.size or item["spec"]["resources"]["requests"]["storage"]
    bound = claim.phase == "Bound"
    if volume is None:
        volume = Volume("", claim.volume, "", "", "", "", why="its volume is gone")
    elif bound:
        # what is used through the claim counts, whatever else the volume's phase says
        volume = replace(volume, why="")
    if not bound:
        volume = replace(volume, why=claim.phase or "unknown")
    return replace(volume, claim=claim.name, size=size)


def _volume(item: Item) -> Volume:
    spec, phase = item["spec"], item.get("status", {}).get("phase", "")
    return Volume(
        claim="",
        name=item["metadata"]["name"],
        node=node_of(item),
        path=path_of(item),
        size=spec["capacity"]["storage"],
        policy=spec.get("persistentVolumeReclaimPolicy", ""),
        part=part_of(item),
        why="" if phase in ("Bound", "Available") else phase,
    )


def _links(services: Sequence[Service], nodes: Sequence[Node]) -> list[Link]:
    """The ways of a request, as far as the Services are there that it takes."""
    by_part = {service.part: service for service in services}
    # every node has the NodePorts: one that is well answers even where another does not
    node = min(nodes, key=lambda node: not node.ok, default=None)
    links = []
    for part in (one.name for one in reversed(SERVICES) if one.page):
        service = by_part.get(part)
        if service and node:
            links += [
                Link(BROWSER, part, url, service.ok) for url in service.urls(node.address)[:1]
            ]
    for part, target in ((one.name, one.needs) for one in reversed(SERVICES) if one.needs):
        source, service = by_part.get(part), by_part.get(target)
        if source and service:
            ok = source.ok and service.ok
            ports = service.ports[:1]
            links += [Link(part, target, f"{service.name}:{port.own}", ok) for port in ports]
    return links
