"""The main job as one plan: from whatever is there to a verified application, and back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeup.application import apply, data
from kubeup.application.overlay import PARTS
from kubeup.cluster.providers.base import Machines, Needed
from kubeup.core import ids
from kubeup.core import record as records
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Action, Holds, Log, Plan, Planned, Step, after, plan_of, todo
from kubeup.core.record import CLUSTER, NOTHING, VM, Location
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.database import machine as db_machine
from kubeup.database import passwords
from kubeup.database.machine import ServiceState
from kubeup.database.server import Version, require_files
from kubeup.images import build, load
from kubeup.images.catalog import AppImage
from kubeup.system import kubeconfig, packages, secrets
from kubeup.system import machine as this_machine
from kubeup.workflows import cluster, requirements
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import SIDES, Project
from kubeup.workflows.requirements import Work


@dataclass(frozen=True)
class UpPlan:
    """A plan with the facts it was made from. `blind`: something could not be looked at until a part of it has run."""

    plan: Plan
    facts: ClusterFacts
    incomplete: bool


def plan(project: Project, application: bool = True, force: bool = False) -> UpPlan:
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
    image_steps, needed = _images(project, facts.machines, images)
    nodes = cluster.plan(project, facts, needed)
    provisions = any(step.id == ids.PROVISION for step in todo(nodes))
    own_images = _own_images(project, facts.machines, provisions)
    steps = [*own_images, *image_steps, *nodes]
    if application:
        steps += _application(project, facts, todo(steps), diff, found)
    tools = list(project.provider.install()) if todo(steps) else []
    whole = plan_of(tools, host_packages(project, steps), after([step.id for step in tools], steps))
    if whole:
        work = _work(project, facts.machines, whole.steps)
        requirements.require(requirements.check(work), force)
    stopped = any(node.state == "stopped" for node in facts.machines.nodes)
    return UpPlan(whole, facts, incomplete=bool(whole) and not fresh and (stopped or not facts.answers))


def host_packages(project: Project, planned: Iterable[Planned]) -> list[Planned]:
    """The packages that this machine lacks, where there is something to do with them."""
    return packages.plan(packages.missing(project.packages) if todo(planned) else (), project.host)


def _images(
    project: Project, machines: Machines, images: tuple[AppImage, ...],
) -> tuple[list[Planned], Needed]:
    """What makes the application's images, and what new nodes start with."""
    through_disk = images if _lacks_nodes(machines) and project.settings.images.via == "load" else ()
    archives = (("system", project.system_archive), *load.archives(through_disk))
    needed = Needed(archives, (ids.SYSTEM_IMAGES, *(ids.image(one.part) for one in images)))
    return build.plan(images, project.builder), needed


def _own_images(project: Project, machines: Machines, provisions: bool) -> list[Planned]:
    """What makes Kubernetes' own binaries and images, where nodes or this machine lack them."""
    if not project.provider.uses_kubeadm:
        return []
    brings = provisions and not machines.release_inside
    if _lacks_nodes(machines) or brings or not project.kubectl.path.exists():
        return [*cluster.release_steps(project), *cluster.image_steps(project)]
    return list(cluster.INSIDE)


def _lacks_nodes(machines: Machines) -> bool:
    return any(node.state == "missing" for node in machines.nodes)


def _work(project: Project, machines: Machines, steps: Iterable[Step]) -> Work:
    provider, settings = project.provider, project.settings
    wanted = settings.machines_list() if provider.uses_kubeadm else provider.node_specs()
    listening = this_machine.listening() if machines.shares_ports else None
    return Work(settings, project.host, machines, wanted, tuple(steps), project.engine.name,
                provider.sizes, listening)


def outstanding(project: Project) -> Work:
    """What is left to do that takes something of this machine, also where no plan can be made."""
    seen = project.provider.observe()
    image_steps, needed = _images(project, seen, project.images)
    try:
        machines = project.provider.plan(seen, needed)
    except KubeupError:  # told by whoever looks at the machines
        machines = ()
    own_images = _own_images(project, seen, provisions=False)
    return _work(project, seen, todo([*own_images, *image_steps, *machines]))


def machines(project: Project, force: bool = False) -> Plan:
    """The machines alone: those steps of the whole plan that make and start nodes, and whatever these need."""
    whole = plan(project, application=False, force=force).plan
    steps = {step.id: step for step in whole}
    wanted, waiting = set[StepId](), [one for one in steps if one.kind is Kind.NODE]
    while waiting:
        one = waiting.pop()
        if one in steps and one not in wanted:
            wanted.add(one)
            waiting += steps[one].needs
    return plan_of((step for step in whole if step.id in wanted), whole.holds)


def before_database(
    project: Project, applied: Iterable[Planned], needs: tuple[StepId, ...],
) -> list[Planned]:
    """What comes before the database, where it is among what is applied."""
    if all(step.id != ids.deploy("db") for step in todo(applied)):
        return []
    if project.database_on == VM:
        return [Holds(ids.LOOK_AT_DATA, "the database's data are on a machine")]
    return data_steps(project, needs)


def data_steps(project: Project, needs: tuple[StepId, ...]) -> list[Planned]:
    """What comes before the database: data that were saved from machines now gone, and the look at the data folder."""
    refuse_other_server(project)
    look = Step(ids.LOOK_AT_DATA, f"look whose data {project.place.node} holds", "data outlives clusters, and keeps its passwords",
                data.CheckData(project.deployment.overlay, project.admit), (*needs, ids.RESTORE_DATA), 0.5)
    return [data.restore(project.files_on(CLUSTER), needs), look]


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
    if not project.kubectl.has_access() or not project.kubectl.path.exists() or secrets.missing(project.state.secrets):
        return None
    return project.deployment.diff()


def _look_at_machine(project: Project) -> ServiceState | None:
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


def machine_steps(
    project: Project, found: ServiceState | None, needs: tuple[StepId, ...],
) -> list[Planned]:
    """What makes the database in use run on its machine."""
    steps = service_steps(project, found, needs)
    if todo(steps):
        refuse_other_server(project)
    return steps


def service_steps(
    project: Project, found: ServiceState | None, needs: tuple[StepId, ...],
) -> list[Planned]:
    """What makes a database run on the machine, with the files that were saved from it."""
    steps = db_machine.plan(project.machine, found, (*needs, ids.RESTORE_DATA))
    return [data.restore(project.files_on(VM), needs), *steps] if todo(steps) else steps


def _application(project: Project, facts: ClusterFacts, before: list[Step], diff: str | None, found: ServiceState | None) -> list[Planned]:
    """Passwords, images on the nodes and the rollout."""
    generated = password_steps(project, facts)
    # a new node of a provider that preloads starts with the images, all others get them when they are up
    nodes = [spec.name for spec in project.provider.node_specs() if spec.name in facts.images or not project.provider.preloads]
    steps = [*generated, *bring_steps(project, project.images, nodes, facts.images, (ids.PROVISION, ids.ANSWERS))]
    if facts.machines.any_there and not facts.answers and not any(step.id == ids.PROVISION for step in before):
        return steps  # the cluster is there but asleep: what it holds is looked at when it is awake
    needs: tuple[StepId, ...] = (ids.ANSWERS, ids.PASSWORDS, ids.PROVISION, ids.SET_PASSWORDS)
    on_machine = project.database_on == VM
    if on_machine:
        made = [step.id for step in before if step.id.kind is Kind.NODE]
        steps += machine_steps(project, found, (ids.PASSWORDS, ids.PROVISION, ids.SET_PASSWORDS, *made))
        needs = (*needs, ids.MACHINE_SERVICE)
    again = apply.PASSWORD_PARTS if _forgets(project) else ()
    applied = apply.plan(project.deployment, diff if facts.answers else None, needs,
                         carry=lambda: passwords.carry(project.passwords), again=again)
    applied += _forget_steps(project, applied)
    steps += before_database(project, applied, needs)
    deployed = {step.id for step in todo(applied)}
    ours = [one for one in facts.workloads if not on_machine or one.app != "db"]
    falling = [one.app for one in ours if not one.standing and ids.deploy(one.app) not in deployed]
    return [*steps, *applied, *apply.wait(project.deployment, falling, needs)]


def _forget_steps(project: Project, applied: Iterable[Planned]) -> list[Planned]:
    """What a change of passwords that was cut off has left.

    The database takes no others, once everybody has those of `.env`.
    """
    if not _forgets(project) or any(one.id == ids.DISCARD_PASSWORDS for one in applied):
        return []
    why = "a change of passwords was cut off"
    _, forget = passwords.steps(project.passwords, why, ())
    return [replace(forget, reason=why)]


def _forgets(project: Project) -> bool:
    """Whether the database may take passwords that nobody has any more.

    Not so while new ones wait in `.env`: then `db.rotate` has to go on.
    """
    return project.begun_passwords and not secrets.pending(project.state.secrets)


def bring_steps(
    project: Project, images: Sequence[AppImage], nodes: Collection[str],
    held: Mapping[str, frozenset[str]], needs: tuple[StepId, ...] = (),
) -> list[Planned]:
    """What brings images to where nodes take them from: to nodes themselves, or to a registry."""
    via = project.settings.images.via
    other = ids.load if via == "registry" else ids.push
    unwanted = [Holds(other(image.part), f"images.via is {via}") for image in images]
    if via == "registry":
        return [*push_steps(project, images), *unwanted]
    return [*load.plan(images, nodes, held, project.provider.load, needs), *unwanted]


def password_steps(project: Project, facts: ClusterFacts) -> list[Planned]:
    """Generate what `.env` lacks. Raises Refused where a database runs with passwords that are no longer there, or half changed."""
    begun = project.begun_passwords
    if facts.answers and (project.database_on == VM or any(one.app == "db" for one in facts.workloads)):
        _refuse_half_done(project)  # where no database is there, it has to come first: what finishes these talks to it
    generated = secrets.plan(project.state.secrets)
    lacking = todo(generated)
    if lacking and (begun or any(one.app == "db" for one in facts.workloads)):
        raise Refused(f"{project.state.secrets.name} lacks passwords of a database that is there", lacking[0].reason,
                      "put the file back; `kubectl get secret mysecret -o yaml` has the values, in base64 (ROOT_PASSWORD is MYSQL_ROOT_PASSWORD)")
    return generated


def _refuse_half_done(project: Project) -> None:
    if target := project.record.target:
        raise Refused("a move of the database was interrupted", "until it ends the API may read and not write",
                      f"`inv db.move {target.side}` finishes it, `inv db.move {project.database_on}` takes it back")
    if secrets.pending(project.state.secrets):
        raise Refused("a change of passwords was interrupted", f"{project.state.secrets.name} holds new ones that are not in use everywhere",
                      "`inv db.rotate` finishes it; whatever runs, goes on running until then")


def push_steps(project: Project, images: Sequence[AppImage]) -> list[Planned]:
    """A push for each image of ours that its registry does not hold."""
    with ThreadPoolExecutor(len(PARTS)) as pool:
        return list(pool.map(lambda image: _push(project, image), images))


def _push(project: Project, image: AppImage) -> Planned:
    id_, engine = ids.push(image.part), project.engine
    plain = bool(project.settings.images.plain_registries)
    if image.context is None:
        return Holds(id_, "nodes pull it from where it is published")
    if load.in_registry(engine, image.reference, plain):
        return Holds(id_, "in the registry")
    return Step(id_, f"push {image.reference}", "not in the registry", load.PushImage(engine, image, plain),
                (ids.image(image.part), ids.PACKAGES), 20)


def down(project: Project, with_data: bool) -> Plan:
    """Remove the machines and the access to what was on them; data only where `with_data` says so by name."""
    saved = _kept(project, with_data)
    machines = todo(after([one.id for one in todo(saved)], project.provider.destroy(with_data)))
    archives = [archive for archive in map(project.state.saved_data, SIDES) if with_data and archive.exists()]
    lose = [Step(ids.loss(archive.name), f"remove {archive}", "asked for by name", data.ForgetData(archive), seconds=0,
                 loses=f"the data saved in {archive}") for archive in archives]
    lose += _service_on_own_machine(project) if with_data else []
    config, needs = project.state.kubeconfig, tuple(step.id for step in (*machines, *lose))
    gone = tuple(one for one in project.record.things if with_data or not _outlives(one))
    merged = [Step(ids.FORGET_CONTEXT, f"take the context {one.name} out of {one.at}", "it leads to a cluster that is no more",
                   kubeconfig.TakeOut(one.name, Path(one.at)), needs, 0, removes=(one,)) for one in of_kind(project.record.things, "context")]
    forget = [Step(ids.FORGET_ACCESS, f"forget {config}", "it leads to a cluster that is no more", ForgetAccess(project.state, with_data),
                   (*needs, *(step.id for step in merged)), 0, removes=gone)]
    whole = Holds(ids.LEAVE, "the whole cluster goes")
    return plan_of(saved, [whole], machines, lose, merged, forget if config.exists() or project.stands_on or lose or gone else [])


def _outlives(thing: Thing) -> bool:
    """Whether it stays where the machines go and data are kept."""
    return thing.kind in ("volume", "line") or (thing.kind == "service" and "@" in thing.at)


def _service_on_own_machine(project: Project) -> list[Step]:
    """The database's service, and its data, on a machine that no provider takes away: the user's own."""
    where = project.record.on(VM)
    if where is None or not where.address:
        return []
    return [Step(ids.loss(where.node), f"remove the database from {where}", "asked for by name", db_machine.Drop(project.machine), seconds=10,
                 loses=f"the database's data on {where}", removes=(project.machine.service,))]


def _kept(project: Project, with_data: bool) -> list[Planned]:
    """What becomes of the database's files when their machines go."""
    if with_data:
        return [Holds(ids.save(side), "its loss is asked for by name") for side in SIDES]
    if project.provider.keeps_data:
        why = f"{project.provider.name} keeps data of machines that go"
        return [Holds(ids.save(side), why) for side in SIDES]
    return save_steps(project)


def save_steps(project: Project) -> list[Planned]:
    """The database's files are saved before machines go that can't keep them; a cluster that sleeps is woken for it.

    Those of a side that a move has left are saved, too: they are kept until somebody drops them by name.
    """
    found = {node.name: node for node in cluster.observe(project).machines.nodes}
    awake, saved = list[Planned](), list[Planned]()
    places = {where.side: where for where in _lost_with_machines(project)}
    saved += [Holds(ids.save(side), "no machine that goes has, or has had, the database") for side in SIDES if side not in places]
    for side, where in places.items():
        known = project.files_on(side)
        files = replace(known, place=replace(known.place, node=where.node))
        node = found.get(files.place.node)
        if node is None or (node.state != "surplus" and not node.address):
            saved.append(Holds(ids.save(side), f"{files.place.node} was never made"))
            continue
        if node.state == "missing":
            raise Refused(f"{node.name} is gone, and with it the way to the database's data", "they are saved before the cluster goes",
                          "`inv up` makes that node anew with its data; or, to lose them: `inv down --data`")
        if node.state == "surplus":
            raise Refused(f"the settings do without {node.name}, which has the database's data", "they are saved before the cluster goes",
                          "put back the count of nodes that it was made with, then run this again; or, to lose them: `inv down --data`")
        awake = awake or (cluster.start(project) if node.state == "stopped" else [])
        stop: Action = db_machine.Stop(project.machine) if side == VM else data.StopDatabase(files.place, project.kubectl)
        saved.append(Step(ids.save(side), f"save the database's data to {files.archive}", "its machine can't keep them",
                          data.SaveData(files, stop), tuple(step.id for step in todo(awake)), 15))
    return [*awake, *saved]


def _lost_with_machines(project: Project) -> Iterator[Location]:
    """Where the database's files lie, or have lain, on machines that the provider made."""
    in_cluster, on_machine = cluster.located(project), project.record.on(VM)
    if not in_cluster.saved:
        yield in_cluster
    if on_machine and not on_machine.address and not on_machine.saved:
        yield on_machine


def refuse_other_server(project: Project) -> None:
    """Raises Refused where it is on record that another database wrote the files.

    Where nothing is, who starts it looks at them (`Project.admit`).
    """
    if project.made.server:
        require_files(Version(project.server_version), Version(project.made.server))


@dataclass(frozen=True)
class ForgetAccess:
    """Remove the profile's own kubeconfig, and which provider its cluster stood on; the user's kubeconfig stays as it is."""

    state: State
    data: bool = False  # its data go, too: the next database may be anywhere

    def run(self, log: Log) -> None:
        self.state.kubeconfig.unlink(missing_ok=True)
        data: dict[str, Any] = {"made": NOTHING, "database": None, "left": None, "target": None, "passwords": ""}
        records.change(self.state, provider="", **(data if self.data else {}))


__all__ = ["PARTS", "UpPlan", "down", "plan", "push_steps"]
