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
    """Ours against the other way, in seconds (medians), and the ratio that we aim at."""

    name: str
    ours: float
    other: float
    aim: float
    of: str

    @property
    def ratio(self) -> float:
        return self.ours / self.other

    @property
    def row(self) -> tuple[str, ...]:
        ours, other = f"{self.ours:.2f} s", f"{self.other:.2f} s"
        return self.name, ours, other, f"{self.ratio:.2f}", f"<= {self.aim}", self.of


def timed(*argv: str, env: dict[str, str] | None = None, cwd: str | None = None) -> float:
    began = time.monotonic()
    read(*argv, env=env, cwd=cwd, timeout=HOUR, ok=None)
    return time.monotonic() - began


def from_nothing(ours: tuple[str, ...], other: Callable[[], float]) -> tuple[float, float]:
    """Medians in seconds of a task of ours and the other way, each from no machine, in turn.

    Data are kept as `down` keeps them; what the task made the last time stays.
    """
    profile = ours[ours.index("--profile") :]

    def alone(measure: Callable[[], float]) -> float:
        timed(INV, "down", "--yes", *profile)
        return measure()

    def by_hand() -> float:
        return alone(other)

    def by_task() -> float:
        return alone(lambda: timed(INV, *ours))

    theirs, mine = _medians(by_hand, by_task, CLUSTERS)
    return mine, theirs


def in_turn(
    ours: Callable[[], float], other: Callable[[], float], times: int
) -> tuple[float, float]:
    """Medians of both, run in turn after one uncounted round."""
    ours(), other()
    return _medians(ours, other, times)


def _medians(
    first: Callable[[], float], second: Callable[[], float], times: int
) -> tuple[float, float]:
    firsts, seconds = zip(*[(first(), second()) for _ in range(times)], strict=True)
    return statistics.median(firsts), statistics.median(seconds)
