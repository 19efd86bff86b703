"""How many times slower this machine is than limits of time were made for, by what steps took."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

ENOUGH = 3.0  # seconds that steps were estimated to take: of less nothing can be told
SLIGHT = 1.5  # limits have that much room anyway
MOST = 30  # what is slower still does not get on at all


@dataclass(frozen=True)
class Pace:
    """`earlier`: times slower, by the last run on this machine.

    `took` and `meant`: seconds of this run's steps, and their estimates.
    """

    earlier: int = 1
    took: float = 0.0
    meant: float = 0.0

    @property
    def measured(self) -> int:
        """Times slower by this run alone; 0 where it has not measured enough."""
        return times(self.took / self.meant) if self.meant >= ENOUGH else 0

    @property
    def times(self) -> int:
        """Times slower than meant, never less than 1."""
        # the longer of both, as a moment may be idle
        return max(1, self.earlier, self.measured)

    def seconds(self, limit: float) -> float:
        """A limit in seconds as it is on this machine."""
        return limit * self.times

    def surplus(self, limit: float) -> float:
        """The seconds that a limit has more here than on a machine as meant: 0 where none."""
        return limit * (self.times - 1)

    def after(self, took: float, meant: float) -> Pace:
        """The pace once another step is measured as well; both in seconds."""
        return replace(self, took=self.took + took, meant=self.meant + meant)

    def why(self) -> str:
        """What to say of limits that are longer here; '' where they are not."""
        if self.times == 1:
            return ""
        return f"this machine is about {self.times} times slower than time limits assume"

    def waiting(self, limit: float) -> str:
        """What to say before a wait, with its limit in seconds; '' for a usual one."""
        why = self.why()
        return why and f"{why}: waiting for up to {self.seconds(limit):.0f} s"


AS_MEANT = Pace()


@dataclass
class Patience:
    """A wait that ends once nothing new was seen for `seconds`.

    States that come again are not new, so it ends at last.
    """

    seconds: float
    now: Callable[[], float] = time.monotonic
    over: bool = False
    _known: set[str] = field(default_factory=set)
    _moved: float = 0.0

    def __post_init__(self) -> None:
        self._moved = self.now()

    def ended(self, state: object) -> bool:
        """Whether to give up, now that things are in this `state`."""
        # one that comes and goes, as a container that crashes, is no progress
        if repr(state) not in self._known:
            self._known.add(repr(state))
            self._moved = self.now()
        self.over = self.now() - self._moved > self.seconds
        return self.over


def times(ratio: float) -> int:
    """A ratio as a whole number from 1 to MOST, rounded up; what is slight is none."""
    return 1 if ratio < SLIGHT else min(MOST, math.ceil(ratio))


def text(pace: Pace, machine: dict[str, object]) -> str:
    """What to keep for the next run, on that machine alone."""
    return json.dumps({"machine": machine, "times": pace.measured or pace.earlier}) + "\n"


def read(kept: str, machine: dict[str, object]) -> Pace:
    """The pace that was kept. What can't be read, or is another machine's, is measured anew."""
    try:
        measured = json.loads(kept)
        known = int(measured["times"])
        if measured["machine"] != machine:
            return AS_MEANT
    except (ValueError, TypeError, KeyError):
        return AS_MEANT
    return Pace(min(MOST, max(1, known)))
