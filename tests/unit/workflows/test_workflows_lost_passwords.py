"""Passwords that a database has and `.env` lacks: never made anew, put back from the Secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, on_record, settings, state

from kubeup.cluster.providers.base import Machines
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import todo
from kubeup.core.record import CLUSTER, VM, Location
from kubeup.core.state import State
from kubeup.database import passwords
from kubeup.facts.kubernetes import KubeWorkload
from kubeup.inspect import doctor
from kubeup.system import secrets
from kubeup.workflows import cluster, database, lost_passwords, rollout
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

DOWN = ClusterFacts(Machines())
AWAKE = replace(DOWN, answers=True, workloads=(KubeWorkload("mysql", "db", 1, 1),))
BOTH = {"MYSQL_ROOT_PASSWORD": "root's own", "MYSQL_PASSWORD": "the API's"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    monkeypatch.setattr(cluster, "observe", lambda *_: DOWN)
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def of_secret(monkeypatch: pytest.MonkeyPatch, values: Mapping[str, str]) -> None:
    monkeypatch.setattr(passwords, "deployed", lambda _: dict(values))


def test_a_new_profile_gets_passwords(project: Project) -> None:
    assert todo(rollout.password_steps(project, DOWN))
    assert doctor._passwords(project).safe


@pytest.mark.parametrize("where", ["database", "left"])
@pytest.mark.parametrize("side", [CLUSTER, VM])
def test_data_on_record_keep_theirs_also_while_no_cluster_runs(
    project: Project, where: str, side: str
) -> None:
    on_record(project.state, **{where: Location(side, "dev-worker-1")})
    error = error_of(rollout.password_steps, project, DOWN)
    assert isinstance(error, Refused)
    assert "lacks passwords of a database that is there" in error.what
    assert "`inv cluster.start`, then `inv secrets.restore`" in error.next
    (finding,) = doctor._findings("passwords", partial(doctor._passwords, project))
    assert not finding.ok and not finding.safe and "inv secrets.restore" in finding.fix


def test_a_database_that_is_not_on_record_keeps_them_too(project: Project) -> None:
    error = error_of(rollout.password_steps, project, AWAKE)
    assert isinstance(error, Refused) and "cluster.start" not in error.next


def test_the_secrets_are_put_back_where_they_lack(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_secret(monkeypatch, BOTH)
    env = project.state.secrets
    env.write_text("# mine\nMYSQL_PASSWORD=of the user\n")
    (step,) = lost_passwords.restore(project)
    assert not any(value in repr(step) for value in BOTH.values())
    said: list[str] = []
    step.action.run(said.append)
    assert said == ["MYSQL_ROOT_PASSWORD written to .env"]
    assert secrets.read(env) == {**BOTH, "MYSQL_PASSWORD": "of the user"}
    assert env.read_text().startswith("# mine\n")
    assert not lost_passwords.restore(project)


def test_a_secret_without_them_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_secret(monkeypatch, {"MYSQL_PASSWORD": "the API's"})
    (step,) = lost_passwords.restore(project)
    error = error_of(step.action.run, print)
    assert isinstance(error, KubeupError) and "MYSQL_ROOT_PASSWORD" in error.what
    assert not project.state.secrets.exists()


def test_in_the_middle_of_a_change_nobody_knows_which_are_good(project: Project) -> None:
    on_record(project.state, passwords=str(project.state.secrets))
    assert "interrupted" in error_of(lost_passwords.restore, project).what
    on_record(project.state, passwords="")
    project.state.secrets.write_text("MYSQL_PASSWORD_NEXT=chosen, not in use\n")
    assert "interrupted" in error_of(lost_passwords.restore, project).what


def test_a_service_on_a_machine_is_not_given_others(project: Project) -> None:
    on_record(project.state, database=Location(VM, "dev-worker-1"))
    error = error_of(database.on_machine, project)
    assert "lacks passwords of a database that is there" in error.what
