"""A tree of YAML read as one of the models: pydantic decides, the words and places are ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from kubeup.settings.model import Keys
from kubeup.settings.nearest import suggestion
from kubeup.settings.problem import DEFAULT, Origin, Problem, Problems, warning
from kubeup.settings.scalars import described, hint, scalar
from kubeup.settings.shape import Shape, dotted, shape_of
from kubeup.settings.tree import Node

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Reading(Generic[Model]):
    """A tree as a model says: `value` has defaults in place of what was refused.

    `nodes` are the values that are written down, by dotted keys.
    """

    problems: Problems
    nodes: dict[str, Node] = field(default_factory=dict)
    value: Model = field(init=False)

    def origin(self, key: str) -> Origin:
        """The place of a key, or of the closest one around it that is written down."""
        while key and key not in self.nodes:
            key = key.rpartition(".")[0]
        return self.nodes[key].origin if key in self.nodes else DEFAULT


def read(model: type[Model], tree: Node, problems: Problems) -> Reading[Model]:
    reading, shape = Reading[Model](problems), shape_of(model)
    data = _data(tree, shape, "", reading)
    try:
        reading.value = model.model_validate(data)
    except ValidationError as failure:
        refused = failure.errors(include_url=False, include_input=False)
        keys = [_key(detail["loc"]) for detail in refused]
        for detail, key in zip(refused, keys, strict=True):
            # pydantic calls a list too short when its items are bad
            if not any(other.startswith(f"{key}.") for other in keys):
                _report(detail, key, shape, reading)
            _drop(data, detail["loc"])
        reading.value = model.model_validate(data)
    return reading


def _key(loc: tuple[str | int, ...]) -> str:
    return ".".join(map(str, loc))


def _drop(data: dict[str, Any], loc: Sequence[str | int]) -> None:
    """Leave out a value, or the list that it is in, so that a default stands in."""
    name, *below = map(str, loc)
    if below and isinstance(data.get(name), dict):
        _drop(data[name], below)
    else:
        data.pop(name, None)


def _report(detail: Any, key: str, shape: Shape, reading: Reading[Any]) -> None:
    for part in detail["loc"]:
        shape = shape.child(str(part)) or shape
    node, says = reading.nodes.get(key), shape.says
    if node is None:
        text = "missing"
    elif detail["type"] in ("too_short", "too_long"):
        text = f"{len(node.items)} values"
    else:
        text = described(node, shape)
    reading.problems.error(
        reading.origin(key),
        key,
        text,
        allowed=shape.allowed,
        why=says.why,
        hint=(hint(node, shape) if node else "") or says.hint,
        trap=says.trap,
    )


def _data(node: Node, shape: Shape, key: str, out: Reading[Any]) -> Any:
    """Plain data for pydantic; what has no place in the model is reported and left out."""
    out.nodes[key] = node
    # Only what has the wanted form is followed: pydantic refuses a node of any other.
    if node.tag == "seq" and shape.kind == "list" and shape.item:
        items = enumerate(node.items)
        return tuple(_data(item, shape.item, f"{key}.{number}", out) for number, item in items)
    if node.tag == "map" and shape.kind in ("section", "mapping"):
        return _entries(node, shape, key, out)
    return node if shape.kind == "tree" else scalar(node, shape)


def _entries(node: Node, shape: Shape, key: str, out: Reading[Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, child in node.entries.items():
        below, inner = f"{key}.{name}".lstrip("."), shape.child(name)
        if inner is None:
            meant = _elsewhere(name) or suggestion(name, shape.fields)
            allowed = ", ".join(shape.fields)
            out.problems.error(child.key, below[:200], "no such key", allowed=allowed, hint=meant)
        elif child.tag == "null" and inner.kind != "tree":
            out.problems += _empty(child, inner, below)
        else:
            data[name] = _data(child, inner, below, out)
    return data


def _empty(node: Node, shape: Shape, key: str) -> Iterator[Problem]:
    """A key without a value has its default, which a line that says nothing may not mean."""
    collection = shape.kind in ("section", "list", "mapping")
    if node.origin.kind == "file" and not (shape.optional or collection):
        proposal = "the default is used; write it, or delete the line"
        yield warning(node.origin, key, "no value", hint=proposal)


def _elsewhere(name: str) -> str:
    """Where else a key of that name is."""
    keys = shape_of(Keys)
    parts = (key.rpartition(".") for key in (*keys.fields, *(key for key, _ in dotted(keys))))
    homes = [section or "the profile" for section, _, last in parts if last == name]
    return f"it belongs under {' or '.join(dict.fromkeys(homes))}" if homes else ""
