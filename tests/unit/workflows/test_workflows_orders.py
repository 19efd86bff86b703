"""Orders: each is found broken in a real plan from which its edge, or its step, was taken."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import by_id, error_of, recorded, sid
from scenarios import SCENARIOS, world

from kubeup.core import orders
from kubeup.core.ids import Kind, StepId
from kubeup.core.orders import ORDERS, After
from kubeup.core.plan import Holds, Plan, Planned, Step, plan_of
from kubeup.core.state import PROJECT


def test_every_plan_of_the_product_is_made_by_plan_of() -> None:
    made = [
        path.name
        for path in Path(PROJECT, "kubeup").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Plan"
    ]
    assert made == ["plan.py"]


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    found = {}
    for scenario in SCENARIOS:
        with world(tmp_path_factory.mktemp("world")) as there:
            found[scenario.__name__] = scenario(there)
    return found


def test_every_scenario_has_something_to_do(plans: dict[str, Plan]) -> None:
    assert [name for name, plan in plans.items() if not plan] == []


def is_(one: StepId, sort: orders.Sort) -> bool:
    return sort in (one, one.kind)


def before(plan: Plan) -> dict[StepId, set[StepId]]:
    """What each step waits for, by needs of needs as well."""
    found: dict[StepId, set[StepId]] = {}
    for step in plan:
        found[step.id] = set(step.needs).union(*(found.get(need, ()) for need in step.needs))
    return found


def without_edges(rule: After, plan: Plan) -> Iterator[tuple[StepId, StepId, list[Planned]]]:
    """The plan with every way cut between two steps of the rule, for each two of them."""
    ways = before(plan)
    for this in (step for step in plan if is_(step.id, rule.this)):
        for that in (step.id for step in plan if is_(step.id, rule.that) and step.id != this.id):
            left = tuple(
                need for need in this.needs if need != that and that not in ways.get(need, ())
            )
            cut = replace(this, needs=left)
            yield this.id, that, [cut if one is this else one for one in plan.planned]


def without(rule: After, plan: Plan) -> list[Planned]:
    """The plan without the step, or the fact, that the rule asks for."""
    left = [one for one in plan.planned if not is_(one.id, rule.that)]
    return [
        replace(one, needs=tuple(need for need in one.needs if not is_(need, rule.that)))
        if isinstance(one, Step)
        else one
        for one in left
    ]


def named(rule: After) -> str:
    return f"{rule.this.name}-{rule.that.name}"


def one_of(name: str) -> StepId:
    return StepId(Kind[name], "one") if name in Kind.__members__ else sid(name)


def test_no_order_is_lost() -> None:
    """Whoever takes one away does so here, too: the tests below know those that are left."""
    rows = [
        line.split(": ") for line in recorded("plans/orders.txt").splitlines() if line[0] != "#"
    ]
    pairs = [
        (one_of(this), that.strip("!"), "!" in that)
        for this, those in rows
        for that in those.split()
    ]
    unmet = [
        (this, that)
        for this, that, _ in pairs
        if f"{this} does not wait for {one_of(that)}: " not in told({one_of(that): (), this: ()})
    ]
    alone = [
        (this, that)
        for this, that, always in pairs
        if always and f"{this} without {that}, " not in told({this: ()})
    ]
    assert len(pairs) > 80 and (unmet, alone) == ([], [])


def told(needs: dict[StepId, tuple[StepId, ...]]) -> str:
    return "\n".join(orders.broken(needs, ()))


@pytest.mark.parametrize("rule", ORDERS, ids=named)
def test_an_edge_that_is_missing_refuses_the_plan(rule: After, plans: dict[str, Plan]) -> None:
    cuts = [
        (this, that, cut)
        for plan in plans.values()
        for this, that, cut in without_edges(rule, plan)
    ]
    assert cuts or (
        rule.always and any(is_(one.id, rule.that) for plan in plans.values() for one in plan.holds)
    ), "no scenario has both steps: the rule can't be broken"
    for this, that, cut in cuts:
        error = error_of(plan_of, cut)
        assert error.what == "the plan breaks an order that must not be broken"
        assert f"{this} does not wait for {that}: {rule.why}" in error.why.splitlines()


@pytest.mark.parametrize("rule", [rule for rule in ORDERS if rule.always], ids=named)
def test_a_step_that_is_missing_refuses_the_plan(rule: After, plans: dict[str, Plan]) -> None:
    having = [plan for plan in plans.values() if any(is_(step.id, rule.this) for step in plan)]
    assert having
    for plan in having:
        error = error_of(plan_of, without(rule, plan))
        assert any(
            line.endswith(f"or a fact in its place: {rule.why}") for line in error.why.splitlines()
        )


@pytest.mark.parametrize(
    ("scenario", "step", "needs"),
    [
        ("nothing_there", "local/disk", "image/system image/db image/api image/ui"),
        ("through_a_registry", "push/api", "host/packages image/api"),
        ("another_size", "deploy/api", "cluster/answers secrets/env db/passwords load/api"),
        (
            "nothing_there",
            "deploy/ui",
            "cluster/answers cluster/provision secrets/env db/passwords",
        ),
        (
            "database_on_a_new_machine",
            "db/vm-packages",
            "node/dev-db node/dev-control cluster/provision secrets/env db/passwords",
        ),
        ("nodes_provisioned_otherwise", "load/api", "image/api cluster/provision cluster/answers"),
        ("play_by_hand", "cluster/provision", "release/kubernetes image/system release/cni"),
        ("move_cut_off_after_the_switch", "db/move-switch", "db/move-copy"),
        ("rollout_on_a_machine", "db/vm-service", "secrets/env db/passwords"),
        ("rollout_on_a_machine", "deploy/api", "secrets/env db/passwords db/vm-service"),
    ],
)
def test_a_step_waits_for_facts_as_for_steps(
    scenario: str, step: str, needs: str, plans: dict[str, Plan]
) -> None:
    """Where they are steps some other time, the orders hold."""
    found = by_id(plans[scenario].planned)[step]
    assert set(needs.split()) <= set(map(str, found.needs))


def test_machines_that_sleep_are_started_saved_and_then_removed(plans: dict[str, Plan]) -> None:
    """All of Vagrant's are started by one step and removed by another of the same plan."""
    plan = plans["all_down"]
    waits = {str(one): set(map(str, ways)) for one, ways in before(plan).items()}
    assert {"node/dev", "cluster/answers"} <= waits["data/save-cluster"] & waits["data/save-vm"]
    assert {"data/save-cluster", "data/save-vm"} <= waits["remove/dev"] and "remove/dev" in waits[
        "cluster/access"
    ]


def test_data_that_are_to_be_lost_are_named(plans: dict[str, Plan]) -> None:
    losses = plans["all_down_with_data"].losses
    assert len(losses) == 3 and "the database's data included" in losses[0]
    assert {one.why for one in plans["all_down_with_data"].holds if one.id.kind is Kind.SAVE} == {
        "its loss is asked for by name"
    }


def test_a_fact_in_the_place_of_a_step_has_a_reason(plans: dict[str, Plan]) -> None:
    held = [one for plan in plans.values() for one in plan.holds]
    assert held and all(isinstance(one, Holds) and one.why for one in held)
