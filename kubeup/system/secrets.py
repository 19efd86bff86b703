"""Passwords: generated once into an ignored `.env` (python-dotenv's syntax, 0600), carried by
Secrets, never shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, lock
from kubeup.core.errors import UsageError
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.core.state import write_private
from kubeup.system import cache

PASSWORDS = ("MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD")
LENGTH = 24  # bytes of randomness
PATIENCE = 5.0  # seconds for another command's write to `.env`


def read(path: Path) -> dict[str, str]:
    """What the file holds; {} where there is none.

    Raises UsageError for a line that is not `NAME=value`.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    if not path.exists():
        _require_none(path)
        return {}
    with path.open(encoding="utf-8") as file:
        wrong = [binding.original.line for binding in parse_stream(file) if binding.error]
    if wrong:
        raise UsageError(
            f"{path}:{wrong[0]} is not `NAME=value`",
            "the whole file is left as it is",
            "mend that line; values with spaces go in quotes",
        )
    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def _require_none(path: Path) -> None:
    """Raises UsageError for a link that leads nowhere: new passwords would take its place."""
    if path.is_symlink():
        raise UsageError(
            f"{path} leads nowhere",
            f"it is a link to {path.readlink()}",
            "have that file there, or remove the link",
        )


def missing(path: Path) -> tuple[str, ...]:
    found = read(path)
    return tuple(name for name in PASSWORDS if not found.get(name))


def plan(path: Path) -> list[Planned]:
    names = missing(path)
    if not names:
        return [Holds(ids.PASSWORDS, f"{path.name} has them")]
    return [
        Step(
            ids.PASSWORDS,
            "generate passwords",
            f"{', '.join(names)} not in {path.name}",
            AddPasswords(path, names),
            seconds=0.1,
        )
    ]


@dataclass(frozen=True)
class AddPasswords:
    """Append strong random values for `names`; every line that is there stays, and what another
    profile has chosen by now.
    """

    path: Path
    names: tuple[str, ...]

    def already(self) -> str:
        return "" if self._wanted() else "another command has generated them"

    def run(self, log: Log) -> None:
        with changing(self.path, "generating passwords"):
            if wanted := self._wanted():
                _append(self.path, wanted)
                log(f"{', '.join(wanted)} written to {self.path.name}")

    def _wanted(self) -> list[str]:
        return [name for name in missing(self.path) if name in self.names]


def next_of(name: str) -> str:
    """The name of the value that is to replace one, while it is being replaced."""
    return f"{name}_NEXT"


def pending(path: Path) -> bool:
    """Whether new passwords were chosen and are not in use everywhere yet."""
    found = read(path)
    return any(next_of(name) in found for name in PASSWORDS)


@dataclass(frozen=True)
class StagePasswords:
    """Choose new passwords and write them down before anybody gets them: a run that is cut off
    goes on with the same.
    """

    path: Path

    def already(self) -> str:
        return "an earlier run has chosen them" if pending(self.path) else ""

    def run(self, log: Log) -> None:
        with changing(self.path, "choosing new passwords"):
            if not pending(self.path):
                _append(self.path, map(next_of, PASSWORDS))


@dataclass(frozen=True)
class PromotePasswords:
    """The new passwords become the passwords, in one write; every other line stays."""

    path: Path

    def already(self) -> str:
        return "" if pending(self.path) else "done before"

    def run(self, log: Log) -> None:
        with changing(self.path, "taking new passwords"):
            found = read(self.path)
            replace(
                self.path,
                {name: found[next_of(name)] for name in PASSWORDS if next_of(name) in found},
            )


def changing(path: Path, what: str) -> AbstractContextManager[None]:
    """Hold `.env` for a moment, after whoever does so now.

    Raises Refused where that takes its time, as a rotation does.
    """
    return lock.env(path, what, PATIENCE)


def _append(path: Path, names: Iterable[str]) -> None:
    """New values, one line each."""
    old = _text(path)
    start = old if not old or old.endswith("\n") else f"{old}\n"
    write_private(
        path, start + "".join(f"{name}={secrets.token_urlsafe(LENGTH)}\n" for name in names)
    )


def replace(path: Path, values: Mapping[str, str]) -> None:
    """Give passwords other values, in one write, and drop those that were to replace them."""
    with changing(path, "replacing passwords"):
        _replace(path, values)


def _replace(path: Path, values: Mapping[str, str]) -> None:
    from dotenv.parser import parse_stream

    kept = []
    with path.open(encoding="utf-8", newline="") as file:
        for binding in parse_stream(file):
            if binding.key not in {*values, *map(next_of, PASSWORDS)}:
                kept.append(binding.original.string)
    text = "".join(kept)
    start = text if not text or text.endswith("\n") else f"{text}\n"
    write_private(
        path, start + "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())
    )


def _quoted(value: str) -> str:
    """As python-dotenv reads it back."""
    if value and all(letter.isalnum() or letter in "-_.~" for letter in value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _text(path: Path) -> str:
    # not as text: line ends stay as they are
    return path.read_bytes().decode() if path.exists() else ""


def fingerprint(values: Mapping[str, str]) -> str:
    """Changes when a value does, and tells nothing of it."""
    digest = cache.digest(*(f"{key}={value}" for key, value in sorted(values.items())))
    return f"sha-{digest}"  # never a number to a YAML parser


def password(path: Path, name: str) -> str:
    """One password. Raises UsageError where the file has none."""
    value = read(path).get(name, "")
    if not value:
        raise UsageError(
            f"{name} is not in {path.name}",
            "without it the database does not answer",
            "put the file back that belongs to this database",
        )
    return value
