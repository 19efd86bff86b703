"""A profile's record made anew, from labels and from what lies in the folders of data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kubeup.cluster.providers import base as providers
from kubeup.cluster.providers.base import Trace
from kubeup.cluster.providers.table import PROVIDERS
from kubeup.core import lock
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import Refused
from kubeup.core.record import BY_HAND, CLUSTER, VM, Location, Made, Record, Schedule, Side
from kubeup.core.report import Report
from kubeup.database import stored
from kubeup.database.machine import VOLUME
from kubeup.database.version import Version
from kubeup.facts import datafolder
from kubeup.system import ssh
from kubeup.workflows.converge import confirm
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project

# a name that no file has: the profile is looked at as if nothing was known of it
NONE = "state.json.none"
FOLDERS: dict[str, Side] = {"mysql": CLUSTER, VOLUME: VM}  # of data, by their names on a node


@dataclass(frozen=True)
class ProfileTraces:
    """What there is of a profile, and the record that follows from it."""

    traces: tuple[Trace, ...]
    record: Record


def repair(project: Project, out: Report, node: str = "", yes: bool = False) -> None:
    """Show what there is of the profile, and write the record that follows after asking.

    `node`: the one whose data are in use, where several have some. Raises Refused where it isn't
    clear what to write.
    """
    folder = project.state.folder
    lock.require(folder)
    seen = look(project, node)
    rows = [(trace.thing.kind, trace.thing.name, trace.owner) for trace in seen.traces]
    out.table(("what", "name", "made by"), rows)
    _say(seen.record, out)
    confirm("Keep this as the profile's record?", yes)
    for kept in _set_aside(folder):
        out.say(f"what was there is kept as {kept}")
    records.write(replace(project.state, record=states.RECORD), seen.record)
    out.say("`inv plan` shows what is left to do")


def show(project: Project, out: Report) -> None:
    """Print what is on record."""
    _say(project.record, out)
    if things := project.record.things:
        out.table(
            ("what", "name", "where"), [(thing.kind, thing.name, thing.at) for thing in things]
        )


def look(project: Project, node: str = "") -> ProfileTraces:
    """Everything that bears the profile's name.

    Raises Refused where it isn't clear what the record would say.
    """
    known = {name: _traces(project, name) for name in PROVIDERS}
    having = [name for name, traces in known.items() if traces]
    if not having:
        return ProfileTraces((), Record())
    name, *others = having
    if others:
        raise Refused(
            f"there are things of this profile by {' and '.join(having)}",
            "a profile stands on one provider",
            f"go on with one of them: `inv state.repair --set provider={name}`",
        )
    return ProfileTraces(known[name], _record(project, name, known[name], node))


def _traces(project: Project, name: str) -> tuple[Trace, ...]:
    if project.settings.provider not in ("auto", name):
        return ()
    return _provider(project, name).traces()


def _provider(project: Project, name: str) -> providers.Provider:
    return providers.make(name, project.settings, project.state, project.host)


def _owners(project: Project, traces: Iterable[Trace]) -> tuple[str, ...]:
    """The checkouts to take things over from. Raises Refused for one that is still there."""
    # a checkout that is still there may be at work on them
    others = sorted({trace.owner for trace in traces} - {project.state.ours})
    for owner in others:
        if not states.gone(Path(owner)):
            raise Refused(
                f"the profile {project.settings.profile} is another checkout's",
                f"{owner} made it, and still exists",
                "go on from that folder, or give this profile another name (settings.env)",
            )
    return tuple(others)


def _record(project: Project, name: str, traces: Sequence[Trace], node: str) -> Record:
    owners, provider = _owners(project, traces), _provider(project, name)
    things = tuple(sorted(trace.thing for trace in traces))
    wrote = {
        Location(FOLDERS[folder], where): datafolder.server(written_by)
        for where, folder, written_by in provider.holding(tuple(FOLDERS))
    }
    database = _in_use(list(wrote), node)
    made = Made(
        engine=provider.made_by(),  # type: ignore[arg-type]
        server=wrote[database] if database else "",
    )
    return Record(
        provider=name,
        taken_over=owners,
        things=things,
        made=made,
        database=database,
        # a move leaves one place at most, see `_in_use`
        left=next((place for place in wrote if place != database), None),
        schedule=_schedule(provider, database),
    )


def _schedule(provider: providers.Provider, database: Location | None) -> Schedule:
    """How often the database was backed up by itself, by what the last run has left.

    A node that is not up can't be asked; nothing is lost by that but the next backups.
    """
    machines = (*provider.ssh_targets(), *provider.extra_machines())
    targets = [one for one in machines if database and one.name == database.node]
    answers = ssh.run_all(targets, *stored.words(provider.data_folder), root=True)
    known = [stored.parse(name, one.stdout).last for name, one in answers.items() if one.ok]
    return next((last.schedule for last in known if last), BY_HAND)


def _in_use(places: list[Location], node: str) -> Location | None:
    """Of places with data the one in use. Raises Refused where that isn't clear."""
    if len(places) < 2:
        return next(iter(places), None)
    named = [place for place in places if place.node == node]
    others = [place for place in places if place.node != node]
    if len(named) != 1 or len(others) != 1:
        raise Refused(
            "more than one place has data of the database",
            "; ".join(f"{place.node}: {SIDES[place.side]}" for place in places),
            "name the node whose data are in use: `inv state.repair --node NAME`; a move keeps "
            "what it has left",
        )
    return named[0]


def _say(record: Record, out: Report) -> None:
    """What a record says, for a person."""
    out.say(f"provider: {record.provider or 'none'}")
    out.say(f"the database's data: {_place(record.database)}")
    out.say(f"data from before a move: {_place(record.left)}")
    if record.database:
        wrote = Version(record.made.server) if record.made.server else "unknown"
        out.say(f"the database that wrote them: {wrote}")
    unknown = "" if record.schedule else ", or not known: `inv db.schedule` sets them up"
    out.say(f"backups of the database: {record.schedule}{unknown}")
    for owner in record.taken_over:
        out.say(f"taken over from {owner}, which is gone")


def _place(where: Location | None) -> str:
    return f"on {where.node}, in {SIDES[where.side]}" if where else "none"


def _set_aside(folder: Path) -> list[str]:
    """Keep what was there, whatever it holds, under other names."""
    there = [folder / name for name in (states.RECORD, records.EARLIER) if (folder / name).exists()]
    now = time.strftime("%Y%m%d-%H%M%S")
    return [path.rename(path.with_name(f"{path.name}.{now}")).name for path in there]
