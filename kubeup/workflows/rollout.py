"""The application's rollout as tasks of its own, on a cluster that is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeup.application import apply
from kubeup.application.overlay import MANAGED, PARTS
from kubeup.core import ids
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Log, Plan, Step, plan_of, todo
from kubeup.core.record import VM
from kubeup.database import passwords
from kubeup.facts.kubernetes import KubePod
from kubeup.facts.kubernetes import pods as parse_pods
from kubeup.images import build as builds
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, up
from kubeup.workflows.project import Project

DELETED = "statefulset,deployment,service,endpointslice,configmap,secret"  # neither claim nor volume: those hold the data


def part(name: str) -> str:
    if name not in PARTS:
        raise UsageError(f"there is no part {name}", f"the application's parts are {', '.join(PARTS)}", "name one of them")
    return name


def plan(project: Project, parts: Sequence[str]) -> Plan:
    """Images, passwords and rollout of some parts. Raises KubeupError where there is no cluster."""
    images = tuple(image for image in project.images if image.part in parts)
    facts = cluster.observe(project, [image.reference for image in images])
    if not facts.answers:
        raise KubeupError("the cluster does not answer", f"{project.state.kubeconfig} leads nowhere",
                          "start it: `inv cluster.start`, or make it: `inv up`")
    built, generated = builds.plan(images, project.builder), up.password_steps(project, facts)
    nodes = tuple(spec.name for spec in project.provider.node_specs())
    steps = [*built, *generated, *up.bring_steps(project, images, nodes, facts.images)]
    needs: tuple[StepId, ...] = (ids.PASSWORDS, ids.SET_PASSWORDS)
    if project.database_on == VM and "db" in parts:
        steps += up.machine_steps(project, None if todo(generated) else project.machine.look(), needs)
        needs = (*needs, ids.MACHINE_SERVICE)
    diff = None if todo(generated) else project.deployment.diff(parts)
    applied = apply.plan(project.deployment, diff, needs, parts, carry=lambda: passwords.carry(project.passwords))
    return plan_of(up.host_packages(project, steps), steps, applied, up.before_database(project, applied, needs))


def pods(project: Project) -> tuple[KubePod, ...]:
    return parse_pods(project.kubectl.items("pods", "-l", f"{MANAGED}=kubeup"))


def row(pod: KubePod) -> tuple[str, str, str, int, str]:
    state = "ready" if pod.ready else ", ".join(f"{reason}: {message}"[:80] for reason, message in pod.waiting) or pod.phase
    return pod.name, pod.node or "-", "ending" if pod.deleting else state, pod.restarts, ", ".join(pod.images)


def delete(project: Project) -> Plan:
    """Only what carries this project's label; claims and volumes stay."""
    found = project.kubectl.read("get", DELETED, "-l", f"{MANAGED}=kubeup", "-o", "name").stdout.split()
    if not found:
        return plan_of()
    reason = f"{len(found)} objects of ours: {', '.join(found)}"
    return plan_of([Step(ids.DELETE_APPLICATION, "take the application off the cluster", reason, DeleteApplication(project.kubectl), seconds=10)])


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
