"""What a cluster says of itself, from `kubectl get -o json`.

It is what kubelets said last: the word of one whose machine has started anew since is about what
was before. Such a node or pod is not called ready, see `reported_since_boot`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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


@dataclass(frozen=True)
class KubeClaim:
    name: str
    phase: str
    volume: str
    size: str


@dataclass(frozen=True)
class KubeWorkload:
    """A Deployment or StatefulSet: how many pods it wants, and how many of them are new and
    ready; 0 ready while older ones are left.
    """

    name: str
    app: str
    wanted: int
    ready: int
    namespace: str = "default"

    @property
    def standing(self) -> bool:
        return self.ready >= self.wanted > 0


def workloads(items: Iterable[dict[str, Any]]) -> tuple[KubeWorkload, ...]:
    """Those of `items` that are Deployments or StatefulSets."""
    return tuple(_workload(item) for item in items if item["kind"] in ("Deployment", "StatefulSet"))


def _workload(item: dict[str, Any]) -> KubeWorkload:
    status = item.get("status", {})
    observed = status.get("observedGeneration", 0) >= item["metadata"].get("generation", 0)
    current = observed and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
    ready = min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0)) if current else 0
    meta = item["metadata"]
    return KubeWorkload(
        meta["name"],
        meta.get("labels", {}).get("app", ""),
        item["spec"].get("replicas", 1),
        ready,
        meta.get("namespace", "default"),
    )


def newest(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those pods of `items` that a Deployment or StatefulSet among them made from its template as
    it is now.

    None while the controller has not yet seen the template. A Deployment's newest ReplicaSet
    carries the same revision, a StatefulSet names it:
    https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#checking-rollout-history-of-a-deployment.
    """
    seen = [
        item
        for item in items
        if item.get("status", {}).get("observedGeneration", 0)
        >= item["metadata"].get("generation", 0)
    ]
    deployments = {
        (item["metadata"]["name"], _revision(item)) for item in seen if item["kind"] == "Deployment"
    }
    sets = {
        item["metadata"]["name"]
        for item in items
        if item["kind"] == "ReplicaSet" and (_owner(item), _revision(item)) in deployments
    }
    updates = {
        item["status"].get("updateRevision") for item in seen if item["kind"] == "StatefulSet"
    }
    return [
        item
        for item in items
        if item["kind"] == "Pod"
        and (
            _owner(item) in sets
            or item["metadata"].get("labels", {}).get("controller-revision-hash") in updates
        )
    ]


def _revision(item: dict[str, Any]) -> str:
    return str(item["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", ""))


def _owner(item: dict[str, Any]) -> str:
    return next((str(one["name"]) for one in item["metadata"].get("ownerReferences", [])), "")


def reported_since_boot(told: datetime | None, node: str, boots: Mapping[str, datetime]) -> bool:
    """Whether something was said, or began, after its node's machine had started; `boots` names
    those that tell when.

    Kubernetes keeps whole seconds, so a machine's are cut off as well.
    """
    return node not in boots or (told is not None and told >= boots[node].replace(microsecond=0))


def own_end(end: Mapping[str, Any], restarts: int) -> bool:
    """Whether a container's last end (its `terminated` state) tells of the program in it; else it
    may well run the next time.

    StartError: the runtime could not start it. Unknown: nobody saw it end, as its machine did
    (unknownExitReason in containerd's pkg/cri/server).
    """
    return end.get("reason") != "Unknown" and (
        end.get("reason") != "StartError" or restarts >= START_TRIES
    )


def replaceable(item: dict[str, Any]) -> bool:
    """Whether a pod is one of a Deployment's, ended by itself and is to be started again: a new
    one needs no wait for that.
    """
    meta, rows = item["metadata"], item.get("status", {}).get("containerStatuses", [])
    of_deployment = any(one["kind"] == "ReplicaSet" for one in meta.get("ownerReferences", []))
    return (
        of_deployment
        and "deletionTimestamp" not in meta
        and any(_ended_by_itself(row) for row in rows)
    )


def _ended_by_itself(row: dict[str, Any]) -> bool:
    state = row.get("state", {})
    waits = state.get("waiting", {}).get("reason") == "CrashLoopBackOff"
    end = (row.get("lastState", {}) if waits else state).get("terminated", {})
    return bool(end) and own_end(end, row.get("restartCount", 0))


def nodes(items: Iterable[dict[str, Any]]) -> tuple[KubeNode, ...]:
    return tuple(_node(item) for item in items)


def pods(items: Iterable[dict[str, Any]]) -> tuple[KubePod, ...]:
    return tuple(_pod(item) for item in items)


def left_alone(status: Mapping[str, Any]) -> bool:
    """Whether a pod's node has gone, by the pod's status.

    The control plane then says that the pod is not ready, and leaves what the kubelet had last said
    of its containers.
    """
    ready = any(
        one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", [])
    )
    rows = status.get("containerStatuses", [])
    return bool(rows) and not ready and all(one["ready"] for one in rows)


def claims(items: Iterable[dict[str, Any]]) -> tuple[KubeClaim, ...]:
    return tuple(
        KubeClaim(
            item["metadata"]["name"],
            item.get("status", {}).get("phase", ""),
            item["spec"].get("volumeName", ""),
            item.get("status", {}).get("capacity", {}).get("storage", ""),
        )
        for item in items
    )


def _node(item: dict[str, Any]) -> KubeNode:
    status = item.get("status", {})
    ready: dict[str, Any] = next(
        (row for row in status.get("conditions", []) if row["type"] == "Ready"), {}
    )
    addresses = [
        row["address"] for row in status.get("addresses", []) if row["type"] == "InternalIP"
    ]
    names = frozenset(
        name for image in status.get("images", []) for name in image.get("names") or []
    )
    return KubeNode(
        item["metadata"]["name"],
        ready.get("status") == "True",
        "" if ready.get("status") == "True" else ready.get("message", "no report"),
        status.get("nodeInfo", {}).get("kubeletVersion", ""),
        addresses[0] if addresses else "",
        CONTROL_LABEL in item["metadata"].get("labels", {}),
        names,
        item["metadata"].get("annotations", {}).get(STAMP, ""),
        not item["spec"].get("unschedulable", False),
        _time(ready.get("lastHeartbeatTime")),
    )


def _pod(item: dict[str, Any]) -> KubePod:
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    ready = any(
        row["type"] == "Ready" and row["status"] == "True" for row in status.get("conditions", [])
    )
    waiting = tuple(
        (row["state"]["waiting"].get("reason", ""), row["state"]["waiting"].get("message", ""))
        for row in containers
        if "waiting" in row.get("state", {})
    )
    return KubePod(
        meta["name"],
        meta.get("namespace", ""),
        spec.get("nodeName", ""),
        status.get("phase", ""),
        ready,
        meta.get("labels", {}).get("app", ""),
        status.get("podIP", ""),
        sum(row.get("restartCount", 0) for row in containers),
        waiting,
        tuple(row["image"] for row in spec["containers"]),
        "deletionTimestamp" in meta,
        min(
            (
                time
                for row in containers
                if (time := _time(row.get("state", {}).get("running", {}).get("startedAt")))
            ),
            default=None,
        ),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
