"""How Kubernetes' own parts of a cluster were made, kept to be compared with and put back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.core import private
from kubeup.core.errors import Refused
from kubeup.core.plan import Log, Paced
from kubeup.core.state import write_private
from kubeup.facts import objects, parts
from kubeup.system.kubectl import Kubectl

Item = dict[str, Any]
SYSTEM = ("-n", parts.KUBE_SYSTEM)


def read(path: Path, made_by: str) -> list[Item] | None:
    """The objects as they were made; None where none were written down, or what makes them changed.

    Raises Refused for a file that can't be understood.
    """
    text = private.read(path)
    if text is None:
        return None
    try:
        kept = json.loads(text)
        items: list[Item] = kept["objects"]
        for item in items:
            objects.key(item)
        return items if kept["made_by"] == made_by else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(
            f"{path} can't be understood",
            f"it says how Kubernetes' own parts were made: {error}",
            "put it back as it was; or move it away, and what is there now counts as right",
        ) from None


def now(kubectl: Kubectl) -> list[Item]:
    """The same objects as the cluster has them, without those that are not there."""
    wanted = ("get", *SYSTEM, *parts.OBJECTS, "--ignore-not-found", "-o", "json")
    text = kubectl.read(*wanted).stdout
    items: list[Item] = json.loads(text)["items"] if text.strip() else []
    return items


@dataclass(frozen=True)
class KeepBaseline:
    """Write down how the parts are now, and what they were made by."""

    kubectl: Kubectl
    path: Path
    made_by: str

    def run(self, log: Log) -> None:
        items = [objects.as_decided(item) for item in now(self.kubectl)]
        kept = {"made_by": self.made_by, "objects": items}
        write_private(self.path, json.dumps(kept, indent=1))
        log(f"{len(items)} objects")


@dataclass(frozen=True)
class PutBack(Paced):
    """Give objects, such as ConfigMap/coredns, the form that they were made in.

    Who read another configuration is started anew, and each part waited for.
    """

    kubectl: Kubectl
    path: Path
    made_by: str
    names: tuple[str, ...]
    seconds: float = 120

    def commands(self) -> tuple[str, ...]:
        writes = [
            f"{self.kubectl.shown(*SYSTEM, verb, '-f', '-')}  # {', '.join(self.names)}"
            for verb in ("create", "replace")
        ]
        return (*writes, *(self.kubectl.shown(*words) for words in self._rollouts()))

    def run(self, log: Log) -> None:
        there = {objects.key(item) for item in now(self.kubectl)}
        made = read(self.path, self.made_by) or ()
        wanted = [one for one in made if objects.key(one) in self.names]
        self._write("create", wanted, lambda name: name not in there, log)
        # a whole object: applying one would leave what somebody has added to it
        self._write("replace", wanted, lambda name: name in there, log)
        for words in self._rollouts():
            self.kubectl.write(*words, log=log, timeout=self.pace.seconds(self.seconds) + 30)

    def _write(
        self, verb: str, items: Sequence[Item], chosen: Callable[[str], bool], log: Log
    ) -> None:
        if rows := [item for item in items if chosen(objects.key(item))]:
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": rows})
            self.kubectl.write(*SYSTEM, verb, "-f", "-", stdin=text, log=log)

    def _rollouts(self) -> Iterator[tuple[str, ...]]:
        limit = f"--timeout={self.pace.seconds(self.seconds):.0f}s"
        names = {name.lower() for name in self.names}
        for part in parts.PARTS:
            changed, workload = names.intersection(part.objects), part.workload.lower()
            if changed - {workload}:
                # neither notices: CoreDNS within a minute or two, kube-proxy at its next start
                yield (*SYSTEM, "rollout", "restart", workload)
            if changed:
                yield (*SYSTEM, "rollout", "status", workload, limit)
