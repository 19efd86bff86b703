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

from kubeup.facts.manifests import LOADER
from kubeup.settings.problem import DEFAULT, Origin, Problems, Words

# Nothing in settings is deeper than half of this.
MAX_DEPTH = 16
MAX_NODES = 5_000
SPELLINGS = {"software.contained": "containerd"}  # as the original how-to writes it
_TAG = "tag:yaml.org,2002:"
# The types of YAML 1.1 that its loader tells apart by their looks (https://yaml.org/type/).
_SCALAR_TAGS = {"str", "int", "float", "bool", "null", "timestamp"}
_PLAIN_TAGS = {*_SCALAR_TAGS, "value", "merge", "map", "seq"}
# what a complaint quotes of the text, but not the parser's own tokens such as '<block end>'
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


class _Excess(yaml.MarkedYAMLError):
    """YAML that settings need none of."""


def compose(text: str, origin: Origin, problems: Problems) -> Node | None:
    """The tree of one document, None where it is empty or unreadable.

    `origin` says whose text it is; places inside a file are added to it.
    """
    builder = _Builder(origin, problems)
    if origin.kind == "file" and _has_tabs(text, builder):
        return None
    try:
        _guard(text)
        root = yaml.compose(text, Loader=LOADER)
        return None if root is None else builder.build(root, "")
    except yaml.YAMLError as failure:
        _refuse(failure, builder)
        return None


def _has_tabs(text: str, builder: _Builder) -> bool:
    """Report each line that a tab indents: the parser names the first, for another reason."""
    hint, found = "indent with spaces: YAML does not allow tabs", False
    for number, line in enumerate(text.splitlines(), start=1):
        column = line.find("\t") + 1
        if line.strip() and column and not line[:column].strip():
            at = replace(builder.origin, line=number, column=column)
            problem = "a tab in the indentation"
            builder.problems.error(at, "", problem, allowed="spaces", hint=hint)
            found = True
    return found


def _guard(text: str) -> None:
    """Refuse what is nested too deep, or is not one document.

    It reads the parser's events, which come one at a time: PyYAML composes and we build by
    recursion, which a document must not be able to drive to the interpreter's limit.
    """
    documents, anchors = 0, list[str | None]()
    for event in yaml.parse(text, Loader=LOADER):
        problem, mark = "", event.start_mark
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            problem = "more than one document" if documents > 1 else ""
        elif isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
            problem = f"nested deeper than {MAX_DEPTH} levels" if len(anchors) > MAX_DEPTH else ""
        elif isinstance(event, yaml.CollectionEndEvent):
            anchors.pop()
        elif isinstance(event, yaml.AliasEvent) and event.anchor in anchors:
            problem = "an alias inside the value that it refers to"
        if problem:
            raise _Excess(None, None, problem, mark)  # type: ignore[arg-type]  # libyaml's marks


def _refuse(failure: yaml.YAMLError, builder: _Builder) -> None:
    """PyYAML's complaint without the names it quotes: a password may begin with * or !."""
    found, hint, at = "unreadable", "look at this line and the one above it", builder.origin
    if isinstance(failure, yaml.reader.ReaderError):
        found = f"the character {failure.character!r}, which YAML does not allow"
    elif isinstance(failure, yaml.MarkedYAMLError):
        at = builder.place(failure.problem_mark or failure.context_mark)
        words = ", ".join(filter(None, (failure.context, failure.problem)))
        found = _QUOTED.sub("'…'", words)
    if isinstance(failure, _Excess):
        builder.problems.error(at, "", found, hint="remove it: settings do not need it")
    else:
        builder.problems.error(at, "", f"not YAML: {found}", hint=hint)


@dataclass(slots=True)
class _Builder:
    """Turns PyYAML's nodes into ours, collecting problems.

    A node that aliases name is built once, however often it is used: a few lines of aliases of
    aliases can stand for billions of values (yaml/pyyaml#235).
    """

    origin: Origin
    problems: Problems
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
        if isinstance(node, yaml.MappingNode):
            entries = self._entries(node, path)
            return Node("map", at, entries=entries, size=_size(node, entries.values()))
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(item, _below(path, n)) for n, item in enumerate(node.value)]
            return Node("seq", at, items=tuple(items), size=_size(node, items))
        return Node(tag if tag in _SCALAR_TAGS else "str", at, node.value)

    def _entries(self, node: yaml.MappingNode, path: str) -> dict[str, Node]:
        own, merged = dict[str, Node](), dict[str, Node]()
        for key, value in node.value:
            # What is merged gives way to what is written here, and the later to the earlier of a
            # list (https://yaml.org/type/merge.html).
            if key.tag == f"{_TAG}merge":
                merged = {**self._merged(value, path), **merged}
            elif isinstance(key, yaml.ScalarNode):
                self._entry(key, value, path, own)
            else:
                self._report(key, path, "a list or mapping as a key", allowed="a name")
        return {**merged, **own}

    def _entry(self, key: Any, value: yaml.Node, path: str, known: dict[str, Node]) -> None:
        section = path.rpartition(".")[2]
        name = SPELLINGS.get(f"{section}.{key.value}", key.value)
        below = _below(path, name)
        if name not in known:
            built = self.build(value, below)
            known[name] = replace(built, key=self.place(key.start_mark))
            return
        # PyYAML takes the second one without a word (yaml/pyyaml#165)
        line = known[name].key.line
        found = f"given twice, first in line {line}" if line else "given twice"
        why = "YAML would silently keep only the last one"
        self._report(key, below, found, why=why, hint="delete one of them")

    def _merged(self, value: yaml.Node, path: str) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            built = self.build(part, path)
            if built.tag != "map":
                allowed = "an alias of a mapping"
                self._report(part, _below(path, "<<"), "not a mapping", allowed=allowed)
            found = {**built.entries, **found}
        return found

    def _report(self, node: yaml.Node, path: str, found: str, **words: Unpack[Words]) -> None:
        self.problems.error(self.place(node.start_mark), path, found, **words)


def _size(node: yaml.Node, values: Iterable[Node]) -> int:
    size = 1 + sum(value.size for value in values)
    if size > MAX_NODES:
        found = f"more than {MAX_NODES} values once its aliases are followed"
        raise _Excess(problem=found, problem_mark=node.start_mark)
    return size


def _below(path: str, name: object) -> str:
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
