"""Line: the database's claims are bound to volumes that stay on their node and are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubeup.facts import pods as pod_facts
from kubeup.facts.volumes import node_of, path_of
from kubeup.inspect.verify.model import Context, Verdict, bad, good
from kubeup.inspect.verify.run import Run

Objects = Mapping[str, dict[str, Any]]  # by name


def look(run: Run) -> Verdict:
    context = run.context
    # outside the cluster it has no claim here
    if context.database:
        return good(context.database.status())
    names = [f"data-mysql-{number}" for number in range(context.settings.database.replicas)]
    items = context.items("persistentvolumeclaims,persistentvolumes")
    claims = _by_name(items, "PersistentVolumeClaim")
    volumes = _by_name(items, "PersistentVolume")
    # only what is Pending waits for something that its events tell
    pending = [name for name in names if _phase(claims, name) == "Pending"]
    events = {name: _last_event(context, name) for name in pending}
    return evaluate(names, claims, volumes, events)


def evaluate(
    names: Sequence[str], claims: Objects, volumes: Objects, events: Mapping[str, str]
) -> Verdict:
    """Judge the claims; `events` has the last event of those that are pending."""
    problems = [_problem(name, claims, volumes, events.get(name, "")) for name in names]
    if any(problems):
        wrong = [problem for problem in problems if problem]
        return bad(
            f"{len(wrong)} of {len(names)} claims can't be relied on",
            "\n".join(wrong),
            "run `inv plan` to see what is missing, then `inv up`",
        )
    return good("; ".join(_described(name, _volume(name, claims, volumes)) for name in names))


def _problem(name: str, claims: Objects, volumes: Objects, event: str) -> str:
    """What is wrong with a claim or its volume, '' where nothing is."""
    if name not in claims:
        return f"there is no claim {name}: the database is not deployed"
    phase = _phase(claims, name)
    if phase != "Bound":
        last = f", last event: {event}" if event else ""
        return f"{name} is {phase}{last}"
    volume = _volume(name, claims, volumes)
    if not volume:
        return f"{name} is bound to a volume that is not there any more"
    title = volume["metadata"]["name"]
    policy = volume["spec"].get("persistentVolumeReclaimPolicy", "")
    # https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
    if policy != "Retain":
        return (
            f"{title} has the reclaim policy {policy}, not Retain: deleting the claim would delete "
            "the data"
        )
    if not node_of(volume):
        return f"{title} is not tied to a node: on another node the database would start empty"
    return ""


def _by_name(items: Sequence[dict[str, Any]], kind: str) -> Objects:
    return {item["metadata"]["name"]: item for item in items if item["kind"] == kind}


def _phase(claims: Objects, name: str) -> str:
    return str(claims.get(name, {}).get("status", {}).get("phase", "unknown"))


def _volume(name: str, claims: Objects, volumes: Objects) -> dict[str, Any]:
    return volumes.get(claims[name]["spec"].get("volumeName", ""), {})


def _described(name: str, volume: dict[str, Any]) -> str:
    title = volume["metadata"]["name"]
    return (
        f"{name} is bound to {title}, which lies on {node_of(volume)} in {path_of(volume)} (Retain)"
    )


def _last_event(context: Context, name: str) -> str:
    selector = f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}"
    return pod_facts.last_event(context.items("events", "--field-selector", selector))
