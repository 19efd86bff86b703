"""What is deployed of the application: its pods, and how it is taken away again."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup.application.overlay import MANAGED
from kubeup.core import ids
from kubeup.core.plan import Log, Plan, Step, plan_of
from kubeup.facts.kubernetes import KubePod
from kubeup.facts.kubernetes import pods as parse_pods
from kubeup.system.kubectl import Kubectl
from kubeup.workflows.project import Project

# neither claim nor volume: those hold the data
DELETED = "cronjob,statefulset,deployment,service,endpointslice,configmap,secret,networkpolicy"


def pods(project: Project) -> tuple[KubePod, ...]:
    return parse_pods(project.kubectl.items("pods", "-l", f"{MANAGED}=kubeup"))


def row(pod: KubePod) -> tuple[str, str, str, int, str]:
    state = (
        "ready"
        if pod.ready
        else ", ".join(f"{reason}: {message}"[:80] for reason, message in pod.waiting) or pod.phase
    )
    return (
        pod.name,
        pod.node or "-",
        "terminating" if pod.deleting else state,
        pod.restarts,
        ", ".join(pod.images),
    )


def delete(project: Project) -> Plan:
    """Only what carries this project's label; claims and volumes stay."""
    found = project.kubectl.read(
        "get", DELETED, "-l", f"{MANAGED}=kubeup", "-o", "name"
    ).stdout.split()
    if not found:
        return plan_of()
    reason = f"{len(found)} objects that kubeup made: {', '.join(found)}"
    return plan_of(
        [
            Step(
                ids.DELETE_APPLICATION,
                "delete the application from the cluster",
                reason,
                DeleteApplication(project.kubectl),
                seconds=10,
            )
        ]
    )


@dataclass(frozen=True)
class DeleteApplication:
    kubectl: Kubectl

    def commands(self) -> tuple[str, ...]:
        return (self.kubectl.shown(*self._words()),)

    def run(self, log: Log) -> None:
        self.kubectl.write(*self._words(), log=log)

    @staticmethod
    def _words() -> tuple[str, ...]:
        return ("delete", DELETED, "-l", f"{MANAGED}=kubeup", "--wait=true")
