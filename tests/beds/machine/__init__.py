"""Ordinary machines to try the product on: systemd, an ordinary user with sudo, a distribution's
own packages.

A machine is whatever has the shape of `Machine`; today containers are (`containers`), whole virtual
machines fit in beside them. `kinds` is the table of what there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tests.beds.machine.kinds import KINDS, Kind
from tests.beds.ran import Ran


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
