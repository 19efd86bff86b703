"""Which stages run, how many are left, and about how long that takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from development.testing.stages import Stage
from kubeup.core.report import Report, duration
from kubeup.core.state import write_private
from kubeup.system import cache

# groups of stages that go side by side; those of one group come one after another
Phase = tuple[tuple[Stage, ...], ...]


@dataclass
class Result:
    """How a stage ended; tests are counted by what pytest and node say at their end."""

    stage: str
    ok: bool = True
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: {"passed": 0, "failed": 0, "skipped": 0})
    lines: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return "ok" if self.ok else "FAILED"

    @property
    def summary(self) -> str:
        return ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)


def in_phases(chosen: Sequence[Stage]) -> tuple[Phase, ...]:
    """Phases come one after another: what Python needs, then all others.

    The groups of one go side by side: stages with clusters mostly wait.
    """
    first = tuple((stage,) for stage in chosen if stage.first)
    others = [stage for stage in chosen if not stage.first]
    computing = tuple(stage for stage in others if not stage.makes_clusters)
    waiting = tuple(stage for stage in others if stage.makes_clusters)
    second = tuple(group for group in (computing, waiting) if group)
    return tuple(phase for phase in (first, second) if phase)


class Schedule:
    """Reports progress, by what stages took here before, else by the minutes of their table."""

    def __init__(self, phases: Sequence[Phase], out: Report, long: bool) -> None:
        self._phases, self._out, self._long = phases, out, long
        self._stages = [stage for phase in phases for group in phase for stage in group]
        self._measured = {stage.name: self._read(stage) for stage in self._stages}
        self._started_at: dict[str, float] = {}
        self._ended: set[str] = set()

    def announce(self) -> None:
        rows = [
            (stage.name, about(self._estimate(stage)), self._origin(stage))
            for stage in self._stages
        ]
        self._out.table(("stage", "takes about", "measured"), rows)
        self._out.say(f"about {about(self.left())} in all, besides installing what they need\n")

    def started(self, stage: Stage) -> None:
        self._started_at[stage.name] = time.monotonic()
        number = f"{len(self._started_at)} of {len(self._stages)}"
        self._out.say(f"=== {stage.name}: started, {number}, {self._rest()}")

    def ended(self, stage: Stage, result: Result, output: Sequence[str]) -> None:
        self._ended.add(stage.name)
        if result.ok:  # one that failed may have ended early
            write_private(self._file(stage), f"{result.seconds:.1f}\n", 0o644)
        took = duration(result.seconds)
        last = f"=== {stage.name}: {result.outcome} after {took}, {self._rest()}"
        self._out.say("\n".join([*output, last]))

    def left(self) -> float:
        """Seconds until all have ended: the longest group of each phase counts."""
        return sum(
            max(sum(map(self._remaining, group)) for group in phase) for phase in self._phases
        )

    def _rest(self) -> str:
        waiting = len(self._stages) - len(self._ended)
        return f"{waiting} to go, about {about(self.left())}" if waiting else "the last"

    def _remaining(self, stage: Stage) -> float:
        if stage.name in self._ended:
            return 0
        now = time.monotonic()
        elapsed = now - self._started_at.get(stage.name, now)
        return max(0, self._estimate(stage) - elapsed)

    def _estimate(self, stage: Stage) -> float:
        return self._measured[stage.name] or stage.minutes * 60

    def _origin(self, stage: Stage) -> str:
        return "here" if self._measured[stage.name] else "on 2 cores"

    def _read(self, stage: Stage) -> float:
        """Seconds that it took here when all went well the last time; 0 where that is not known."""
        try:
            return max(0.0, float(self._file(stage).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return 0

    def _file(self, stage: Stage) -> Path:
        suffix = "-long" if self._long else ""
        return cache.folder("tests", f"{stage.name}{suffix}.seconds")


def about(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} s"
