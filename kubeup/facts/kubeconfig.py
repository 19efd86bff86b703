"""Whether a kubeconfig leads to a cluster by a context of ours, and to none by any other way.

Where kubectl finds no server for what it was asked, it takes http://localhost:8080 and sends there
what it was given (ClusterDefaults in k8s.io/client-go/tools/clientcmd): so nothing may be left for
it to fill in.
"""

from __future__ import annotations

from typing import Any

import yaml

PARTS = ("contexts", "clusters", "users")


def leads_nowhere(text: str) -> bool:
    """Whether it is whole and names no cluster at all: minikube leaves that of a profile it has
    stopped.
    """
    found = _parsed(text)
    if not isinstance(found, dict) or found.get("kind") != "Config":
        return False
    return all(part in found and not found[part] for part in PARTS)


def misfit(text: str, context: str) -> str:
    """Why kubectl can't be sent by that context of a kubeconfig, or ''."""
    found = _parsed(text)
    if found is None:
        return "it is empty" if not text.strip("\0 \t\r\n") else "it is not YAML, or cut off"
    if not isinstance(found, dict) or not all(_named_rows(found.get(part)) for part in PARTS):
        return "it is no kubeconfig, or cut off"
    contexts, clusters, users = ({row["name"]: row for row in found[part]} for part in PARTS)
    if context not in contexts:
        return f"it has no context {context}, but {', '.join(contexts)}"
    named = contexts[context].get("context") or {}
    server = (clusters.get(named.get("cluster"), {}).get("cluster") or {}).get("server", "")
    if not str(server).startswith("https://"):
        return f"its context {context} leads to no server by TLS"
    return "" if named.get("user") in users else f"its context {context} has no user"


def without(text: str, context: str) -> str:
    """A user's kubeconfig without that context, and without the cluster and user that it alone has.

    Anything that is no kubeconfig, or has no such context, comes back as it is.
    """
    found = _parsed(text)
    if not isinstance(found, dict) or not all(_named_rows(found.get(part)) for part in PARTS):
        return text
    here, others = (
        [row for row in found["contexts"] if (row["name"] == context) is wanted]
        for wanted in (True, False)
    )
    if not here:
        return text
    known = {
        part: _named_by(here, key) - _named_by(others, key)
        for part, key in (("clusters", "cluster"), ("users", "user"))
    }
    left = {part: [row for row in found[part] if row["name"] not in known[part]] for part in known}
    current = {} if found.get("current-context") != context else {"current-context": ""}
    return yaml.safe_dump({**found, "contexts": others, **left, **current}, sort_keys=False)


def _named_by(contexts: list[Any], key: str) -> set[str]:
    return {(row.get("context") or {}).get(key, "") for row in contexts}


def _parsed(text: str) -> Any:
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe ones
    except (yaml.YAMLError, ValueError):
        return None


def _named_rows(rows: Any) -> bool:
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(isinstance(row, dict) and row.get("name") for row in rows)
    )
