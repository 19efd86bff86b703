"""Nodes that a task is asked for: those that are not there, and those where a command fails."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from builders import DESKTOP, settings, state
from invoke import Context, Exit

from kubeup.core import shell
from kubeup.core.report import Report
from kubeup.core.shell import Output
from kubeup.system import ssh
from kubeup.workflows.project import Project
from tasks import namespace


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Project(settings(tmp_path), state(tmp_path), DESKTOP), Report(io.StringIO())
    for module in ("ssh", "cluster"):
        monkeypatch.setattr(f"kubeup.cli.{module}.open_project", lambda *_: opened)
    monkeypatch.setattr(shell, "become", lambda *argv: None)
    monkeypatch.setattr(
        ssh,
        "run_all",
        lambda *_, **__: {"dev-control": Output(0, "", ""), "dev-worker-1": Output(1, "", "")},
    )


def call(task: str, asked: str) -> None:
    (word,) = namespace[task].positional
    namespace[task].body(Context(), **{word: asked})


@pytest.mark.parametrize(
    ("task", "asked", "code", "says"),
    [
        ("ssh.worker", "two", 2, "two is not a worker's number"),
        ("ssh.worker", "3", 2, "there is no worker 3"),
        ("ssh.worker", "0", 2, "there is no worker 0"),
        ("cluster.ssh", "dev-worker-3", 2, "there is no node dev-worker-3"),
        ("ssh.run", "uptime", 1, "the command failed on dev-worker-1"),
    ],
)
def test_it_ends_with_an_error(
    task: str, asked: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as end:
        call(task, asked)
    assert end.value.code == code and says in capsys.readouterr().err


@pytest.mark.parametrize(("task", "asked"), [("ssh.worker", "2"), ("cluster.ssh", "dev-worker-2")])
def test_one_that_is_there_is_entered(task: str, asked: str) -> None:
    call(task, asked)
