"""Taking a profile down: what is saved, what goes, and what is forgotten at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeup.application import saved_data
from kubeup.application.saved_data import Files
from kubeup.cluster.providers import base as providers
from kubeup.cluster.providers.base import NodeState
from kubeup.cluster.providers.table import PROVIDERS
from kubeup.core import ids
from kubeup.core import record as records
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.options import Options
from kubeup.core.plan import Action, Holds, Log, Plan, Planned, Step, after, plan_of, step_ids, todo
from kubeup.core.record import NOTHING, VM, Location
from kubeup.core.report import Report
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.database import machine_service
from kubeup.system import kubeconfig
from kubeup.workflows import cluster
from kubeup.workflows.converge import carry_out
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project

DELETED = "its cluster is being deleted"
SHARED = (
    "kept, as all profiles share them: images and prepared disks of the container engine, and the "
    "cache (`inv cache.show`)"
)
# how to remove by hand what a tool has left
BY_HAND = {
    "container": "{at} rm --force {name}",
    "volume": "{at} volume rm {name}",
    "network": "{at} network rm {name}",
    "machine": "vagrant global-status",
    "profile": "minikube delete -p {name}",
    "context": "kubectl config delete-context {name} --kubeconfig {at}",
}
LOSE = "or, to lose them: `inv down --data`"
# which of things are there now
Standing = Callable[[Collection[Thing]], tuple[Thing, ...]]


def take_down(project: Project, out: Report, given: Options, data: bool) -> None:
    """Carry that plan out, and say what outlives it."""
    if carry_out(project, lambda: down(project, data), out, given):
        out.say(SHARED)


def down(project: Project, with_data: bool) -> Plan:
    """Remove the machines and the access to what was on them.

    Data goes only where `with_data` says so by name.
    """
    saved, lost = _kept(project, with_data), list[Step]()
    machines = todo(after(step_ids(saved), project.provider.destroy(with_data)))
    if with_data:
        lost += _lost(project)
    things = project.record.things
    gone = tuple(thing for thing in things if with_data or not _outlives(thing))
    needs = step_ids([*machines, *lost])
    contexts = [_forget(context, needs) for context in of_kind(things, "context")]
    config, steps = project.state.kubeconfig, [*machines, *lost, *contexts]
    removed = {thing for step in steps for thing in step.removes}
    forget = Step(
        ids.FORGET_ACCESS,
        f"look that all of it is gone, and forget {config}",
        DELETED,
        ForgetAccess(
            project.state,
            with_data,
            tuple(sorted(removed.union(gone))),
            tuple(thing for thing in gone if _is_remote(thing) and thing not in removed),
            _standing(project),
        ),
        step_ids(steps),
        seconds=1,
        removes=gone,
    )
    known = config.exists() or project.stands_on or steps or gone
    whole = Holds(ids.LEAVE, "the whole cluster goes")
    if known:
        steps.append(forget)
    return plan_of(saved, [whole], steps)


def _standing(project: Project) -> Standing:
    """By all providers: the settings may name another one by now than has made something."""
    every = [
        providers.make(name, project.settings, project.state, project.host) for name in PROVIDERS
    ]
    return lambda things: tuple(thing for one in every for thing in one.standing(things))


def _forget(context: Thing, needs: tuple[StepId, ...]) -> Step:
    return Step(
        ids.FORGET_CONTEXT,
        f"take the context {context.name} out of {context.at}",
        DELETED,
        kubeconfig.TakeOut(context.name, Path(context.at)),
        needs,
        seconds=0,
        removes=(context,),
    )


def _outlives(thing: Thing) -> bool:
    """Whether it stays where the machines go and data are kept."""
    if thing.kind == "volume":
        return not thing.name.endswith("-var")
    return thing.kind == "line" or _is_remote(thing)


def _is_remote(thing: Thing) -> bool:
    """Whether it is on a machine of the user's own."""
    return thing.kind == "service" and "@" in thing.at


def _lost(project: Project) -> Iterator[Step]:
    """What removes data that the provider does not take away: archives, and the user's machine."""
    for archive in map(project.state.saved_data, SIDES):
        if archive.exists():
            yield Step(
                ids.loss(archive.name),
                f"remove {archive}",
                "asked for by name",
                saved_data.ForgetData(archive),
                seconds=0,
                loses=f"the data saved in {archive}",
            )
    where = project.record.on(VM)
    if where and where.address:
        yield Step(
            ids.loss(where.node),
            f"remove the database from {where}",
            "asked for by name",
            machine_service.Drop(project.machine, backups=True),
            seconds=10,
            loses=f"the database's data on {where}, and the backups that it made by itself",
            removes=(project.machine.service,),
        )


def _kept(project: Project, with_data: bool) -> list[Planned]:
    """What becomes of the database's files when their machines go."""
    if with_data:
        return [Holds(ids.save(side), "its loss is asked for by name") for side in SIDES]
    if project.provider.keeps_data:
        why = f"{project.provider.name} keeps data of machines that go"
        return [Holds(ids.save(side), why) for side in SIDES]
    return save_steps(project)


def save_steps(project: Project) -> list[Planned]:
    """What saves the database's files before machines go that can't keep them."""
    # those of a side that a move has left, too: they are kept until somebody drops them by name
    machines = {node.name: node for node in cluster.observe(project).machines.nodes}
    places = {where.side: where for where in _lost_with_machines(project)}
    unused = "no machine that goes has, or has had, the database"
    saved: list[Planned] = [Holds(ids.save(side), unused) for side in SIDES if side not in places]
    awake = list[Planned]()
    for side, where in places.items():
        known, machine = project.files_on(side), machines.get(where.node)
        if machine is None or (machine.state != "surplus" and not machine.address):
            saved.append(Holds(ids.save(side), f"{where.node} was never made"))
            continue
        _refuse_out_of_reach(machine)
        # a cluster that sleeps is started for it, once
        if machine.state == "stopped" and not awake:
            awake = cluster.start(project)
        files = replace(known, place=replace(known.place, node=where.node))
        saved.append(
            Step(
                ids.save(side),
                f"save the database's data to {files.archive}",
                "its machine can't keep them",
                saved_data.SaveData(files, _stop(project, files)),
                step_ids(awake),
                seconds=15,
            )
        )
    return [*awake, *saved]


def _refuse_out_of_reach(machine: NodeState) -> None:
    """Raises Refused where data can't be saved from a machine that goes."""
    if machine.state == "missing":
        raise Refused(
            f"{machine.name} is gone, and with it the way to the database's data",
            "they are saved before the cluster goes",
            f"`inv up` makes that node anew with its data; {LOSE}",
        )
    if machine.state == "surplus":
        raise Refused(
            f"the settings do without {machine.name}, which has the database's data",
            "they are saved before the cluster goes",
            f"put back the count of nodes that it was made with, then run this again; {LOSE}",
        )


def _stop(project: Project, files: Files) -> Action:
    if files.side == VM:
        return machine_service.Stop(project.machine)
    return saved_data.StopDatabase(files.place, project.kubectl)


def _lost_with_machines(project: Project) -> Iterator[Location]:
    """Where the database's files lie, or have lain, on machines that the provider made."""
    in_cluster, on_machine = cluster.located(project), project.record.on(VM)
    if not in_cluster.saved:
        yield in_cluster
    if on_machine and not on_machine.address and not on_machine.saved:
        yield on_machine


@dataclass(frozen=True)
class ForgetAccess:
    """Remove the profile's kubeconfig, and which provider its cluster was on, once all is gone.

    The user's kubeconfig stays as it is. `removed` are looked for once more by whoever has them:
    what is still there, or was left on a machine of the user's own (`kept`), stays on record.
    Raises KubeupError for it.
    """

    state: State
    data: bool = False  # its data go, too: the next database may be anywhere
    removed: tuple[Thing, ...] = ()
    kept: tuple[Thing, ...] = ()
    standing: Standing = lambda things: ()

    def run(self, log: Log) -> None:
        left = (*self.standing(self.removed), *filter(_is_written, self.removed), *self.kept)
        if left:
            records.account(self.state, left, ())  # steps have struck off what they removed
            raise KubeupError(
                "something of the profile is still there",
                "\n".join(map(str, left)),
                f"remove it by hand ({_by_hand(left)}), or with the settings that it was made "
                "with; then run this again",
            )
        log("nothing that was made is left")
        for of_cluster in (self.state.kubeconfig, self.state.baseline):
            of_cluster.unlink(missing_ok=True)
        forgotten: dict[str, Any] = {"provider": ""}
        if self.data:
            nowhere = dict.fromkeys(("database", "left", "target"))
            forgotten |= {"made": NOTHING, **nowhere, "passwords": "", "schedule": records.BY_HAND}
        records.change(self.state, **forgotten)


def _is_written(thing: Thing) -> bool:
    """Whether a line or a context is still in its file."""
    path = Path(thing.at)
    if thing.kind == "context":
        return not kubeconfig.TakeOut(thing.name, path).already()
    return thing.kind == "line" and path.exists() and thing.name in path.read_text().splitlines()


def _by_hand(things: Iterable[Thing]) -> str:
    known = [thing for thing in things if thing.kind in BY_HAND]
    lines = (BY_HAND[thing.kind].format(name=thing.name, at=thing.at) for thing in known)
    return ", ".join(f"`{line}`" for line in dict.fromkeys(lines)) or "as it is named above"
