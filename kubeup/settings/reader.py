"""The tree, read along the models' shape: plain data for pydantic, the place of every value, and
what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubeup.settings.nearest import suggestion
from kubeup.settings.problem import Origin, Problem, error
from kubeup.settings.scalars import MISSING, Missing, read_scalar
from kubeup.settings.shape import Shape, dotted, keys_shape
from kubeup.settings.tree import Entry, Items, Mapping, Node, Scalar

_KINDS = {Mapping: "keys and values", Items: "a list"}


@dataclass(slots=True)
class Reading:
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def near(self, key: str) -> Origin:
        """The place of a key, or of the closest one around it that is written down."""
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, Origin("default"))

    def drop(self, key: str) -> None:
        """Forget an unusable value, so that its default stands in while the rest is checked."""
        *sections, last = key.split(".")
        where = self.data
        for name in sections:
            where = where.get(name, {})
        where.pop(last, None)


def read_tree(tree: Mapping) -> Reading:
    reading = Reading(origins={"": tree.origin})
    reading.data = _section(tree, keys_shape(), (), reading)
    return reading


def _read(node: Node, shape: Shape, path: tuple[str, ...], out: Reading) -> Any:
    key = ".".join(path)
    out.origins[key] = node.origin
    if isinstance(node, Scalar):
        return _scalar(node, shape, path, out)
    if isinstance(node, Mapping) and shape.kind == "section":
        return _section(node, shape, path, out)
    if isinstance(node, Mapping) and shape.kind == "mapping" and shape.item:
        return _mapping(node, shape.item, path, out)
    if isinstance(node, Items) and shape.kind == "list" and shape.item:
        return _items(node, shape.item, path, out)
    out.problems.append(error(node.origin, key, _KINDS[type(node)], allowed=shape.allowed))
    return _stand_in(shape, path)


def _stand_in(shape: Shape, path: tuple[str, ...]) -> Any:
    return MISSING if path[-1].isdigit() else _absent(shape)


def _absent(shape: Shape) -> Any:
    # Sections are always given, so that pydantic builds one validator for all of them and not one
    # for each.
    return (
        {name: _absent(child) for name, child in _inner(shape)}
        if shape.kind == "section"
        else MISSING
    )


def _inner(shape: Shape) -> list[tuple[str, Shape]]:
    return [(name, child) for name, child in shape.fields.items() if child.kind == "section"]


def _scalar(node: Scalar, shape: Shape, path: tuple[str, ...], out: Reading) -> Any:
    key = ".".join(path)
    out.texts[key] = node.text
    value, problem = read_scalar(node, shape, key)
    if problem:
        out.problems.append(problem)
    if isinstance(value, Missing):
        if not problem:
            del out.origins[key]
        return _stand_in(shape, path)
    return value


def _items(node: Items, shape: Shape, path: tuple[str, ...], out: Reading) -> list[Any]:
    values = [
        _read(child, shape, (*path, str(index)), out) for index, child in enumerate(node.nodes)
    ]
    # An unreadable item keeps its place, so that the others keep their numbers.
    return [None if isinstance(value, Missing) else value for value in values]


def _mapping(node: Mapping, shape: Shape, path: tuple[str, ...], out: Reading) -> dict[str, Any]:
    """Values under names that are the user's own; a name without a value is left out."""
    entries = node.entries.items()
    values = {name: _read(entry.node, shape, (*path, name), out) for name, entry in entries}
    return {name: value for name, value in values.items() if not isinstance(value, Missing)}


def _section(node: Mapping, shape: Shape, path: tuple[str, ...], out: Reading) -> dict[str, Any]:
    data: dict[str, Any] = {name: _absent(child) for name, child in _inner(shape)}
    for name, entry in node.entries.items():
        known = shape.also.get(name, name)
        child = shape.fields.get(known)
        if child is None:
            out.problems.append(unknown(name, entry.key, shape, path))
        elif known != name and known in node.entries:
            out.problems.append(_both(name, known, entry, path))
        else:
            data[known] = _read(entry.node, child, (*path, known), out)
    return {name: value for name, value in data.items() if not isinstance(value, Missing)}


def _both(name: str, known: str, entry: Entry, path: tuple[str, ...]) -> Problem:
    hint = f"they are two spellings of one key: delete {name}"
    return error(entry.key, ".".join((*path, name)), f"given beside {known}", hint=hint)


def unknown(name: str, at: Origin, shape: Shape, path: tuple[str, ...]) -> Problem:
    """For a name that is no key here: the nearest one, or the section it belongs to."""
    names = [*shape.fields, *shape.also]
    hint = _elsewhere(name) or suggestion(name, names)
    key = ".".join((*path, name[:80]))
    return error(at, key, "no such key", allowed=", ".join(shape.fields), hint=hint)


def _elsewhere(name: str) -> str:
    keys = (key.rpartition(".") for key, _ in dotted(keys_shape()))
    homes = [section or "the profile" for section, _, last in keys if last == name]
    return f"it belongs under {' or '.join(homes)}" if homes else ""
