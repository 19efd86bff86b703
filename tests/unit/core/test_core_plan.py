from __future__ import annotations

from typing import Any

import pytest
from builders import Do, Graph, error_of, graphs, holds, names, sids, step, there_already
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core import ids
from kubeup.core.plan import Plan, Step, plan_of


@given(graphs(), st.randoms())
def test_needs_always_come_first_and_nothing_is_lost(graph: Graph, random: Any) -> None:
    steps = [step(str(n), *(str(need) for need in needs)) for n, needs in graph.items()]
    random.shuffle(steps)
    plan = plan_of(steps, there_already(graph))
    assert sorted(names(plan)) == sorted(str(n) for n in graph)
    for place, one in enumerate(plan):
        assert all(plan.ids.index(need) < place for need in one.needs if need in plan.ids)


@given(graphs())
def test_the_critical_time_is_between_the_longest_step_and_all_of_them(graph: Graph) -> None:
    plan = plan_of(
        [
            step(str(n), *(str(need) for need in needs), seconds=n + 1.0)
            for n, needs in graph.items()
        ],
        there_already(graph),
    )
    seconds = [one.seconds for one in plan]
    assert max(seconds, default=0.0) <= plan.critical_seconds() <= sum(seconds)


def test_needs_that_hold_already_are_facts_with_a_reason() -> None:
    plan = plan_of(
        [step("deploy/ui", "load/ui", "cluster/answers")], holds("load/ui", "cluster/answers")
    )
    assert plan.ids == sids("deploy/ui") and plan.held == set(sids("load/ui", "cluster/answers"))
    assert plan_of(plan.planned) == plan, "a larger plan can be made of it"
    assert all(one.why for one in plan.holds)


def test_a_need_that_nobody_answers_for_is_an_error() -> None:
    error = error_of(
        plan_of, [step("deploy/api", "load/api", "cluster/answers")], holds("load/api")
    )
    assert error.what == "the plan has needs that nothing meets"
    assert error.why == "deploy/api needs cluster/answers: neither a step of the plan nor a fact"
    assert error.next == "report this: it is a mistake in kubeup"


def test_an_id_is_more_than_its_name() -> None:
    assert str(ids.removal("dev-control")) == str(ids.node("dev-control")) and ids.removal(
        "dev-control"
    ) != ids.node("dev-control")
    error = error_of(
        plan_of, [Step(ids.node("a"), "", "", Do())], [Step(ids.removal("a"), "", "", Do())]
    )
    assert (error.what, error.why) == ("the plan names a step twice", "node/a"), (
        "the journal knows names alone"
    )


def test_what_is_done_can_not_hold_already() -> None:
    assert error_of(plan_of, [step("a")], holds("a")).what == "the plan names a step twice"
    assert plan_of([step("a", "b")], holds("b"), holds("b")).held == set(sids("b")), (
        "two may say the same"
    )


def test_groups_keep_their_order_where_nothing_speaks_against_it() -> None:
    assert plan_of([step("b"), step("a")], [step("c", "a")]).ids == sids("b", "a", "c")


@pytest.mark.parametrize(
    "needs", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "c", "b": "a", "c": "b"}]
)
def test_a_circle_is_named(needs: dict[str, str]) -> None:
    error = error_of(
        plan_of, [step("outside"), *(step(name, need) for name, need in needs.items())]
    )
    assert error.what == "the plan's steps wait for each other"
    assert error.why == ", ".join(needs)


def test_a_name_used_twice() -> None:
    error = error_of(plan_of, [step("a"), step("b")], [step("a")])
    assert (error.what, error.why) == ("the plan names a step twice", "a")


def test_critical_seconds_take_the_longest_chain() -> None:
    plan = plan_of(
        [
            step("network", seconds=1),
            step("compile", seconds=290),
            step("rootfs", seconds=64),
            step("image", "compile", "rootfs", seconds=10),
            step("node", "image", "network", "elsewhere", seconds=4),
        ],
        holds("elsewhere"),
    )
    assert plan.critical_seconds() == 304
    assert Plan().critical_seconds() == 0


def test_what_would_be_lost() -> None:
    plan = plan_of([step("a"), step("b", loses="all data on b")])
    assert plan.losses == ("all data on b",)
    assert plan and not Plan()
