"""What is deployed of the application: its pods, and how it is taken away again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeup.application import why
from kubeup.application.overlay import MANAGED
from kubeup.core import ids
from kubeup.core.plan import Log, Plan, Step, plan_of
from kubeup.core.services import NAMES
from kubeup.facts import trouble
from kubeup.facts.kubernetes import KubePod, app_of
from kubeup.facts.kubernetes import pods as parse_pods
from kubeup.facts.trouble import Trouble
from kubeup.system.kubectl import Kubectl
from kubeup.workflows.project import Project

# neither claim nor volume: those hold the data
DELETED = "statefulset,deployment,service,endpointslice,configmap,secret,networkpolicy"


@dataclass(frozen=True)
class Deployed:
    """The application's pods, each with why it is not ready, and what keeps it from being so."""

    pods: tuple[tuple[KubePod, str], ...]
    troubles: tuple[Trouble, ...]

    @property
    def rows(self) -> Iterator[tuple[str, str, str, int, str]]:
        for pod, cause in self.pods:
            state = cause.splitlines()[0] if cause else pod.state
            yield pod.name, pod.node or "-", state, pod.restarts, ", ".join(pod.images)


def status(project: Project) -> Deployed:
    seen = why.look(project.kubectl, *NAMES)
    found = [item for item in seen.of("Pod") if app_of(item) in NAMES]
    facts = zip(parse_pods(found), (trouble.why(item, seen) for item in found), strict=True)
    troubles = filter(None, (trouble.of_app(name, seen) for name in NAMES))
    return Deployed(tuple(facts), tuple(dict.fromkeys(troubles)))


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
