from __future__ import annotations

import errno
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from builders import Do, DoneAlready, Told, error_of, graphs, names, step, there_already
from hypothesis import HealthCheck, given
from hypothesis import settings as profile

from kubeup.core import pace
from kubeup.core.errors import Exit, Interrupted, KubeupError, Refused, UsageError
from kubeup.core.pace import Pace
from kubeup.core.plan import Log, Paced, Step, plan_of
from kubeup.core.report import Report, Unwritable, progress
from kubeup.core.runner import SIDE_BY_SIDE, Journal, Run, run


def carry_out(folder: Path, *steps: Step) -> tuple[Run, Told]:
    told = Told()
    return run(plan_of(steps), told, Journal(folder, "up")), told


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_needs_are_done_first(tmp_path: Path) -> None:
    order: list[str] = []

    def note(name: str, *needs: str) -> Step:
        return step(name, *needs, action=Do(lambda: order.append(name)))

    result, _ = carry_out(
        tmp_path,
        note("last", "left", "right"),
        note("left", "first"),
        note("right", "first"),
        note("first"),
    )
    assert order[0] == "first" and order[3] == "last"
    assert sorted(names(result.changed)) == ["first", "last", "left", "right"]


@profile(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs())
def test_no_order_of_the_runner_breaks_a_need(tmp_path: Path, graph: dict[int, set[int]]) -> None:
    done, early, lock = set[int](), list[int](), threading.Lock()

    def act(number: int, needs: set[int]) -> None:
        with lock:
            early.extend(needs.intersection(graph) - done)
        time.sleep(0.001 * (number % 3))
        with lock:
            done.add(number)

    steps = [
        step(str(n), *map(str, needs), action=Do(partial(act, n, needs)))
        for n, needs in graph.items()
    ]
    run(plan_of(steps, there_already(graph)), Told(), Journal(tmp_path, "up"))
    assert early == [] and done == set(graph)


def test_steps_that_do_not_need_each_other_run_side_by_side(tmp_path: Path) -> None:
    meet = threading.Barrier(3)
    carry_out(tmp_path, *(step(name, action=Do(lambda: meet.wait(5))) for name in "abc"))
    assert not meet.broken


def test_progress_and_journal(tmp_path: Path) -> None:
    _, told = carry_out(tmp_path, step("node/a", action=Do(lines=("copying", "starting"))))
    assert told.rows == [
        ("node/a", "started"),
        ("node/a", "copying"),
        ("node/a", "starting"),
        ("node/a", "changed"),
    ]
    found = rows(tmp_path)
    assert [(row["event"], row["step"]) for row in found] == [
        ("plan", ""),
        ("start", "node/a"),
        ("changed", "node/a"),
        ("end", ""),
    ]
    assert found[0]["steps"] == ["node/a"]
    assert {row["command"] for row in found} == {"up"}
    assert found[2]["seconds"] >= 0 and found[2]["time"][:2] == "20"
    assert "copying" not in (tmp_path / "journal.jsonl").read_text(), (
        "what tools print may hold a secret"
    )


def test_what_is_done_already_does_not_run_and_its_followers_do(tmp_path: Path) -> None:
    ran: list[str] = []
    result, told = carry_out(
        tmp_path,
        step("a", action=DoneAlready(lambda: ran.append("a"))),
        step("b", "a", action=Do(lambda: ran.append("b"))),
    )
    assert ran == ["b"]
    assert names(result.changed) == ["b"]
    assert ("a", "already: v1.26.1 is there") in told.rows
    assert {"event": "already", "step": "a", "why": "v1.26.1 is there"}.items() <= rows(tmp_path)[
        1
    ].items()


def test_a_failure_starts_nothing_further_and_lets_others_end(tmp_path: Path) -> None:
    told, journal, ran = Told(), Journal(tmp_path, "up"), list[str]()

    def slow() -> None:
        while ("broken", "failed") not in told.rows:
            time.sleep(0.005)
        time.sleep(0.05)
        ran.append("slow")

    def broken() -> None:
        raise KubeupError("no space left on device", "df says so", "make room")

    plan = plan_of(
        [
            step("slow", action=Do(slow)),
            step("broken", action=Do(broken)),
            step("after", "slow", action=Do(lambda: ran.append("after"))),
            step("never", "broken", action=Do(lambda: ran.append("never"))),
        ]
    )
    error = error_of(run, plan, told, journal)
    assert ran == ["slow"]
    assert error.what == "do broken: no space left on device"
    assert (error.why, error.next) == ("df says so", "make room")
    assert ("broken", "failed") in told.rows and ("slow", "changed") in told.rows
    assert rows(tmp_path)[-1]["failed"] == "do broken: no space left on device"


@dataclass(frozen=True)
class WaitInVain:
    """Waits for what another step should have brought."""

    def run(self, log: Log) -> None:
        self.run_unless(lambda: False, log)

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        end = time.monotonic() + 5
        while not stopped():
            assert time.monotonic() < end, "nobody told that it is in vain"
            time.sleep(0.005)
        raise KubeupError("no longer waited")


def test_a_failure_ends_what_waits_in_vain(tmp_path: Path) -> None:
    def broken() -> None:
        raise KubeupError("no space left on device")

    plan = plan_of([step("waiting", action=WaitInVain()), step("broken", action=Do(broken))])
    error = error_of(run, plan, Told(), Journal(tmp_path, "up"))
    assert error.what == "do broken: no space left on device"


def test_a_failure_stops_steps_that_wait_for_a_free_place(tmp_path: Path) -> None:
    told, ran = Told(), list[str]()

    def broken() -> None:
        raise KubeupError("no")

    def slow() -> None:
        while ("0", "failed") not in told.rows:
            time.sleep(0.005)
        time.sleep(0.1)

    steps = [
        step("0", action=Do(broken)),
        *(step(str(n), action=Do(slow)) for n in range(1, SIDE_BY_SIDE)),
        *(step(f"queued-{n}", action=Do(lambda: ran.append("queued"))) for n in range(5)),
    ]
    error_of(run, plan_of(steps), told, Journal(tmp_path, "up"))
    assert ran == []


def test_a_mistake_in_kubeup_is_told_with_its_place(tmp_path: Path) -> None:
    error = error_of(carry_out, tmp_path, step("a", action=Do(lambda: 1 / 0)))
    assert error.what == "do a: ZeroDivisionError: division by zero"
    assert error.why.startswith(f"{__file__}:")
    assert "mistake in kubeup" in error.next


class Broken(Do):
    def already(self) -> str:
        empty: dict[str, str] = {}
        return empty["missing"]


def test_a_mistake_while_looking_again_is_told_too(tmp_path: Path) -> None:
    assert "KeyError" in error_of(carry_out, tmp_path, step("a", action=Broken())).what


def test_the_first_of_two_failures_is_told(tmp_path: Path) -> None:
    meet = threading.Barrier(2)

    def first() -> None:
        meet.wait(5)
        raise KubeupError("first")

    def second() -> None:
        meet.wait(5)
        time.sleep(0.1)
        raise KubeupError("second")

    assert (
        error_of(
            carry_out, tmp_path, step("b", action=Do(second)), step("a", action=Do(first))
        ).what
        == "do a: first"
    )


@pytest.mark.parametrize(("before", "code"), [((), Exit.REFUSED), (("first",), Exit.FAILED)])
def test_only_where_nothing_was_changed_a_refusal_says_so(
    tmp_path: Path, before: tuple[str, ...], code: Exit
) -> None:
    steps = [*(step(name) for name in before), step("look", *before, action=RefusingLook())]
    assert error_of(carry_out, tmp_path, *steps).code == code


@pytest.mark.parametrize("error", [Refused, UsageError])
def test_a_step_that_was_begun_may_have_changed_something(
    tmp_path: Path, error: type[KubeupError]
) -> None:
    def half() -> None:
        raise error("there is more than tables")

    assert error_of(carry_out, tmp_path, step("a", action=Do(half))).code == Exit.FAILED


class RefusingLook(Do):
    def already(self) -> str:
        raise Refused("it holds data already")


def until_ended(told: Told, name: str) -> None:
    end = time.monotonic() + 5
    while (name, "changed") not in told.rows and time.monotonic() < end:
        time.sleep(0.005)


class Full(type(Path())):  # type: ignore[misc]
    """A file by its name, on a disk without room."""

    def __fspath__(self) -> str:
        return "/dev/full"


def full(journal: Journal, after: int) -> Journal:
    """One whose disk is full from some row on."""
    rows, add = count(), Journal.add

    def until_full(self: Journal, event: str, step: str = "", **more: object) -> None:
        if next(rows) == after:
            self._path = Full(self._path)
        add(self, event, step, **more)

    journal.add = until_full.__get__(journal)  # type: ignore[method-assign]
    return journal


def test_without_a_journal_nothing_is_begun(tmp_path: Path) -> None:
    ran: list[str] = []
    plan = plan_of([step("a", action=Do(lambda: ran.append("a")))])
    error = error_of(run, plan, Told(), full(Journal(tmp_path, "up"), 0))
    assert isinstance(error, Refused) and "No space left" in error.why and ran == []


def test_a_journal_that_ends_starts_no_further_steps_and_watches_those_that_run(
    tmp_path: Path,
) -> None:
    ran, told = list[str](), Told()

    def slow() -> None:
        until_ended(told, "quick")
        time.sleep(0.1)
        ran.append("slow")

    plan = plan_of(
        [
            step("slow", action=Do(slow)),
            step("quick"),
            step("next", "quick", action=Do(lambda: ran.append("next"))),
        ]
    )
    error = error_of(run, plan, told, full(Journal(tmp_path, "up"), 2))
    assert error.what == f"{tmp_path}/journal.jsonl can't be written" and error.code == Exit.FAILED
    assert ran == ["slow"] and ("slow", "changed") in told.rows


def test_a_journal_that_ends_hides_no_failure(tmp_path: Path) -> None:
    def broken() -> None:
        raise KubeupError("the API does not stand")

    error = error_of(
        run, plan_of([step("a", action=Do(broken))]), Told(), full(Journal(tmp_path, "up"), 2)
    )
    assert error.what == "do a: the API does not stand"


def test_what_ran_to_its_end_did_so_without_a_journal_too(tmp_path: Path) -> None:
    told = Told()
    result = run(plan_of([step("a")]), told, full(Journal(tmp_path, "up"), 2))
    assert names(result.changed) == ["a"] and "No space left" in told.rows[-1][1]


class Unheard(io.StringIO):
    """A stream that takes a line or two, and then no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error, self.left = error, 2

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().write(text)


@dataclass(frozen=True)
class Saying:
    def run(self, log: Log) -> None:
        for number in range(20):
            log(str(number))


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BrokenPipeError(), BrokenPipeError),
        (OSError(errno.ENOSPC, "No space left on device"), Unwritable),
    ],
)
def test_what_nobody_can_be_told_of_is_done_all_the_same(
    tmp_path: Path, error: OSError, told: type[Exception], whole: bool
) -> None:
    report = Report(Unheard(error))
    plan = plan_of([step("a"), step("b", "a", action=Saying()), step("c", "b")])
    result = run(plan, progress(report, whole), Journal(tmp_path, "up"))
    assert names(result.changed) == ["a", "b", "c"]
    assert rows(tmp_path)[-1]["event"] == "end" and "failed" not in rows(tmp_path)[-1]
    # the command does not end as if all of it had been read
    with pytest.raises(told):
        report.say("done")


def test_an_interrupt_is_written_down_and_ends_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr("kubeup.core.shell.stop_all", lambda: stopped.append(True))

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_out(tmp_path, step("a", action=Do(interrupt)))
    assert stopped
    assert rows(tmp_path)[-1]["event"] == "interrupted"


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_first_interrupt_starts_nothing_further_and_tells_what_is_left(tmp_path: Path) -> None:
    ran, told = list[str](), Told()

    def slow() -> None:
        ctrl_c()
        end = time.monotonic() + 5
        while not told.rows[-1][1].startswith("interrupted") and time.monotonic() < end:
            time.sleep(0.01)
        ran.append("a")

    plan = plan_of([step("a", action=Do(slow)), step("b", "a", action=Do(lambda: ran.append("b")))])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as left:
        run(plan, told, Journal(tmp_path, "up"))
    assert ran == ["a"] and str(left.value) == ("interrupted: 1 of 2 steps are done; left: do b")
    assert [row["event"] for row in rows(tmp_path)][-2:] == ["changed", "interrupted"]
    assert "interrupted: waiting for the end of: do a" in told.rows[-2][1]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_in_the_last_step_starts_nothing_after_the_plan(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"1 of 1 steps are done$"):
        carry_out(tmp_path, step("a", action=Do(ctrl_c)))


def test_a_failure_after_an_interrupt_is_told(tmp_path: Path) -> None:
    def broken() -> None:
        ctrl_c()
        raise KubeupError("no space left on device")

    assert "no space left" in error_of(carry_out, tmp_path, step("a", action=Do(broken))).what


def test_the_second_interrupt_ends_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()
    monkeypatch.setattr("kubeup.core.shell.stop_all", stopped.set)

    def slow() -> None:
        ctrl_c()
        while not told.rows[-1][1].startswith("interrupted"):
            time.sleep(0.01)
        ctrl_c()
        assert stopped.wait(5)

    told = Told()
    with pytest.raises(KeyboardInterrupt) as ended:
        run(plan_of([step("a", action=Do(slow))]), told, Journal(tmp_path, "up"))
    assert type(ended.value) is KeyboardInterrupt and stopped.is_set()


def test_an_interrupt_that_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result, _ = carry_out(tmp_path, step("a", action=Do(ctrl_c)), step("b", "a"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert names(result.changed) == ["a", "b"]


def test_an_empty_plan_does_nothing(tmp_path: Path) -> None:
    result, told = carry_out(tmp_path)
    assert (result.done, told.rows) == ([], [])


@dataclass(frozen=True)
class Patient(Paced):
    """Writes down for how long it would wait."""

    waits: list[float]

    def run(self, log: Log) -> None:
        self.waits.append(self.pace.seconds(60))


def test_limits_grow_with_what_the_steps_before_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "ENOUGH", 0.01)
    waits, kept, told = list[float](), list[Pace](), Told()
    slow = step("node/a", action=Do(lambda: time.sleep(0.1)), seconds=0.01, measures=True)
    plan = plan_of(
        [
            step("first", action=Patient(waits)),
            slow,
            step("last", "first", "node/a", action=Patient(waits)),
        ]
    )
    run(plan, told, Journal(tmp_path, "up"), keep=kept.append)
    first, last = waits
    assert first == 60 and last >= 60 * 10
    assert [one.times * 60 for one in kept] == [last]
    assert [row["times"] for row in rows(tmp_path) if row["event"] == "pace"] == [kept[0].times]
    assert any("times slower than time limits assume" in text for id_, text in told.rows if not id_)


def test_the_last_runs_pace_counts_from_the_first_step_on(tmp_path: Path) -> None:
    waits, told = list[float](), Told()
    run(plan_of([step("first", action=Patient(waits))]), told, Journal(tmp_path, "up"), Pace(7))
    assert waits == [420]
    assert told.rows[0] == (
        "",
        "this machine is about 7 times slower than time limits assume: they are 7 "
        "times as long here",
    )


def test_only_what_was_done_and_waits_for_nobody_is_a_measure(tmp_path: Path) -> None:
    kept = list[Pace]()
    download = step("download", action=Do(lambda: time.sleep(0.05)), seconds=0.001)
    plan = plan_of([download, step("there", action=DoneAlready(), seconds=100, measures=True)])
    run(plan, Told(), Journal(tmp_path, "up"), keep=kept.append)
    assert not kept
