"""A rotation as a plan, and what follows where one of its steps fails."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import (
    DESKTOP,
    Do,
    Told,
    error_of,
    held_elsewhere,
    names,
    on_record,
    settings,
    sids,
    state,
    step,
)

from kubeup.cluster.providers.base import Machines
from kubeup.core import lock, runner
from kubeup.core.errors import Exit, KubeupError, Refused, UsageError
from kubeup.core.options import Options
from kubeup.core.plan import Plan, plan_of
from kubeup.core.record import Made
from kubeup.core.report import Report
from kubeup.core.state import State, write_private
from kubeup.database.passwords import Passwords
from kubeup.system import secrets, tls
from kubeup.workflows import database, rollout, rotation
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

HELD = "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    write_private(tmp_path / ".env", HELD)
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    monkeypatch.setattr(Passwords, "root", lambda _: "rrrrrrrr")
    tls.MakeCertificate(state(tmp_path).tls).run(print)
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def carried_out(monkeypatch: pytest.MonkeyPatch, *failures: KubeupError | None) -> list[Plan]:
    """The plans that are run, each ending as told."""
    plans: list[Plan] = []
    ends = iter(failures)

    def run(project: Project, make: Callable[[], Plan], *_: Any, **__: Any) -> Plan:
        plans.append(make())
        if (end := next(ends)) is not None:
            raise end
        return plans[-1]

    monkeypatch.setattr(rotation, "carry_out", run)
    return plans


def test_sql_comes_before_everything_else(project: Project) -> None:
    plan = rotation.plan(project)
    steps, needs = names(plan), {str(step.id): step.needs for step in plan}
    assert (
        steps.index("secrets/next")
        < steps.index("db/passwords")
        < steps.index("secrets/take")
        < steps.index("deploy/db")
    )
    assert steps[-1] == "db/old-passwords"
    assert needs["db/passwords"] == sids("secrets/next") and needs["secrets/take"] == sids(
        "db/passwords"
    )
    assert needs["deploy/db"] == sids("secrets/take", "secrets/certificate")
    assert needs["deploy/api"] == (*needs["deploy/db"], *sids("deploy/db"))
    assert needs["db/old-passwords"] == sids("db/passwords", "deploy/db", "deploy/api")
    secrets.StagePasswords(project.state.secrets).run(print)
    assert rotation.plan(project).steps[0].reason == "an earlier run was cut off"


def test_one_whose_passwords_are_taken_is_gone_on_with(project: Project) -> None:
    """Cut off after that, the database may still take the earlier ones, though no others wait in
    `.env`.
    """
    on_record(project.state, passwords=str(project.state.secrets))
    plan = rotation.plan(project)
    assert names(plan) == ["db/passwords", "deploy/db", "deploy/api", "db/old-passwords"]
    assert plan.steps[0].reason == "an earlier run was cut off"
    assert "`inv db.rotate` finishes it" in database.where(project) == database.unfinished(project)
    assert project.state.secrets.read_text() == HELD


def test_another_database_is_not_started_along_the_way(project: Project) -> None:
    on_record(project.state, made=Made(server="mysql 9.7"))
    assert "the database's files are of MySQL 9.7" in error_of(rotation.plan, project).what


def test_passwords_of_another_file_are_none_of_this_one(project: Project) -> None:
    """Two checkouts may share a folder of state, and have a `.env` each."""
    on_record(project.state, passwords="/home/ana/other/.env")
    planned = lambda: rollout.password_steps(project, ClusterFacts(Machines()))  # noqa: E731
    for asked in (lambda: rotation.plan(project), planned, lambda: database.unfinished(project)):
        error = error_of(asked)
        assert (
            isinstance(error, Refused)
            and "/home/ana/other/.env" in error.why
            and "inv db.rotate" in error.next
        )
    assert "that is not" in database.where(project)


def test_without_its_file_no_others_are_made(project: Project) -> None:
    """Also where no database runs: its data are there."""
    on_record(project.state, passwords=str(project.state.secrets))
    project.state.secrets.unlink()
    error = error_of(rollout.password_steps, project, ClusterFacts(Machines()))
    assert (
        isinstance(error, Refused) and "lacks passwords of a database that is there" in error.what
    )
    assert isinstance(
        error_of(rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)),
        UsageError,
    )


def test_what_can_not_be_planned_takes_nothing_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Passwords) -> str:
        raise KubeupError("the database can't be reached", "no pod", "start it")

    plans = carried_out(monkeypatch)
    monkeypatch.setattr(Passwords, "root", away)
    assert (
        error_of(
            rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
        ).next
        == "start it"
        and plans == []
    )


def test_what_fails_is_taken_back_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = carried_out(
        monkeypatch, KubeupError("the API does not stand", "it keeps ending", "read its log"), None
    )
    error = error_of(
        rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
    )
    assert [str(plan.ids[0]) for plan in plans] == ["secrets/next", "db/passwords"]
    assert "the earlier passwords are in use again; read its log" in error.next
    secrets.StagePasswords(project.state.secrets).run(print)
    next(step for step in plans[1] if str(step.id) == "secrets/take").action.run(print)
    assert secrets.read(project.state.secrets) == {
        "MYSQL_ROOT_PASSWORD": "rrrrrrrr",
        "MYSQL_PASSWORD": "pppppppp",
    }
    assert "pppppppp" not in repr(plans[1].steps[1])


def test_where_taking_back_fails_too_the_way_on_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out(monkeypatch, KubeupError("first", "one"), KubeupError("second", "two"))
    error = error_of(
        rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
    )
    assert error.what == "first" and "second: two" in error.why and "inv db.rotate" in error.next


@pytest.mark.parametrize(
    "failure",
    [
        Refused("the API refuses", "why", "look"),
        UsageError("not NAME=value"),
        OSError("disk full"),
        RuntimeError("a mistake"),
    ],
)
def test_whatever_ends_a_step_is_taken_back(
    project: Project, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """The real runner, whose second step ends so."""
    plans: list[Plan] = []

    def run(project: Project, plan: Plan, *_: Any, **__: Any) -> bool:
        plans.append(plan)
        first, second = (Do(), Do(lambda: raise_(failure))) if len(plans) == 1 else (Do(), Do())
        steps = [
            step("secrets/next", action=first),
            step("db/passwords", "secrets/next", action=second),
        ]
        runner.run(plan_of(steps), Told(), runner.Journal(project.state.folder.parent, "db.rotate"))
        return True

    monkeypatch.setattr(rotation, "carry_out", run)
    error = error_of(
        rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
    )
    assert len(plans) == 2 and "the earlier passwords are in use again" in error.next
    assert error.code == Exit.FAILED, "something was changed, and changed back"


@pytest.mark.parametrize(
    "failure", [OSError("the journal's disk is full"), RuntimeError("a mistake")]
)
def test_what_ends_beside_the_steps_is_taken_back_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    plans = carried_out(monkeypatch, failure, None)
    assert (
        str(failure)
        in error_of(
            rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
        ).what
        and len(plans) == 2
    )


def test_what_fails_while_taking_back_hides_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: Any = OSError("disk full")
    carried_out(monkeypatch, KubeupError("first", "one"), second)
    error = error_of(
        rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
    )
    assert (
        error.what == "first" and "taking it back failed as well: OSError: disk full" in error.why
    )


def test_it_is_taken_back_where_nobody_reads_what_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unread(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    plans = carried_out(monkeypatch, KubeupError("first", "one"), None)
    assert (
        error_of(rotation.rotate, project, Report(Unread()), Options("db.rotate", yes=True)).what
        == "first"
        and len(plans) == 2
    )


def raise_(failure: Exception) -> None:
    raise failure


def test_a_refusal_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = carried_out(monkeypatch, Refused("another command is at work"))
    assert (
        isinstance(
            error_of(
                rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
            ),
            Refused,
        )
        and len(plans) == 1
    )


def test_one_rotation_at_a_time_though_each_profile_has_a_lock(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them share `.env`: what one has read there must stay true until it has taken it, or
    put it back.
    """
    plans, held = (
        carried_out(monkeypatch, KubeupError("the API does not stand"), None),
        list[bool](),
    )
    at_work = lock.env_path(project.state.secrets)
    plan, back = rotation.plan, rotation.taking_back
    monkeypatch.setattr(
        rotation, "plan", lambda *one: held.append(lock.held(at_work)) or plan(*one)
    )
    monkeypatch.setattr(
        rotation, "taking_back", lambda *one: held.append(lock.held(at_work)) or back(*one)
    )
    error_of(rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True))
    assert held == [True, True] and len(plans) == 2 and not lock.held(at_work)
    with held_elsewhere(at_work, "db.rotate on the profile two"):
        error = error_of(
            rotation.rotate, project, Report(io.StringIO()), Options("db.rotate", yes=True)
        )
    assert isinstance(error, Refused) and "db.rotate on the profile two" in error.why
    assert len(plans) == 2 and project.state.secrets.read_text() == HELD


def test_a_mere_plan_is_shown_beside_another_rotation(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = carried_out(monkeypatch, None)
    with held_elsewhere(lock.env_path(project.state.secrets), "db.rotate on the profile two"):
        rotation.rotate(project, Report(io.StringIO()), Options("db.rotate", dry=True))
    assert len(plans) == 1
