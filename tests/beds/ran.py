"""How a command ended and what it printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """A command that has ended, on this machine or another; `seconds` is how long it took."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def both(self) -> str:
        return self.out + self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        ended = f"{' '.join(self.argv)} -> {self.code} after {self.seconds:.1f} s"
        return f"{ended}\n{self.out}\n--- stderr\n{self.err}"
