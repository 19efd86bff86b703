"""What can be wrong with a setting, and where a value came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

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
    """One thing wrong. `file` is what the user has to open or change: a file, a variable, or an
    option.

    `trap` is the number of the documented trap this comes from; it is for tests and docs, never
    printed.
    `related` are the other keys that take part, so that a check of two values can be dropped when
    one is unreadable.
    """

    severity: Severity
    file: str
    line: int
    column: int
    key: str
    found: str
    allowed: str = ""
    why: str = ""
    hint: str = ""
    trap: int | None = None
    related: tuple[str, ...] = field(default=(), repr=False)

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        parts = [
            f"{self.where}: {self.severity}: " + ": ".join(p for p in (self.key, self.found) if p)
        ]
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        return "; ".join([*parts, *(p for p in (self.why, self.hint) if p)])


def problem(
    severity: Severity,
    origin: Origin,
    key: str,
    found: str,
    *,
    allowed: str = "",
    why: str = "",
    hint: str = "",
    trap: int | None = None,
    related: Iterable[str] = (),
) -> Problem:
    """A Problem at an origin."""
    file = origin.name if origin.kind == "file" else str(origin)
    return Problem(
        severity,
        file,
        origin.line,
        origin.column,
        key,
        found,
        allowed,
        why,
        hint,
        trap,
        tuple(related),
    )


def error(
    origin: Origin,
    key: str,
    found: str,
    *,
    allowed: str = "",
    why: str = "",
    hint: str = "",
    trap: int | None = None,
    related: Iterable[str] = (),
) -> Problem:
    return problem(
        "error", origin, key, found, allowed=allowed, why=why, hint=hint, trap=trap, related=related
    )


def warning(
    origin: Origin,
    key: str,
    found: str,
    *,
    allowed: str = "",
    why: str = "",
    hint: str = "",
    trap: int | None = None,
    related: Iterable[str] = (),
) -> Problem:
    return problem(
        "warning",
        origin,
        key,
        found,
        allowed=allowed,
        why=why,
        hint=hint,
        trap=trap,
        related=related,
    )
