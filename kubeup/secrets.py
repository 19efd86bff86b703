"""Passwords: generated once into an ignored `.env` (python-dotenv's syntax, 0600), carried by Secrets, never shown."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeup import cache
from kubeup.errors import UsageError
from kubeup.plan import Log, Step
from kubeup.state import write_private

STEP = "secrets/env"
PASSWORDS = ("MYSQL_ROOT_PASSWORD", "MYSQL_PASSWORD")
LENGTH = 24  # bytes of randomness


def read(path: Path) -> dict[str, str]:
    """What the file holds; {} where there is none. Raises UsageError for a line that is not `NAME=value`."""
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as file:
        wrong = [binding.original.line for binding in parse_stream(file) if binding.error]
    if wrong:
        raise UsageError(f"{path}:{wrong[0]} is not `NAME=value`", "the whole file is left as it is",
                         "mend that line; values with spaces go in quotes")
    return {key: value for key, value in dotenv_values(path).items() if value is not None}


def missing(path: Path) -> tuple[str, ...]:
    found = read(path)
    return tuple(name for name in PASSWORDS if not found.get(name))


def plan(path: Path) -> list[Step]:
    names = missing(path)
    if not names:
        return []
    return [Step(STEP, "generate passwords", f"{', '.join(names)} not in {path.name}", AddPasswords(path, names), seconds=0.1)]


@dataclass(frozen=True)
class AddPasswords:
    """Append strong random values for `names`; every line that is there stays."""

    path: Path
    names: tuple[str, ...]

    def run(self, log: Log) -> None:
        old = self.path.read_bytes().decode() if self.path.exists() else ""  # not as text: line ends stay as they are
        lines = [f"{name}={secrets.token_urlsafe(LENGTH)}" for name in self.names]
        start = old if not old or old.endswith("\n") else f"{old}\n"
        write_private(self.path, start + "\n".join(lines) + "\n")
        log(f"{', '.join(self.names)} written to {self.path.name}")


def fingerprint(values: Mapping[str, str]) -> str:
    """Changes when a value does, and tells nothing of it."""
    digest = cache.digest(*(f"{key}={value}" for key, value in sorted(values.items())))
    return f"sha-{digest}"  # never a number to a YAML parser
