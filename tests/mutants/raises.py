"""What a `raise` raises: a refusal (`kubeup.core.errors.Refused`, or its kin) or another error.

A function counts as what it is said to return, and as a refusal where it returns one in some case.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from tests.mutants.sources import Function, Module

REFUSED, END = "Refused", "Exit"


def refusals(modules: Iterable[Module]) -> frozenset[str]:
    """The names of classes and functions that make refusals."""
    trees = [one.tree for one in modules]
    bases = {one.name: [_called(base) for base in one.bases] for one in _all(trees, ast.ClassDef)}
    classes = {REFUSED, *(name for name in bases if _derives(name, bases))}
    made = {one.name for one in _all(trees, Function) if _makes(one, classes)}
    return frozenset(classes | made)


def _all(trees: Iterable[ast.Module], kind: type) -> Iterator:
    return (one for tree in trees for one in ast.walk(tree) if isinstance(one, kind))


def _derives(name: str, bases: Mapping[str, Iterable[str]]) -> bool:
    return name == REFUSED or any(_derives(base, bases) for base in bases.get(name, ()))


def _makes(one: Function, classes: Iterable[str]) -> bool:
    returned = [node.value for node in ast.walk(one) if isinstance(node, ast.Return) and node.value]
    said = [one.returns] if one.returns else []
    return any(_called(value) in classes for value in (*returned, *said))


def is_refusal(one: ast.Raise, names: frozenset[str]) -> bool:
    return one.exc is not None and _called(one.exc) in names


def is_end(one: ast.Raise) -> bool:
    """Whether it is invoke's, which ends a task with a status."""
    return one.exc is not None and _called(one.exc) == END


def raises(module: Module) -> list[ast.Raise]:
    return [one for one in ast.walk(module.tree) if isinstance(one, ast.Raise)]


def _called(value: ast.expr) -> str:
    """The name of what is called, or stands there: `Refused` of `errors.Refused("no")`."""
    if isinstance(value, ast.Call):
        return _called(value.func)
    return value.id if isinstance(value, ast.Name) else getattr(value, "attr", "")
