"""Backups that run by themselves, as steps: begun where the database is, ended where it is not."""

from __future__ import annotations

from collections.abc import Iterable

from kubeup.application import data
from kubeup.core import ids
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Planned, Step, step_ids
from kubeup.core.record import CLUSTER, VM, Side
from kubeup.core.services import DATABASE
from kubeup.database import machine_schedule, schedule
from kubeup.database.service_state import ServiceState
from kubeup.system import secrets
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project

# what ends with a database that answers
SERVES = (ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE, ids.wait_for(DATABASE.name))


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
    if side and (why := _why(project, found)):
        steps.append(begin(project, why, before))
    return steps


def _why(project: Project, found: ServiceState | None) -> str:
    """Why it has to be begun (anew), or ''."""
    side = project.database_on
    if secrets.missing(project.state.secrets) or (side == VM and not found):
        return "the database is new"
    if project.schedule.account != schedule.account_mark(project.backups, _where(project, side)):
        return "its account is not let in yet"
    return machine_schedule.changes(project.machine, found) if side == VM and found else ""


def _where(project: Project, side: Side) -> str:
    return f"{side} {project.location(side)}"


def begin(project: Project, why: str, needs: tuple[StepId, ...]) -> Step:
    """The database in use is backed up by itself."""
    return begin_on(project, project.database_on, why, needs)


def begin_on(project: Project, side: Side, why: str, needs: tuple[StepId, ...]) -> Step:
    """The same for a side that is about to be the one in use."""
    machine = project.machine if side == VM else None
    where, backups = _where(project, side), project.backups
    action = schedule.Begin(project.server_on(side), backups, project.state, where, machine)
    title = f"back the database up by itself ({project.schedule})"
    return Step(ids.SCHEDULE, title, why, action, needs, seconds=2)


def _end(project: Project, side: str, needs: tuple[StepId, ...]) -> Step:
    why = "the database is not there" if project.schedule else "not wanted any more"
    where = SIDES[CLUSTER] if side == CLUSTER else project.machine.place.node
    action: Action = data.Unschedule(project.kubectl)
    if side == VM:
        action = machine_schedule.Unschedule(project.machine.place)
    server = project.server if not project.schedule and side == project.database_on else None
    action, title = schedule.End(action, server), f"end the scheduled backups on {where}"
    return Step(ids.unschedule(side), title, why, action, needs, seconds=2)
