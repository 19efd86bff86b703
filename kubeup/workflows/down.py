"""Taking a profile down: what is saved, what goes, and what is forgotten at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kubeup.application import data
from kubeup.core import ids
from kubeup.core import record as records
from kubeup.core.errors import Refused
from kubeup.core.plan import Action, Holds, Log, Plan, Planned, Step, after, plan_of, todo
from kubeup.core.record import NOTHING, VM, Location
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.database import machine as db_machine
from kubeup.system import kubeconfig
from kubeup.workflows import cluster
from kubeup.workflows.project import SIDES, Project


def down(project: Project, with_data: bool) -> Plan:
    """Remove the machines and the access to what was on them; data only where `with_data` says
    so by name.
    """
    saved = _kept(project, with_data)
    machines = todo(after([one.id for one in todo(saved)], project.provider.destroy(with_data)))
    archives = [
        archive
        for archive in map(project.state.saved_data, SIDES)
        if with_data and archive.exists()
    ]
    lose = [
        Step(
            ids.loss(archive.name),
            f"remove {archive}",
            "asked for by name",
            data.ForgetData(archive),
            seconds=0,
            loses=f"the data saved in {archive}",
        )
        for archive in archives
    ]
    lose += _service_on_own_machine(project) if with_data else []
    config, needs = project.state.kubeconfig, tuple(step.id for step in (*machines, *lose))
    gone = tuple(one for one in project.record.things if with_data or not _outlives(one))
    merged = [
        Step(
            ids.FORGET_CONTEXT,
            f"take the context {one.name} out of {one.at}",
            "it leads to a cluster that is no more",
            kubeconfig.TakeOut(one.name, Path(one.at)),
            needs,
            0,
            removes=(one,),
        )
        for one in of_kind(project.record.things, "context")
    ]
    forget = [
        Step(
            ids.FORGET_ACCESS,
            f"forget {config}",
            "it leads to a cluster that is no more",
            ForgetAccess(project.state, with_data),
            (*needs, *(step.id for step in merged)),
            0,
            removes=gone,
        )
    ]
    whole = Holds(ids.LEAVE, "the whole cluster goes")
    return plan_of(
        saved,
        [whole],
        machines,
        lose,
        merged,
        forget if config.exists() or project.stands_on or lose or gone else [],
    )


def _outlives(thing: Thing) -> bool:
    """Whether it stays where the machines go and data are kept."""
    return thing.kind in ("volume", "line") or (thing.kind == "service" and "@" in thing.at)


def _service_on_own_machine(project: Project) -> list[Step]:
    """The database's service, and its data, on a machine that no provider takes away: the user's
    own.
    """
    where = project.record.on(VM)
    if where is None or not where.address:
        return []
    return [
        Step(
            ids.loss(where.node),
            f"remove the database from {where}",
            "asked for by name",
            db_machine.Drop(project.machine),
            seconds=10,
            loses=f"the database's data on {where}",
            removes=(project.machine.service,),
        )
    ]


def _kept(project: Project, with_data: bool) -> list[Planned]:
    """What becomes of the database's files when their machines go."""
    if with_data:
        return [Holds(ids.save(side), "its loss is asked for by name") for side in SIDES]
    if project.provider.keeps_data:
        why = f"{project.provider.name} keeps data of machines that go"
        return [Holds(ids.save(side), why) for side in SIDES]
    return save_steps(project)


def save_steps(project: Project) -> list[Planned]:
    """The database's files are saved before machines go that can't keep them; a cluster that sleeps
    is woken for it.

    Those of a side that a move has left are saved, too: they are kept until somebody drops them by
    name.
    """
    found = {node.name: node for node in cluster.observe(project).machines.nodes}
    awake, saved = list[Planned](), list[Planned]()
    places = {where.side: where for where in _lost_with_machines(project)}
    saved += [
        Holds(ids.save(side), "no machine that goes has, or has had, the database")
        for side in SIDES
        if side not in places
    ]
    for side, where in places.items():
        known = project.files_on(side)
        files = replace(known, place=replace(known.place, node=where.node))
        node = found.get(files.place.node)
        if node is None or (node.state != "surplus" and not node.address):
            saved.append(Holds(ids.save(side), f"{files.place.node} was never made"))
            continue
        if node.state == "missing":
            raise Refused(
                f"{node.name} is gone, and with it the way to the database's data",
                "they are saved before the cluster goes",
                "`inv up` makes that node anew with its data; or, to lose them: `inv down --data`",
            )
        if node.state == "surplus":
            raise Refused(
                f"the settings do without {node.name}, which has the database's data",
                "they are saved before the cluster goes",
                "put back the count of nodes that it was made with, then run this again; or, to "
                "lose them: `inv down --data`",
            )
        awake = awake or (cluster.start(project) if node.state == "stopped" else [])
        stop: Action = (
            db_machine.Stop(project.machine)
            if side == VM
            else data.StopDatabase(files.place, project.kubectl)
        )
        saved.append(
            Step(
                ids.save(side),
                f"save the database's data to {files.archive}",
                "its machine can't keep them",
                data.SaveData(files, stop),
                tuple(step.id for step in todo(awake)),
                15,
            )
        )
    return [*awake, *saved]


def _lost_with_machines(project: Project) -> Iterator[Location]:
    """Where the database's files lie, or have lain, on machines that the provider made."""
    in_cluster, on_machine = cluster.located(project), project.record.on(VM)
    if not in_cluster.saved:
        yield in_cluster
    if on_machine and not on_machine.address and not on_machine.saved:
        yield on_machine


@dataclass(frozen=True)
class ForgetAccess:
    """Remove the profile's own kubeconfig, and which provider its cluster stood on; the user's
    kubeconfig stays as it is.
    """

    state: State
    data: bool = False  # its data go, too: the next database may be anywhere

    def run(self, log: Log) -> None:
        self.state.kubeconfig.unlink(missing_ok=True)
        data: dict[str, Any] = {
            "made": NOTHING,
            "database": None,
            "left": None,
            "target": None,
            "passwords": "",
        }
        records.change(self.state, provider="", **(data if self.data else {}))
