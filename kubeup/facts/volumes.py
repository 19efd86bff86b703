"""Where a PersistentVolume lies, from `kubectl get -o json`."""

from __future__ import annotations

from typing import Any


def node_of(volume: dict[str, Any]) -> str:
    """The node that a volume's affinity names, or ''."""
    terms = volume["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
    return ", ".join(
        value
        for term in terms
        for row in (*term.get("matchExpressions", []), *term.get("matchFields", []))
        for value in row.get("values", [])
    )


def path_of(volume: dict[str, Any]) -> str:
    """The folder on its node that holds a volume's data, or the kind of volume it is."""
    spec = volume["spec"]
    folder = spec.get("local") or spec.get("hostPath")
    if folder:
        return str(folder["path"])
    return str(spec.get("csi", {}).get("driver", ""))
