"""Objects of a cluster without what the cluster itself writes into them, and how two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kubeup.facts.nested import value

Item = dict[str, Any]
# metadata that whoever made an object decided
DECIDED = ("name", "namespace", "labels", "annotations")
# written by controllers and by kubectl
ANNOTATIONS = (
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
)
# Services whose address kubelets are told; the others get any, and keep it where they are replaced
FIXED = ("kube-dns",)
RESTARTED = "kubectl.kubernetes.io/restartedAt"  # of a template, by `kubectl rollout restart`
SHOWN = 3  # differences of one object


def key(item: Item) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def as_decided(item: Item) -> Item:
    """An object as somebody could write it down to make it again."""
    meta = {name: part for name, part in item["metadata"].items() if name in DECIDED}
    if annotations := _without(meta.pop("annotations", {}), *ANNOTATIONS):
        meta["annotations"] = annotations
    decided = {**_without(item, "status"), "metadata": meta}
    if item["kind"] == "Service" and item["metadata"]["name"] not in FIXED:
        decided["spec"] = _without(item["spec"], "clusterIP", "clusterIPs")
    template = value(item, "spec", "template", default={})
    if template:
        decided["spec"] = {**item["spec"], "template": _template(template)}
    return decided


def _template(template: Item) -> Item:
    meta = _without(template.get("metadata", {}), "creationTimestamp")
    if annotations := _without(meta.pop("annotations", {}), RESTARTED):
        meta["annotations"] = annotations
    return {**template, "metadata": meta}


def _without(values: Mapping[str, Any], *names: str) -> Item:
    return {name: part for name, part in values.items() if name not in names}


def difference(made: Item, now: Item) -> str:
    """What of an object is not as it was made, in words; '' where nothing is."""
    found = list(_differences(as_decided(made), as_decided(now), ""))
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{', '.join(found[:SHOWN])}{more}" if found else ""


def _differences(made: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(made, dict) and isinstance(now, dict):
        for name in sorted({*made, *now}):
            yield from _differences(made.get(name), now.get(name), f"{path}.{name}".lstrip("."))
    elif made != now:
        yield path if _is_long(made) or _is_long(now) else f"{path} {_word(now)}, was {_word(made)}"


def _is_long(part: Any) -> bool:
    return isinstance(part, (dict, list)) or "\n" in str(part)


def _word(part: Any) -> str:
    return "missing" if part is None else str(part)
