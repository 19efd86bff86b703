"""Nodes that are ready: what that means, and the step that waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.ids import StepId
from kubeup.core.pace import Patience
from kubeup.core.plan import Log, Paced, Step
from kubeup.facts.connection import LASTING
from kubeup.facts.kubernetes import KubeNode, nodes, reported_since_boot
from kubeup.system.kubectl import Kubectl
from kubeup.workflows.project import Project

TRIES = 3  # to ask a server that has just started
# a server that is being made anew shows its earlier certificate for a moment
LASTING_SECONDS = 10.0


def is_ready(node: KubeNode, boots: Mapping[str, datetime]) -> bool:
    """Ready by the report of the kubelet that runs now."""
    # for 40 s Kubernetes still calls a node ready whose machine went away, see
    # --node-monitor-grace-period of kube-controller-manager 1.26
    return node.ready and reported_since_boot(node.reported, node.name, boots)


def ready_step(
    project: Project,
    reason: str,
    needs: tuple[StepId, ...],
    seconds: float,
    joined: bool = False,
) -> Step:
    title, action = "wait for every node to be ready", wait_for_nodes(project)
    action = replace(action, joined=joined)
    return Step(ids.ANSWERS, title, reason, action, needs, seconds=seconds)


def wait_for_nodes(project: Project) -> WaitForNodes:
    names = tuple(spec.name for spec in project.provider.node_specs())
    return WaitForNodes(project.kubectl, names, project.boots)


@dataclass(frozen=True)
class WaitForNodes(Paced):
    """Wait until the API server answers and every node is ready.

    For `seconds` at this machine's pace after the last news, which is what was not heard before.
    Those alone that have `joined` the cluster, where it is not known of each whether it has.
    """

    kubectl: Kubectl
    names: tuple[str, ...]
    boots: Callable[[], Mapping[str, datetime]]
    seconds: float = 180
    joined: bool = False

    def run(self, log: Log) -> None:
        if waiting := self.pace.waiting(self.seconds):
            log(waiting)
        self._until_answered(log)
        known = self._known(log) if self.joined else self.names
        names = [name for name in self.names if name in known]
        not_ready, boots = dict.fromkeys(names, "not registered yet"), self.boots()
        patience = Patience(self.pace.seconds(self.seconds))

        def each(event: dict[str, Any] | None) -> bool:
            for node in nodes([event["object"]] if event else []):
                not_ready[node.name] = node.why or "no kubelet heartbeat since boot"
                if is_ready(node, boots):
                    del not_ready[node.name]
            log(", ".join(sorted(not_ready)) or "all ready")
            # what comes after a colon may count seconds: that is no news
            news = {name: why.partition(":")[0] for name, why in not_ready.items()}
            return not not_ready or patience.ended(sorted(news.items()))

        while not_ready and not patience.over:
            self.kubectl.watch("nodes", each=each)
        if not_ready:
            raise self._failed(
                "not every node became ready",
                [f"{name}: {why}" for name, why in sorted(not_ready.items())],
                "`inv doctor`, or `inv ssh.run 'journalctl -u kubelet -n 30'`",
            )

    def _known(self, log: Log) -> set[str]:
        """The nodes that have joined; an API server that has just started may be away again."""
        for left in reversed(range(TRIES)):
            try:
                return {node.name for node in nodes(self.kubectl.items("nodes"))}
            except CommandError as error:
                if not left or error.status == shell.STOPPED:
                    raise
            self._until_answered(log)
        return set()

    def _until_answered(self, log: Log) -> None:
        kubectl, began = self.kubectl.at(self.pace), time.monotonic()
        while found := kubectl.unanswered():
            waits = LASTING_SECONDS if found.cause in LASTING else self.seconds
            if time.monotonic() - began > self.pace.seconds(waits):
                raise self._failed(
                    "the API server does not answer", [str(found)], found.cause.advice
                )
            log(f"the API server is not up yet: {found.cause.words}")
            time.sleep(0.5)

    def _failed(self, what: str, reasons: list[str], advice: str) -> KubeupError:
        if slow := self.pace.why():
            reasons.append(f"waited for {self.pace.seconds(self.seconds):.0f} s: {slow}")
        return KubeupError(what, "\n".join(reasons), advice)
