"""What is on record of a profile: how it was made, where its data lie, and what is under way.

One document with a version, `.kubeup/<profile>/state.json`, written whole and flushed to the disk
by a command that holds the profile's lock. What can't be understood is refused, never taken as
empty: data may lie by it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from kubeup.core import lock, private
from kubeup.core.errors import Refused, UsageError
from kubeup.core.state import RECORD, write_private
from kubeup.core.things import Thing

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter, ValidationError

    from kubeup.core.state import State

VERSION = 1
EARLIER = "choices.json"
CLUSTER: Final = "cluster"  # where a database may run
VM: Final = "vm"
# what an older kubeup asked of the network
RELEASES = ("https://dl.k8s.io/", "https://registry.k8s.io/v2/")
HUB = "https://registry-1.docker.io/v2/"
_changing = threading.Lock()  # steps run side by side; the profile's lock keeps out other commands

Side = Literal["cluster", "vm"]
NoSide = Literal["", "cluster", "vm"]


class Strict:
    """How pydantic reads a dataclass of the record: no field too many, and none converted."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True)
class Made(Strict):
    """What decided how a profile's things were made, and why; it stays with them.

    '' where nothing of the kind was made yet. `source`: of Kubernetes on its nodes. `bases`: what
    its images are built on; a database's files are of a version that only one of them may have.
    `engine`: the container engine that has its nodes. `server`: the database's engine and version,
    which wrote those files.
    """

    source: Literal["", "download", "build"] = ""
    source_why: str = ""
    bases: Literal["", "hub", "debian"] = ""
    bases_why: str = ""
    engine: Literal["", "podman", "docker"] = ""
    server: str = ""


NOTHING = Made()


@dataclass(frozen=True)
class Location(Strict):
    """Where a database's files lie: in the cluster or on a machine, on which node.

    `node` is '' where an older kubeup did not write it down. `address`: of a machine of the user's
    own. `saved`: the node has gone, and the files wait in the profile's archive for another one.
    """

    side: Side
    node: str = ""
    address: str = ""
    saved: bool = False

    def __str__(self) -> str:
        return f"{self.node}@{self.address}" if self.address else self.node

    @property
    def machine(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.node, self.address


@dataclass(frozen=True)
class Schedule(Strict):
    """How often the database is backed up by itself, how many are kept, and since when (UTC).

    Without a period it is not. `account`: a mark of the password and the place of the database that
    has let its account in.
    """

    every: str = ""
    keep: int = 0
    since: str = ""
    account: str = ""

    def __bool__(self) -> bool:
        return bool(self.every)

    def __str__(self) -> str:
        return f"every {self.every}, {self.keep} kept" if self else "by hand alone"


BY_HAND = Schedule()


@dataclass(frozen=True)
class Record(Strict):
    """All of it.

    `left`: data that a move has left behind; `target`: where a move that is under way brings them.
    `passwords`: the file whose passwords the database is being given, until it takes no others any
    more; `.env` itself says whether they still wait there. `guarded`: the database lets root in
    from its own machine alone; an older kubeup left it open.
    """

    version: Literal[1] = 1
    provider: str = ""  # that the cluster stands on
    made: Made = NOTHING
    database: Location | None = None
    left: Location | None = None
    target: Location | None = None
    passwords: str = ""
    guarded: bool = False
    schedule: Schedule = BY_HAND
    # folders of checkouts that are gone, whose things are this one's now
    taken_over: tuple[str, ...] = ()
    # that were made outside the project's folders, and not removed since
    things: tuple[Thing, ...] = ()

    def on(self, side: Side) -> Location | None:
        """What is known of the database's files on that side."""
        for place in self.places().values():
            if place.side == side:
                return place
        return None

    def places(self) -> dict[str, Location]:
        """Where the database's files are, by the names of these fields."""
        places = {"database": self.database, "left": self.left, "target": self.target}
        return {name: place for name, place in places.items() if place is not None}


def relocate(state: State, side: Side, **values: Any) -> None:
    """Write down of the files on one side that they are elsewhere now."""
    lock.require(state.folder)

    def moved(record: Record) -> dict[str, Location]:
        return {
            name: replace(place, **values)
            for name, place in record.places().items()
            if place.side == side
        }

    _edit(state, moved)


def change(state: State, **values: Any) -> Record:
    """Give some of its fields other values, in one write. Steps that run side by side may do so."""
    return _edit(state, lambda _: values)


def account(state: State, made: Collection[Thing], removed: Collection[Thing]) -> None:
    """Write down what was made outside the project's folders, and what is no more."""

    def things(record: Record) -> dict[str, tuple[Thing, ...]]:
        left = tuple(sorted({*record.things, *made}.difference(removed)))
        return {"things": left} if left != record.things else {}

    _edit(state, things)


def _edit(state: State, values: Callable[[Record], Mapping[str, Any]]) -> Record:
    """Give fields the values that are made of the record; without any nothing is written."""
    with _changing:
        record = read(state)
        if changed := values(record):
            record = replace(record, **changed)
            write(state, record)
    return record


def read(state: State) -> Record:
    """The record; an empty one where the profile has none.

    Raises Refused for one that can't be understood.
    """
    path, earlier = state.folder / state.record, state.folder / EARLIER
    text = _text(path)
    before = None
    if state.record == RECORD and (earlier_text := _text(earlier)) is not None:
        before = _validated(Earlier, earlier, earlier_text).as_record()
    if text is None:
        return before or Record()
    record = _parsed(path, text)
    if before is not None and _sides(before) != _sides(record):
        raise Refused(
            f"{path} and {earlier.name} disagree on where the data is",
            "an older kubeup was at work after this one",
            "check where it is, and move the file that is wrong away; `inv state.repair` "
            f"looks, and makes {path.name} anew",
        )
    return record


def _sides(record: Record) -> dict[str, Side]:
    """All that an older kubeup knew of where data are."""
    return {name: place.side for name, place in record.places().items()}


def write(state: State, record: Record) -> None:
    """Put the record in the place of what was there.

    An older kubeup's file is kept under another name. Raises KubeupError where this process
    doesn't hold the profile: that is a mistake in kubeup.
    """
    lock.require(state.folder)
    text: str = _adapter(Record).dump_json(record, indent=2).decode()
    write_private(state.folder / state.record, f"{text}\n")
    earlier = state.folder / EARLIER
    # once it is carried over it must not contradict the record
    if earlier.exists():
        earlier.replace(earlier.with_name(f"{EARLIER}.old"))


def _text(path: Path) -> str | None:
    """What the file holds; None where there is none."""
    try:
        text = private.read(path)
        return None if text is None else text.decode()
    except UsageError as error:
        raise _unreadable(path, error.why) from None
    except ValueError as error:
        raise _unreadable(path, str(error)) from None


def _parsed(path: Path, text: str) -> Record:
    # first, as a newer document has fields that would be refused with a reason that misleads
    version: int = _validated(Versioned, path, text).version
    if version > VERSION:
        raise Refused(
            f"{path} was written by a newer kubeup",
            f"it is of version {version}, this one knows {VERSION}",
            "use that kubeup, or a newer one",
        )
    record: Record = _validated(Record, path, text)
    return record


def _validated(kind: type, path: Path, text: str) -> Any:
    from pydantic import ValidationError

    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise _unreadable(path, _words(error)) from None


@dataclass(frozen=True)
class Versioned:
    """Of any version, whatever else is in it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True}

    version: int


@dataclass(frozen=True)
class Earlier(Strict):
    """`choices.json`, as it was before there were versions.

    It did not say on which node of the cluster the data lie.
    """

    provider: str = ""
    made: Made = NOTHING
    reachable: tuple[str, ...] | None = None  # sites that answered, which then decided
    database: NoSide = ""
    machine: str = ""  # the one with the database, name or name@address
    kept: NoSide = ""
    copying: NoSide = ""

    def as_record(self) -> Record:
        return Record(
            provider=self.provider,
            made=self._made(),
            database=self._at(self.database),
            left=self._at(self.kept),
            target=self._at(self.copying),
        )

    def _made(self) -> Made:
        if self.reachable is None:
            return self.made
        why, sites = "an older kubeup asked the sites", set(self.reachable)
        return replace(
            self.made,
            source="download" if sites.issuperset(RELEASES) else "build",
            source_why=why,
            bases="hub" if HUB in sites else "debian",
            bases_why=why,
        )

    def _at(self, side: NoSide) -> Location | None:
        if not side:
            return None
        name, _, address = (self.machine if side == VM else "").partition("@")
        return Location(side, name, address)


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _words(error: ValidationError) -> str:
    """What is wrong with a document, and where."""
    # pydantic's own text quotes what is in it
    problems = []
    for problem in error.errors():
        place = ".".join(map(str, problem["loc"]))
        problems.append(f"{place or 'the whole'}: {problem['msg']}")
    return "; ".join(problems)


def _unreadable(path: Path, why: str) -> Refused:
    return Refused(
        f"{path} can't be understood",
        why,
        "it says what this profile's cluster was made of and where the database's "
        "data are: put it back as it was, or make it anew from what is there: `inv state.repair`",
    )
