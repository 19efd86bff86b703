"""A figure, and how two times are taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from kubeup import state
from kubeup.shell import read

INV = str(state.PROJECT / "inv")
HOUR = 3600.0


@dataclass(frozen=True)
class Figure:
    """Ours against the other way, in seconds (medians), the ratio of them, and what we aim at."""

    name: str
    ours: float
    other: float
    aim: float
    of: str

    @property
    def ratio(self) -> float:
        return self.ours / self.other


def timed(*argv: str, env: dict[str, str] | None = None, cwd: str | None = None) -> float:
    began = time.monotonic()
    read(*argv, env=env, cwd=cwd, timeout=HOUR, ok=None)
    return time.monotonic() - began


def in_turn(ours: Callable[[], float], other: Callable[[], float], times: int) -> tuple[float, float]:
    """Medians of both, run in turn after one uncounted round."""
    ours(), other()
    pairs = [(ours(), other()) for _ in range(times)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
