"""A figure, and how two times are taken."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from kubeup.core import state
from kubeup.core.shell import read

INV = str(state.PROJECT / "inv")
HOUR = 3600.0
# of each way: minikube's own start takes 33 or 54 s, as its waits between tries are drawn by lot
CLUSTERS = 3


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


def from_nothing(ours: tuple[str, ...], other: Callable[[], float]) -> tuple[float, float]:
    """Medians of a task of ours and the other way, each from no machine at all, in turn.

    Data are kept as `down` keeps them; what the task made the last time stays.
    """
    profile = ours[ours.index("--profile") :]

    def alone(measure: Callable[[], float]) -> float:
        timed(INV, "down", "--yes", *profile)
        return measure()

    pairs = [(alone(other), alone(lambda: timed(INV, *ours))) for _ in range(CLUSTERS)]
    return statistics.median(pair[1] for pair in pairs), statistics.median(
        pair[0] for pair in pairs
    )


def in_turn(
    ours: Callable[[], float], other: Callable[[], float], times: int
) -> tuple[float, float]:
    """Medians of both, run in turn after one uncounted round."""
    ours(), other()
    pairs = [(ours(), other()) for _ in range(times)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(
        pair[1] for pair in pairs
    )
