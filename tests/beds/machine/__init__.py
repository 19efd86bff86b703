"""Ordinary machines to try the product on: systemd, an ordinary user with sudo, a distribution's
own packages.

A machine is whatever has the shape of `Machine`; today containers are (`containers`), whole virtual
machines fit in beside them. `kinds` is the table of what there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.beds.machine.kinds import KINDS, Kind


@dataclass(frozen=True)
class Ran:
    """How a command on a machine ended."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def both(self) -> str:
        return self.out + self.err

    def __str__(self) -> str:
        return (
            f"{' '.join(self.argv)} -> {self.code} after {self.seconds:.1f} "
            f"s\n{self.out}\n--- stderr\n{self.err}"
        )


class Machine(Protocol):
    """A machine with systemd on it."""

    name: str
    kind: Kind

    def run(
        self,
        script: str,
        user: str = "dev",
        code: int | None = 0,
        timeout: float = 600,
        stdin: str = "",
    ) -> Ran:
        """Run a shell script in a login of `user`.

        Fails where it ends with another code (None: any).
        """

    def copy(self, source: Path, target: str, user: str = "dev") -> None:
        """Bring a file or a folder there; it is the user's own."""

    def reboot(self) -> None:
        """Shut down and start again. Returns once the machine is up."""

    def facts(self) -> dict[str, str]:
        """What a table of machines tells: distribution, kernel, engine, python, cgroups."""

    def remove(self) -> None:
        """The machine and all that is on it."""


__all__ = ["KINDS", "Kind", "Machine", "Ran"]
