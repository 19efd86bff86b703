"""What would be done, as data: steps with their reason, their order and what they cost. Nothing here acts.

A plan is made from settings and facts, can be compared, shown and asked about, and is handed to `kubeup.run`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

from kubeup.errors import KubeupError
from kubeup.facts.pace import AS_MEANT, Pace

Log = Callable[[str], None]


@runtime_checkable
class Action(Protocol):
    """What a step does. A frozen dataclass, so that plans can be compared; its fields are all it needs."""

    def run(self, log: Log) -> None:
        """Do it. Progress goes to `log`, one line a call. Raises KubeupError."""


@runtime_checkable
class Waiting(Protocol):
    """An action that ends by waiting for others' work, which is in vain once another step has failed."""

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        """As `run`, but stop waiting, with a KubeupError, when `stopped` tells so."""


@runtime_checkable
class Rechecked(Protocol):
    """An action that can look again just before it acts."""

    def already(self) -> str:
        """Why nothing has to be done any more, or '' when it has."""


@runtime_checkable
class Explained(Protocol):
    """An action that can print the exact command lines it will run."""

    def commands(self) -> tuple[str, ...]:
        """Command lines, ready to be pasted into a shell."""


@dataclass(frozen=True)
class Paced:
    """An action with limits of time: whoever runs it hands it how slow this machine is by then."""

    pace: Pace = field(default=AS_MEANT, kw_only=True, compare=False, repr=False)

    def at(self, pace: Pace) -> Self:
        """The same with its limits at that pace."""
        return replace(self, pace=pace)


@dataclass(frozen=True)
class Room:
    """MiB that something takes: in the user's cache, in the home folder, where the container engine
    keeps images that are built, and where it keeps nodes (root's podman, for a user of sudo)."""

    cache: int = 0
    home: int = 0
    images: int = 0
    nodes: int = 0

    def __add__(self, other: Room) -> Room:
        return Room(self.cache + other.cache, self.home + other.home, self.images + other.images,
                    self.nodes + other.nodes)


@dataclass(frozen=True)
class Step:
    """One thing to do. `needs` names steps that must be done first, where they are part of the plan."""

    id: str
    title: str
    reason: str
    action: Action
    needs: tuple[str, ...] = ()
    seconds: float = 1.0
    loses: str = ""  # what would be gone afterwards; a plan with such a step is asked about
    room: Room = Room()  # an estimate: what it took elsewhere
    measures: bool = False  # its time tells how fast this machine is: it waits for nobody


@dataclass(frozen=True)
class Plan:
    """Steps in an order that honours their needs."""

    steps: tuple[Step, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(step.id for step in self.steps)

    @property
    def room(self) -> Room:
        return sum((step.room for step in self.steps), Room())

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(step.loses for step in self.steps if step.loses)

    def critical_seconds(self) -> float:
        """The time along the longest chain of needs: what a machine with cores to spare would take."""
        ends: dict[str, float] = {}
        for step in self.steps:
            ends[step.id] = max((ends[need] for need in step.needs if need in ends), default=0.0) + step.seconds
        return max(ends.values(), default=0.0)


def plan_of(*groups: Iterable[Step]) -> Plan:
    """Put steps into an order that honours their needs. Needs that are no part of the plan hold already.

    Raises KubeupError for an id used twice or needs in a circle.
    """
    steps = [step for group in groups for step in group]
    ids = {step.id for step in steps}
    if len(ids) < len(steps):
        twice = sorted({step.id for step in steps if sum(other.id == step.id for other in steps) > 1})
        raise KubeupError("the plan names a step twice", ", ".join(twice), "report this: it is a mistake in kubeup")
    ordered: list[Step] = []
    done: set[str] = set()
    waiting = steps
    while waiting:
        ready = [step for step in waiting if all(need in done for need in step.needs if need in ids)]
        if not ready:
            raise KubeupError("the plan's steps wait for each other", ", ".join(step.id for step in waiting),
                              "report this: it is a mistake in kubeup")
        ordered += ready
        done |= {step.id for step in ready}
        waiting = [step for step in waiting if step.id not in done]
    return Plan(tuple(ordered))
