"""Backups that run by themselves, as steps: begun where the database is, ended where it is not."""

from __future__ import annotations

from collections.abc import Iterable

from kubeup.application import data
from kubeup.core import ids
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Planned, Step, step_ids
from kubeup.core.record import CLUSTER, VM
from kubeup.database import machine_schedule, schedule
from kubeup.database.service_state import ServiceState
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project

SERVES = (ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE)


def steps(
    project: Project,
    planned: Iterable[Planned],
    in_cluster: bool,
    found: ServiceState | None,
    needs: tuple[StepId, ...],
) -> list[Step]:
    """What has to be begun, and ended, beside what is `planned` for the database.

    `in_cluster`: whether the cluster does so now; `found` is on its machine, where it has one.
    """
    served = tuple(one for one in step_ids(planned) if one in SERVES)
    before = (*needs, *served)
    side = project.database_on if project.schedule else None
    there = {CLUSTER: in_cluster, VM: bool(found and found.schedule)}
    steps = [_end(project, one, before) for one in SIDES if there[one] and one != side]
    if side and (why := _why(project, served, found)):
        steps.append(begin(project, why, before))
    return steps


def _why(project: Project, served: tuple[StepId, ...], found: ServiceState | None) -> str:
    """Why it has to be begun (anew), or ''."""
    if project.database_on == VM and found:
        machine = project.machine
        return machine_schedule.changes(machine, found) or (served and "it is deployed") or ""
    return "the database is deployed" if served else ""


def begin(project: Project, why: str, needs: tuple[StepId, ...]) -> Step:
    """The database in use is backed up by itself."""
    machine = project.machine if project.database_on == VM else None
    return step(project, why, schedule.Begin(project.server, project.backups, machine), needs)


def step(project: Project, why: str, action: Action, needs: tuple[StepId, ...]) -> Step:
    title = f"back the database up by itself ({project.schedule})"
    return Step(ids.SCHEDULE, title, why, action, needs, seconds=2)


def _end(project: Project, side: str, needs: tuple[StepId, ...]) -> Step:
    why = "the database is not there" if project.schedule else "not wanted any more"
    where = SIDES[CLUSTER] if side == CLUSTER else project.machine.place.node
    action: Action = data.Unschedule(project.kubectl)
    if side == VM:
        action = machine_schedule.Unschedule(project.machine.place)
    title = f"end the scheduled backups on {where}"
    return Step(ids.unschedule(side), title, why, action, needs, seconds=2)
