"""Passwords: generated once into an ignored `.env` (python-dotenv's syntax, 0600), never shown."""

from __future__ import annotations

import io
import os
import secrets
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kubeup.core import ids, lock, private
from kubeup.core.errors import UsageError
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.core.state import write_private
from kubeup.system import cache

if TYPE_CHECKING:
    from dotenv.parser import Binding

PASSWORDS = ("MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD")
NAMES = (*PASSWORDS, *(f"{name}_NEXT" for name in PASSWORDS))
LENGTH = 24  # bytes of randomness
SHORTEST = 6  # characters: what is shorter was cut off
PATIENCE = 5.0  # seconds for another command's write to `.env`


def read(path: Path) -> dict[str, str]:
    """What the file holds, each value as it stands; {} where there is none.

    Raises UsageError for a line that is not `NAME=value` and for a password that can't be meant so,
    Refused where other users may have written it.
    """
    return parse(path, _text(path))


def to_hide(path: Path) -> list[str]:
    """The passwords in the file, whatever else is wrong with it: nothing that is printed has them.

    Raises KubeupError where it can't be read.
    """
    bindings = _bindings(_text(path))
    return [one.value for one in bindings if one.value and "PASSWORD" in (one.key or "")]


def parse(path: Path, text: str) -> dict[str, str]:
    """The values of a text that is, or is to be, that file's. Raises UsageError as `read` does."""
    values: dict[str, str] = {}
    for binding in _bindings(text):
        if binding.error:
            raise UsageError(
                f"{path}:{binding.original.line} is not `NAME=value`",
                "the whole file is left as it is",
                "fix that line; values with spaces go in quotes",
            )
        if binding.key is not None and binding.value is not None:
            if binding.value and binding.key in NAMES:
                _require_plausible(path, binding)
            values[binding.key] = binding.value
    return values


def _text(path: Path) -> str:
    content = private.read(path)
    try:
        return (content or b"").decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not in UTF-8",
            f"byte {error.start + 1} is none of a letter",
            "save it as UTF-8, which an editor offers as its encoding",
        ) from None


def _bindings(text: str) -> Iterator[Binding]:
    """Its lines by python-dotenv's own parser, which puts in no values of other variables."""
    from dotenv.parser import parse_stream

    return parse_stream(io.StringIO(text))


def _require_plausible(path: Path, binding: Binding) -> None:
    """Raises UsageError for a password that was cut off, or that other tools read otherwise."""
    name, value, original = binding.key, binding.value or "", binding.original
    line = original.line + original.string[: original.string.index("=")].count("\n")
    if "${" in value and not original.string.partition("=")[2].lstrip().startswith("'"):
        raise UsageError(
            f"{path}:{line}: {name} has a `${{` in it",
            "other tools put another variable's value there, kubeup takes it as it stands",
            "put the value into single quotes; or write out what was meant",
        )
    if len(value) < SHORTEST or not value.isprintable():
        raise UsageError(
            f"{path}:{line}: {name} was probably cut off, or its quotes don't close",
            f"a password has {SHORTEST} characters at least, all of them on one line"
            f"; this one has {len(value)}",
            "put the whole value into single quotes: without them it ends before ` #`",
        )


def missing(path: Path) -> tuple[str, ...]:
    values = read(path)
    return tuple(name for name in PASSWORDS if not values.get(name))


def plan(path: Path) -> list[Planned]:
    names = missing(path)
    if not names:
        return [Holds(ids.PASSWORDS, f"{path.name} has them")]
    reason = f"{', '.join(names)} not in {path.name}"
    action = AddPasswords(path, names)
    return [Step(ids.PASSWORDS, "generate passwords", reason, action, seconds=0.1)]


@dataclass(frozen=True)
class AddPasswords:
    """Append strong random values for `names`; what another profile has chosen by now stays."""

    path: Path
    names: tuple[str, ...]

    def already(self) -> str:
        return "" if self._wanted() else "another command has generated them"

    def run(self, log: Log) -> None:
        with changing(self.path, "generating passwords"):
            # a second value for a name would be the one that counts, and lock a database out
            if wanted := self._wanted():
                _generate(self.path, wanted)
                log(f"{', '.join(wanted)} written to {self.path.name}")

    def _wanted(self) -> list[str]:
        return [name for name in missing(self.path) if name in self.names]


def next_of(name: str) -> str:
    """The name of the value that is to replace one, while it is being replaced."""
    return f"{name}_NEXT"


def pending(path: Path) -> bool:
    """Whether new passwords were chosen and are not in use everywhere yet."""
    return not set(map(next_of, PASSWORDS)).isdisjoint(read(path))


@dataclass(frozen=True)
class StagePasswords:
    """Choose new passwords and write them down before the database gets them.

    A run that is cut off goes on with the same.
    """

    path: Path

    def already(self) -> str:
        return "an earlier run has chosen them" if pending(self.path) else ""

    def run(self, log: Log) -> None:
        with changing(self.path, "choosing new passwords"):
            if not pending(self.path):
                _generate(self.path, map(next_of, PASSWORDS))


@dataclass(frozen=True)
class PromotePasswords:
    """The new passwords become the passwords, in one write; every other line stays."""

    path: Path

    def already(self) -> str:
        return "" if pending(self.path) else "done before"

    def run(self, log: Log) -> None:
        with changing(self.path, "taking new passwords"):
            values = read(self.path)
            chosen = {name: values[next_of(name)] for name in PASSWORDS if next_of(name) in values}
            replace(self.path, chosen)


def changing(path: Path, what: str) -> AbstractContextManager[None]:
    """Hold `.env` for a moment, after whoever does so now.

    Raises Refused where that takes its time, as a rotation does.
    """
    return lock.env(path, what, PATIENCE)


def _generate(path: Path, names: Iterable[str]) -> None:
    _write(path, {name: secrets.token_urlsafe(LENGTH) for name in names})


def replace(path: Path, values: Mapping[str, str]) -> None:
    """Give passwords other values, in one write, and drop those that were to replace them."""
    with changing(path, "replacing passwords"):
        _write(path, values, without={*values, *map(next_of, PASSWORDS)})


def _write(path: Path, values: Mapping[str, str], without: Collection[str] = ()) -> None:
    """Values at the end of the file, a line each, `without` the lines of these names.

    Every other line stays, byte for byte.
    """
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(
            f"{path} is read-only",
            f"{', '.join(values)} would be written to it",
            f"`chmod u+w {shlex.quote(str(path))}`, where that is meant to be",
        )
    bindings = _bindings(_text(path))
    kept = [binding.original.string for binding in bindings if binding.key not in without]
    if kept and not kept[-1].endswith("\n"):
        kept.append("\n")
    new = [f"{name}={_quoted(value)}\n" for name, value in values.items()]
    write_private(path, "".join(kept + new))


def _quoted(value: str) -> str:
    """As python-dotenv reads it back."""
    if value and all(letter.isalnum() or letter in "-_.~" for letter in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def fingerprint(values: Mapping[str, str]) -> str:
    """Changes when a value does, and tells nothing of it."""
    # sorted: the order of a file's lines tells nothing
    digest = cache.digest(*(f"{key}={value}" for key, value in sorted(values.items())))
    return f"sha-{digest}"  # never a number to a YAML parser


def password(path: Path, name: str) -> str:
    """One password. Raises UsageError where the file has none."""
    value = read(path).get(name, "")
    if not value:
        raise UsageError(
            f"{name} is not in {path.name}",
            "without it the database does not answer",
            "restore the file that belongs to this database",
        )
    return value
