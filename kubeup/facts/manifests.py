"""Rendered manifests, and what `kubectl diff` says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from kubeup.core.services import DATABASE
from kubeup.facts.nested import value

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast
# diff -u -N /tmp/LIVE-123/apps.v1.Deployment.default.api
# /tmp/MERGED-456/apps.v1.Deployment.default.api
COMPARED = re.compile(r"^diff -u -N \S*/(\S+) \S+$")


def documents(rendered: str) -> list[dict[str, Any]]:
    return [document for document in yaml.load_all(rendered, Loader=LOADER) if document]


def text(parts: Iterable[dict[str, Any]]) -> str:
    return yaml.dump_all(
        parts, sort_keys=False, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    )


def of_part(parts: Iterable[dict[str, Any]], app: str) -> list[dict[str, Any]]:
    """The objects of one part (db, api, ui), by their label `app`.

    What carries none (a StorageClass) is the database's.
    """
    return [
        part
        for part in parts
        if value(part, "metadata", "labels", "app", default=DATABASE.name) == app
    ]


def changed(diff: str) -> tuple[str, ...]:
    """The objects that differ, as `Kind name`, from the output of `kubectl diff`."""
    return tuple(
        _named(match.group(1)) for match in map(COMPARED.match, diff.splitlines()) if match
    )


def key(document: dict[str, Any]) -> str:
    return f"{document['kind']} {document['metadata']['name']}"


def _named(file: str) -> str:
    """`apps.v1.Deployment.default.api` -> `Deployment api`.

    Names may hold dots, groups too: the kind is the first capital.
    """
    words = file.split(".")
    kind = next(n for n, word in enumerate(words) if word[:1].isupper())
    return f"{words[kind]} {'.'.join(words[kind + 2 :])}"
