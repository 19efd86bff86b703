"""The play as asked for by hand, and Ansible's ping."""

from __future__ import annotations

from kubeup.application import deploying
from kubeup.cluster.provision import cni, play
from kubeup.core import ids
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.plan import Holds, Planned, Step, todo
from kubeup.system import packages
from kubeup.workflows import cluster, release
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.nodes import ready_step
from kubeup.workflows.project import Project


def provision(
    project: Project, check: bool = False, limit: str = "", tags: str = "", verbosity: int = 0
) -> list[Planned]:
    """Run the play.

    Before it comes what it brings to the nodes, where that is not here yet; after it what it
    restarts.
    """
    facts = _provisionable(project)
    steps = _brought(project, facts)
    steps += cni.steps(project.settings, project.state)
    inventory, title = cluster.inventory(project, facts), "run the play"
    if check:
        title = "check what the play would change"
    action = play.Provision(project.state, inventory, limit, tags, verbosity, check)
    needs = (ids.KUBERNETES, ids.SYSTEM_IMAGES, ids.CNI)
    steps.append(Step(ids.PROVISION, title, "asked for", action, needs, seconds=20))
    # a part of the play alone makes no cluster of new nodes
    if check or ((limit or tags) and not facts.answers):
        return steps
    return [*steps, *_restarted(project, facts)]


def _brought(project: Project, facts: ClusterFacts) -> list[Planned]:
    """What the play brings to the nodes, and the packages that making it needs."""
    made = list[Planned](release.INSIDE)
    if not facts.machines.release_inside:
        made = [*release.release_steps(project), *release.image_steps(project)]
    missing = packages.missing(project.packages) if todo(made) else ()
    return [*packages.plan(missing, project.host), *made]


def _restarted(project: Project, facts: ClusterFacts) -> list[Planned]:
    """What waits for nodes, and for the parts that stood before."""
    why = "the play restarts what it changes"
    standing = [workload.app for workload in facts.workloads if workload.standing]
    brought = [
        Holds(way(app), "it runs with it") for app in standing for way in (ids.load, ids.push)
    ]
    waits = deploying.wait(project.deployment, standing, (ids.ANSWERS,), why)
    return [ready_step(project, why, (ids.PROVISION,), 5), *brought, *waits]


def ping(project: Project, limit: str = "") -> str:
    """What Ansible's ping says of each node. Raises KubeupError where one does not answer."""
    return play.Ping(cluster.inventory(project, _provisionable(project)), limit).ask()


def _provisionable(project: Project) -> ClusterFacts:
    """Facts of a cluster whose machines all run and are the play's business.

    Raises KubeupError for others.
    """
    if not project.provider.uses_kubeadm:
        raise UsageError(
            f"{project.provider.name} makes Kubernetes itself",
            "Ansible has nothing to do there",
            "`inv up`",
        )
    facts = cluster.observe(project)
    if not facts.machines.running:
        raise KubeupError(
            "not every machine runs",
            ", ".join(f"{node.name} {node.state}" for node in facts.machines.nodes),
            "`inv cluster.start`, or `inv up`",
        )
    return facts
