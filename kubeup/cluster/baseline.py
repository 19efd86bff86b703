"""How Kubernetes' own parts of a cluster were made, kept to be compared with and put back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.core import private
from kubeup.core.errors import Refused
from kubeup.core.plan import Log
from kubeup.core.state import write_private
from kubeup.facts import objects, parts
from kubeup.system.kubectl import Kubectl

Item = dict[str, Any]
SYSTEM = ("-n", parts.KUBE_SYSTEM)


def read(path: Path) -> list[Item] | None:
    """The objects as they were made; None where none were written down.

    Raises Refused for a file that can't be understood.
    """
    text = private.read(path)
    if text is None:
        return None
    try:
        items: list[Item] = json.loads(text)
        for item in items:
            objects.key(item)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(
            f"{path} can't be understood",
            f"it says how Kubernetes' own parts were made: {error}",
            "put it back as it was; or move it away, and what is there now counts as right",
        ) from None
    return items


def now(kubectl: Kubectl) -> list[Item]:
    """The same objects as the cluster has them, without those that are not there."""
    wanted = ("get", *SYSTEM, *parts.OBJECTS, "--ignore-not-found", "-o", "json")
    text = kubectl.read(*wanted).stdout
    items: list[Item] = json.loads(text)["items"] if text.strip() else []
    return items


@dataclass(frozen=True)
class KeepBaseline:
    """Write down how the parts are now."""

    kubectl: Kubectl
    path: Path

    def run(self, log: Log) -> None:
        items = [objects.as_decided(item) for item in now(self.kubectl)]
        write_private(self.path, json.dumps(items, indent=1))
        log(f"{len(items)} objects")


@dataclass(frozen=True)
class PutBack:
    """Give objects, such as ConfigMap/coredns, the form that they were made in."""

    kubectl: Kubectl
    path: Path
    names: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        verbs = ("create", "replace")
        return tuple(
            f"{self.kubectl.shown(*SYSTEM, verb, '-f', '-')}  # {', '.join(self.names)}"
            for verb in verbs
        )

    def run(self, log: Log) -> None:
        there = {objects.key(item) for item in now(self.kubectl)}
        wanted = [one for one in read(self.path) or () if objects.key(one) in self.names]
        self._write("create", wanted, lambda name: name not in there, log)
        # a whole object: applying one would leave what somebody has added to it
        self._write("replace", wanted, lambda name: name in there, log)

    def _write(
        self, verb: str, items: Sequence[Item], chosen: Callable[[str], bool], log: Log
    ) -> None:
        if rows := [item for item in items if chosen(objects.key(item))]:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": rows})
            self.kubectl.write(*SYSTEM, verb, "-f", "-", stdin=text, log=log)
