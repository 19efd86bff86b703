"""Check: the database's claims are bound to volumes that stay on their node and are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubeup.inspect.verify import reasons
from kubeup.inspect.verify.lines import Context, Verdict, bad, good


def look(context: Context) -> Verdict:
    if not context.database_in_cluster:
        return good(
            context.look_at_database()
            if context.look_at_database
            else "the database is outside the cluster: it has no claim here"
        )
    kubectl, names = (
        context.kubectl,
        [f"data-mysql-{number}" for number in range(context.settings.database.replicas)],
    )
    items = kubectl.items("-n", kubectl.namespace, "persistentvolumeclaims,persistentvolumes")
    claims = {
        item["metadata"]["name"]: item for item in items if item["kind"] == "PersistentVolumeClaim"
    }
    volumes = {
        item["metadata"]["name"]: item for item in items if item["kind"] == "PersistentVolume"
    }
    events = {
        name: _event(context, name)
        for name in names
        if claims.get(name, {}).get("status", {}).get("phase") == "Pending"
    }
    return evaluate(names, claims, volumes, events)


def evaluate(
    names: Sequence[str],
    claims: Mapping[str, dict[str, Any]],
    volumes: Mapping[str, dict[str, Any]],
    events: Mapping[str, str],
) -> Verdict:
    """Judge the claims; `events` has the last event of those that are pending."""
    problems, fine = [], []
    for name in names:
        trouble = _claim_trouble(name, claims.get(name), events.get(name, ""))
        volume = volumes.get(claims[name]["spec"].get("volumeName", "")) if not trouble else None
        trouble = trouble or _volume_trouble(name, volume)
        problems += [trouble] if trouble else []
        fine += [_good(name, volume)] if volume and not trouble else []
    if not problems:
        return good("; ".join(fine))
    detail = f"{len(problems)} of {len(names)} claims are not as they should be"
    return bad(detail, "\n".join(problems), "run `inv plan` to see what is missing, then `inv up`")


def node_of(volume: dict[str, Any]) -> str:
    """The node that a volume's affinity names, or ''."""
    terms = volume["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
    values = [
        value
        for term in terms
        for row in (*term.get("matchExpressions", []), *term.get("matchFields", []))
        for value in row.get("values", [])
    ]
    return ", ".join(values)


def path_of(volume: dict[str, Any]) -> str:
    """The folder on its node that holds a volume's data, or the kind of volume it is."""
    spec = volume["spec"]
    for kind in ("local", "hostPath"):
        if kind in spec:
            return str(spec[kind].get("path", ""))
    return str(spec.get("csi", {}).get("driver", ""))


def _claim_trouble(name: str, claim: dict[str, Any] | None, event: str) -> str:
    if claim is None:
        return f"there is no claim {name}: the database is not deployed"
    phase = claim.get("status", {}).get("phase", "unknown")
    return (
        ""
        if phase == "Bound"
        else f"{name} is {phase}" + (f", last event: {event}" if event else "")
    )


def _volume_trouble(name: str, volume: dict[str, Any] | None) -> str:
    if volume is None:
        return f"{name} is bound to a volume that is not there any more"
    title, policy = (
        volume["metadata"]["name"],
        volume["spec"].get("persistentVolumeReclaimPolicy", ""),
    )
    if policy != "Retain":
        return (
            f"{title} has the reclaim policy {policy}, not Retain: deleting the claim "
            "would delete the data"
        )
    return (
        ""
        if node_of(volume)
        else f"{title} is not tied to a node: on another node the database would start empty"
    )


def _good(name: str, volume: dict[str, Any]) -> str:
    return (
        f"{name} is bound to {volume['metadata']['name']}, which lies on "
        f"{node_of(volume)} in {path_of(volume)} (Retain)"
    )


def _event(context: Context, name: str) -> str:
    fields = f"involvedObject.kind=PersistentVolumeClaim,involvedObject.name={name}"
    return reasons.last_event(
        context.kubectl.items("-n", context.kubectl.namespace, "events", "--field-selector", fields)
    )
