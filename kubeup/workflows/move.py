"""The database's way to a machine and back as a plan, from wherever an earlier run was cut off."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass

from kubeup.application import data, saved_data
from kubeup.core import ids, record
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.plan import Action, Holds, Log, Plan, Planned, Step, plan_of, step_ids
from kubeup.core.record import CLUSTER, VM, Record, Side
from kubeup.core.state import State
from kubeup.database import machine_service, move
from kubeup.database import server as servers
from kubeup.database.backups import without_revision
from kubeup.database.server import Server
from kubeup.system import http, tls
from kubeup.workflows import database, scheduling
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project
from kubeup.workflows.rollout import data_steps


def plan(project: Project, side: str) -> Plan:
    """The data to the other side.

    Where an earlier run was cut off, what is left of it; towards the side they are on, back.
    """
    to, known = _side(side), project.record
    on = _side_in_use(known)
    if to == on and known.target:
        return _taken_back(project, on)
    if to == on:
        return _switched(project, to)
    if known.left and known.left.side == to:
        raise Refused(
            f"{SIDES[to]} still has the data from before the last move",
            "they would be overwritten",
            f"`inv db.move {on} --drop-old` removes them",
        )
    servers.version(project.server_on(on))  # it has to answer before anything is started
    return plan_of(_start(project, to), _copy(project, on, to), _switch(project, to, on))


def _side_in_use(known: Record) -> Side:
    return known.database.side if known.database else CLUSTER


def _copy(project: Project, on: Side, to: Side) -> list[Step]:
    """The rows to the other side, once that is known to be free."""
    source, target = project.server_on(on), project.server_on(to)
    rows = without_revision(servers.count(source, source.database))
    admit = Step(
        ids.ADMIT,
        f"check that {SIDES[to]} holds no data",
        "nothing is overwritten",
        move.Admit(source, target),
        (ids.MACHINE_SERVICE if to == VM else ids.START_IN_CLUSTER,),
    )
    freeze = Step(
        ids.FREEZE,
        "make the database read-only for the API",
        "no row may come after its copy",
        move.Freeze(source, project.state, project.location(to)),
        (ids.ADMIT,),
    )
    copy = Step(
        ids.COPY,
        f"copy {servers.describe(rows)}",
        f"from {source.transport} to {target.transport}",
        move.Copy(source, target),
        (ids.FREEZE,),
        seconds=3,
    )
    return [admit, freeze, copy]


def _start(project: Project, to: Side) -> list[Planned]:
    """The server on a side that is not in use yet."""
    if to == VM:
        return list(database.on_machine(project).planned)
    start = Step(
        ids.START_IN_CLUSTER,
        "start the database in the cluster",
        "the data go there",
        move.StartInCluster(project.deployment_on(CLUSTER)),
        (ids.LOOK_AT_DATA, ids.CERTIFICATE),
        seconds=20,
    )
    return [*tls.plan(project.state.tls), *data_steps(project, ()), start]


def _switch(project: Project, to: Side, left: Side) -> list[Step]:
    """The name leads to the new side, and the API is seen to work there.

    The old side stops; its data stay.
    """
    source, target = project.server_on(left), project.server_on(to)
    deployment, state = project.deployment_on(to), project.state
    stop: Action = saved_data.StopInCluster(project.kubectl)
    if left == VM:
        stop = machine_service.Stop(project.machine)
    switch = move.Switch(source, deployment, state, project.location(to), project.location(left))
    see, switched, proved = SeeTheApi(target, _api(project)), (ids.SWITCH,), (ids.SEE,)
    title = f"point the database's name at {SIDES[to]}"
    steps = [Step(ids.SWITCH, title, "it has all rows", switch, (ids.COPY,))]
    title = "check that the API writes there"
    steps.append(Step(ids.SEE, title, "it proves the move", see, switched, seconds=5))
    title, tidy = "remove what copying has left there", move.Tidy(target)
    steps.append(Step(ids.TIDY, title, "the API writes there", tidy, proved))
    if project.schedule:
        steps.append(scheduling.begin_on(project, to, "it was so before", (ids.TIDY,)))
    title = f"stop the database on the side that is left ({SIDES[left]})"
    steps.append(Step(ids.STOP_LEFT, title, "its data are kept", stop, proved, seconds=5))
    return steps


def _switched(project: Project, to: Side) -> Plan:
    """What a run that was cut off after the switch has left to do; nothing where there was none."""
    left = project.record.left
    if left is None or not _serves(project, left.side):
        return plan_of()
    copied = Holds(ids.COPY, "an earlier run has copied all rows and switched")
    return plan_of([copied], _switch(project, to, left.side))


def _serves(project: Project, side: Side) -> bool:
    """Whether a side that was left is still up."""
    if side == VM:
        return project.machine.inspect().state == "running"
    words = ("statefulset/mysql", "--ignore-not-found", "-o", "jsonpath={.spec.replicas}")
    return project.kubectl.read("get", *words).stdout.strip() not in ("", "0")


def _taken_back(project: Project, on: Side) -> Plan:
    thaw = move.Thaw(project.server_on(on), project.state)
    reason = f"the move is off, the data are on {SIDES[on]}"
    return plan_of([Step(ids.THAW, "let the API write again", reason, thaw)])


def _side(name: str) -> Side:
    for side in SIDES:
        if side == name:
            return side
    raise UsageError(
        f"there is no side {name}",
        f"the database runs in the {CLUSTER} or on a {VM}",
        "`inv db.move vm` or `inv db.move cluster`",
    )


def dropping(project: Project, side: str) -> Plan:
    """Remove the side that the move to `side` has left behind.

    Raises Refused where the data are not there.
    """
    kept = _left_by(project, _side(side))
    files, steps = project.files_on(kept), list[Step]()
    drop: Action = data.DropData(project.place, project.kubectl)
    if kept == VM:
        drop = machine_service.Drop(project.machine)
    if files.archive.exists():
        forget = saved_data.ForgetData(files.archive)
        title, reason = f"remove {files.archive}", "they were saved when their machine went"
        steps.append(Step(ids.DROP_SAVED, title, reason, forget, seconds=0))
    steps.append(
        Step(
            ids.DROP_LEFT,
            f"remove the database from {SIDES[kept]}",
            "asked for by name",
            drop,
            seconds=10,
            loses=f"the database's data from before the move, on {files.place.node}",
            removes=(project.machine.service,) if kept == VM else (),
        )
    )
    action, needs = ForgetSide(project.state), step_ids(steps)
    last = Step(ids.FORGET_LEFT, "forget that side", "it is gone", action, needs, seconds=0)
    return plan_of(steps, [last])


def _left_by(project: Project, to: Side) -> Side:
    """The side that a move to another one has left. Raises Refused where it is in use."""
    known = project.record
    on = _side_in_use(known)
    if to != on:
        raise Refused(
            f"the database is not on {SIDES[to]}",
            f"its data are on {SIDES[on]}: what would be removed is not what was left",
            f"`inv db.move {to}` first, or `inv db.move {on} --drop-old`",
        )
    if known.left is None:
        raise UsageError(
            "no move has left anything behind",
            "there is one side only",
            "nothing has to be removed",
        )
    if known.left.side == on:
        raise KubeupError(
            "the record has one side both as in use and as left",
            "it contradicts itself",
            "report this: it is a mistake in kubeup",
        )
    return known.left.side


def _api(project: Project) -> str:
    return f"http://{project.provider.ssh_targets()[-1].address}:{project.settings.ports.api}"


@dataclass(frozen=True)
class SeeTheApi:
    """Until the API writes, and what it writes is found on this side."""

    server: Server
    url: str
    wait: float = 90

    def run(self, log: Log) -> None:
        end, problem = time.monotonic() + self.wait, "no answer"
        product = {
            "description": "Written by `inv db.move`, which removes it again.",
            "price": "1.00",
            "stock": 0,
        }
        while time.monotonic() < end:
            name = f"kubeup-move-{uuid.uuid4().hex[:12]}"
            body = json.dumps({"name": name, **product}).encode()
            answer = http.ask(f"{self.url}/products", body, "application/json", seconds=5)
            if answer.status == 201:
                self._require_row(int(answer.json["id"]), name)
                return
            problem = answer.words
            log(problem)
            time.sleep(0.2)
        raise KubeupError(
            "the API does not write on the new side",
            problem,
            "`inv deploy.logs api`; then the same again goes on from here",
        )

    def _require_row(self, number: int, name: str) -> None:
        where = f"id = {number} AND name = {servers.literal(name)}"
        query = f"SELECT COUNT(*) FROM products WHERE {where}"
        count = self.server.sql(query, self.server.database).strip()
        http.ask(f"{self.url}/products/{number}", method="DELETE", seconds=5)
        if count != "1":
            raise KubeupError(
                "the API writes elsewhere",
                f"{self.server} does not have the row it has just written",
                "`inv verify` shows more",
            )


@dataclass(frozen=True)
class ForgetSide:
    state: State

    def run(self, log: Log) -> None:
        record.change(self.state, left=None)
