from __future__ import annotations

from dataclasses import replace

import pytest
from builders import SANDBOX
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core import pace
from kubeup.core.pace import AS_MEANT, MOST, Pace, Patience
from kubeup.system import cache, machine

HERE = {"arch": "amd64", "cpus": 2, "memory": 24}


@pytest.mark.parametrize(
    ("took", "meant", "times"),
    [
        (0, 0, 1),
        (290, 290, 1),
        (42, 29, 1),
        (44, 29, 2),
        (60, 4, 15),
        (1, 20, 1),
        (9000, 10, MOST),
        (60, 2.9, 1),
    ],
)
def test_what_steps_took_against_their_estimates(took: float, meant: float, times: int) -> None:
    found = AS_MEANT.after(took, meant)
    assert found.times == times and found.seconds(60) == 60 * times


def test_steps_count_by_how_long_they_are() -> None:
    assert Pace().after(1200, 300).after(4, 4).times == 4


def test_the_longer_of_this_run_and_the_last_one_counts() -> None:
    assert Pace(5).after(10, 10).times == 5 and Pace(5).after(100, 10).times == 10


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(1, MOST))
def test_a_limit_is_never_shorter_than_meant_and_never_without_end(
    took: float, meant: float, earlier: int
) -> None:
    assert 60 <= Pace(earlier, took, meant).seconds(60) <= 60 * MOST


def test_it_is_said_where_limits_are_longer() -> None:
    assert (AS_MEANT.why(), AS_MEANT.waiting(60)) == ("", "")
    assert (
        Pace(12).waiting(60)
        == "this machine is about 12 times slower than time limits assume: waiting "
        "for up to 720 s"
    )


def test_what_this_run_measured_is_kept_and_else_what_was_known() -> None:
    assert pace.read(pace.text(Pace(5).after(200, 20), HERE), HERE) == Pace(10)
    assert pace.read(pace.text(Pace(5).after(20, 20), HERE), HERE) == AS_MEANT, "it is fast again"
    assert pace.read(pace.text(Pace(5), HERE), HERE) == Pace(5)


@pytest.mark.parametrize(
    "kept",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        '{"times": 9}',
        '{"machine": {}, "times": 9}',
        '{"times": "many"}',
    ],
)
def test_what_can_not_be_read_is_measured_anew(kept: str) -> None:
    assert pace.read(kept, HERE) == AS_MEANT


@pytest.mark.parametrize(("times", "found"), [(0, 1), (-3, 1), (1e9, MOST), ("nine", 1), (None, 1)])
def test_an_impossible_pace_is_none(times: object, found: int) -> None:
    import json

    assert pace.read(json.dumps({"machine": HERE, "times": times}), HERE).times == found


def test_it_is_kept_in_the_cache_for_this_machine_alone() -> None:
    machine.keep_pace(SANDBOX, Pace().after(100, 10))
    assert [one.name for one in cache.folder().iterdir()] == ["pace.json"]
    assert machine.pace(SANDBOX) == Pace(10)
    assert machine.pace(replace(SANDBOX, memory=SANDBOX.memory + 100)) == Pace(10), (
        "some memory comes and goes with a kernel"
    )
    assert machine.pace(replace(SANDBOX, cpus=8)) == AS_MEANT


def test_a_cache_that_can_not_be_written_is_no_reason_to_fail() -> None:
    cache.folder().parent.mkdir(parents=True)
    cache.folder().write_text("not a folder")
    machine.keep_pace(SANDBOX, Pace().after(100, 10))
    assert machine.pace(SANDBOX) == AS_MEANT


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


def test_what_gets_on_is_waited_for_however_long_it_takes() -> None:
    patience = Patience(5, Clock())
    assert not any(patience.ended(left) for left in range(100, 0, -1))


def test_what_stands_still_or_goes_round_in_circles_is_not() -> None:
    still, around = Patience(5, Clock()), Patience(5, Clock())
    assert any(still.ended("activating") for _ in range(20)) and still.over
    assert any(around.ended(n % 3) for n in range(40)) and around.over
