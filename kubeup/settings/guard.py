"""Refuses a document that is too deep, too large once its aliases are followed, or not one
document.

It reads the parser's events, which come one at a time, so that nothing here recurses or grows with
the input.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
import yaml.reader

from kubeup.settings.problem import Origin, Problem, error

MAX_DEPTH = 16
MAX_NODES = 5_000
_QUOTED = re.compile(r"'(?![<\\])[^']{3,}'|\"[^\"]{3,}\"")
_TABS = "indent with spaces: YAML does not allow tabs"


@dataclass(slots=True)
class _Weigher:
    """Counts nodes as they would be after following every alias."""

    origin: Origin
    total: int = 0
    documents: int = 0
    # (anchor, count when it began)
    open: list[tuple[str | None, int]] = field(default_factory=list)
    weights: dict[str, int] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> str:
        """A reason to refuse, or nothing."""
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            return "more than one document" if self.documents > 1 else ""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor)
        if isinstance(event, yaml.ScalarEvent):
            self._weigh(event.anchor, self.total)
            self.total += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            self.open.append((event.anchor, self.total))
            self.total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            self._weigh(*self.open.pop())
        return self._limits()

    def _weigh(self, anchor: str | None, start: int) -> None:
        if anchor is not None:
            self.weights[anchor] = self.total - start + 1

    def _alias(self, name: str | None) -> str:
        if any(name == anchor for anchor, _ in self.open):
            return "an alias stands inside what it names"
        self.total += self.weights.get(name or "", 1)
        return self._limits()

    def _limits(self) -> str:
        if len(self.open) > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        return (
            f"more than {MAX_NODES} values once its aliases are followed"
            if self.total > MAX_NODES
            else ""
        )


def guard(text: str, origin: Origin, loader: type) -> list[Problem]:
    """What forbids reading the text as one small document."""
    if tabs := _tabs(text, origin):
        return tabs
    weigher = _Weigher(origin)
    try:
        for event in yaml.parse(text, Loader=loader):
            if reason := weigher.take(event):
                return [
                    error(
                        _at(event.start_mark, origin), "", reason, hint="settings need none of this"
                    )
                ]
    except yaml.YAMLError as failure:
        return [parse_problem(failure, origin)]
    return []


def _tabs(text: str, origin: Origin) -> list[Problem]:
    if origin.kind != "file":
        return []
    found: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        if line.strip() and "\t" in indent:
            at = Origin("file", origin.name, number, indent.index("\t") + 1)
            found.append(error(at, "", "a tab in the indentation", allowed="spaces", hint=_TABS))
    return found


def parse_problem(failure: yaml.YAMLError, origin: Origin) -> Problem:
    """PyYAML's complaint as a Problem, without the names it quotes: an unquoted password may
    begin with * or !.
    """
    mark = getattr(failure, "problem_mark", None) or getattr(failure, "context_mark", None)
    parts = [getattr(failure, "context", None), getattr(failure, "problem", None)]
    found = _QUOTED.sub("'…'", ", ".join(part for part in parts if part)) or "unreadable"
    if isinstance(failure, yaml.reader.ReaderError):
        found = f"the character U+{_code(failure):04X}, which YAML does not allow"
    return error(
        _at(mark, origin), "", f"not YAML: {found}", hint="look at this line and the one above it"
    )


def _code(failure: yaml.reader.ReaderError) -> int:
    # The C parser gives a number here, the pure one a number or a character.
    return failure.character if isinstance(failure.character, int) else ord(failure.character)


def _at(mark: Any, origin: Origin) -> Origin:
    if mark is None or origin.kind != "file":
        return origin
    return Origin("file", origin.name, mark.line + 1, mark.column + 1)
