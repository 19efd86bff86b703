"""A profile's record made anew from what is there: from labels, and from what lies in the
folders of data.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kubeup.cluster.providers import base as providers
from kubeup.cluster.providers.base import Trace
from kubeup.core import lock
from kubeup.core import record as records
from kubeup.core.errors import Refused
from kubeup.core.record import CLUSTER, VM, Location, Made, Record, Side
from kubeup.core.report import Report
from kubeup.core.state import RECORD
from kubeup.database.machine import VOLUME
from kubeup.database.server import Version
from kubeup.facts import datafolder
from kubeup.workflows.converge import confirm
from kubeup.workflows.project import SIDES, Project

# a name that no file has: the profile is looked at as if nothing was known of it
NONE = "state.json.none"
FOLDERS: dict[str, Side] = {"mysql": CLUSTER, VOLUME: VM}  # of data, by their names on a node


@dataclass(frozen=True)
class ProfileTraces:
    """What there is of a profile, and the record that follows from it."""

    traces: tuple[Trace, ...]
    record: Record


def repair(project: Project, out: Report, node: str = "", yes: bool = False) -> None:
    """Show what there is of the profile, and write the record that follows from it after asking.

    `node`: the one whose data are in use, where several have some. Raises Refused where it isn't
    clear what to write.
    """
    lock.require(project.state.folder)
    found = look(project, node)
    out.table(
        ("what", "name", "made by"),
        [(one.thing.kind, one.thing.name, one.owner) for one in found.traces],
    )
    for line in _words(found.record):
        out.say(line)
    confirm("Keep this as the profile's record?", yes)
    for kept in _set_aside(project.state.folder):
        out.say(f"what was there is kept as {kept}")
    records.write(replace(project.state, record=RECORD), found.record)
    out.say("`inv plan` shows what is left to do")


def show(project: Project, out: Report) -> None:
    """Print what is on record."""
    for line in _words(project.record):
        out.say(line)
    if things := project.record.things:
        out.table(("what", "name", "where"), [(one.kind, one.name, one.at) for one in things])


def look(project: Project, node: str = "") -> ProfileTraces:
    """Everything that bears the profile's name.

    Raises Refused where it isn't clear what the record would say.
    """
    known = {name: _traces(project, name) for name in providers.PROVIDERS}
    having = [name for name, traces in known.items() if traces]
    if len(having) > 1:
        raise Refused(
            f"there are things of this profile by {' and '.join(having)}",
            "a profile stands on one provider",
            f"go on with one of them: `inv state.repair --set provider={having[0]}`",
        )
    if not having:
        return ProfileTraces((), Record())
    name, traces = having[0], known[having[0]]
    return ProfileTraces(traces, _record(project, name, traces, _owners(project, traces), node))


def _traces(project: Project, name: str) -> tuple[Trace, ...]:
    if project.settings.provider not in ("auto", name):
        return ()
    return providers.make(name, project.settings, project.state, project.host).traces()


def _owners(project: Project, traces: Iterable[Trace]) -> tuple[str, ...]:
    """The checkouts to take things over from. Raises Refused for one that is still there."""
    others = sorted({one.owner for one in traces} - {project.state.ours})
    there = [owner for owner in others if Path(owner).is_dir()]
    if there:
        raise Refused(
            f"the profile {project.settings.profile} is another checkout's",
            f"{there[0]} made it, and is there",
            "go on from that folder, or give this profile another name (settings.env)",
        )
    return tuple(others)


def _record(
    project: Project, name: str, traces: Sequence[Trace], owners: tuple[str, ...], node: str
) -> Record:
    provider = providers.make(name, project.settings, project.state, project.host)
    things = tuple(sorted(one.thing for one in traces))
    known = Record(provider=name, taken_over=owners, things=things)
    found = provider.holding(tuple(FOLDERS))
    wrote = {
        Location(FOLDERS[folder], where): datafolder.server(told) for where, folder, told in found
    }

    def using(database: Location | None) -> Record:
        engine, server = provider.made_by(), wrote[database] if database else ""
        made = Made(engine=engine, server=server)  # type: ignore[arg-type]
        return replace(known, made=made, database=database)

    held = list(wrote)
    if len(held) < 2:
        return using(held[0] if held else None)
    named = [one for one in held if one.node == node]
    others = [one for one in held if one.node != node]
    if len(named) != 1 or len(others) != 1:
        raise Refused(
            "more than one place has data of the database",
            "; ".join(f"{one.node}: {SIDES[one.side]}" for one in held),
            "name the node whose data are in use: `inv state.repair --node NAME`; a move keeps "
            "what it has left",
        )
    return replace(using(named[0]), left=others[0])


def _words(record: Record) -> list[str]:
    """What a record says, for a person."""
    lines = [f"provider: {record.provider or 'none'}"]
    for title, where in (
        ("the database's data", record.database),
        ("data from before a move", record.left),
    ):
        lines.append(f"{title}: {f'on {where.node}, in {SIDES[where.side]}' if where else 'none'}")
    if record.database:
        wrote = Version(record.made.server) if record.made.server else "they do not tell"
        lines.append(f"the database that wrote them: {wrote}")
    return [*lines, *(f"taken over from {owner}, which is gone" for owner in record.taken_over)]


def _set_aside(folder: Path) -> list[str]:
    """Keep what was there, whatever it holds, under other names."""
    there = [folder / name for name in (RECORD, records.EARLIER) if (folder / name).exists()]
    now = time.strftime("%Y%m%d-%H%M%S")
    return [path.rename(path.with_name(f"{path.name}.{now}")).name for path in there]
