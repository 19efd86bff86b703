"""Why a pod is not ready, and what a workload's pods lack, in Kubernetes' own words.

Pure functions over `kubectl get -o json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubeup.facts.kubernetes import own_end

Item = dict[str, Any]
IMAGE_REASONS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
# states that another second of waiting does not heal
HOPELESS = IMAGE_REASONS | {
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
}
STARTING = {"ContainerCreating", "PodInitializing"}


def pod_ready(pod: Item) -> bool:
    return (
        "deletionTimestamp" not in pod["metadata"]
        and _condition(pod, "Ready").get("status") == "True"
    )


def pod_trouble(pod: Item) -> str:
    """Why the pod is not ready; '' when it is, or when it has done its work."""
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    if pod_ready(pod) or _phase(pod) == "Succeeded":
        return ""
    return _failure(pod) or _unscheduled(pod) or _container_trouble(pod) or _unready(pod)


def hopeless(pod: Item) -> bool:
    """Whether the pod will not become ready by waiting."""
    for row in _containers(pod):
        # one that the runtime could not start for once may well run the next time
        final = own_end(_last_end(row), row.get("restartCount", 0))
        if final and _waiting(row).get("reason") in HOPELESS:
            return True
    return _phase(pod) == "Failed"


def image_missing(pod: Item) -> bool:
    return any(_waiting(row).get("reason") in IMAGE_REASONS for row in _containers(pod))


def workload_trouble(what: str, pods: Iterable[Item]) -> str:
    """What is wrong with the pods of `what`, '' when one is ready.

    Either there is none, or each has its reason.
    """
    items = list(pods)
    if not items:
        return f"{what} has no pod"
    if any(map(pod_ready, items)):
        return ""
    listed = "; ".join(f"{item['metadata']['name']}: {pod_trouble(item)}" for item in items)
    return f"no pod of {what} is ready: {listed}"


def last_event(events: Iterable[Item]) -> str:
    """The newest event's reason and message, or ''."""
    event = max(events, key=_event_time, default=None)
    return f"{event.get('reason', '')}: {event.get('message', '').strip()}" if event else ""


def _event_time(event: Item) -> str:
    created = event["metadata"].get("creationTimestamp")
    return str(event.get("lastTimestamp") or event.get("eventTime") or created or "")


def _failure(pod: Item) -> str:
    if _phase(pod) != "Failed":
        return ""
    status = pod["status"]
    ends = [_described(_last_end(row)) for row in _containers(pod)]
    return _joined(status.get("reason", "Failed"), status.get("message", ""), *ends)


def _unscheduled(pod: Item) -> str:
    row = _condition(pod, "PodScheduled")
    if row.get("status") == "False":
        return f"{row.get('reason', 'Unschedulable')}: {row.get('message', '')}"
    return "" if pod["spec"].get("nodeName") else "not scheduled yet (does kube-scheduler run?)"


def _container_trouble(pod: Item) -> str:
    rows = _containers(pod)
    for row in rows:
        waiting, end = _waiting(row), _last_end(row)
        reason = waiting.get("reason", "")
        if reason and reason not in STARTING:
            return _joined(reason, waiting.get("message", "") or _described(end))
        if end.get("exitCode"):
            return _described(end)
    return "ContainerCreating" if any(map(_waiting, rows)) else ""


def _unready(pod: Item) -> str:
    message = _condition(pod, "Ready").get("message")
    return f"runs, but not ready: {message}" if message else "not ready yet"


def _described(end: Item) -> str:
    """How a container ended, '' where it did not."""
    if "exitCode" not in end:
        return ""
    message = end.get("message", "").strip()[:300]
    return ", ".join(
        filter(None, (end.get("reason", "Error"), f"exit status {end['exitCode']}", message))
    )


def _joined(*texts: str) -> str:
    return ": ".join(filter(None, texts))


def _phase(pod: Item) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def _condition(pod: Item, kind: str) -> Item:
    rows = pod.get("status", {}).get("conditions", [])
    return next((row for row in rows if row["type"] == kind), {})


def _containers(pod: Item) -> list[Item]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _waiting(row: Item) -> Item:
    waiting: Item = row.get("state", {}).get("waiting") or {}
    return waiting


def _last_end(row: Item) -> Item:
    """How a container ended last; {} where it did not."""
    states = (row.get("state", {}), row.get("lastState", {}))
    return next((state["terminated"] for state in states if state.get("terminated")), {})
