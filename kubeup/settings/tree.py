"""YAML text as a tree in which every key and value knows its place.

PyYAML's own construction is not used: it drops positions, lets the last of two equal keys win, and
turns `1.20` into 1.2. Scalars stay text here; what they mean is decided by the key they stand
under.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

from kubeup.settings.guard import guard, parse_problem
from kubeup.settings.problem import Origin, Problem, error

Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {"str", "int", "float", "bool", "null", "timestamp"}
_PLAIN_TAGS = {*_SCALAR_TAGS, "value", "merge", "map", "seq"}
_QUOTE = "put a value that begins with ! in quotes"
MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    tag: str  # what YAML 1.1 reads it as: str, int, float, bool, null, timestamp
    origin: Origin


@dataclass(frozen=True, slots=True)
class Items:
    nodes: tuple[Node, ...]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Entry:
    key: Origin
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: dict[str, Entry]
    origin: Origin


Node = Scalar | Items | Mapping


@dataclass(slots=True)
class Builder:
    """Turns PyYAML's nodes into ours, collecting problems; `origin` says whose text it is."""

    origin: Origin
    problems: list[Problem] = field(default_factory=list)

    def build(self, node: yaml.Node, path: str = "") -> Node:
        at = self.at(node)
        self._plain(node, at, path)
        if isinstance(node, yaml.MappingNode):
            return Mapping(self._entries(node, path), at)
        if isinstance(node, yaml.SequenceNode):
            return Items(
                tuple(
                    self.build(child, _below(path, str(n))) for n, child in enumerate(node.value)
                ),
                at,
            )
        tag = node.tag.removeprefix(_TAG)
        return Scalar(node.value, tag if tag in _SCALAR_TAGS else "str", at)

    def at(self, node: yaml.Node) -> Origin:
        if self.origin.kind != "file":
            return self.origin
        return Origin(
            "file", self.origin.name, node.start_mark.line + 1, node.start_mark.column + 1
        )

    def _plain(self, node: yaml.Node, at: Origin, path: str) -> None:
        if node.tag.removeprefix(_TAG) not in _PLAIN_TAGS:
            self.problems.append(
                error(at, path, "a YAML tag (!…)", allowed="plain values", hint=_QUOTE)
            )

    def _entries(self, node: yaml.MappingNode, path: str) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged = {**self._merged(value, path), **merged}
            elif (name := self._name(key, own, path)) is not None:
                own[name] = Entry(self.at(key), self.build(value, _below(path, name)))
        return {**merged, **own}

    def _merged(self, value: yaml.Node, path: str) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            built = self.build(part, path)
            if isinstance(built, Mapping):
                found = {**built.entries, **found}
            else:
                self.problems.append(
                    error(
                        self.at(part),
                        _below(path, MERGE),
                        "not a mapping",
                        allowed="an alias of a mapping",
                    )
                )
        return found

    def _name(self, key: yaml.Node, known: dict[str, Entry], path: str) -> str | None:
        if not isinstance(key, yaml.ScalarNode):
            self.problems.append(
                error(self.at(key), path, "a list or mapping as a key", allowed="a name")
            )
            return None
        name = str(key.value)
        if name in known:
            why = "YAML would silently keep only the last one"
            found = (
                f"given twice, first in line {known[name].key.line}"
                if known[name].key.line
                else "given twice"
            )
            self.problems.append(
                error(self.at(key), _below(path, name), found, why=why, hint="delete one of them")
            )
            return None
        return name


def _below(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")[:200]


def compose(text: str, origin: Origin) -> tuple[Node | None, list[Problem]]:
    """The tree of one document (None when it is empty or unreadable) and what is wrong with its
    form.
    """
    if problems := guard(text, origin, Loader):
        return None, problems
    try:
        node = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as failure:
        return None, [parse_problem(failure, origin)]
    builder = Builder(origin)
    return (builder.build(node) if node is not None else None), _once(builder.problems)


def _once(problems: list[Problem]) -> list[Problem]:
    """An alias is walked as often as it is used; what is wrong in it is said once."""
    return list(dict.fromkeys(problems))


def overlay(base: Mapping, top: Mapping) -> Mapping:
    """`top` over `base`: mappings are merged, anything else is replaced."""
    merged = dict(base.entries)
    for name, entry in top.entries.items():
        below = merged.get(name)
        if below and isinstance(below.node, Mapping) and isinstance(entry.node, Mapping):
            entry = Entry(below.key, overlay(below.node, entry.node))
        merged[name] = entry
    return Mapping(merged, base.origin)
