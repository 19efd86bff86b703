"""What would be done, as data: steps with their reason, their needs and what they cost. Nothing
here acts.

A plan is made from settings and facts, can be compared, shown and asked about, and is handed to
`kubeup.core.runner`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

from kubeup.core import orders
from kubeup.core.errors import KubeupError
from kubeup.core.ids import StepId
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.things import Thing

MISTAKE = "report this: it is a mistake in kubeup"
Log = Callable[[str], None]


@runtime_checkable
class Action(Protocol):
    """What a step does.

    A frozen dataclass, so that plans can be compared; its fields are all it needs.
    """

    def run(self, log: Log) -> None:
        """Do it. Progress goes to `log`, one line a call. Raises KubeupError."""


@runtime_checkable
class Waiting(Protocol):
    """An action that ends by waiting for others' work, which is in vain once another step has
    failed.
    """

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
        return Room(
            self.cache + other.cache,
            self.home + other.home,
            self.images + other.images,
            self.nodes + other.nodes,
        )


@dataclass(frozen=True)
class Step:
    """One thing to do. `needs` names steps that must be done first, or facts of the plan."""

    id: StepId
    title: str
    reason: str
    action: Action
    needs: tuple[StepId, ...] = ()
    seconds: float = 1.0
    loses: str = ""  # what would be gone afterwards; a plan with such a step is asked about
    room: Room = Room()  # an estimate: what it took elsewhere
    measures: bool = False  # its time tells how fast this machine is: it waits for nobody
    makes: tuple[Thing, ...] = ()  # on the profile's record from just before it acts
    removes: tuple[Thing, ...] = ()  # … and no more once it has


@dataclass(frozen=True)
class Holds:
    """A fact in the place of a step: what that step would do is done, or not wanted, and why."""

    id: StepId
    why: str


# what a planner says of each id that it is asked about
Planned = Step | Holds


def todo(planned: Iterable[Planned]) -> list[Step]:
    """The steps alone."""
    return [one for one in planned if isinstance(one, Step)]


def step_ids(planned: Iterable[Planned]) -> tuple[StepId, ...]:
    """The ids of the steps alone."""
    return tuple(step.id for step in todo(planned))


def after(needs: Iterable[StepId], planned: Iterable[Planned]) -> list[Planned]:
    """The same, with steps that wait for those of these ids as well."""
    before = tuple(needs)
    return [
        replace(one, needs=(*one.needs, *before)) if isinstance(one, Step) else one
        for one in planned
    ]


@dataclass(frozen=True)
class Plan:
    """Steps in an order that honours their needs, and the facts that they rest on."""

    steps: tuple[Step, ...] = ()
    holds: tuple[Holds, ...] = ()

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return bool(self.steps)

    @property
    def planned(self) -> tuple[Planned, ...]:
        """All of it, to make a larger plan of."""
        return (*self.steps, *self.holds)

    @property
    def ids(self) -> tuple[StepId, ...]:
        return tuple(step.id for step in self.steps)

    @property
    def held(self) -> frozenset[StepId]:
        """What needs no step: done before the first one."""
        return frozenset(one.id for one in self.holds)

    @property
    def room(self) -> Room:
        return sum((step.room for step in self.steps), Room())

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(step.loses for step in self.steps if step.loses)

    def critical_seconds(self) -> float:
        """The time along the longest chain of needs: what a machine with cores to spare would
        take.
        """
        ends = dict.fromkeys(self.held, 0.0)
        for step in self.steps:
            ends[step.id] = max((ends[need] for need in step.needs), default=0.0) + step.seconds
        return max(ends.values(), default=0.0)


def plan_of(*groups: Iterable[Planned]) -> Plan:
    """Put steps into an order that honours their needs, beside the facts that were stated.

    Raises KubeupError for a plan that can't be right: an id used twice, a need that is neither a
    step nor a fact, needs in a circle, or one that breaks an order of `kubeup.core.orders`.
    """
    planned = [one for group in groups for one in group]
    steps = todo(planned)
    holds = {one.id: one for one in planned if isinstance(one, Holds)}
    _refuse_twice([*(str(step.id) for step in steps), *map(str, holds)])
    _refuse_unanswered(steps, {*(step.id for step in steps), *holds})
    plan = Plan(tuple(_ordered(steps, holds)), tuple(holds.values()))
    if wrong := orders.broken({step.id: step.needs for step in plan}, plan.held):
        what = "the plan breaks an order that must not be broken"
        raise KubeupError(what, "\n".join(wrong), MISTAKE)
    return plan


def _refuse_twice(names: list[str]) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise KubeupError("the plan names a step twice", ", ".join(twice), MISTAKE)


def _refuse_unanswered(steps: Iterable[Step], known: Collection[StepId]) -> None:
    """A need that nobody answers for may be one that somebody forgot."""
    lost = [f"{step.id} needs {need}" for step in steps for need in step.needs if need not in known]
    if lost:
        why = f"{'; '.join(lost)}: neither a step of the plan nor a fact"
        raise KubeupError("the plan has needs that nothing meets", why, MISTAKE)


def _ordered(steps: list[Step], held: Iterable[StepId]) -> Iterator[Step]:
    waiting, done = steps, set(held)
    while waiting:
        ready = [step for step in waiting if done.issuperset(step.needs)]
        if not ready:
            circle = ", ".join(str(step.id) for step in waiting)
            raise KubeupError("the plan's steps wait for each other", circle, MISTAKE)
        yield from ready
        done |= {step.id for step in ready}
        waiting = [step for step in waiting if step.id not in done]
