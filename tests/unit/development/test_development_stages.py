"""Which tests `inv test` runs, in which order, and what it tells of the time they take."""

from __future__ import annotations

import io
import re
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from development.testing import run as running
from development.testing import schedule as scheduling
from development.testing.run import possible
from development.testing.schedule import Result, Schedule, in_phases
from development.testing.stages import DATABASE, FOLDERS, ROOT, SUDO, Stage, choose, stages
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.report import Report
from kubeup.core.state import PROJECT

REAL = PROJECT / "tests" / "real"
AT_MOST = 100  # minutes for a stage


def runs(command: tuple[str, ...], file: Path) -> bool:
    """Whether pytest takes that file, by its words for what to take and what to leave."""
    name, words = str(file.relative_to(PROJECT)), command[command.index("-q") + 1 :]
    left = [word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
    taken = [word for word in words if word.startswith("tests/")]
    under = [
        any(name == one or fnmatch(name, f"{one}/*") for one in ones) for ones in (taken, left)
    ]
    return under[0] and not under[1]


@pytest.mark.parametrize("long", [True, False])
def test_each_file_of_real_tests_runs_once(long: bool) -> None:
    commands = [
        command for stage in stages(long) if stage.makes_clusters for command in stage.commands
    ]
    files = sorted(REAL.rglob("test_*.py"))
    assert len(files) > 20
    for file in files:
        number = sum(runs(command, file) for command in commands)
        if not long and file.parent.name in ("machines", "policies", "faults", "soak"):
            assert number == 0 and "pytest.mark.long" in file.read_text(), file
        elif long and file.stem == "test_real_farewell":
            assert number == 2  # the end of the clusters of both stages
        else:
            assert number == 1, file
    assert all(("not long" in command) is not long for command in commands)


@pytest.mark.parametrize("long", [True, False])
def test_no_stage_takes_too_long(long: bool) -> None:
    assert all(0 < stage.minutes <= AT_MOST for stage in stages(long))
    assert {"database", "machines"} <= {stage.name for stage in stages(long=True)}


def test_each_folder_of_real_tests_has_a_line() -> None:
    folders = {path.parent.name for path in REAL.rglob("test_*.py")} - {REAL.name}
    assert folders == {folder.name for folder in FOLDERS}


def test_each_file_named_is_there() -> None:
    assert all((REAL / f"test_real_{name}.py").exists() for name in DATABASE)


@pytest.mark.parametrize("long", [True, False])
def test_python_is_checked_first_with_nothing_slow_beside(long: bool) -> None:
    first, second = in_phases(stages(long))
    assert [[stage.name for stage in group] for group in first] == [["unit"], ["lint"]]
    mutants = ["mutants"] if long else []
    assert [stage.name for stage in second[0]] == ["api", "ui", "db", *mutants]
    assert second[1][0].name == "real" and all(stage.makes_clusters for stage in second[1])
    alone = in_phases(choose(long, "ui"))
    assert [[[stage.name for stage in group] for group in phase] for phase in alone] == [[["ui"]]]


def test_what_a_user_can_not_run_is_told_and_left_out() -> None:
    out = io.StringIO()
    names = lambda acting: [one.name for one in possible(stages(long=False), acting, Report(out))]  # noqa: E731
    assert (
        names(("", ROOT, SUDO)) == [one.name for one in stages(long=False)] and not out.getvalue()
    )
    assert names(("", SUDO)) == ["unit", "lint", "api", "ui", "real"]
    assert "minikube is left out: its tests need root\n" in out.getvalue()
    assert names(("",)) == ["unit", "lint", "api", "ui"]
    with pytest.raises(KubeupError, match="can run none"):
        possible(choose(long=False, only="vagrant"), ("", SUDO), Report(out))


@pytest.mark.parametrize(
    ("only", "then"),
    [("machines", "run it with --long"), ("unit,nothing", "name some of them with commas between")],
)
def test_a_stage_that_is_not_there_is_told(only: str, then: str) -> None:
    with pytest.raises(UsageError) as error:
        choose(long=False, only=only)
    assert error.value.next == then and "unit, lint, api" in error.value.why


def stage(name: str, minutes: float = 1, *, first: bool = False, code: str = "") -> Stage:
    return Stage(name, minutes, ((sys.executable, "-c", code),), first=first)


def schedule(out: io.StringIO, *groups: tuple[Stage, ...], long: bool = False) -> Schedule:
    return Schedule([groups], Report(out), long)


def test_what_takes_longest_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(scheduling.time, "monotonic", lambda: now[0])
    out, quick, slow, other = io.StringIO(), stage("quick"), stage("slow", 20), stage("other", 4)
    told = schedule(out, (quick, other), (slow,))
    assert told.left() == 20 * 60
    told.started(quick)
    told.started(slow)
    now[0] = 16 * 60
    assert told.left() == 4 * 60  # quick takes longer than it did, and other is still to come
    told.ended(slow, Result("slow", seconds=960), ["its output"])
    told.ended(quick, Result("quick", seconds=960), [])
    told.started(other)
    told.ended(other, Result("other", ok=False, seconds=1), [])
    assert out.getvalue().splitlines() == [
        "=== quick: started, 1 of 3, 3 to go, about 20 min",
        "=== slow: started, 2 of 3, 3 to go, about 20 min",
        "its output",
        "=== slow: ok after 16 min 0 s, 2 to go, about 4 min",
        "=== quick: ok after 16 min 0 s, 1 to go, about 4 min",
        "=== other: started, 3 of 3, 1 to go, about 4 min",
        "=== other: FAILED after 1 s, the last",
    ]


def test_what_it_took_here_is_told_the_next_time(cache_home: Path) -> None:
    told = schedule(io.StringIO(), (stage("a", 5), stage("b", 5)))
    told.started(stage("a", 5))
    told.ended(stage("a", 5), Result("a", seconds=240), [])
    told.ended(stage("b", 5), Result("b", ok=False, seconds=3), [])  # no measure of anything
    out = io.StringIO()
    schedule(out, (stage("a", 5), stage("b", 5))).announce()
    assert [" ".join(line.split()) for line in out.getvalue().splitlines()] == [
        "stage takes about measured",
        "a 4 min here",
        "b 5 min on 2 cores",
        "about 9 min in all, besides installing what they need",
        "",
    ]
    assert schedule(io.StringIO(), (stage("a", 50),), long=True).left() == 50 * 60
    assert [path.name for path in (cache_home / "tests").iterdir()] == ["a.seconds"]


@pytest.mark.parametrize("kept", ["", "nan", "-3", "soon"])
def test_what_can_not_be_read_is_no_measure(kept: str, cache_home: Path) -> None:
    (cache_home / "tests").mkdir(parents=True)
    (cache_home / "tests" / "a.seconds").write_text(kept)
    assert schedule(io.StringIO(), (stage("a", 5),)).left() == 300


@pytest.mark.real
def test_a_run_tells_its_stages_and_ends_with_its_totals(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    passed = "print('3 passed in 0.10s')"
    table = (
        stage("slow", 30, code=passed),
        stage("other", 2, code="print('2 failed, 1 passed in 1.00s'); exit(1)"),
        stage("first", 1, first=True, code=passed),
    )
    monkeypatch.setattr(running, "choose", lambda long, only: table)
    with pytest.raises(KubeupError, match="tests failed: other") as error:
        running.run_tests(long=True, only="")
    assert error.value.next == "inv test --long --only other"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["stage", "takes", "about", "measured"]
    marks = [
        re.sub(r" after .*?,|started, ", ",", line) for line in lines if line.startswith("===")
    ]
    assert marks == [
        "=== first: ,1 of 3, 3 to go, about 33 min",
        "=== first: ok, 2 to go, about 32 min",
        "=== slow: ,2 of 3, 2 to go, about 32 min",
        "=== slow: ok, 1 to go, about 2 min",
        "=== other: ,3 of 3, 1 to go, about 2 min",
        "=== other: FAILED, the last",
    ]
    assert lines[-1] == "7 passed, 2 failed"
