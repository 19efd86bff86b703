"""Why a pod is not ready, and what a workload's pods lack, in Kubernetes' own words.

Pure functions over `kubectl get -o json`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubeup.facts.kubernetes import own_end

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
# states that another second of waiting does not heal
HOPELESS = (
    *IMAGE_REASONS,
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "CrashLoopBackOff",
)


def pod_ready(item: dict[str, Any]) -> bool:
    return (
        "deletionTimestamp" not in item["metadata"]
        and _condition(item, "Ready").get("status") == "True"
    )


def pod_trouble(item: dict[str, Any]) -> str:
    """Why the pod is not ready; '' when it is, or when it has done its work."""
    status = item.get("status", {})
    if "deletionTimestamp" in item["metadata"]:
        return "Terminating"
    if pod_ready(item) or status.get("phase") == "Succeeded":
        return ""
    return _failed(status) or _unscheduled(item) or _containers(status) or _probing(item)


def hopeless(item: dict[str, Any]) -> bool:
    """Whether the pod will not become ready by waiting."""
    waiting = {
        _state(row, "waiting").get("reason", "")
        for row in _rows(item.get("status", {}))
        if own_end(_ended(row), row.get("restartCount", 0))
    }
    return item.get("status", {}).get("phase") == "Failed" or bool(waiting & set(HOPELESS))


def image_missing(item: dict[str, Any]) -> bool:
    return any(
        _state(row, "waiting").get("reason", "") in IMAGE_REASONS
        for row in _rows(item.get("status", {}))
    )


def workload_trouble(what: str, pods: Iterable[dict[str, Any]]) -> str:
    """What is wrong with the pods of `what`: none there, or each that is not ready with its
    reason; '' when one is ready.
    """
    items = list(pods)
    if not items:
        return f"{what} has no pod"
    if any(pod_ready(item) for item in items):
        return ""
    return f"no pod of {what} is ready: " + "; ".join(
        f"{item['metadata']['name']}: {pod_trouble(item)}" for item in items
    )


def last_event(items: Iterable[dict[str, Any]]) -> str:
    """The newest event's reason and message, or ''."""
    rows = sorted(
        items,
        key=lambda item: (
            item.get("lastTimestamp")
            or item.get("eventTime")
            or item["metadata"].get("creationTimestamp")
            or ""
        ),
    )
    return f"{rows[-1].get('reason', '')}: {rows[-1].get('message', '').strip()}" if rows else ""


def _failed(status: dict[str, Any]) -> str:
    if status.get("phase") != "Failed":
        return ""
    ends = [_end(_ended(row)) for row in _rows(status)]
    return ": ".join(
        text for text in (status.get("reason", "Failed"), status.get("message", ""), *ends) if text
    )


def _unscheduled(item: dict[str, Any]) -> str:
    row = _condition(item, "PodScheduled")
    if row.get("status") == "False":
        return f"{row.get('reason', 'Unschedulable')}: {row.get('message', '')}"
    return "" if item["spec"].get("nodeName") else "not scheduled yet (does kube-scheduler run?)"


def _containers(status: dict[str, Any]) -> str:
    for row in _rows(status):
        waiting, ended = _state(row, "waiting"), _ended(row)
        if waiting.get("reason", "") not in ("", "ContainerCreating", "PodInitializing"):
            return ": ".join(
                text
                for text in (waiting["reason"], waiting.get("message", "") or _end(ended))
                if text
            )
        if ended and ended.get("exitCode"):
            return _end(ended)
    creating = any(_state(row, "waiting") for row in _rows(status))
    return "ContainerCreating" if creating else ""


def _end(ended: dict[str, Any]) -> str:
    if "exitCode" not in ended:
        return ""
    said = f", {ended['message'].strip()[:300]}" if ended.get("message") else ""
    return f"{ended.get('reason', 'Error')}, exit status {ended['exitCode']}{said}"


def _ended(row: dict[str, Any]) -> dict[str, Any]:
    """How a container ended last; {} where it did not."""
    found: dict[str, Any] = _state(row, "terminated") or row.get("lastState", {}).get(
        "terminated", {}
    )
    return found


def _probing(item: dict[str, Any]) -> str:
    row = _condition(item, "Ready")
    return f"runs, but not ready: {row['message']}" if row.get("message") else "not ready yet"


def _condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(
        (row for row in item.get("status", {}).get("conditions", []) if row["type"] == kind), {}
    )


def _rows(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _state(row: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = row.get("state", {}).get(kind) or {}
    return found
