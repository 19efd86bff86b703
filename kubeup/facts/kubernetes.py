"""What a cluster says of itself, from `kubectl get -o json`.

It is what kubelets said last: the word of one whose machine has started anew since is about what
was before. Such a node or pod is not called ready, see `reported_since_boot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from kubeup.facts.nested import value

Item = dict[str, Any]

# of a container that the runtime could not start at all: on a machine under load the next try may
# well do
START_TRIES = 3
CONTROL_LABEL = "node-role.kubernetes.io/control-plane"
STAMP = "kubeup/provisioned"  # annotation of a node: what it was provisioned with
STAMP_FILE = "/etc/kubeup/provisioned"  # the same on the node itself


@dataclass(frozen=True)
class KubeNode:
    name: str
    ready: bool
    why: str  # the Ready condition's message where it is not
    version: str
    address: str
    control: bool
    images: frozenset[str]
    stamp: str = ""
    schedulable: bool = True
    reported: datetime | None = None  # when its kubelet last did


@dataclass(frozen=True)
class KubePod:
    """A pod and what its containers wait for, in Kubernetes' own words."""

    name: str
    namespace: str
    node: str
    phase: str
    ready: bool
    app: str
    address: str
    restarts: int
    waiting: tuple[tuple[str, str], ...] = ()  # (reason, message) of containers that do not run
    images: tuple[str, ...] = ()
    deleting: bool = False
    began: datetime | None = None  # when the longest running of its containers was started

    @property
    def state(self) -> str:
        """How it is, in a word."""
        if self.deleting:
            return "terminating"
        waits = next((reason for reason, _ in self.waiting), self.phase.lower())
        return "ready" if self.ready else waits


@dataclass(frozen=True)
class KubeClaim:
    name: str
    phase: str
    volume: str
    size: str


@dataclass(frozen=True)
class KubeWorkload:
    """A Deployment or StatefulSet, and how many of its pods are new and ready.

    None is called ready while older ones are left.
    """

    name: str
    app: str
    wanted: int
    ready: int
    namespace: str = "default"

    @property
    def standing(self) -> bool:
        return self.ready >= self.wanted > 0


def workloads(items: Iterable[Item]) -> tuple[KubeWorkload, ...]:
    """Those of `items` that are Deployments or StatefulSets."""
    return tuple(_workload(item) for item in items if item["kind"] in ("Deployment", "StatefulSet"))


def _workload(item: Item) -> KubeWorkload:
    status = item.get("status", {})
    updated = status.get("updatedReplicas", 0)
    current = _observed(item) and status.get("replicas", 0) <= updated
    return KubeWorkload(
        name=item["metadata"]["name"],
        app=app_of(item),
        wanted=item["spec"].get("replicas", 1),
        ready=min(status.get("readyReplicas", 0), updated) if current else 0,
        namespace=value(item, "metadata", "namespace", default="default"),
    )


def _observed(item: Item) -> bool:
    """Whether its controller has seen what is wanted now."""
    seen = value(item, "status", "observedGeneration", default=0)
    return bool(seen >= item["metadata"].get("generation", 0))


def app_of(item: Item) -> str:
    """Its label `app`, '' where it has none."""
    return str(value(item, "metadata", "labels", "app"))


def newest(items: Sequence[Item]) -> list[Item]:
    """Those pods of `items` that a workload among them made from its template as it is now.

    None while the controller has not yet seen the template. A Deployment's newest ReplicaSet
    carries the same revision, a StatefulSet names it:
    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#checking-rollout-history-of-a-deployment.
    """
    seen = [item for item in items if _observed(item)]
    deployments = {
        (item["metadata"]["name"], _revision(item)) for item in seen if item["kind"] == "Deployment"
    }
    replica_sets = {
        item["metadata"]["name"]
        for item in items
        if item["kind"] == "ReplicaSet" and (_owner(item), _revision(item)) in deployments
    }
    hashes = {value(item, "status", "updateRevision") for item in seen} - {""}
    return [
        item
        for item in items
        if item["kind"] == "Pod" and (_owner(item) in replica_sets or _hash(item) in hashes)
    ]


def _revision(item: Item) -> str:
    return str(value(item, "metadata", "annotations", "deployment.kubernetes.io/revision"))


def _hash(item: Item) -> str:
    return str(value(item, "metadata", "labels", "controller-revision-hash"))


def _owner(item: Item) -> str:
    owners = value(item, "metadata", "ownerReferences", default=[])
    return str(owners[0]["name"]) if owners else ""


def reported_since_boot(
    reported_at: datetime | None, node: str, boots: Mapping[str, datetime]
) -> bool:
    """Whether something was reported, or began, after its node's machine had started.

    `boots` has the machines that tell when they did. Kubernetes keeps whole seconds, so a
    machine's are cut off as well.
    """
    return node not in boots or (
        reported_at is not None and reported_at >= boots[node].replace(microsecond=0)
    )


def own_end(end: Mapping[str, Any], restarts: int) -> bool:
    """Whether a container's last end, its `terminated` state, was its program's doing.

    Else it may well run the next time.
    StartError: the runtime could not start it. Unknown: nobody saw it end, as its machine did
    (unknownExitReason in containerd's pkg/cri/server).
    """
    return end.get("reason") != "Unknown" and (
        end.get("reason") != "StartError" or restarts >= START_TRIES
    )


def replaceable(item: Item) -> bool:
    """Whether a new pod in place of this one would start without waiting.

    So it is with one of a Deployment's that ended by itself and is to be started again.
    """
    meta = item["metadata"]
    owners = {owner["kind"] for owner in meta.get("ownerReferences", [])}
    if "ReplicaSet" not in owners or "deletionTimestamp" in meta:
        return False
    return any(map(_ended_by_itself, value(item, "status", "containerStatuses", default=[])))


def _ended_by_itself(row: Item) -> bool:
    waits = value(row, "state", "waiting", "reason") == "CrashLoopBackOff"
    end = value(row, "lastState" if waits else "state", "terminated", default={})
    return bool(end) and own_end(end, row.get("restartCount", 0))


def left_alone(status: Mapping[str, Any]) -> bool:
    """Whether a pod's node has gone, by the pod's status.

    The control plane then says that the pod is not ready, and leaves what the kubelet had last said
    of its containers.
    """
    rows = status.get("containerStatuses", [])
    ready = is_ready({"status": status})
    return bool(rows) and not ready and all(row["ready"] for row in rows)


def condition(item: Item, kind: str) -> Item:
    """The condition of that type; {} where there is none."""
    rows: list[Item] = value(item, "status", "conditions", default=[])
    return next((row for row in rows if row["type"] == kind), {})


def is_ready(item: Item) -> bool:
    return bool(condition(item, "Ready").get("status") == "True")


def claims(items: Iterable[Item]) -> tuple[KubeClaim, ...]:
    return tuple(
        KubeClaim(
            name=item["metadata"]["name"],
            phase=value(item, "status", "phase"),
            volume=item["spec"].get("volumeName", ""),
            size=value(item, "status", "capacity", "storage"),
        )
        for item in items
    )


def nodes(items: Iterable[Item]) -> tuple[KubeNode, ...]:
    return tuple(map(_node, items))


def _node(item: Item) -> KubeNode:
    status, meta = item.get("status", {}), item["metadata"]
    reported, ready = condition(item, "Ready"), is_ready(item)
    addresses = {row["type"]: row["address"] for row in status.get("addresses", [])}
    images = (image.get("names") or [] for image in status.get("images", []))
    return KubeNode(
        name=meta["name"],
        ready=ready,
        why="" if ready else reported.get("message", "no report"),
        version=value(status, "nodeInfo", "kubeletVersion"),
        address=addresses.get("InternalIP", ""),
        control=CONTROL_LABEL in meta.get("labels", {}),
        images=frozenset(chain.from_iterable(images)),
        stamp=value(meta, "annotations", STAMP),
        schedulable=not item["spec"].get("unschedulable", False),
        reported=_time(reported.get("lastHeartbeatTime")),
    )


def pods(items: Iterable[Item]) -> tuple[KubePod, ...]:
    return tuple(map(_pod, items))


def _pod(item: Item) -> KubePod:
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    rows = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    states = [row.get("state", {}) for row in rows]
    waiting = [state["waiting"] for state in states if "waiting" in state]
    began = [_time(value(state, "running", "startedAt", default=None)) for state in states]
    return KubePod(
        name=meta["name"],
        namespace=meta.get("namespace", ""),
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        ready=is_ready(item),
        app=app_of(item),
        address=status.get("podIP", ""),
        restarts=sum(row.get("restartCount", 0) for row in rows),
        waiting=tuple((wait.get("reason", ""), wait.get("message", "")) for wait in waiting),
        images=tuple(row["image"] for row in spec["containers"]),
        deleting="deletionTimestamp" in meta,
        began=min(filter(None, began), default=None),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
