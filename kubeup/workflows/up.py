"""The main job as one plan: from whatever is there to a verified application, and back."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from kubeup.application import stale
from kubeup.cluster.providers.base import Machines, Needed
from kubeup.cluster.release.components import IMAGES
from kubeup.core import ids
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Plan, Planned, Step, after, plan_of, todo, without_unused
from kubeup.core.record import VM
from kubeup.database.service_state import ServiceState
from kubeup.facts.faults import Fault, Repair
from kubeup.images import build, load
from kubeup.images.catalog import AppImage
from kubeup.system import machine as this_machine
from kubeup.system import secrets
from kubeup.workflows import choices, cluster, health, release, requirements, rollout
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.health import Health
from kubeup.workflows.project import Project
from kubeup.workflows.requirements import Work
from kubeup.workflows.rollout import Seen

SYSTEM_IMAGES = frozenset(image.name for image in IMAGES)


@dataclass(frozen=True)
class UpPlan:
    """A plan with the facts it was made from.

    `incomplete`: something could not be looked at until a part of it has run. `unmended`: what is
    wrong with the cluster, and no step of it mends.
    """

    plan: Plan
    facts: ClusterFacts
    incomplete: bool
    unmended: tuple[Fault, ...] = ()


def plan(project: Project, application: bool = True, force: bool = False) -> UpPlan:
    """Everything between what is there and what the settings want.

    Without the `application` the cluster alone. Raises Refused where this machine does not do for
    it, with `force` where it does not for certain.
    """
    choices.refuse_unrecorded(project)
    facts, found, seen = _look(project, application)
    images = project.images if application else ()
    image_steps, needed = _images(project, facts.machines, images)
    nodes = cluster.plan(project, facts, needed, health.on_nodes(project, facts, found))
    provisions = any(step.id == ids.PROVISION for step in todo(nodes))
    mended = health.by_api(project, found, nodes)
    steps = [
        *_own_images(project, facts, provisions),
        *image_steps,
        *nodes,
        *mended,
        *health.keep_baseline(project, found, [*nodes, *mended]),
    ]
    if application:
        steps += rollout.steps(project, facts, seen, before=todo(steps))
    steps = without_unused(steps)
    tools = list(project.provider.install()) if todo(steps) else []
    whole = plan_of(
        tools, rollout.host_packages(project, steps), after([step.id for step in tools], steps)
    )
    if whole:
        work = _work(project, facts.machines, whole.steps)
        requirements.require(requirements.check(work), force)
    return UpPlan(whole, facts, bool(whole) and _is_hidden(facts), tuple(found.of(Repair.NONE)))


def _look(project: Project, application: bool) -> tuple[ClusterFacts, Health, Seen]:
    """Machines, nodes, cluster and application, side by side."""
    with ThreadPoolExecutor(3) as pool:
        # compared while machines are looked at: most of a second run's time is this one command
        comparing = pool.submit(_compare, project) if application else None
        on_machine = (
            pool.submit(_look_at_machine, project)
            if application and project.database_on == VM
            else None
        )
        wanted = [image.reference for image in project.images] if application else ()
        facts = cluster.observe(project, wanted)
        found = health.look(project, facts)
        service = on_machine.result() if on_machine else None
    return facts, found, replace(_compared(comparing, facts), service=service)


def _is_hidden(facts: ClusterFacts) -> bool:
    """Whether what is on machines that are there can't be looked at before they run."""
    return facts.machines.any_there and (facts.machines.hidden or not facts.answers)


def _images(
    project: Project,
    machines: Machines,
    images: tuple[AppImage, ...],
) -> tuple[list[Planned], Needed]:
    """What makes the application's images, and what new nodes start with."""
    through_disk = (
        images if _lacks_nodes(machines) and project.settings.images.via == "load" else ()
    )
    archives = (("system", project.system_archive), *load.archives(through_disk))
    needed = Needed(archives, (ids.SYSTEM_IMAGES, *(ids.image(one.part) for one in images)))
    return build.plan(images, project.builder), needed


def _own_images(project: Project, facts: ClusterFacts, provisions: bool) -> list[Planned]:
    """What makes Kubernetes' own binaries and images, where nodes or this machine lack them."""
    if not project.provider.uses_kubeadm:
        return []
    machines = facts.machines
    # nodes that an earlier kubeup made lack what is new since
    lack_images = any(not images >= SYSTEM_IMAGES for images in facts.images.values())
    brings = provisions and (lack_images or not machines.release_inside)
    if _lacks_nodes(machines) or brings or not project.kubectl.path.exists():
        return [*release.release_steps(project), *release.image_steps(project)]
    return list(release.INSIDE)


def _lacks_nodes(machines: Machines) -> bool:
    return any(node.state == "missing" for node in machines.nodes)


def _work(project: Project, machines: Machines, steps: Iterable[Step]) -> Work:
    provider, settings = project.provider, project.settings
    wanted = settings.machines_list() if provider.uses_kubeadm else provider.node_specs()
    listening = this_machine.listening() if machines.shares_ports else None
    return Work(
        settings,
        project.host,
        machines,
        wanted,
        tuple(steps),
        project.engine.name,
        provider.sizes,
        listening,
    )


def outstanding(project: Project) -> Work:
    """What is left to do that takes something of this machine, also where no plan can be made."""
    seen = project.provider.observe()
    image_steps, needed = _images(project, seen, project.images)
    try:
        machines = project.provider.plan(seen, needed)
    except KubeupError:  # told by whoever looks at the machines
        machines = ()
    own_images = _own_images(project, ClusterFacts(seen), provisions=False)
    return _work(project, seen, todo([*own_images, *image_steps, *machines]))


def machines(project: Project, force: bool = False) -> Plan:
    """The machines alone: the steps that make and start nodes, and whatever these need."""
    whole = plan(project, application=False, force=force).plan
    steps = {step.id: step for step in whole}
    wanted, waiting = set[StepId](), [one for one in steps if one.kind is Kind.NODE]
    while waiting:
        one = waiting.pop()
        if one in steps and one not in wanted:
            wanted.add(one)
            waiting += steps[one].needs
    return plan_of((step for step in whole if step.id in wanted), whole.holds)


def _compared(comparing: Future[Seen] | None, facts: ClusterFacts) -> Seen:
    """What differs on the cluster.

    A comparison that failed is a fault where the cluster answers; where it sleeps, the facts say
    so.
    """
    try:
        return comparing.result() if comparing else Seen()
    except CommandError:
        if facts.answers:
            raise
        return Seen()


def _compare(project: Project) -> Seen:
    """What deploying would change, where there is a cluster with passwords to compare with."""
    kubectl = project.kubectl
    if (
        not kubectl.has_access()
        or not kubectl.path.exists()
        or secrets.missing(project.state.secrets)
    ):
        return Seen()
    with ThreadPoolExecutor(1) as pool:
        is_stale = pool.submit(stale.api_is_stale, kubectl)
        return Seen(project.deployment.diff(), is_stale=is_stale.result())


def _look_at_machine(project: Project) -> ServiceState | None:
    """How the database's machine is; None where it can't be reached.

    The look at all machines explains that.

    It isn't asked before there is a network that leads to it: whoever answers there is another one,
    or nobody, for ten seconds.
    """
    # a run makes networks
    machine, now = project.machine, replace(project.host, routes=this_machine.routes())
    try:
        if not machine.own_address and now.routes and not now.leads_to(machine.address):
            return None
        return machine.look() if not secrets.missing(project.state.secrets) else None
    except KubeupError:
        return None
