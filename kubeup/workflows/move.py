"""The database's way to a machine and back as a plan, from wherever an earlier run was cut off."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass

from kubeup.application import data
from kubeup.core import ids, record
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Log, Paced, Plan, Planned, Step, plan_of
from kubeup.core.record import CLUSTER, VM, Side
from kubeup.core.state import State
from kubeup.database import backups, move
from kubeup.database import machine as machines
from kubeup.database import server as servers
from kubeup.database.server import Server
from kubeup.system import http
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import database
from kubeup.workflows.project import SIDES, Project
from kubeup.workflows.rollout import data_steps


def plan(project: Project, side: str) -> Plan:
    """The data to the other side.

    Where an earlier run was cut off, what is left of it; towards the side they are on, back.
    """
    to, known = _side(side), project.record
    on = known.database.side if known.database else CLUSTER
    if to == on:
        return _taken_back(project, on) if known.target else _switched(project, to)
    if known.left and known.left.side == to:
        raise Refused(
            f"{SIDES[to]} still has the data from before the last move",
            "they would be overwritten",
            f"`inv db.move {on} --drop-old` removes them",
        )
    source, target, there = project.server_on(on), project.server_on(to), project.location(to)
    servers.version(source)
    start, serves = _start(project, to), ids.MACHINE_SERVICE if to == VM else ids.START_IN_CLUSTER
    rows = servers.describe(
        {
            table: rows
            for table, rows in servers.count(source, source.database).items()
            if table != backups.REVISIONS
        }
    )
    return plan_of(
        [
            *start,
            Step(
                ids.ADMIT,
                f"look whether {SIDES[to]} is free",
                "nothing is overwritten",
                move.Admit(source, target),
                (serves,),
                1,
            ),
            Step(
                ids.FREEZE,
                "let the API read and not write",
                "no row may come after its copy",
                move.Freeze(source, project.state, there),
                (ids.ADMIT,),
                1,
            ),
            Step(
                ids.COPY,
                f"copy {rows}",
                f"from {source.door} to {target.door}",
                move.Copy(source, target),
                (ids.FREEZE,),
                3,
            ),
            *_switch(project, to, on, (ids.COPY,)),
        ]
    )


def _start(project: Project, to: Side) -> list[Planned]:
    """The server on a side that is not in use yet."""
    if to == VM:
        return list(database.on_machine(project).planned)
    deployment = project.deployment_on(CLUSTER)
    steps = data_steps(project, ())
    return [
        *steps,
        Step(
            ids.START_IN_CLUSTER,
            "start the database in the cluster",
            "the data go there",
            move.StartInCluster(deployment),
            (ids.LOOK_AT_DATA,),
            20,
        ),
    ]


def _switch(project: Project, to: Side, left: Side, needs: tuple[StepId, ...]) -> list[Step]:
    """The name leads to the new side, the API is seen to work there, the old side stops; its
    data stay.
    """
    deployment, see = project.deployment_on(to), SeeTheApi(project.server_on(to), _api(project))
    stop: Action = machines.Stop(project.machine) if left == VM else StopInCluster(project.kubectl)
    return [
        Step(
            ids.SWITCH,
            f"let the database's name lead to {SIDES[to]}",
            "it has all rows",
            move.Switch(
                project.server_on(left),
                deployment,
                project.state,
                project.location(to),
                project.location(left),
            ),
            needs,
            1,
        ),
        Step(ids.SEE, "see the API write there", "the proof of the move", see, (ids.SWITCH,), 5),
        Step(
            ids.TIDY,
            "remove what copying has left there",
            "the API writes there",
            move.Tidy(project.server_on(to)),
            (ids.SEE,),
            1,
        ),
        Step(
            ids.STOP_LEFT,
            f"stop the database on the side that is left ({SIDES[left]})",
            "its data are kept",
            stop,
            (ids.SEE,),
            5,
        ),
    ]


def _switched(project: Project, to: Side) -> Plan:
    """What a run that was cut off after the switch has left to do; nothing where there was none."""
    left = project.record.left
    if left is None or not _serves(project, left.side):
        return plan_of()
    copied = Holds(ids.COPY, "an earlier run has copied all rows and switched")
    return plan_of([copied], _switch(project, to, left.side, (ids.COPY,)))


def _serves(project: Project, side: Side) -> bool:
    """Whether a side that was left is still up."""
    if side == VM:
        return project.machine.seen().state == "running"
    answer = project.kubectl.read(
        "get", "statefulset/mysql", "--ignore-not-found", "-o", "jsonpath={.spec.replicas}"
    )
    return answer.stdout.strip() not in ("", "0")


def _taken_back(project: Project, on: Side) -> Plan:
    return plan_of(
        [
            Step(
                ids.THAW,
                "let the API write again",
                f"the move is off, the data are on {SIDES[on]}",
                move.Thaw(project.server_on(on), project.state),
                seconds=1,
            )
        ]
    )


def _side(name: str) -> Side:
    side = next((one for one in SIDES if one == name), None)
    if side is not None:
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
    to, known = _side(side), project.record
    on = known.database.side if known.database else CLUSTER
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
    kept = known.left.side
    if kept == on:
        raise KubeupError(
            "both sides are said to be in use",
            "the profile's record contradicts itself",
            "report this: it is a mistake in kubeup",
        )
    action: Action = (
        machines.Drop(project.machine)
        if kept == VM
        else data.DropData(project.place, project.kubectl)
    )
    files = project.files_on(kept)
    loses = f"the database's data from before the move, on {files.place.node}"
    saved = [
        Step(
            ids.DROP_SAVED,
            f"remove {files.archive}",
            "they were saved when their machine went",
            data.ForgetData(files.archive),
            seconds=0,
        )
    ]
    dropped = saved if files.archive.exists() else []
    return plan_of(
        dropped,
        [
            Step(
                ids.DROP_LEFT,
                f"remove the database from {SIDES[kept]}",
                "asked for by name",
                action,
                seconds=10,
                loses=loses,
                removes=(project.machine.service,) if kept == VM else (),
            ),
            Step(
                ids.FORGET_LEFT,
                "forget that side",
                "it is gone",
                ForgetSide(project.state),
                (ids.DROP_LEFT, *(step.id for step in dropped)),
                0,
            ),
        ],
    )


def _api(project: Project) -> str:
    return f"http://{project.provider.ssh_targets()[-1].address}:{project.settings.ports.api}"


@dataclass(frozen=True)
class SeeTheApi:
    """Until the API writes, and its connections are seen on this side."""

    server: Server
    url: str
    wait: float = 90

    def run(self, log: Log) -> None:
        end, said = time.monotonic() + self.wait, "no answer"
        while time.monotonic() < end:
            name = f"kubeup-move-{uuid.uuid4().hex[:12]}"
            body = json.dumps(
                {
                    "name": name,
                    "description": "Written by `inv db.move`, which removes it again.",
                    "price": "1.00",
                    "stock": 0,
                }
            )
            answer = http.ask(f"{self.url}/products", body.encode(), "application/json", seconds=5)
            if answer.status == 201:
                self._look(int(answer.json["id"]), name)
                return
            said = answer.words
            log(said)
            time.sleep(0.2)
        raise KubeupError(
            "the API does not write on the new side",
            said,
            "`inv deploy.logs api`; then the same again goes on from here",
        )

    def _look(self, number: int, name: str) -> None:
        query = (
            f"SELECT COUNT(*) FROM products WHERE id = {number} AND name = {servers.literal(name)}"
        )
        found = self.server.sql(query, self.server.database).strip()
        http.ask(f"{self.url}/products/{number}", method="DELETE", seconds=5)
        if found != "1":
            raise KubeupError(
                "the API writes elsewhere",
                f"{self.server} does not have the row it has just written",
                "`inv verify` tells more",
            )


@dataclass(frozen=True)
class StopInCluster(Paced):
    """No pod of the database; its claim, its volume and its data stay."""

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        self.kubectl.write("scale", "statefulset/mysql", "--replicas=0", log=log)
        data.wait_for_end(self.kubectl, self.pace, log)


@dataclass(frozen=True)
class ForgetSide:
    state: State

    def run(self, log: Log) -> None:
        record.change(self.state, left=None)
