"""Kubernetes' own parts of a cluster: which there are, and what the API server says is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeup.facts import objects
from kubeup.facts.faults import Fault, Repair
from kubeup.facts.kubernetes import CONTROL_LABEL
from kubeup.facts.nested import value
from kubeup.facts.pods import pod_ready
from kubeup.facts.trouble import of_pods

Item = dict[str, Any]
KUBE_SYSTEM = "kube-system"
# pods that kubelet starts from files on the control plane, by the label `component`
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
PRESSURE = ("MemoryPressure", "DiskPressure", "PIDPressure")
# taints that Kubernetes sets and takes away by itself
# (https://kubernetes.io/docs/reference/labels-annotations-taints/)
AUTOMATIC = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
OURS = ("metrics-server", "kube-router")  # parts that a manifest of ours brings, not kubeadm
READY_LABEL = "k8s-app"


@dataclass(frozen=True)
class Part:
    """A part that runs as pods: its workload in kube-system, and all objects that make it.

    `app`: its pods' label k8s-app. On every node, where it is a DaemonSet.
    """

    name: str
    workload: str
    app: str
    objects: tuple[str, ...]  # as kubectl takes them


def _part(name: str, workload: str, app: str, *others: str) -> Part:
    return Part(name, workload, app, (workload.lower(), *others))


PARTS = (
    _part(
        "CoreDNS",
        "Deployment/coredns",
        "kube-dns",
        "configmap/coredns",
        "service/kube-dns",
        "serviceaccount/coredns",
        "clusterrole/system:coredns",
        "clusterrolebinding/system:coredns",
    ),
    _part(
        "kube-proxy",
        "DaemonSet/kube-proxy",
        "kube-proxy",
        "configmap/kube-proxy",
        "serviceaccount/kube-proxy",
        "clusterrolebinding/kubeadm:node-proxier",
    ),
    _part(
        "metrics-server",
        "Deployment/metrics-server",
        "metrics-server",
        "service/metrics-server",
        "serviceaccount/metrics-server",
        "apiservice/v1beta1.metrics.k8s.io",
        "clusterrole/system:metrics-server",
        "clusterrolebinding/system:metrics-server",
    ),
    _part(
        "kube-router",
        "DaemonSet/kube-router",
        "kube-router",
        "configmap/kube-router",
        "serviceaccount/kube-router",
        "clusterrole/kube-router",
        "clusterrolebinding/kube-router",
    ),
)
OBJECTS = tuple(one for part in PARTS for one in part.objects)


def changed(made: Sequence[Item], now: Sequence[Item]) -> list[Fault]:
    """Which objects of the parts are gone, or are not as they were made."""
    there = {objects.key(item).lower(): item for item in now}
    found = []
    for part in PARTS:
        for item in made:
            name = objects.key(item)
            if name.lower() not in part.objects:
                continue
            if name.lower() not in there:
                found.append(_put_back(part, name, "is gone", users=False))
            elif words := objects.difference(item, there[name.lower()]):
                found.append(_put_back(part, name, f"was changed: {words}", users=True))
    return found


def _put_back(part: Part, name: str, what: str, users: bool) -> Fault:
    kind, _, short = name.partition("/")
    return Fault(part.name, f"{kind} {short} {what}", "", Repair.OBJECTS, name, users=users)


def not_running(items: Iterable[Item], expected: Iterable[str]) -> list[Fault]:
    """Which of the parts do not run, by all objects of a cluster.

    `expected` are the names of the workloads that it has to have.
    """
    system = [one for one in items if value(one, "metadata", "namespace") == KUBE_SYSTEM]
    return [*_workloads(system, frozenset(expected)), *_control_plane(system)]


def _workloads(system: Sequence[Item], expected: frozenset[str]) -> Iterator[Fault]:
    found = {objects.key(item): item for item in system}
    for part in PARTS:
        item, name = found.get(part.workload), part.workload.partition("/")[2]
        if item is None:
            if name in expected:
                repair = Repair.MANIFEST if part.name in OURS else Repair.NONE
                yield Fault(part.name, f"{part.workload} is gone", "", repair)
        elif not _runs(item):
            pods = [one for one in system if one["kind"] == "Pod" and _app(one) == part.app]
            why = of_pods(part.name, [pod for pod in pods if not pod_ready(pod)])
            what = f"{part.name} does not run as it should"
            yield Fault(part.name, what, why, Repair.WAIT, part.workload)


def _runs(item: Item) -> bool:
    status = item.get("status", {})
    if item["kind"] == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        return bool(status.get("numberReady", 0) >= wanted > 0)
    wanted = item["spec"].get("replicas", 1)
    return bool(status.get("readyReplicas", 0) >= wanted > 0)


def _app(item: Item) -> str:
    return str(value(item, "metadata", "labels", READY_LABEL))


def _control_plane(system: Sequence[Item]) -> Iterator[Fault]:
    for name in STATIC:
        pods = [
            one
            for one in system
            if one["kind"] == "Pod" and value(one, "metadata", "labels", "component") == name
        ]
        if not any(pod_ready(pod) or _starts_with_its_node(pod) for pod in pods):
            yield Fault("control plane", f"{name} does not run", of_pods(name, pods))


def _starts_with_its_node(pod: Item) -> bool:
    """Whether its startup probe is still to pass, for the first time since its node started."""
    rows = value(pod, "status", "containerStatuses", default=[])
    return bool(rows) and all(
        value(row, "state", "running")
        and row.get("started") is False
        # what containerd says of one that went with its machine
        and value(row, "lastState", "terminated", "reason") in ("", "Unknown")
        for row in rows
    )


def of_nodes(items: Iterable[Item]) -> list[Fault]:
    """What keeps pods off nodes that are there."""
    nodes = [item for item in items if item["kind"] == "Node"]
    return [fault for node in nodes for fault in (*_scheduling(node), *_pressure(node))]


def removed(there: Iterable[str], running: Iterable[str]) -> list[Fault]:
    """Which machines `running` as nodes are not among the nodes that are `there`."""
    return [
        Fault(
            name,
            f"{name} is no node of the cluster any more",
            "its machine runs, and a kubelet joins at its start alone",
            Repair.REGISTER,
            name,
        )
        for name in sorted(set(running) - set(there))
    ]


def _scheduling(node: Item) -> Iterator[Fault]:
    name, is_control = node["metadata"]["name"], CONTROL_LABEL in node["metadata"].get("labels", {})
    if node["spec"].get("unschedulable"):
        what = f"{name} takes no new pods: it is cordoned"
        yield Fault(name, what, "", Repair.SCHEDULING, name, users=True)
    for taint in node["spec"].get("taints", []):
        own = is_control and taint["key"] == CONTROL_LABEL
        if not own and not taint["key"].startswith(AUTOMATIC):
            words = f"{taint['key']}:{taint['effect']}"
            yield Fault(
                name,
                f"{name} has the taint {words}",
                "pods that don't tolerate it are kept off",
                Repair.SCHEDULING,
                name,
                (words,),
                users=True,
            )


def _pressure(node: Item) -> Iterator[Fault]:
    conditions: Mapping[str, Item] = {
        row["type"]: row for row in value(node, "status", "conditions", default=[])
    }
    for kind in PRESSURE:
        if conditions.get(kind, {}).get("status") == "True":
            name = node["metadata"]["name"]
            yield Fault(name, f"{name} is short: {kind}", conditions[kind].get("message", ""))
