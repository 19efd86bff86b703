"""What can be wrong with a setting, and where a value came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypedDict, Unpack

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: `name` is a file, a variable or a key given with --set."""

    kind: Literal["default", "file", "environment", "set", "argument"]
    name: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.kind == "file":
            return f"{self.name}:{self.line}:{self.column}" if self.line else self.name
        return {"default": "default", "set": f"--set {self.name}"}.get(self.kind, self.name)


DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the value of a key.

    `trap` is the number of the documented trap this comes from; it is for tests and docs, never
    printed.
    `related` are the other keys that take part, so that a check of two values can be dropped when
    one is unreadable.
    """

    severity: Severity
    origin: Origin
    key: str
    found: str
    allowed: str = ""
    why: str = ""
    hint: str = ""
    trap: int | None = None
    related: tuple[str, ...] = field(default=(), repr=False)

    @property
    def file(self) -> str:
        """What the user has to open or change: a file, a variable, or an option."""
        return self.origin.name if self.origin.kind == "file" else str(self.origin)

    @property
    def line(self) -> int:
        return self.origin.line

    @property
    def column(self) -> int:
        return self.origin.column

    @property
    def where(self) -> str:
        return str(self.origin)

    def __str__(self) -> str:
        subject = ": ".join(filter(None, (self.key, self.found)))
        allowed = f"allowed: {self.allowed}" if self.allowed else ""
        rest = filter(None, (allowed, self.why, self.hint))
        return "; ".join([f"{self.where}: {self.severity}: {subject}", *rest])


class Words(TypedDict, total=False):
    """What a problem may say beside what was found."""

    allowed: str
    why: str
    hint: str
    trap: int | None


class Problems(list[Problem]):
    """All that is wrong, in the order in which it was found."""

    def error(self, at: Origin, key: str, found: str, **words: Unpack[Words]) -> None:
        self.append(Problem("error", at, key, found, **words))

    @property
    def refused(self) -> set[str]:
        """The keys whose values can't be used."""
        return {problem.key for problem in self if problem.severity == "error"}


error = partial(Problem, "error")
warning = partial(Problem, "warning")
