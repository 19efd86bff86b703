"""Whether a kubeconfig leads to a cluster by a context of ours, and to none by any other way.

Where kubectl finds no server for what it was asked, it takes http://localhost:8080 and sends there
what it was given (ClusterDefaults in k8s.io/client-go/tools/clientcmd): so nothing may be left for
it to fill in.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml

from kubeup.facts.manifests import LOADER
from kubeup.facts.nested import value

SECRETS = re.compile(r"([\w-]+-data|token|password)[\"']?:\s*[\"']?([^\s\"',}]+)")
PARTS = ("contexts", "clusters", "users")


def leads_nowhere(text: str) -> bool:
    """Whether it is whole and names no cluster: minikube leaves that of a stopped profile."""
    found = _parsed(text)
    whole = isinstance(found, dict) and found.get("kind") == "Config"
    return whole and all(part in found and not found[part] for part in PARTS)


def misfit(text: str, context: str) -> str:
    """Why kubectl can't be sent by that context of a kubeconfig, or ''."""
    found = _parsed(text)
    if found is None:
        return "it is empty" if not text.strip("\0 \t\r\n") else "it is not YAML, or cut off"
    if not _is_whole(found):
        return "it is no kubeconfig, or cut off"
    contexts, clusters, users = ({row["name"]: row for row in found[part]} for part in PARTS)
    if context not in contexts:
        return f"it has no context {context}, but {', '.join(contexts)}"
    cluster, user = (value(contexts[context], "context", key) for key in ("cluster", "user"))
    if not str(value(clusters, cluster, "cluster", "server")).startswith("https://"):
        return f"its context {context} leads to no server by TLS"
    return "" if user in users else f"its context {context} has no user"


def secrets(text: str) -> Iterator[str]:
    """What lets in by a kubeconfig, whole or not: certificates, keys, tokens, passwords."""
    for name, found in SECRETS.findall(text):
        yield found
        if name.endswith("-data"):
            with suppress(ValueError):
                yield b64decode(found).decode(errors="replace")


def without(text: str, context: str) -> str:
    """A user's kubeconfig without that context, and without the cluster and user that it alone has.

    Anything that is no kubeconfig, or has no such context, comes back as it is.
    """
    found = _parsed(text)
    if not _is_whole(found):
        return text
    contexts = found["contexts"]
    others = [row for row in contexts if row["name"] != context]
    if len(others) == len(contexts):
        return text
    left: dict[str, Any] = {"contexts": others}
    for part, key in (("clusters", "cluster"), ("users", "user")):
        gone = _named_by(contexts, key) - _named_by(others, key)
        left[part] = [row for row in found[part] if row["name"] not in gone]
    if found.get("current-context") == context:
        left["current-context"] = ""
    return yaml.safe_dump({**found, **left}, sort_keys=False)


def _named_by(contexts: list[Any], key: str) -> set[str]:
    return {value(row, "context", key) for row in contexts}


def _parsed(text: str) -> Any:
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError):
        return None


def _is_whole(found: Any) -> bool:
    """Whether there are contexts, clusters and users, each with a name."""
    parts = [value(found, part) for part in PARTS]
    lists = all(isinstance(rows, list) and rows for rows in parts)
    return lists and all(value(row, "name") for rows in parts for row in rows)
