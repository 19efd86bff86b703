"""Pods, their containers, and what is said of them, as `kubectl get -o json` has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeup.facts.kubernetes import app_of, condition
from kubeup.facts.nested import value

Item = dict[str, Any]
# what is read at once to tell why something is not ready
KINDS = "deployments,statefulsets,replicasets,pods,persistentvolumeclaims,events,nodes"


@dataclass(frozen=True)
class Seen:
    """Objects of any kind, read at once, and by pod what its readiness probe was answered."""

    items: Sequence[Item] = ()
    answers: Mapping[str, str] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Item]:
        return [item for item in self.items if item["kind"] in kinds]

    def pods(self, app: str) -> list[Item]:
        return [item for item in self.of("Pod") if app_of(item) == app]

    def event(self, item: Item, *reasons: str, begins: str = "") -> Item:
        """The newest event about an object; {} for none.

        Of those reasons where some are named, and whose message `begins` like that.
        """
        uid = item["metadata"].get("uid")
        about = [event for event in self.of("Event") if event["involvedObject"].get("uid") == uid]
        chosen = [
            event
            for event in about
            if (not reasons or event.get("reason") in reasons)
            and event.get("message", "").startswith(begins)
        ]
        # of the same second the last one, as they are listed in the order of their making
        return max(reversed(chosen), key=_event_time, default={})


def last_event(events: Iterable[Item]) -> str:
    """The newest event's reason and message, or ''."""
    return event_words(max(events, key=_event_time, default={}))


def event_words(event: Item) -> str:
    return f"{event.get('reason', '')}: {event.get('message', '').strip()}" if event else ""


def _event_time(event: Item) -> str:
    created = event["metadata"].get("creationTimestamp")
    return str(event.get("lastTimestamp") or event.get("eventTime") or created or "")


def name_of(item: Item) -> str:
    return str(item["metadata"]["name"])


def leaves(pod: Item) -> bool:
    """Whether it is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def phase(pod: Item) -> str:
    return str(value(pod, "status", "phase"))


def pod_ready(pod: Item) -> bool:
    return not leaves(pod) and condition(pod, "Ready").get("status") == "True"


def containers(pod: Item) -> list[tuple[Item, Item]]:
    """Its containers that a kubelet has told of: what each is to be, and how it is."""
    spec, status = pod["spec"], pod.get("status", {})
    rows = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    wanted = [*spec.get("initContainers", []), *spec["containers"]]
    by_name = {one.get("name"): one for one in wanted}
    return [(by_name.get(row.get("name"), {}), row) for row in rows]


def waiting(row: Item) -> tuple[str, str]:
    """Reason and message of what a container waits for; both '' where it doesn't."""
    return value(row, "state", "waiting", "reason"), value(row, "state", "waiting", "message")


def last_end(row: Item) -> Item:
    """How a container ended last; {} where it did not."""
    states = (row.get("state", {}), row.get("lastState", {}))
    return next((state["terminated"] for state in states if state.get("terminated")), {})


def probe(pod: Item) -> tuple[str, str, str] | None:
    """Container, port and path of a readiness probe by HTTP that fails; None where none does."""
    for container, row in containers(pod):
        asked = value(container, "readinessProbe", "httpGet", default={})
        runs = row.get("started") and "running" in row.get("state", {})
        if asked and runs and not row["ready"]:
            ports = {one.get("name"): one["containerPort"] for one in container.get("ports", [])}
            return container["name"], str(ports.get(asked["port"], asked["port"])), asked["path"]
    return None
