"""What the steps of a plan wait for, as it is written in the code.

A need is an element of a tuple, or a whole value, that stands where needs are taken: what a
parameter or a field called `needs` gets, what is assigned to a variable that goes there, and every
tuple with an id of `kubeup.core.ids` in it, but those that something is only looked up in.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

from tests.mutants.sources import Function, Module, Named

NEEDS = "needs"
Makers = Mapping[Named, int]  # who takes needs, and at which place


def makers(modules: Iterable[Module]) -> Makers:
    return {
        (module.name, one.name): place
        for module in modules
        for one in ast.walk(module.tree)
        if (place := _place(one)) is not None
    }


def _place(one: ast.AST) -> int | None:
    if isinstance(one, Function):
        names = [argument.arg for argument in one.args.args if argument.arg not in ("self", "cls")]
    elif isinstance(one, ast.ClassDef):
        fields = [field.target for field in one.body if isinstance(field, ast.AnnAssign)]
        names = [field.id for field in fields if isinstance(field, ast.Name)]
    else:
        return None
    return names.index(NEEDS) if NEEDS in names else None


def needs(module: Module, takers: Makers) -> list[ast.expr]:
    """Each need of a module, a starred one with its star."""
    found: dict[ast.expr, None] = {}
    for value in _values(module, takers):
        found.update(dict.fromkeys(_edges(value)))
    return [one for one in found if not any(other in found for other in module.around(one))]


def _values(module: Module, takers: Makers) -> Iterator[ast.expr]:
    given = [
        value
        for one in ast.walk(module.tree)
        if isinstance(one, ast.Call)
        for value in _given(module, one, takers)
    ]
    yield from given
    yield from (one for one in ast.walk(module.tree) if _has_ids(module, one))
    variables = {(module.function(value), name) for value in given for name in _names(value)}
    more = [one for one in ast.walk(module.tree) if isinstance(one, ast.Assign | ast.AnnAssign)]
    while True:
        assigned = [one.value for one in more if one.value and _target(module, one) in variables]
        wider = variables | {
            (module.function(one), name) for one in assigned for name in _names(one)
        }
        if wider == variables:
            break
        variables = wider
    yield from (one for one in assigned if not isinstance(one, ast.Name))


def _given(module: Module, call: ast.Call, takers: Makers) -> Iterator[ast.expr]:
    """What a call hands on as needs; a map has those of many steps, and is none."""
    place = takers.get(module.meant(call.func))
    placed = call.args[place : place + 1] if place is not None else []
    named = [one.value for one in call.keywords if one.arg == NEEDS]
    yield from (one for one in (*placed, *named) if not isinstance(one, ast.Dict | ast.DictComp))


def _has_ids(module: Module, one: ast.AST) -> bool:
    """Whether it is a tuple of ids that is not just gone through, looked up in or taken apart."""
    if not isinstance(one, ast.Tuple) or not any(_is_id(element) for element in one.elts):
        return False
    parent = module.parents[one]
    looked = isinstance(parent, ast.Compare | ast.comprehension | ast.For | ast.Subscript)
    apart = isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Tuple)
    return not looked and not apart and module.function(one) is not None


def _is_id(one: ast.expr) -> bool:
    one = one.func if isinstance(one, ast.Call) else one
    return (
        isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == "ids"
    )


def _names(value: ast.expr) -> Iterator[str]:
    """Variables that go into it: as they are, or with a star."""
    if isinstance(value, ast.Name):
        yield value.id
    elif isinstance(value, ast.Starred):
        yield from _names(value.value)
    elif isinstance(value, ast.Tuple | ast.List):
        for one in value.elts:
            yield from _names(one) if isinstance(one, ast.Starred) else ()
    elif isinstance(value, ast.Call) and value.args and _name_of(value.func) in ("tuple", "list"):
        yield from _names(value.args[0])


def _target(module: Module, one: ast.Assign | ast.AnnAssign) -> tuple[Function | None, str]:
    target = one.targets[0] if isinstance(one, ast.Assign) else one.target
    return module.function(one), _name_of(target)


def _name_of(one: ast.expr) -> str:
    return one.id if isinstance(one, ast.Name) else ""


def _edges(value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(value, ast.Tuple | ast.List):
        yield from value.elts
    elif isinstance(value, ast.IfExp):
        yield from (*_edges(value.body), *_edges(value.orelse))
    elif isinstance(value, ast.BinOp):
        yield from (*_edges(value.left), *_edges(value.right))
    else:
        yield value
