"""The profiles of this machine: what each has, by labels, records and folders, and whose it is."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from kubeup.cluster.providers import base as providers
from kubeup.cluster.providers.base import Survey, Trace
from kubeup.cluster.providers.table import PROVIDERS
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import KubeupError
from kubeup.core.record import Record
from kubeup.core.report import Report
from kubeup.core.state import PROJECT, State
from kubeup.settings.kinds import slug
from kubeup.system import cache
from kubeup.workflows.project import Project

MACHINES = ("container", "machine", "profile")  # kinds of things
MIB = 2**20
NOTHING_KNOWN = Record()
# of a machine that Vagrant does not reach without its folder, by Vagrant's provider
UNREACHED = {
    "virtualbox": "VBoxManage unregistervm {name} --delete",
    "libvirt": "virsh --connect qemu:///system undefine {name} --remove-all-storage",
    "docker": "docker rm --force --volumes {name}",
}


@dataclass(frozen=True)
class Profile:
    """One of a checkout's, whose folder may be gone ('' where nothing tells which it was).

    `folder` keeps its record and backups; None where it has none any more. `record` is None where
    it can't be understood, and `trouble` says why. `unmarked`: one of minikube's that nothing says
    to be ours.
    """

    name: str
    checkout: str
    provider: str = ""
    traces: tuple[Trace, ...] = ()
    folder: Path | None = None
    record: Record | None = NOTHING_KNOWN
    trouble: str = ""
    unmarked: bool = False

    @property
    def gone(self) -> bool:
        return bool(self.checkout) and states.gone(Path(self.checkout))

    @property
    def machines(self) -> tuple[Trace, ...]:
        return tuple(trace for trace in self.traces if trace.thing.kind in MACHINES)

    @property
    def memory(self) -> int:
        """MiB that its running machines may take."""
        return sum(trace.memory for trace in self.machines if trace.state == "running")

    @property
    def disk(self) -> int | None:
        """MiB of its volumes and its folder; None where an engine does not tell."""
        sizes = [trace.disk for trace in self.traces if trace.thing.kind == "volume"]
        if None in sizes:
            return None
        return sum(filter(None, sizes)) + (cache.taken(self.folder) // MIB if self.folder else 0)


@dataclass(frozen=True)
class Found:
    """All of them; what is nobody's alone; and which tools could not be asked, with the reason."""

    profiles: tuple[Profile, ...]
    shared: tuple[Trace, ...]
    untold: Mapping[str, str]


def find(project: Project) -> Found:
    """Look at all that bears a profile's label, and at the folders of the checkouts they name."""
    surveys = {
        (name, tool): survey
        for name in PROVIDERS
        for tool, survey in _provider(project, name).surveys().items()
    }
    traces, untold = list[tuple[str, Trace]](), dict[str, str]()
    with ThreadPoolExecutor(max(1, len(surveys))) as pool:
        asked = {key: pool.submit(_ask, survey) for key, survey in surveys.items()}
    for (name, tool), answer in asked.items():
        result = answer.result()
        if isinstance(result, KubeupError):
            untold[tool] = f"{result.what}: {result.why}"
        else:
            traces += [(name, trace) for trace in result]
    known = list(_recorded(project, {trace.owner for _, trace in traces if trace.owner}))
    ours = [(name, one) for name, one in traces if one.profile or one.thing.kind == "profile"]
    shared = [one for _, one in traces if not one.profile and one.thing.kind == "volume"]
    return Found(tuple(_joined(known, ours)), tuple(shared), untold)


def _provider(project: Project, name: str) -> providers.Provider:
    return providers.make(name, project.settings, project.state, project.host)


def _ask(survey: Survey) -> tuple[Trace, ...] | KubeupError:
    try:
        return survey()
    except KubeupError as error:
        return error


def _recorded(project: Project, checkouts: Collection[str]) -> Iterator[Profile]:
    """Profiles that have a folder, of this checkout and of those that are there."""
    folders = {str(project.state.ours): project.state.folder.parent}
    for checkout in checkouts:
        folders.setdefault(checkout, Path(checkout, states.FOLDER))
    for checkout, folder in sorted(folders.items()):
        for one in sorted(folder.glob("*/")):
            if any(os.access(one / mark, os.F_OK) for mark in (states.OWNER, states.RECORD)):
                yield _of_folder(checkout, one)


def _of_folder(checkout: str, folder: Path) -> Profile:
    state = State(folder, folder / "id_rsa", folder / "id_rsa.pub", checkout)
    name = states.owner(state) or folder.name
    try:
        record = records.read(state)
    except KubeupError as error:
        return Profile(name, checkout, folder=folder, record=None, trouble=error.what)
    return Profile(name, checkout, record.provider, folder=folder, record=record)


def _joined(known: list[Profile], traces: Iterable[tuple[str, Trace]]) -> list[Profile]:
    """Profiles with their things; those that have no folder are known by their things alone."""
    by_key = {(one.checkout, slug(one.name)): one for one in known}
    of_records = [(key, one.record) for key, one in by_key.items() if one.record]
    # what bears no label is whose record names it
    on_record = {thing: key for key, record in of_records for thing in record.things}
    taken_over = {(gone, key[1]): key for key, record in of_records for gone in record.taken_over}
    for provider, trace in traces:
        name, unmarked = trace.profile or trace.thing.name, not trace.profile
        key = (trace.owner, slug(name))
        if unmarked or not trace.owner:
            key = on_record.get(trace.thing, key)
        key = taken_over.get(key, key)
        one = by_key.get(key) or Profile(name, trace.owner, provider, unmarked=unmarked)
        provider = one.provider or provider
        by_key[key] = replace(one, traces=(*one.traces, trace), provider=provider)
    return sorted(by_key.values(), key=lambda one: (one.checkout, one.name))


def show(found: Found, out: Report, knows: Callable[[str], bool]) -> None:
    """Print them. `knows`: whether the settings here have a profile of that name."""
    head = ("profile", "provider", "machines", "memory", "disk", "checkout")
    if found.profiles:
        out.table(head, map(_row, found.profiles))
    else:
        out.say("There is no profile on this machine.")
    for one in found.profiles:
        for line in _remarks(one, knows):
            out.say(f"\n{one.name}: {line}")
    if found.shared:
        names = ", ".join(trace.thing.name for trace in found.shared)
        out.say(
            f"\nshared by all profiles and on no record: the prepared disks {names} "
            f"({_size(_total(found.shared))}; `{found.shared[0].thing.at} volume rm NAME` frees "
            "one, nodes have copies), images, and the cache (`inv cache.show`)"
        )
    for tool, why in found.untold.items():
        out.say(f"\n{tool} can't be asked, so what it has is not in this list: {why}")


def _total(traces: Iterable[Trace]) -> int | None:
    sizes = [trace.disk for trace in traces]
    return None if None in sizes else sum(filter(None, sizes))


def _row(one: Profile) -> tuple[str, ...]:
    place = one.checkout or "not known"
    if one.checkout == str(PROJECT):
        place += " (here)"
    return (
        one.name,
        one.provider or "none",
        _machines(one),
        _size(one.memory) if one.memory else "-",
        _size(one.disk),
        f"{place} (gone)" if one.gone else place,
    )


def _machines(one: Profile) -> str:
    """Such as `3 running, 1 stopped`; data that outlived their machines are named."""
    states_ = Counter(trace.state or "in an unknown state" for trace in one.machines)
    running = states_.pop("running", 0)
    parts = [f"{running} running"] if running else []
    parts += [f"{count} {state}" for state, count in sorted(states_.items())]
    volumes = [trace for trace in one.traces if trace.thing.kind == "volume"]
    if volumes and not parts:
        parts = [f"none, volumes of data: {len(volumes)}"]
    return ", ".join(parts) or "none"


def _size(mib: int | None) -> str:
    if mib is None:
        return "not told"
    return f"{mib} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def _remarks(one: Profile, knows: Callable[[str], bool]) -> Iterator[str]:
    """What can be said about it, and typed."""
    if one.trouble:
        yield f"{one.trouble}; `inv state.repair` in its checkout makes it anew"
    if one.unmarked:
        yield (
            "a profile of minikube's without kubeup's mark: made by hand, or by an earlier kubeup "
            "in a checkout that is not known here"
        )
    if not one.gone:
        return
    lost = [trace.thing for trace in one.machines if trace.thing.kind == "machine"]
    if lost:
        lines = [UNREACHED[thing.at].format(name=thing.name) for thing in lost]
        yield (
            "its checkout is gone, and with it Vagrant's way to its machines; if you don't need "
            f"them: {'; '.join(f'`{line}`' for line in lines)}; then "
            "`vagrant global-status --prune`"
        )
        return
    access = " and `inv up`, for a way to its nodes" if one.provider == "minikube" else ""
    first = "" if knows(one.name) else f"name a profile {one.name} in config/settings.yaml; then "
    yield (
        f"its checkout is gone. To take it over here: {first}`inv state.repair --profile "
        f"{one.name}`{access}. To clear it then: `inv down --profile {one.name}` (data is kept), "
        f"or `inv down --data --profile {one.name}`"
    )


def data(found: Found) -> dict[str, object]:
    """The same for programs; memory and disk in MiB, null where not told."""
    return {
        "profiles": [
            {
                "profile": one.name,
                "provider": one.provider,
                "machines": {str(trace.thing.name): trace.state for trace in one.machines},
                "volumes": [t.thing.name for t in one.traces if t.thing.kind == "volume"],
                "memory": one.memory,
                "disk": one.disk,
                "checkout": one.checkout,
                "gone": one.gone,
            }
            for one in found.profiles
        ],
        "shared": [trace.thing.name for trace in found.shared],
        "untold": dict(found.untold),
    }
