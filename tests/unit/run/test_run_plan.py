from __future__ import annotations

from typing import Any

import pytest
from builders import error_of, step
from hypothesis import given
from hypothesis import strategies as st

from kubeup.plan import Plan, plan_of

Graph = dict[int, set[int]]


@st.composite
def graphs(draw: Any) -> Graph:
    """Any graph without a circle: a step needs only steps of a smaller number; some numbers are no part of it."""
    size = draw(st.integers(0, 12))
    return {n: draw(st.sets(st.integers(0, n - 1), max_size=4)) if n else set() for n in range(size) if draw(st.booleans())}


@given(graphs(), st.randoms())
def test_needs_always_come_first_and_nothing_is_lost(graph: Graph, random: Any) -> None:
    steps = [step(str(n), *(str(need) for need in needs)) for n, needs in graph.items()]
    random.shuffle(steps)
    plan = plan_of(steps)
    assert sorted(plan.ids) == sorted(str(n) for n in graph)
    for place, one in enumerate(plan):
        assert all(plan.ids.index(need) < place for need in one.needs if need in plan.ids)


@given(graphs())
def test_the_critical_time_is_between_the_longest_step_and_all_of_them(graph: Graph) -> None:
    plan = plan_of([step(str(n), *(str(need) for need in needs), seconds=n + 1.0) for n, needs in graph.items()])
    seconds = [one.seconds for one in plan]
    assert max(seconds, default=0.0) <= plan.critical_seconds() <= sum(seconds)


def test_needs_that_are_no_part_of_the_plan_hold_already() -> None:
    assert plan_of([step("deploy/api", "load/api", "cluster/answers")]).ids == ("deploy/api",)


def test_groups_keep_their_order_where_nothing_speaks_against_it() -> None:
    assert plan_of([step("b"), step("a")], [step("c", "a")]).ids == ("b", "a", "c")


@pytest.mark.parametrize("needs", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "c", "b": "a", "c": "b"}])
def test_a_circle_is_named(needs: dict[str, str]) -> None:
    error = error_of(plan_of, [step("outside"), *(step(name, need) for name, need in needs.items())])
    assert error.what == "the plan's steps wait for each other"
    assert error.why == ", ".join(needs)


def test_a_name_used_twice() -> None:
    error = error_of(plan_of, [step("a"), step("b")], [step("a")])
    assert (error.what, error.why) == ("the plan names a step twice", "a")


def test_critical_seconds_take_the_longest_chain() -> None:
    plan = plan_of([step("network", seconds=1),
                    step("compile", seconds=290), step("rootfs", seconds=64), step("image", "compile", "rootfs", seconds=10),
                    step("node", "image", "network", "elsewhere", seconds=4)])
    assert plan.critical_seconds() == 304
    assert Plan().critical_seconds() == 0


def test_what_would_be_lost() -> None:
    plan = plan_of([step("a"), step("b", loses="all data on b")])
    assert plan.losses == ("all data on b",)
    assert plan and not Plan()
