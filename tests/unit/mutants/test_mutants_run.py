"""Mutations of a tiny package against its tests: what is found, what survives, what that means."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from textwrap import dedent

import pytest

from kubeup.core.report import Report
from kubeup.core.state import PROJECT
from tests.mutants import covering, running
from tests.mutants.derive import Mutation, mutations
from tests.mutants.running import Outcome, Running
from tests.mutants.shown import enough, show
from tests.mutants.sources import Module, modules

TINY = """
    class Refused(Exception): ...

    def plan(needs=()):
        return needs

    def checked(count):
        if count < 0:
            raise Refused("too few")
        if count > 9:
            raise Refused("too many")
        if count == 7:
            raise ValueError("no seven")
        return plan((count, 2))
"""
TESTS = """
    import pytest
    from tiny import Refused, checked

    def test_refused():
        with pytest.raises(Refused):
            checked(-1)

    def test_seven():
        try:
            checked(7)
        except ValueError:
            pass

    def test_plan():
        assert checked(1)[0] == 1
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in {"tiny/__init__.py": TINY, "checks/test_tiny.py": TESTS}.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(dedent(text))
    known = modules(folder, "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PROJECT), prepend=os.pathsep)
        covered = covering.measured(folder, "tiny", "checks", folder)
        again = covering.measured(folder, "tiny", "nothing is run again", folder)
        assert covered == again
        return Running(folder, known, covered, folder, side_by_side=2).all(mutations(known), print)


def places(some: list[Outcome]) -> list[tuple[str, int]]:
    return [(one.of.kind, one.of.line) for one in some]


@pytest.mark.processes
def test_what_a_test_notices_is_found_and_what_none_does_survives(outcomes: list[Outcome]) -> None:
    found, survived = (
        [one for one in outcomes if bool(one.by) is noticed] for noticed in (True, False)
    )
    assert [one.by for one in found] == [
        "checks/test_tiny.py::test_refused",
        "checks/test_tiny.py::test_plan",
    ]
    assert places(found) == [("refusal", 9), ("need", 14)]
    assert places(survived) == [("refusal", 11), ("error", 13), ("need", 14)]
    assert [one.tests for one in survived] == [0, 1, 1]


@pytest.mark.processes
def test_survivors_are_told_with_their_lines(outcomes: list[Outcome]) -> None:
    out = io.StringIO()
    show(outcomes, {"tiny/__init__.py": dedent(TINY)}, Report(out))
    assert [re.split("  +", line) for line in out.getvalue().splitlines()] == [
        [""],
        ["survived, though they protect data:"],
        ["place", "kind", "tests", "what", "in"],
        ["tiny/__init__.py:11", "refusal", "0", 'raise Refused("too many")'],
        ["tiny/__init__.py:14", "need", "1", "2", "return plan((count, 2))"],
        [""],
        ["survived:"],
        ["place", "kind", "tests", "what", "in"],
        ["tiny/__init__.py:13", "error", "1", 'raise ValueError("no seven")'],
        [""],
        ["kind", "protects data", "mutations", "found"],
        ["need", "yes", "2", "1", "50.0 %"],
        ["refusal", "yes", "2", "1", "50.0 %"],
        ["error", "no", "1", "0", "0.0 %"],
        ["all", "5", "2", "40.0 %"],
        ["none of these by a time-out"],
    ]


@pytest.mark.processes
def test_one_that_goes_on_for_ever_is_found_by_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = ("sh", "-c", "echo began; sleep 600 & wait")
    assert running.run(sleep, tmp_path, {}, 0.5) == (None, "began\n")
    (tmp_path / "tiny.py").write_text("def loop(): raise Refused('no')\n")
    monkeypatch.setattr(running, "run", lambda *_: (None, ""))
    known = [Module("tiny", "tiny.py", (tmp_path / "tiny.py").read_text())]
    covered = covering.Covering({"tiny.py": {1: frozenset({"test_it.py::test_it"})}}, {})
    (one,) = Running(tmp_path, known, covered, tmp_path).all(mutations(known), print)
    assert one.by == "a time-out"


@pytest.mark.processes
def test_tests_that_fail_as_the_code_is_tell_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT), prepend=os.pathsep)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_it(): assert 1 == 2\n")
    with pytest.raises(SystemExit, match=r"(?s)assert 1 == 2.*mend them first"):
        covering.measured(tmp_path, "tiny", "test_it.py", tmp_path)


def test_what_can_not_be_imported_is_found_and_what_did_not_run_is_no_verdict() -> None:
    assert running.verdict(0, "2 passed") == ""
    assert running.verdict(1, "FAILED a.py::b - no\n1 failed") == "a.py::b"
    assert running.verdict(2, "ERROR a.py - ImportError\n1 error") == "a.py"
    assert running.verdict(4, "ImportError while loading conftest 'conftest.py'.") == "an error"
    for code in (3, 4, 5):
        with pytest.raises(RuntimeError, match="all of it"):
            running.verdict(code, "all of it")


def outcome(protects: bool, by: str = "") -> Outcome:
    return Outcome(Mutation("m", "m.py", 1, "need", protects, 0, 0, "", None), by)


@pytest.mark.parametrize(
    ("number", "survivor", "does"),
    [(0, True, False), (99, True, False), (9, False, True), (8, False, False)],
)
def test_all_that_protect_data_and_90_percent_of_all_are_enough(
    number: int, survivor: bool, does: bool
) -> None:
    assert enough([*(outcome(True, "found") for _ in range(number)), outcome(survivor)]) is does
    assert enough([outcome(True, "found")] * 9)


def test_who_runs_a_line_is_asked_the_quickest_first() -> None:
    names = frozenset({"a.py::slow", "a.py::quick", "b.py::b"})
    covered = covering.Covering(
        {"m.py": {1: frozenset(), 2: names, 9: frozenset({"c.py::c"})}},
        {"a.py::slow": 9, "a.py::quick": 1, "b.py::b": 2, "a.py::other": 3, "c.py::c": 1},
    )
    ordered = ("a.py::quick", "b.py::b", "a.py::slow")
    assert covered.tests(Mutation("m", "m.py", 2, "need", True, 0, 0, "", range(1, 4))) == ordered
    assert covered.tests(Mutation("m", "m.py", 1, "rule", True, 0, 0, "", None)) == (
        "a.py::quick",
        "c.py::c",
        "b.py::b",
        "a.py::slow",
    )
    assert covered.tests(Mutation("n", "n.py", 1, "rule", True, 0, 0, "", None)) == ()
    assert covered.beside(ordered) == ("a.py::other",)


def test_who_is_about_a_module_is_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covering, "NEAR", 1)
    every, about = frozenset({"a.py::far", "a.py::quick", "a.py::near"}), frozenset({"a.py::far"})
    lines = {"m.py": {1: every}, "n.py": {1: about, 2: frozenset({"a.py::quick"})}}
    covered = covering.Covering(lines, {"a.py::far": 2, "a.py::quick": 1, "a.py::near": 9})
    of = Mutation("m", "m.py", 1, "need", True, 0, 0, "", range(1, 2))
    assert covered.tests(of) == ("a.py::near", "a.py::quick", "a.py::far")
