"""What is changed in the code, one thing at a time, derived from the code itself.

| kind | what it is | becomes | protects data |
|---|---|---|---|
| need | what a step waits for (`needs`) | left out | always: the runner starts what is ready |
| rule | a row of `kubeup.core.orders` (`rules`) | left out | in `DATA`, and in what it is made of |
| refusal | a `raise` of `Refused` or its kin (`raises`) | `pass` | always |
| error | any other `raise` | `pass` | no |
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.mutants import needs, raises, rules
from tests.mutants.sources import Module

KINDS = ("need", "rule", "refusal", "error")
NONE, NO_NEEDS, NOTHING = "*()", "()", "pass"


@dataclass(frozen=True)
class Mutation:
    """One change: the bytes from `start` to `end` of a module become `instead`.

    Whoever runs one of `lines` runs it; None where it takes effect when the module is imported.
    """

    module: str
    path: str
    line: int
    kind: str
    protects: bool
    start: int
    end: int
    instead: str
    lines: range | None

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    def of(self, text: str) -> str:
        """The module's text with this change."""
        raw = text.encode()
        return (raw[: self.start] + self.instead.encode() + raw[self.end :]).decode()


def mutations(modules: Iterable[Module]) -> list[Mutation]:
    """All there are in these modules, in the order of their places."""
    known = tuple(modules)
    takers, refusing = needs.makers(known), raises.refusals(known)
    found = [one for module in known for one in _of(module, takers, refusing)]
    return sorted(found, key=lambda one: (one.path, one.start))


def left_out(modules: Iterable[Module]) -> list[tuple[str, str]]:
    """The places that are not changed, each with the reason."""
    return [
        (
            f"{module.path}:{one.lineno}",
            "the end of a task, which tests see from outside its process",
        )
        for module in modules
        for one in raises.raises(module)
        if raises.is_end(one)
    ]


def _of(module: Module, takers: needs.Makers, refusing: frozenset[str]) -> Iterator[Mutation]:
    if module.name == rules.ORDERS:
        yield from (_mutation(module, row, "rule", NONE, data) for row, data in rules.rows(module))
        return
    for need in needs.needs(module, takers):
        among = isinstance(module.parents[need], ast.Tuple | ast.List)
        yield _mutation(module, need, "need", NONE if among else NO_NEEDS, True)
    for one in (one for one in raises.raises(module) if not raises.is_end(one)):
        refused = raises.is_refusal(one, refusing)
        yield _mutation(module, one, "refusal" if refused else "error", NOTHING, refused)


def _mutation(
    module: Module,
    node: ast.expr | ast.stmt,
    kind: str,
    instead: str,
    protects: bool,
) -> Mutation:
    start, end = _offsets(module, node)
    return Mutation(
        module.name,
        module.path,
        node.lineno,
        kind,
        protects,
        start,
        end,
        instead,
        _lines(module, node),
    )


def _offsets(module: Module, node: ast.expr | ast.stmt) -> tuple[int, int]:
    lines = module.text.encode().splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    assert node.end_lineno and node.end_col_offset is not None
    return begins[node.lineno - 1] + node.col_offset, begins[
        node.end_lineno - 1
    ] + node.end_col_offset


def _lines(module: Module, node: ast.expr | ast.stmt) -> range | None:
    """Those of the statement that it is in; of a loop or a condition its own alone."""
    if module.function(node) is None:
        return None
    statement = next(one for one in (node, *module.around(node)) if isinstance(one, ast.stmt))
    whole = node if hasattr(statement, "body") else statement
    return range(whole.lineno, (whole.end_lineno or whole.lineno) + 1)
