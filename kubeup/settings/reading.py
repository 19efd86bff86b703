"""A tree of YAML read as one of the models: pydantic decides, the words and places are ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from kubeup.settings.model import Keys
from kubeup.settings.nearest import suggestion
from kubeup.settings.problem import DEFAULT, Origin, Problem, error, warning
from kubeup.settings.scalars import found, hint, scalar
from kubeup.settings.shape import Shape, dotted, shape_of
from kubeup.settings.tree import Node

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Written:
    """What is written down, by dotted keys, and what is wrong with it."""

    nodes: dict[str, Node] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, key: str) -> Origin:
        """The place of a key, or of the closest one around it that is written down."""
        while key and key not in self.nodes:
            key = key.rpartition(".")[0]
        return self.nodes[key].origin if key in self.nodes else DEFAULT


@dataclass(slots=True)
class Reading(Written, Generic[Model]):
    """A model in which defaults stand in for what was refused."""

    value: Model = field(kw_only=True)


def read(model: type[Model], tree: Node, **given: object) -> Reading[Model]:
    """The model of a tree; `given` are fields that no tree may have."""
    whole, written = shape_of(model), Written()
    fields = {name: shape for name, shape in whole.fields.items() if name not in given}
    shape = replace(whole, fields=fields)
    data = {**_data(tree, shape, "", written), **given}
    try:
        value = model.model_validate(data)
    except ValidationError as failure:
        refused = failure.errors(include_url=False, include_input=False)
        for detail in refused:
            _drop(data, shape, detail["loc"])
        written.problems += _problems(refused, shape, written)
        value = model.model_validate(data)
    return Reading(written.nodes, written.problems, value=value)


def _problems(refused: Sequence[Any], shape: Shape, written: Written) -> Iterator[Problem]:
    keys = [_key(detail["loc"]) for detail in refused]
    for detail, key in zip(refused, keys, strict=True):
        # pydantic calls a list too short when its items are bad
        if not any(other.startswith(f"{key}.") for other in keys):
            yield _problem(detail, shape, written)


def _key(loc: tuple[str | int, ...]) -> str:
    return ".".join(map(str, loc))


def _drop(data: dict[str, Any], shape: Shape, loc: tuple[str | int, ...]) -> None:
    """Leave out a value, or the list or mapping that it is in, so that its default stands in."""
    name, *below = map(str, loc)
    child = shape.fields[name]
    if below and child.kind == "section":
        _drop(data[name], child, tuple(below))
    else:
        data.pop(name, None)


def _problem(detail: Any, shape: Shape, written: Written) -> Problem:
    for part in detail["loc"]:
        shape = shape.child(str(part)) or shape
    key, says = _key(detail["loc"]), shape.says
    node = written.nodes.get(key)
    if node is None:
        text = "missing"
    elif detail["type"] in ("too_short", "too_long"):
        text = f"{len(node.items)} values"
    else:
        text = found(node, shape)
    proposal = hint(node, shape) if node else ""
    return Problem(
        "error",
        written.origin(key),
        key,
        text,
        allowed=shape.allowed,
        why=says.why,
        hint=proposal or says.hint,
        trap=says.trap,
    )


def _data(node: Node, shape: Shape, key: str, out: Written) -> Any:
    """Plain data for pydantic; what has no place in the model is reported and left out."""
    out.nodes[key] = node
    if node.tag == "seq" and shape.kind == "list" and shape.item:
        items = enumerate(node.items)
        return tuple(_data(item, shape.item, f"{key}.{number}", out) for number, item in items)
    if node.tag == "map" and shape.kind in ("section", "mapping"):
        return _entries(node, shape, key, out)
    return node if shape.kind == "tree" else scalar(node, shape)


def _entries(node: Node, shape: Shape, key: str, out: Written) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for name, child in node.entries.items():
        known, inner = shape.also.get(name, name), shape.child(name)
        below = f"{key}.{known}".lstrip(".")
        if inner is None:
            out.problems.append(_unknown(name, child.key, shape, key))
        elif known != name and known in node.entries:
            # an override has the usual spelling, whatever the file has
            if node.entries[known].origin.kind == "file":
                text = f"they are two spellings of one key: delete {name}"
                at = f"{key}.{name}"
                out.problems.append(error(child.key, at, f"given beside {known}", hint=text))
        elif child.tag == "null" and inner.kind != "tree":
            out.problems.extend(_empty(child, inner, below))
        else:
            data[known] = _data(child, inner, below, out)
    return data


def _empty(node: Node, shape: Shape, key: str) -> Iterator[Problem]:
    """A key without a value has its default, which a line that says nothing may not mean."""
    collection = shape.kind in ("section", "list", "mapping")
    if node.origin.kind == "file" and not (shape.optional or collection):
        proposal = "the default is used; write it, or delete the line"
        yield warning(node.origin, key, "no value", hint=proposal)


def _unknown(name: str, at: Origin, shape: Shape, key: str) -> Problem:
    """For a name that is no key here: the nearest one, or the section it belongs to."""
    proposal = _elsewhere(name) or suggestion(name, [*shape.fields, *shape.also])
    below = f"{key}.{name[:80]}".lstrip(".")
    return error(at, below, "no such key", allowed=", ".join(shape.fields), hint=proposal)


def _elsewhere(name: str) -> str:
    keys = (key.rpartition(".") for key, _ in dotted(shape_of(Keys)))
    homes = [section or "the profile" for section, _, last in keys if last == name]
    return f"it belongs under {' or '.join(homes)}" if homes else ""
