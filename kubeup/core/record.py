"""What is on record of a profile: what its things were made of, where the database's data lie, and
what is under way.

One document with a version, `.kubeup/<profile>/state.json`, written whole and flushed to the disk
by a command that holds the profile's lock. What can't be understood is refused, never taken as
empty: data may lie by it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from kubeup.core import lock
from kubeup.core.errors import Refused
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
RELEASES, HUB = (
    ("https://dl.k8s.io/", "https://registry.k8s.io/v2/"),
    "https://registry-1.docker.io/v2/",
)
STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}
_changing = threading.Lock()  # steps run side by side; the profile's lock keeps out other commands

Side = Literal["cluster", "vm"]


@dataclass(frozen=True)
class Made:
    """What decided how a profile's things were made, and why; it stays with them. '' where nothing
    of the kind was made yet.

    `source`: of Kubernetes on its nodes. `bases`: what its images are built on; a database's files
    are of a version that only one of them may have. `engine`: the container engine that has its
    nodes. `server`: the database's engine and version, which wrote those files.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    source: Literal["", "download", "build"] = ""
    source_why: str = ""
    bases: Literal["", "hub", "debian"] = ""
    bases_why: str = ""
    engine: Literal["", "podman", "docker"] = ""
    server: str = ""


NOTHING = Made()


@dataclass(frozen=True)
class Location:
    """Where a database's files lie: in the cluster or on a machine, on which node.

    `node` is '' where an older kubeup did not write it down. `address`: of a machine of the user's
    own. `saved`: the node has gone, and the files wait in the profile's archive for another one.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

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
class Record:
    """All of it.

    `left`: data that a move has left behind; `target`: where a move that is under way brings them.
    `passwords`: the file whose passwords the database is being given, until it takes no others any
    more; `.env` itself says whether they still wait there.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    version: Literal[1] = 1
    provider: str = ""  # that the cluster stands on
    made: Made = NOTHING
    database: Location | None = None
    left: Location | None = None
    target: Location | None = None
    passwords: str = ""
    # folders of checkouts that are gone, whose things are this one's now
    taken_over: tuple[str, ...] = ()
    # that were made outside the project's folders, and not removed since
    things: tuple[Thing, ...] = ()

    def on(self, side: Side) -> Location | None:
        """What is known of the database's files on that side."""
        known = (self.database, self.left, self.target)
        return next((one for one in known if one is not None and one.side == side), None)


def relocate(state: State, side: Side, **values: Any) -> None:
    """Write down of the files on one side that they are elsewhere now."""
    lock.require(state.folder)
    with _changing:
        record = read(state)
        known = {name: getattr(record, name) for name in ("database", "left", "target")}
        moved = {
            name: replace(one, **values)
            for name, one in known.items()
            if one is not None and one.side == side
        }
        if moved:
            write(state, replace(record, **moved))


def read(state: State) -> Record:
    """The record; an empty one where the profile has none.

    Raises Refused for one that can't be understood.
    """
    path, earlier = state.folder / state.record, state.folder / EARLIER
    text, then = _text(path), _text(earlier) if state.record == RECORD else None
    before = None if then is None else _carried_over(earlier, then)
    if text is None:
        return before or Record()
    record = _parsed(path, text)
    if before is not None and _sides(before) != _sides(record):
        raise Refused(
            f"{path} and {earlier.name} say different things of where the data are",
            "an older kubeup was at work after this one",
            "see where they are, and move the one that is wrong away; `inv state.repair` "
            f"looks, and makes {path.name} anew",
        )
    return record


def _sides(record: Record) -> list[Side | None]:
    """All that an older kubeup knew of where data are."""
    return [one.side if one else None for one in (record.database, record.left, record.target)]


def write(state: State, record: Record) -> None:
    """Put the record in the place of what was there. An older kubeup's file is kept under another
    name.

    Raises KubeupError where this process doesn't hold the profile: that is a mistake in kubeup.
    """
    lock.require(state.folder)
    text = _adapter().dump_json(record, indent=2).decode()
    write_private(state.folder / state.record, f"{text}\n")
    earlier = state.folder / EARLIER
    if earlier.exists():
        earlier.replace(earlier.with_name(f"{EARLIER}.old"))


def change(state: State, **values: Any) -> Record:
    """Give some of its fields other values, in one write. Steps that run side by side may do so."""
    with _changing:
        record = replace(read(state), **values)
        write(state, record)
    return record


def account(state: State, made: Collection[Thing], removed: Collection[Thing]) -> None:
    """Write down what is about to be made, and what is no more."""
    with _changing:
        record = read(state)
        things = tuple(sorted({*record.things, *made}.difference(removed)))
        if things != record.things:
            write(state, replace(record, things=things))


def _text(path: Path) -> str | None:
    """What the file holds; None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from None


def _parsed(path: Path, text: str) -> Record:
    from pydantic import TypeAdapter, ValidationError

    try:
        found = TypeAdapter(Versioned).validate_json(text).version
        if found > VERSION:
            raise Refused(
                f"{path} was written by a newer kubeup",
                f"it is of version {found}, this one knows {VERSION}",
                "use that kubeup, or a newer one",
            )
        return _adapter().validate_json(text)
    except ValidationError as error:
        raise _unreadable(path, _words(error)) from None


@dataclass(frozen=True)
class Versioned:
    """Of any version, whatever else is in it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"strict": True}

    version: int


def _carried_over(path: Path, text: str) -> Record:
    """What an older kubeup wrote. It did not say on which node of the cluster the data lie."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Earlier).validate_json(text).as_record()
    except ValidationError as error:
        raise _unreadable(path, _words(error)) from None


@dataclass(frozen=True)
class Earlier:
    """`choices.json`, as it was before there were versions."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    provider: str = ""
    made: Made = NOTHING
    reachable: tuple[str, ...] | None = None  # sites that answered, which then decided
    database: Literal["", "cluster", "vm"] = ""
    machine: str = ""  # the one with the database, name or name@address
    kept: Literal["", "cluster", "vm"] = ""
    copying: Literal["", "cluster", "vm"] = ""

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
        source: Literal["download", "build"] = "download" if sites.issuperset(RELEASES) else "build"
        return replace(
            self.made,
            source=source,
            source_why=why,
            bases="hub" if HUB in sites else "debian",
            bases_why=why,
        )

    def _at(self, side: Literal["", "cluster", "vm"]) -> Location | None:
        if not side:
            return None
        name, _, address = (self.machine if side == VM else "").partition("@")
        return Location(side, name, address)


@functools.cache
def _adapter() -> TypeAdapter[Record]:
    from pydantic import TypeAdapter

    return TypeAdapter(Record)


def _words(error: ValidationError) -> str:
    """What is wrong with a document, and where, without what is in it."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}" for one in error.errors()
    )


def _unreadable(path: Path, why: str) -> Refused:
    return Refused(
        f"{path} can't be understood",
        why,
        "it says what this profile's cluster was made of and where the database's "
        "data are: put it back as it was, or make it anew from what is there: `inv state.repair`",
    )
