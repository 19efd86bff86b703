"""`.env` sealed for git: sops encrypts the values with age, the names stay readable."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, KubeupError, Refused, UsageError
from kubeup.core.plan import Action, Log, Plan, Step, plan_of
from kubeup.core.state import write_private
from kubeup.system import secrets

SEALED = "secrets.enc.env"
KINDS = ("--input-type", "dotenv", "--output-type", "dotenv")
RECIPIENT = (
    "name who may open it: SOPS_AGE_RECIPIENTS=age1… (the public half that "
    "`age-keygen` prints), or a .sops.yaml"
)


def require_sops() -> None:
    """Raises UsageError where sops is not there."""
    if shell.which("sops") is None:
        raise UsageError(
            "sops is not installed",
            "it is what seals .env for git; nothing else needs it",
            "get it from https://github.com/getsops/sops and put it on PATH; age-keygen "
            "(Debian's package age) makes a key",
        )


@dataclass(frozen=True)
class Sops(ABC):
    """A call of sops."""

    env: Path
    sealed: Path

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.argv()),)

    @abstractmethod
    def argv(self) -> tuple[str, ...]: ...

    def output(self, what: str, next: str) -> str:
        """Raises KubeupError with what sops says as its cause."""
        try:
            return shell.read(*self.argv()).stdout
        except CommandError as error:
            raise KubeupError(what, error.why, next) from None


@dataclass(frozen=True)
class Seal(Sops):
    """Write the sealed file anew from `.env`, which stays as it is."""

    def already(self) -> str:
        if missing := secrets.missing(self.env):
            raise Refused(
                f"{', '.join(missing)} not in {self.env.name}",
                "there is nothing to seal",
                "`inv up` generates what is missing",
            )
        return ""

    def run(self, log: Log) -> None:
        self.already()
        text = self.output("sops did not seal .env", RECIPIENT)
        values = secrets.read(self.env)
        if any(value in text for name, value in values.items() if "PASSWORD" in name):
            raise KubeupError(
                "sops left a password readable",
                f"{SEALED} was not written",
                "check its rules in .sops.yaml",
            )
        write_private(self.sealed, text, 0o644)

    def argv(self) -> tuple[str, ...]:
        return ("sops", "--encrypt", *KINDS, str(self.env))


@dataclass(frozen=True)
class Unseal(Sops):
    """Make `.env` from the sealed file.

    One that is there and holds other values is never overwritten.
    """

    def already(self) -> str:
        """'': one with the same values is written anew. Raises Refused for one with others."""
        with self._opened():
            return ""

    def run(self, log: Log) -> None:
        with self._opened() as text:
            write_private(self.env, text)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[str]:
        """What was sealed, while nobody else changes `.env`."""
        if not self.sealed.exists():
            raise UsageError(
                f"there is no {self.sealed.name}",
                "nothing was sealed here",
                "`inv secrets.seal` makes it from .env",
            )
        next_ = "name the file with the key: SOPS_AGE_KEY_FILE=path"
        text = self.output(f"sops did not open {self.sealed.name}", next_)
        with secrets.changing(self.env, "secrets.unseal"):
            opened = secrets.parse(self.sealed, text)
            if self.env.exists() and secrets.read(self.env) != opened:
                raise Refused(
                    f"{self.env.name} is there and holds other values",
                    f"{self.sealed.name} would replace them",
                    "move one of the two away",
                )
            yield text

    def argv(self) -> tuple[str, ...]:
        return ("sops", "--decrypt", *KINDS, str(self.sealed))


def seal(env: Path) -> Plan:
    return _plan("seal", "seal .env for git", Seal(env, env.with_name(SEALED)))


def unseal(env: Path) -> Plan:
    return _plan("unseal", "make .env from the sealed file", Unseal(env, env.with_name(SEALED)))


def _plan(verb: str, title: str, action: Action) -> Plan:
    return plan_of([Step(ids.seal(verb), title, "asked for", action)])
