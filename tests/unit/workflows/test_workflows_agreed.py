"""What is run is what was agreed to: a plan is made again where the answer took its time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import (
    DESKTOP,
    Do,
    access,
    by_id,
    error_of,
    names,
    part_of_plan,
    settings,
    state,
    step,
)

from kubeup.core import lock
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.options import Options
from kubeup.core.plan import Plan, Step, plan_of
from kubeup.core.report import Report
from kubeup.core.state import State, write_private
from kubeup.database import server as servers
from kubeup.database.machine import DatabaseVm
from kubeup.database.passwords import Passwords, SetPasswords, steps
from kubeup.database.service_state import ServiceState
from kubeup.database.version import Version
from kubeup.system import packages
from kubeup.workflows import converge, database
from kubeup.workflows import move as moving
from kubeup.workflows.converge import same
from kubeup.workflows.project import Project

LOSS = "the rows of today"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    write_private(tmp_path / ".env", "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    monkeypatch.setattr(packages, "missing", lambda _: ())
    monkeypatch.setattr("kubeup.system.machine.keep_pace", lambda *_: None)
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


@pytest.fixture
def held(project: Project) -> Iterator[None]:
    with lock.profile(project.state.folder, "up"):
        yield


@dataclass(frozen=True)
class Note:
    name: str
    note: Callable[[str], None]

    def run(self, log: object) -> None:
        self.note(self.name)


class Asked:
    """A plan that is made anew each time, and somebody who says yes to whatever is asked."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *plans: tuple[str, ...], seconds: float = 0
    ) -> None:
        self.plans, self.questions, self.ran, self.now = (
            list(plans),
            list[str](),
            list[str](),
            1000.0,
        )
        self.seconds = seconds
        monkeypatch.setattr(converge, "confirm", self.answer)
        monkeypatch.setattr(converge.time, "time", lambda: self.now)

    def answer(self, question: str, yes: bool) -> None:
        self.questions.append(question)
        self.now += self.seconds

    def make(self) -> Plan:
        return plan_of(self._step(name) for name in self.plans.pop(0))

    def _step(self, name: str) -> Step:
        return replace(step(name, action=Note(name, self.ran.append)), loses=f"{LOSS} on {name}")


def carry_out(project: Project, asked: Asked) -> tuple[Plan, str]:
    said = io.StringIO()
    return converge.carry_out(project, asked.make, Report(said), Options("down")), said.getvalue()


def test_nothing_is_planned_or_run_without_the_lock(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, ("a",))
    assert "is not held" in error_of(carry_out, project, asked).what
    assert (asked.questions, asked.ran, len(asked.plans)) == ([], [], 1)


@pytest.mark.usefixtures("held_profile")
def test_a_quick_answer_is_to_the_plan_that_was_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, ("a",), seconds=converge.LOOK_AGAIN - 1)
    ran, _ = carry_out(project, asked)
    assert (names(ran), asked.ran, len(asked.questions)) == (["a"], ["a"], 1)


@pytest.mark.usefixtures("held_profile")
# a clock that was set back tells nothing
@pytest.mark.parametrize("seconds", [converge.LOOK_AGAIN, 3600, -3600])
def test_after_a_while_it_is_looked_again_and_the_same_is_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    asked = Asked(monkeypatch, ("a",), ("a",), seconds=seconds)
    ran, said = carry_out(project, asked)
    assert (names(ran), asked.ran, len(asked.questions), asked.plans) == (["a"], ["a"], 1, [])
    assert "changed meanwhile" not in said


@pytest.mark.usefixtures("held_profile")
def test_what_has_changed_meanwhile_is_shown_and_asked_about_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, ("a",), ("a", "b"), ("a", "b"), seconds=60)
    ran, said = carry_out(project, asked)
    assert (names(ran), sorted(asked.ran), asked.plans) == (["a", "b"], ["a", "b"], [])
    assert [f"{LOSS} on b" in question for question in asked.questions] == [False, True]
    assert said.index("changed meanwhile") < said.index("do b")


@pytest.mark.usefixtures("held_profile")
def test_what_is_done_meanwhile_is_not_done_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, ("a",), (), seconds=60)
    ran, said = carry_out(project, asked)
    assert (ran.ids, asked.ran, len(asked.questions)) == ((), [], 1) and "Nothing to do" in said


@pytest.mark.usefixtures("held_profile")
def test_who_says_no_after_all_has_changed_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, ("a",), ("b",), seconds=60)

    def answer(question: str, yes: bool) -> None:
        asked.now += 60
        asked.questions.append(question)
        if len(asked.questions) > 1:
            raise KubeupError("no")

    monkeypatch.setattr(converge, "confirm", answer)
    assert error_of(carry_out, project, asked).what == "no" and asked.ran == []
    assert not (project.state.folder / "state.json").exists()


def test_a_plan_that_is_made_twice_is_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actions that ask when they run have functions in them, which are never equal."""
    monkeypatch.setattr(servers, "version", lambda _: Version("8.4.3"))
    monkeypatch.setattr(servers, "count", lambda *_: {"products": 7})
    monkeypatch.setattr(DatabaseVm, "look", lambda _: ServiceState())
    write_private(project.state.kubeconfig, access())
    monkeypatch.setattr(Passwords, "root", lambda _: "rrrrrrrr")
    assert moving.plan(project, "vm") and database.on_machine(project)
    for make in (
        lambda: moving.plan(project, "vm"),
        lambda: database.on_machine(project),
        lambda: part_of_plan(steps(project.passwords, "changed", ())),
    ):
        assert same(make(), make())
    assert not same(moving.plan(project, "vm"), database.on_machine(project))


def test_what_is_not_the_same_is_told(project: Project) -> None:
    one = plan_of([step("a"), step("b", "a")])
    for other in (
        [step("a"), step("b")],
        [step("a")],
        [step("a", title="other"), step("b", "a")],
        [step("a", loses="rows"), step("b", "a")],
        [step("a", action=Do(lines=("rm",))), step("b", "a")],
    ):
        assert not same(one, plan_of(other)), other
    change = by_id(steps(project.passwords, "changed", ()))["db/passwords"]
    assert isinstance(change.action, SetPasswords)
    elsewhere = replace(project.passwords, server=replace(project.server, user="other"))
    assert not same(change, replace(change, action=replace(change.action, passwords=elsewhere)))


@pytest.mark.parametrize(
    ("answer", "agreed"), [("y", True), ("SÍ", True), ("", False), ("n", False), ("yess", False)]
)
def test_only_a_yes_is_one(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert isinstance(error_of(converge.confirm, "All of it?"), Refused), "nobody is there"
    converge.confirm("All of it?", True)
    converge.confirm("")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    if agreed:
        converge.confirm("All of it?")
    else:
        assert isinstance(error_of(converge.confirm, "All of it?"), Refused)
