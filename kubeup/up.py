"""The main job as one plan: from whatever is there to a verified application, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from kubeup import cluster, packages, requirements, secrets
from kubeup import machine as this_machine
from kubeup import record as records
from kubeup.cluster import ClusterFacts
from kubeup.db import machine as db_machine
from kubeup.db import passwords
from kubeup.db.machine import Found
from kubeup.db.server import Version
from kubeup.deploy import apply, data
from kubeup.deploy.overlay import PARTS
from kubeup.errors import CommandError, KubeupError, Refused
from kubeup.images import build, load
from kubeup.images.catalog import AppImage
from kubeup.plan import Action, Log, Plan, Step, plan_of
from kubeup.project import SIDES, Project
from kubeup.providers.base import Machines, Needed
from kubeup.record import CLUSTER, NOTHING, VM, Location
from kubeup.requirements import Work
from kubeup.state import State

ACCESS = "cluster/access"


@dataclass(frozen=True)
class Whole:
    """A plan with the facts it was made from. `blind`: something could not be looked at until a part of it has run."""

    plan: Plan
    facts: ClusterFacts
    blind: bool


def plan(project: Project, application: bool = True, force: bool = False) -> Whole:
    """Everything between what is there and what the settings want; without the `application` the cluster alone.

    Raises Refused where this machine does not do for it, with `force` where it does not for certain.
    """
    project.refuse_unrecorded()
    with ThreadPoolExecutor(3) as pool:
        # compared while machines are looked at: most of a second run's time is this one command
        comparing = pool.submit(_compare, project) if application else None
        on_machine = pool.submit(_look_at_machine, project) if application and project.database_on == VM else None
        facts = cluster.observe(project, [image.reference for image in project.images] if application else ())
        found = on_machine.result() if on_machine else None
    diff = _compared(comparing, facts)
    fresh = not facts.machines.any_there
    images = project.images if application else ()
    own_images, image_steps, needed = _artifacts(project, facts.machines, images)
    steps: list[Step] = [*own_images, *image_steps, *cluster.plan(project, facts, needed)]
    if application:
        steps += _application(project, facts, steps, diff, found)
    missing = packages.missing(project.packages) if steps else ()
    tools = list(project.provider.install()) if steps else []
    whole = plan_of(tools, packages.plan(missing, project.host), cluster.after([step.id for step in tools], steps))
    if whole:
        work = _work(project, facts.machines, whole.steps)
        requirements.require(requirements.check(work), force)
    stopped = any(node.state == "stopped" for node in facts.machines.nodes)
    return Whole(whole, facts, blind=bool(whole) and not fresh and (stopped or not facts.answers))


def _artifacts(
    project: Project, machines: Machines, images: tuple[AppImage, ...],
) -> tuple[list[Step], list[Step], Needed]:
    """What makes Kubernetes' own binaries and images, what makes the application's, and what of
    them new nodes start with."""
    missing_node = any(node.state == "missing" for node in machines.nodes)
    through_disk = images if missing_node and project.settings.images.via == "load" else ()
    archives = (("system", project.system_archive), *load.archives(through_disk))
    needed = Needed(archives, ("image/system", *(build.step_id(one) for one in images)))
    wants_release = project.provider.bare and (missing_node or not project.kubectl.path.exists())
    own_images = list[Step]()
    if wants_release:
        own_images = [*cluster.release_steps(project), *cluster.image_steps(project)]
    return own_images, build.plan(images, project.builder), needed


def _work(project: Project, machines: Machines, steps: Iterable[Step]) -> Work:
    provider, settings = project.provider, project.settings
    wanted = settings.machines_list() if provider.bare else provider.wanted()
    listening = this_machine.listening() if machines.shares_ports else None
    return Work(settings, project.host, machines, wanted, tuple(steps), project.engine.name,
                provider.sizes, listening)


def outstanding(project: Project) -> Work:
    """What is left to do that takes something of this machine, also where no plan can be made."""
    seen = project.provider.observe()
    own_images, image_steps, needed = _artifacts(project, seen, project.images)
    try:
        machines = project.provider.plan(seen, needed)
    except KubeupError:  # told by whoever looks at the machines
        machines = ()
    return _work(project, seen, [*own_images, *image_steps, *machines])


def machines(project: Project, force: bool = False) -> Plan:
    """The machines alone: those steps of the whole plan that make and start nodes, and whatever these need."""
    whole = {step.id: step for step in plan(project, application=False, force=force).plan}
    wanted, waiting = set[str](), [name for name in whole if name.startswith("node/")]
    while waiting:
        name = waiting.pop()
        if name in whole and name not in wanted:
            wanted.add(name)
            waiting += whole[name].needs
    return plan_of(step for step in whole.values() if step.id in wanted)


def data_steps(project: Project, needs: tuple[str, ...]) -> list[Step]:
    """What comes before the database: data that were saved from machines now gone, and the look at the data folder."""
    refuse_other_server(project)
    look = Step(data.STEP, f"look whose data {project.place.node} holds", "data outlives clusters, and keeps its passwords",
                data.CheckData(project.deployment.overlay), (*needs, data.RESTORE), 0.5)
    return [*data.restore(project.files_on(CLUSTER), needs), look]


def _compared(comparing: Future[str | None] | None, facts: ClusterFacts) -> str | None:
    """A comparison that failed is a fault where the cluster answers; where it sleeps, the facts say so."""
    try:
        return comparing.result() if comparing else None
    except CommandError:
        if facts.answers:
            raise
        return None


def _compare(project: Project) -> str | None:
    """What deploying would change, where there is a cluster with passwords to compare with."""
    if not project.state.kubeconfig.exists() or not project.kubectl.path.exists() or secrets.missing(project.state.secrets):
        return None
    return project.deployment.diff()


def _look_at_machine(project: Project) -> Found | None:
    """How the database's machine is; None where it can't be reached, which the look at all machines explains.

    It isn't asked before there is a network that leads to it: whoever answers there is another one, or nobody, for ten seconds.
    """
    machine, now = project.machine, replace(project.host, routes=this_machine.routes())  # a run makes networks
    try:
        if not machine.own and now.routes and not now.leads_to(machine.address):
            return None
        return machine.look() if not secrets.missing(project.state.secrets) else None
    except KubeupError:
        return None


def machine_steps(project: Project, found: Found | None, needs: tuple[str, ...]) -> list[Step]:
    """What makes the database run on its machine."""
    steps = db_machine.plan(project.machine, found, (*needs, passwords.SET, data.RESTORE))
    if steps:
        refuse_other_server(project)
    return [*(data.restore(project.files_on(VM), needs) if steps else ()), *steps]


def _application(project: Project, facts: ClusterFacts, before: list[Step], diff: str | None, found: Found | None) -> list[Step]:
    """Passwords, images on the nodes and the rollout."""
    generated = password_steps(project, facts)
    # a new node of a provider that preloads starts with the images, all others get them when they are up
    nodes = [spec.name for spec in project.provider.wanted() if spec.name in facts.images or not project.provider.preloads]
    steps = [*generated]
    if project.settings.images.via == "registry":
        steps += push_steps(project)
    else:
        steps += load.plan(project.images, nodes, facts.images, project.provider.load, (cluster.PROVISION, cluster.ANSWERS))
    if facts.machines.any_there and not facts.answers and not any(step.id == cluster.PROVISION for step in before):
        return steps  # the cluster is there but asleep: what it holds is looked at when it is awake
    needs: tuple[str, ...] = (cluster.ANSWERS, secrets.STEP, cluster.PROVISION)
    on_machine = project.database_on == VM
    if on_machine:
        made = [step.id for step in before if step.id.startswith("node/")]
        steps += machine_steps(project, found, (secrets.STEP, cluster.PROVISION, *made))
        needs = (*needs, db_machine.SERVICE)
    applied = apply.plan(project.deployment, diff if facts.answers else None, needs, carry=lambda: passwords.carry(project.passwords))
    if any(step.id == "deploy/db" for step in applied) and not on_machine:
        steps += data_steps(project, (*needs, passwords.SET))
    ours = [one for one in facts.workloads if not on_machine or one.app != "db"]
    falling = [one.app for one in ours if not one.standing and f"deploy/{one.app}" not in {step.id for step in applied}]
    return [*steps, *applied, *apply.wait(project.deployment, falling, needs)]


def password_steps(project: Project, facts: ClusterFacts) -> list[Step]:
    """Generate what `.env` lacks. Raises Refused where a database runs with passwords that are no longer there, or half changed."""
    if facts.answers and (project.database_on == VM or any(one.app == "db" for one in facts.workloads)):
        _refuse_half_done(project)  # where no database is there, it has to come first: what finishes these talks to it
    generated = secrets.plan(project.state.secrets)
    if generated and any(one.app == "db" for one in facts.workloads):
        raise Refused(f"{project.state.secrets.name} lacks passwords of a database that is there", generated[0].reason,
                      "put the file back; `kubectl get secret mysecret -o yaml` has the values, in base64 (ROOT_PASSWORD is MYSQL_ROOT_PASSWORD)")
    return generated


def _refuse_half_done(project: Project) -> None:
    if target := project.record.target:
        raise Refused("a move of the database was interrupted", "until it ends the API may read and not write",
                      f"`inv db.move {target.side}` finishes it, `inv db.move {project.database_on}` takes it back")
    if secrets.pending(project.state.secrets):
        raise Refused("a change of passwords was interrupted", f"{project.state.secrets.name} holds new ones that are not in use everywhere",
                      "`inv db.rotate` finishes it; whatever runs, goes on running until then")


def push_steps(project: Project) -> list[Step]:
    """A push for each image of ours that its registry does not hold."""
    plain, engine = bool(project.settings.images.plain_registries), project.engine
    ours = [image for image in project.images if image.context is not None]
    with ThreadPoolExecutor(len(PARTS)) as pool:
        held = list(pool.map(lambda image: load.in_registry(engine, image.reference, plain), ours))
    return [Step(f"push/{image.part}", f"push {image.reference}", "not in the registry", load.PushImage(engine, image, plain),
                 (f"image/{image.part}", "host/packages"), 20) for image, there in zip(ours, held, strict=True) if not there]


def down(project: Project, with_data: bool) -> Plan:
    """Remove the machines and the access to what was on them; data only where `with_data` says so by name."""
    saved = [] if with_data or project.provider.keeps_data else save_steps(project)
    machines = [replace(step, needs=(*step.needs, *(one.id for one in saved))) for step in project.provider.destroy(with_data)]
    config, needs = project.state.kubeconfig, tuple(step.id for step in machines)
    forget = [Step(ACCESS, f"forget {config}", "it leads to a cluster that is no more", ForgetAccess(project.state, with_data), needs, 0)]
    archives = [archive for archive in map(project.state.saved_data, SIDES) if with_data and archive.exists()]
    lose = [Step(f"data/{archive.name}", f"remove {archive}", "asked for by name", data.ForgetData(archive), seconds=0,
                 loses=f"the data saved in {archive}") for archive in archives]
    return plan_of(saved, machines, forget if config.exists() or project.stands_on or lose else [], lose)


def save_steps(project: Project) -> list[Step]:
    """The database's files are saved before machines go that can't keep them; a cluster that sleeps is woken for it.

    Those of a side that a move has left are saved, too: they are kept until somebody drops them by name.
    """
    found = {node.name: node for node in cluster.observe(project).machines.nodes}
    awake, saved = list[Step](), list[Step]()
    for where in _lost_with_machines(project):
        side, known = where.side, project.files_on(where.side)
        files = replace(known, place=replace(known.place, node=where.node))
        node = found.get(files.place.node)
        if node is None or (node.state != "surplus" and not node.address):
            continue  # it was never made
        if node.state == "missing":
            raise Refused(f"{node.name} is gone, and with it the way to the database's data", "they are saved before the cluster goes",
                          "`inv up` makes that node anew with its data; or, to lose them: `inv down --data`")
        if node.state == "surplus":
            raise Refused(f"the settings do without {node.name}, which has the database's data", "they are saved before the cluster goes",
                          "put back the count of nodes that it was made with, then run this again; or, to lose them: `inv down --data`")
        awake = awake or (cluster.start(project) if node.state == "stopped" else [])
        stop: Action = db_machine.Stop(project.machine) if side == VM else data.StopDatabase(files.place, project.kubectl)
        saved.append(Step(f"{data.SAVE}-{side}", f"save the database's data to {files.archive}", "its machine can't keep them",
                          data.SaveData(files, stop), tuple(step.id for step in awake), 15))
    return [*awake, *saved]


def _lost_with_machines(project: Project) -> Iterator[Location]:
    """Where the database's files lie, or have lain, on machines that the provider made."""
    in_cluster, on_machine = cluster.located(project), project.record.on(VM)
    if not in_cluster.saved:
        yield in_cluster
    if on_machine and not on_machine.address and not on_machine.saved:
        yield on_machine


def refuse_other_server(project: Project) -> None:
    """Raises Refused where another database than wrote the files would be started on them, and could spoil them."""
    if not project.made.server:
        return
    made, now = Version(project.made.server), Version(project.server_version)
    if now.takes_files_of(made):
        return
    back = "put back database.engine, database.version and images.bases as they were"
    over = "`inv db.backup`, `inv down --data`, `inv up` and `inv db.restore FILE` bring the rows over"
    rows = made.engine == now.engine and now.newer_than(made)
    raise Refused(f"the settings want {now}, the database's files are of {made}", "it would not start on them, or spoil them",
                  f"{back}; or {over}" if rows else f"{back}; or, to lose the data: `inv down --data`")


@dataclass(frozen=True)
class ForgetAccess:
    """Remove the profile's own kubeconfig, and which provider its cluster stood on; the user's kubeconfig stays as it is."""

    state: State
    data: bool = False  # its data go, too: the next database may be anywhere

    def run(self, log: Log) -> None:
        self.state.kubeconfig.unlink(missing_ok=True)
        data: dict[str, Any] = {"made": NOTHING, "database": None, "left": None, "target": None}
        records.change(self.state, provider="", **(data if self.data else {}))


__all__ = ["PARTS", "Whole", "down", "plan", "push_steps"]
