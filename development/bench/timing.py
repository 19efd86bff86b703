"""How two times are taken, and the figure that they make."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubeup.core import state
from kubeup.core.shell import read
from kubeup.workflows.project import Project

INV = str(state.PROJECT / "inv")
HOUR = 3600.0
# of each way: minikube's own start takes 33 or 54 s, as its waits between tries are drawn by lot
CLUSTERS = 3
Measure = Callable[[], float]


class Times(NamedTuple):
    """Ours and the other way, in seconds."""

    ours: float
    other: float


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


def task(project: Project, name: str, *words: str) -> tuple[str, ...]:
    """A task of ours on that profile, which asks nothing."""
    return INV, name, *words, "--yes", "--profile", project.settings.profile


def timed(*argv: str, env: Mapping[str, str] | None = None, cwd: str | None = None) -> float:
    began = time.monotonic()
    read(*argv, env=env, cwd=cwd, timeout=HOUR, ok=None)
    return time.monotonic() - began


def from_nothing(project: Project, name: str, other: Measure) -> Times:
    """Medians of a task of ours and the other way, each from no machine at all, in turn.

    Data are kept as `down` keeps them; what the task made the last time stays.
    """

    def alone(measure: Measure) -> float:
        timed(*task(project, "down"))
        return measure()

    def ours() -> float:
        return timed(*task(project, name))

    rounds = [Times(other=alone(other), ours=alone(ours)) for _ in range(CLUSTERS)]
    return _medians(rounds)


def in_turn(ours: Measure, other: Measure, times: int) -> Times:
    """Medians of both, run in turn after one uncounted round."""
    ours(), other()
    return _medians([Times(ours(), other()) for _ in range(times)])


def _medians(rounds: list[Times]) -> Times:
    ours, other = map(statistics.median, zip(*rounds, strict=True))
    return Times(ours, other)
