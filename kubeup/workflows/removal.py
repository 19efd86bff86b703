"""Taking one node away, once its pods and what it must not take with it are elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubeup.application import apply
from kubeup.core import ids
from kubeup.core.errors import Refused
from kubeup.core.plan import Holds, Log, Paced, Planned, Step, step_ids
from kubeup.core.record import VM
from kubeup.facts.kubernetes import nodes
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster
from kubeup.workflows.project import Project

DRAIN_SECONDS = 120.0  # for the pods of a node to end


def remove(project: Project, name: str) -> list[Planned]:
    """Take a worker out of the cluster, and its machine away.

    Raises Refused for the control plane and for the database's node.
    """
    machines = {node.name: node for node in project.provider.observe().nodes}
    node = machines.get(name)
    if node is None or node.state in ("missing", "foreign"):
        raise Refused(
            f"there is no node {name} of this profile",
            f"there are: {', '.join(machines)}",
            "name one of them",
        )
    if node.role == "control":
        raise Refused(
            f"{name} is the control plane",
            "the cluster would be gone with it",
            "`inv cluster.destroy` removes the whole cluster, data is kept",
        )
    spared = _without_data(project, name)
    removal = project.provider.remove(name)
    if node.role == "db":
        return [*spared, Holds(ids.LEAVE, "it is no node of the cluster"), removal]
    uses_kubeadm, unpublish = project.provider.uses_kubeadm, _unpublish(project, name)
    # minikube removes the object itself, and fails without it
    leave = Step(
        ids.LEAVE,
        f"move pods away from {name}{' and forget it' if uses_kubeadm else ''}",
        "asked for",
        LeaveCluster(project.kubectl, name, uses_kubeadm),
        step_ids(unpublish),
        seconds=20,
    )
    return [*spared, *unpublish, leave, replace(removal, needs=(leave.id,))]


def _without_data(project: Project, name: str) -> list[Holds]:
    """That a machine may go with its disk. Raises Refused for one with the database's data."""
    if name == cluster.located(project).node:
        raise Refused(
            f"the database's volume lies on {name}",
            "its data would be out of reach",
            "keep this node, or remove another one",
        )
    on_machine = project.record.on(VM)
    if on_machine and on_machine.node == name:
        raise Refused(
            f"the database's data lie on {name}",
            "they would be out of reach",
            "`inv db.move cluster`, where it runs there, and `inv db.move cluster --drop-old` "
            "bring them away; or remove another one",
        )
    return [
        Holds(ids.SAVE_CLUSTER, f"the database's volume is not on {name}"),
        Holds(ids.SAVE_MACHINE, f"no database was ever on {name}, or it was brought away"),
    ]


def _unpublish(project: Project, name: str) -> list[Step]:
    """The UI's Service gives a node's address back before that may become another machine's."""
    # by the API server's word: the settings may do without that node already
    known = nodes(project.kubectl.items("nodes"))
    address = next((node.address for node in known if node.name == name), "")
    if not project.external.has(address):
        return []
    action = apply.ApplyService(project.deployment_without(name))
    title, reason = f"take {address} off the UI's Service", f"it is {name}'s"
    return [Step(ids.UNPUBLISH, title, reason, action, seconds=1)]


@dataclass(frozen=True)
class LeaveCluster(Paced):
    """Move a node's pods away; `forget` takes its object, too."""

    kubectl: Kubectl
    name: str
    forget: bool

    def commands(self) -> tuple[str, ...]:
        return tuple(self.kubectl.shown(*words) for words in self._words())

    def _words(self) -> Iterator[tuple[str, ...]]:
        pods = ("--ignore-daemonsets", "--delete-emptydir-data", "--force")
        limit = self.pace.seconds(DRAIN_SECONDS)
        yield ("drain", self.name, *pods, f"--timeout={limit:.0f}s")
        if self.forget:
            yield ("delete", "node", self.name)

    def run(self, log: Log) -> None:
        if self.name not in {node.name for node in nodes(self.kubectl.items("nodes"))}:
            return
        for words in self._words():
            self.kubectl.write(*words, log=log, timeout=self.pace.seconds(DRAIN_SECONDS) + 60)
