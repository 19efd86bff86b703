"""Figures that can't be measured say so before anything is done for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import DESKTOP, error_of, on_record, settings, state

from development import bench
from development.bench import database
from kubeup.core.errors import Refused, UsageError
from kubeup.core.record import VM, Location
from kubeup.workflows import images as artifacts
from kubeup.workflows.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def test_a_figure_that_is_not_there_is_told(project: Project) -> None:
    error = error_of(bench.measure, project, "list,nothing", False)
    assert isinstance(error, UsageError) and error.what == "there is no figure nothing"


def test_a_database_on_a_machine_is_not_moved_there(project: Project) -> None:
    on_record(project.state, database=Location(VM, "dev-worker-1"))
    assert isinstance(error_of(database.moved, project), Refused)
    assert isinstance(error_of(database.backup, project), Refused)


def test_a_login_takes_both_from_the_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifacts.USER, "ana")
    monkeypatch.delenv(artifacts.PASSWORD, raising=False)
    assert isinstance(error_of(artifacts.login, project), UsageError)
