"""Whatever is there, and wherever a run is cut off: plans end, and then there is nothing to do."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from simulated import SETTINGS, Simulated, simulation

from kubeup.core import orders
from kubeup.workflows.converge import ROUNDS

many = profile(
    derandomize=True,  # the same in every run
    max_examples=150,
    phases=(Phase.generate,),
    database=None,
    suppress_health_check=list(HealthCheck),
)
CUTS = 6  # in a row, then nothing is cut off any more


def rounds(world: Simulated, chance: Random) -> int:
    """How many plans it took until one was empty: no more whole ones than one `up` carries out."""
    whole = 0
    for number in range(CUTS + 4):
        made = world.plan()
        if not made.plan:
            return number
        plan = made.plan
        assert orders.broken({step.id: step.needs for step in plan}, plan.held) == []
        cut = number < CUTS and chance.random() < 0.7
        world.run(plan, chance, cut)
        whole = 0 if cut else whole + 1
        assert whole <= ROUNDS
        if cut and chance.random() < 0.2:
            world.reboot()
        if not cut and not made.incomplete:
            assert [str(one) for one in world.plan().plan.ids] == []
    raise AssertionError("it does not end")


@pytest.mark.parametrize("keys", SETTINGS)
def test_every_plan_that_ran_leaves_nothing_to_do(tmp_path: Path, keys: str) -> None:
    ran = list[int]()
    with simulation(tmp_path, keys) as anew:

        @many
        @given(seed=st.integers(0, 2**32))
        def check(seed: int) -> None:
            chance, world = Random(seed), anew()  # noqa: S311 - no secret
            world.begin(chance)
            ran.append(rounds(world, chance))

        check()
    assert sum(ran) > 500 and max(ran) > CUTS
