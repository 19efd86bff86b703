"""What `inv test --long --only mutants` takes out of the code, derived from the code."""

from __future__ import annotations

from textwrap import dedent

import pytest

from kubeup.core.state import PROJECT
from tests.mutants.derive import KINDS, Mutation, left_out, mutations
from tests.mutants.sources import Module, modules

STEPS = Module("tiny.steps", "tiny/steps.py", "class Step:\n    id: str\n    needs: tuple = ()\n")


def tiny(text: str, name: str = "tiny.plans") -> Module:
    return Module(name, f"{name.replace('.', '/')}.py", dedent(text))


def found(one: Module) -> list[Mutation]:
    return [mutation for mutation in mutations([STEPS, one]) if mutation.module == one.name]


def changed(one: Module) -> list[str]:
    """The lines that a mutation makes, each in place of another one."""
    return [
        mutation.of(one.text).splitlines()[mutation.line - 1].strip() for mutation in found(one)
    ]


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("Step('a', (ids.B, *more))", ["Step('a', (*(), *more))", "Step('a', (ids.B, *()))"]),
        ("Step('a', needs=(one.id,))", ["Step('a', needs=(*(),))"]),
        ("Step('é', tuple(s.id for s in steps))", ["Step('é', ())"]),
        ("Step('a', more + (ids.B,))", ["Step('a', () + (ids.B,))", "Step('a', more + (*(),))"]),
        ("replace(one, needs=[b])", ["replace(one, needs=[*()])"]),
        (
            "Needed(archive, (ids.B, *more))",
            ["Needed(archive, (*(), *more))", "Needed(archive, (ids.B, *()))"],
        ),
        ("Step('a', (*((ids.B,) if b else ()),))", ["Step('a', (*(),))"]),
        ("mine(1, more)", ["mine(1, ())"]),
        ("Step('a')", []),
        ("one.id in (ids.B, ids.C)", []),
        ("[one for one in (ids.B, ids.C)]", []),
        ("broken(needs={one: one.needs})", []),
    ],
)
def test_each_need_is_left_out(written: str, becomes: list[str]) -> None:
    one = tiny(f"""
        from tiny.steps import Step
        def mine(x, needs): ...
        def plan(more):
            {written}
    """)
    assert changed(one) == becomes
    assert all((each.kind, each.protects) == ("need", True) for each in found(one))


def test_what_goes_into_needs_by_a_variable_is_left_out() -> None:
    one = tiny("""
        from tiny import steps
        def plan():
            first = [one.id for one in some]
            needs = (*first, b)
            other = (b, c)
            return steps.Step("a", needs), other
    """)
    assert changed(one) == [
        "first = ()",
        "needs = (*(), b)",
        "needs = (*first, *())",
        'return steps.Step("a", ()), other',
    ]


def test_each_row_of_the_orders_is_left_out() -> None:
    one = tiny(
        """
        GONE = (A,)
        DATA = (always(B, C, "why"), *(always(one, D, "why") for one in GONE))
        PARTS = (E,)
        WORK = (*(After(F, part, "why") for part in PARTS),)
        DATA_AND_WORK = (*DATA, *WORK)
    """,
        "kubeup.core.orders",
    )
    assert [(mutation.line, mutation.protects) for mutation in found(one)] == [
        (2, True),
        (3, True),
        (3, True),
        (4, False),
        (5, False),
        (6, False),
        (6, False),
    ]
    assert changed(one)[1] == 'DATA = (*(), *(always(one, D, "why") for one in GONE))'
    assert {mutation.lines for mutation in found(one)} == {None}


def test_each_raise_is_left_out_and_refusals_protect_data() -> None:
    one = tiny("""
        class Lost(Refused): ...
        def _gone() -> Refused: ...
        def _mild() -> KubeupError: ...
        def work(self):
            raise Refused("no")
            raise Lost("no") from None
            raise _gone()
            raise self._mild()
            raise KubeupError(
                "no")
            raise
            raise Exit(1)
    """)
    assert [(mutation.line, mutation.kind) for mutation in found(one)] == [
        (6, "refusal"),
        (7, "refusal"),
        (8, "refusal"),
        (9, "error"),
        (10, "error"),
        (12, "error"),
    ]
    assert set(changed(one)) == {"pass"}
    assert found(one)[4].lines == range(10, 12)
    assert left_out([one]) == [
        ("tiny/plans.py:13", "the end of a task, which tests see from outside its process")
    ]


def test_a_function_that_returns_a_refusal_in_some_case_makes_refusals() -> None:
    one = tiny("""
        def _some(error):
            if error:
                return Refused("no")
            return KubeupError("no")
        def work():
            raise _some(True)
    """)
    assert [mutation.kind for mutation in found(one)] == ["refusal"]


def test_of_a_condition_its_own_lines_count_alone() -> None:
    one = tiny("""
        from tiny.steps import Step
        def plan():
            if Step("a", (b,)):
                other()
    """)
    assert [mutation.lines for mutation in found(one)] == [range(4, 5)]


def test_the_code_has_hundreds_of_every_kind_and_each_is_code_again() -> None:
    known = modules(PROJECT, "kubeup")
    texts, every = {one.name: one.text for one in known}, mutations(known)
    assert {one.kind for one in every} == set(KINDS) and len(every) > 500
    for one in every:
        compile(one.of(texts[one.module]), one.path, "exec")
