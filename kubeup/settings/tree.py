"""YAML text as a tree in which every key and value knows its place.

PyYAML's own construction is not used: it drops positions, lets the last of two equal keys win, and
turns `1.20` into 1.2. Scalars stay text here; what they mean is decided by the key they stand
under.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import yaml
import yaml.reader

from kubeup.settings.problem import DEFAULT, Origin, Problem, Words, error

MAX_DEPTH = 16
MAX_NODES = 5_000
Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {"str", "int", "float", "bool", "null", "timestamp"}
_PLAIN_TAGS = {*_SCALAR_TAGS, "value", "merge", "map", "seq"}
_QUOTED = re.compile(r"'(?![<\\])[^']{3,}'|\"[^\"]{3,}\"")


@dataclass(frozen=True, slots=True)
class Node:
    """A value: the text of a scalar, the items of a `seq` or the entries of a `map`."""

    tag: str  # what YAML 1.1 reads it as: map, seq, or one of _SCALAR_TAGS
    origin: Origin
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: Mapping[str, Node] = field(default_factory=dict)
    key: Origin = DEFAULT  # where the key that it stands under is written
    size: int = 1  # how many values it is, once its aliases are followed


class _Refused(Exception):
    """The document can't be read any further."""

    def __init__(self, mark: Any, found: str, hint: str = "settings need none of this") -> None:
        super().__init__(found)
        self.mark, self.found, self.hint = mark, found, hint


def compose(text: str, origin: Origin) -> tuple[Node | None, list[Problem]]:
    """The tree of one document (None when it is empty or unreadable) and what is wrong with it.

    `origin` says whose text it is; places inside a file are added to it.
    """
    if origin.kind == "file" and (tabs := _tabs(text, origin)):
        return None, tabs
    builder = _Builder(origin)
    try:
        _guard(text)
        root = yaml.compose(text, Loader=Loader)
        return (None if root is None else builder.build(root, "")), builder.problems
    except yaml.YAMLError as failure:
        refused = _not_yaml(failure)
    except _Refused as failure:
        refused = failure
    return None, [error(builder.place(refused.mark), "", refused.found, hint=refused.hint)]


def _tabs(text: str, origin: Origin) -> list[Problem]:
    hint = "indent with spaces: YAML does not allow tabs"
    found: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        if line.strip() and "\t" in indent:
            at = replace(origin, line=number, column=indent.index("\t") + 1)
            found.append(error(at, "", "a tab in the indentation", allowed="spaces", hint=hint))
    return found


def _guard(text: str) -> None:
    """Refuse what is nested too deep, or is not one document.

    It reads the parser's events, which come one at a time: PyYAML composes and we build by
    recursion, which a document must not be able to drive to the interpreter's limit.
    """
    documents, anchors = 0, list[str | None]()
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchors.pop()
        elif isinstance(event, yaml.AliasEvent) and event.anchor in anchors:
            raise _Refused(event.start_mark, "an alias stands inside what it names")
        if documents > 1:
            raise _Refused(event.start_mark, "more than one document")
        if len(anchors) > MAX_DEPTH:
            raise _Refused(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")


def _not_yaml(failure: yaml.YAMLError) -> _Refused:
    """PyYAML's complaint without the names it quotes: a password may begin with * or !."""
    mark = getattr(failure, "problem_mark", None) or getattr(failure, "context_mark", None)
    parts = [getattr(failure, "context", None), getattr(failure, "problem", None)]
    found = _QUOTED.sub("'…'", ", ".join(filter(None, parts))) or "unreadable"
    if isinstance(failure, yaml.reader.ReaderError):
        # The C parser gives a number here, the pure one a number or a character.
        code = failure.character
        code = code if isinstance(code, int) else ord(code)
        found = f"the character U+{code:04X}, which YAML does not allow"
    return _Refused(mark, f"not YAML: {found}", "look at this line and the one above it")


@dataclass(slots=True)
class _Builder:
    """Turns PyYAML's nodes into ours, collecting problems.

    A node that aliases name is built once, however often it is used: a few lines of aliases of
    aliases can stand for billions of values.
    """

    origin: Origin
    problems: list[Problem] = field(default_factory=list)
    built: dict[yaml.Node, Node] = field(default_factory=dict)

    def place(self, mark: Any) -> Origin:
        if mark is None or self.origin.kind != "file":
            return self.origin
        return replace(self.origin, line=mark.line + 1, column=mark.column + 1)

    def build(self, node: yaml.Node, path: str) -> Node:
        if node not in self.built:
            self.built[node] = self._new(node, path)
        return self.built[node]

    def _new(self, node: yaml.Node, path: str) -> Node:
        at, tag = self.place(node.start_mark), node.tag.removeprefix(_TAG)
        if tag not in _PLAIN_TAGS:
            hint = "put a value that begins with ! in quotes"
            self._report(node, path, "a YAML tag (!…)", allowed="plain values", hint=hint)
        if isinstance(node, yaml.ScalarNode):
            return Node(tag if tag in _SCALAR_TAGS else "str", at, node.value)
        if isinstance(node, yaml.MappingNode):
            entries = self._entries(node, path)
            return Node("map", at, entries=entries, size=_size(node, entries.values()))
        items = [self.build(item, _below(path, str(n))) for n, item in enumerate(node.value)]
        return Node("seq", at, items=tuple(items), size=_size(node, items))

    def _entries(self, node: yaml.MappingNode, path: str) -> dict[str, Node]:
        own, merged = dict[str, Node](), dict[str, Node]()
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                merged = {**self._merged(value, path), **merged}
            elif not isinstance(key, yaml.ScalarNode):
                self._report(key, path, "a list or mapping as a key", allowed="a name")
            elif (name := str(key.value)) in own:
                self._twice(key, own[name], _below(path, name))
            else:
                built = self.build(value, _below(path, name))
                own[name] = replace(built, key=self.place(key.start_mark))
        return {**merged, **own}

    def _merged(self, value: yaml.Node, path: str) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            built = self.build(part, path)
            if built.tag != "map":
                allowed = "an alias of a mapping"
                self._report(part, _below(path, "<<"), "not a mapping", allowed=allowed)
            found = {**built.entries, **found}
        return found

    def _twice(self, key: yaml.Node, first: Node, path: str) -> None:
        line = first.key.line
        found = f"given twice, first in line {line}" if line else "given twice"
        why = "YAML would silently keep only the last one"
        self._report(key, path, found, why=why, hint="delete one of them")

    def _report(self, node: yaml.Node, path: str, found: str, **words: Unpack[Words]) -> None:
        self.problems.append(Problem("error", self.place(node.start_mark), path, found, **words))


def _size(node: yaml.Node, values: Iterable[Node]) -> int:
    size = 1 + sum(value.size for value in values)
    if size > MAX_NODES:
        found = f"more than {MAX_NODES} values once its aliases are followed"
        raise _Refused(node.start_mark, found)
    return size


def _below(path: str, name: str) -> str:
    return f"{path}.{name}".lstrip(".")[:200]


def nested(names: Sequence[str], node: Node) -> Node:
    """A mapping with the node under the last of these names, each below the one before."""
    for name in reversed(names):
        node = Node("map", node.origin, entries={name: node})
    return node


def overlay(base: Node, top: Node) -> Node:
    """`top` over `base`: mappings are merged, anything else is replaced."""
    if base.tag != "map" or top.tag != "map":
        return top
    merged = dict(base.entries)
    for name, node in top.entries.items():
        merged[name] = overlay(merged[name], node) if name in merged else node
    return replace(base, entries=merged)
