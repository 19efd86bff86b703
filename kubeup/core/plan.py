"""What would be done, as data: steps with their reason, their needs and what they cost.

Nothing here acts. A plan is made from settings and facts, can be compared, shown and asked about,
and is handed to `kubeup.core.runner`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from operator import add
from typing import Literal, Protocol, Self, runtime_checkable

from kubeup.core import orders
from kubeup.core.errors import Mistake
from kubeup.core.ids import MATERIAL, StepId
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.things import Thing

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
    """An action that ends by waiting for others' work: in vain once another step has failed."""

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        """As `run`, but stop waiting, with a KubeupError, when `stopped` says so."""


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
    """What has limits of time; an action gets its pace from whoever runs it."""

    pace: Pace = field(default=AS_MEANT, kw_only=True, compare=False, repr=False)

    def at(self, pace: Pace) -> Self:
        """The same with its limits at that pace."""
        return replace(self, pace=pace)


@dataclass(frozen=True)
class Room:
    """MiB that something takes on the disks of this machine."""

    cache: int = 0  # the user's
    home: int = 0
    images: int = 0  # where the container engine keeps those that are built
    nodes: int = 0  # where it keeps nodes: root's podman, for a user of sudo

    def __add__(self, other: Room) -> Room:
        return Room(*map(add, astuple(self), astuple(other)))


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


Outcome = Literal["changed", "already", "failed"]


@dataclass(frozen=True)
class Done:
    """One step's end, and why there was nothing to do where that is so."""

    id: StepId
    outcome: Outcome
    seconds: float
    why: str = ""


# what a planner says of each id that it is asked about
Planned = Step | Holds


def todo(planned: Iterable[Planned]) -> list[Step]:
    """The steps alone."""
    return [step for step in planned if isinstance(step, Step)]


def unless_done(step: Step) -> Planned:
    """The step, or the fact in its place where its action finds its work done."""
    why = step.action.already() if isinstance(step.action, Rechecked) else ""
    return Holds(step.id, why) if why else step


def without_unused(planned: Iterable[Planned]) -> list[Planned]:
    """The same without what is made for other steps alone, and that none needs any more."""
    left = list(planned)
    while True:
        needed = {need for step in todo(left) for need in step.needs}
        unused = [one for one in todo(left) if one.id.kind in MATERIAL and one.id not in needed]
        if not unused:
            return left
        left = [one for one in left if one not in unused]


def step_ids(planned: Iterable[Planned]) -> tuple[StepId, ...]:
    """The ids of the steps alone."""
    return tuple(step.id for step in todo(planned))


def after(needs: Iterable[StepId], planned: Iterable[Planned]) -> list[Planned]:
    """The same, with steps that wait for those of these ids as well."""
    before = tuple(needs)
    waiting: list[Planned] = []
    for item in planned:
        if isinstance(item, Step):
            item = replace(item, needs=(*item.needs, *before))
        waiting.append(item)
    return waiting


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
        return frozenset(fact.id for fact in self.holds)

    @property
    def room(self) -> Room:
        return sum((step.room for step in self.steps), Room())

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(step.loses for step in self.steps if step.loses)

    def critical_seconds(self) -> float:
        """The time along the longest chain of needs: a machine with cores to spare takes it."""
        ends = dict.fromkeys(self.held, 0.0)
        for step in self.steps:
            ends[step.id] = max((ends[need] for need in step.needs), default=0.0) + step.seconds
        return max(ends.values(), default=0.0)


def plan_of(*groups: Iterable[Planned]) -> Plan:
    """Put steps into an order that honours their needs, beside the facts that were stated.

    Raises KubeupError for a plan that can't be right: an id used twice, a need that is neither a
    step nor a fact, needs in a circle, or one that breaks an order of `kubeup.core.orders`.
    """
    planned = [item for group in groups for item in group]
    steps = todo(planned)
    # several planners may state the same fact
    holds = {fact.id: fact for fact in planned if isinstance(fact, Holds)}
    ids = [*(step.id for step in steps), *holds]
    # by name: ids of two kinds may share one, and the journal knows names alone
    _refuse_twice(Counter(map(str, ids)))
    _refuse_unmet(steps, ids)
    plan = Plan(tuple(_ordered(steps, holds)), tuple(holds.values()))
    if wrong := orders.broken({step.id: step.needs for step in plan}, plan.held):
        raise Mistake("the plan breaks an order that must not be broken", "\n".join(wrong))
    return plan


def _refuse_twice(names: Counter[str]) -> None:
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise Mistake("the plan names a step twice", ", ".join(twice))


def _refuse_unmet(steps: Iterable[Step], known: Collection[StepId]) -> None:
    """A need that neither a step nor a fact meets may be one that somebody forgot."""
    unmet = [
        f"{step.id} needs {need}" for step in steps for need in step.needs if need not in known
    ]
    if unmet:
        why = f"{'; '.join(unmet)}: neither a step of the plan nor a fact"
        raise Mistake("the plan has needs that nothing meets", why)


def _ordered(steps: list[Step], held: Iterable[StepId]) -> Iterator[Step]:
    waiting, done = steps, set(held)
    while waiting:
        ready = [step for step in waiting if done.issuperset(step.needs)]
        if not ready:
            circle = ", ".join(str(step.id) for step in waiting)
            raise Mistake("the plan's steps wait for each other", circle)
        yield from ready
        done |= {step.id for step in ready}
        waiting = [step for step in waiting if step.id not in done]
