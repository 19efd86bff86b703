"""Settings, facts and machines made by hand, for plans that are compared as data."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from hypothesis import strategies as st

from kubeup.application.place import Place
from kubeup.cluster.providers.base import Machines, NodeState
from kubeup.cluster.release.source import SYSTEM_IMAGE, binary_question
from kubeup.core import ids, lock, record
from kubeup.core.errors import KubeupError
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Done, Holds, Log, Plan, Step, plan_of, todo
from kubeup.core.state import State
from kubeup.facts import apt
from kubeup.facts.disks import Disk
from kubeup.facts.host import Distribution, HostFacts, distribution
from kubeup.facts.sites import Answer, answered, silent
from kubeup.images.bases import DEBIAN_IMAGE, HUB_IMAGE
from kubeup.settings import Settings, load
from kubeup.system.ssh import SshTarget

DATA = Path(__file__).with_name("data")
OURS = "/home/ana/kubeup"
NOBODY = 65534

QUESTIONS = (
    binary_question("amd64"),
    binary_question("arm64"),
    SYSTEM_IMAGE,
    HUB_IMAGE,
    DEBIAN_IMAGE,
)


def open_internet(but: str = "", answer: Answer | None = None) -> dict[str, Answer]:
    """Every site has what is asked for, `but` one, which says `answer`."""
    found = {one.url: answered(one) for one in QUESTIONS}
    return {**found, **({but: answer} if answer else {})}


def no_internet() -> dict[str, Answer]:
    return {one.url: silent(one, "its name can't be resolved") for one in QUESTIONS}


DEBIAN = Distribution("debian", "bookworm", "12")
DISK = Disk("/home", "/dev/sda2", 200.0)
ROOM = {"cache_disk": DISK, "home_disk": DISK, "storage": {"podman": DISK, "docker": DISK}}
# a laptop or a server as most people have it
DESKTOP = HostFacts(
    distribution=DEBIAN,
    cpus=8,
    memory=16384,
    memory_available=12000,
    **ROOM,
    tools=frozenset({"podman", "ssh-keygen"}),
    podman=(4, 3),
    answers=open_internet(),
)
# a machine like a CI job's: hybrid cgroups, no systemd, no CAP_SYS_RESOURCE, package registries
# only
SANDBOX = HostFacts(
    distribution=DEBIAN,
    cpus=2,
    memory=24105,
    memory_available=22000,
    **ROOM,
    cgroup=1,
    systemd=False,
    sys_resource=False,
    open_files=20000,
    processes=96365,
    modules_folder=False,
    tools=frozenset({"podman", "runc", "ssh-keygen"}),
    podman=(4, 3),
    answers=no_internet(),
)


def unreachable(folder: Path) -> Path:
    """A path there that can't be looked at, not even by root: a symbolic link to itself."""
    path = folder / "loop"
    path.symlink_to(path)
    return path


def recorded(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def on(release: str, index: str = "", host: HostFacts = DESKTOP, **more: Any) -> HostFacts:
    """That machine under another distribution, by its recorded os-release and, where it has one,
    apt's index.
    """
    known = apt.policy(recorded(f"facts/apt_policy_{index}")) if index else apt.Index()
    return replace(
        host, distribution=distribution(recorded(f"facts/os_release_{release}")), apt=known, **more
    )


def settings(folder: Path, keys: str = "", profile: str = "dev") -> Settings:
    """A profile's settings, read from a real file."""
    body = indent(dedent(keys).strip() or "environment: test", " " * 6)
    path = folder / "settings.yaml"
    path.write_text(
        f"settings:\n  env: {profile}\n  users:\n    {profile}:\n{body}\n", encoding="utf-8"
    )
    return load(path, environ={}).require()


def state(folder: Path) -> State:
    return State(
        folder / "state", folder / "state" / "id_rsa", folder / "state" / "id_rsa.pub", OURS
    )


def on_record(of: State, **values: Any) -> None:
    """What is on record of a profile, as a command has left it that held it."""
    with lock.profile(of.folder, "a test"):
        record.change(of, **values)


def access(context: str = "kubeup-dev") -> str:
    """A kubeconfig as the play writes it, with shorter certificates."""
    return (
        f"apiVersion: v1\nkind: Config\ncurrent-context: {context}\n"
        f"clusters:\n- name: {context}\n  cluster: {{server: https://192.168.60.10:6443, "
        f"certificate-authority-data: bm9uZQ==}}\n"
        f"contexts:\n- name: {context}\n  context: {{cluster: {context}, user: {context}}}\n"
        f"users:\n- name: {context}\n  user: {{client-certificate-data: bm9uZQ==, "
        f"client-key-data: bm9uZQ==}}\n"
    )


def machines(*nodes: NodeState, **more: Any) -> Machines:
    return Machines(nodes, **{"release_inside": True, "containers": True, **more})


def node(name: str, state_: str = "running", **more: Any) -> NodeState:
    """A node of the profile dev, at its place in the default network."""
    number = 0 if name.endswith("control") else int(name.rsplit("-", 1)[-1])
    return NodeState(
        name, "worker" if number else "control", f"192.168.60.{10 + number}", state_, **more
    )


def three(state_: str = "running", **more: Any) -> Machines:
    return machines(
        *(node(name, state_) for name in ("dev-control", "dev-worker-1", "dev-worker-2")), **more
    )


def place(
    node_: str = "dev-worker-1", folder: str = "/var/lib/kubeup/data", ssh_targets: Any = tuple
) -> Place:
    return Place(node_, folder, ssh_targets)


def reach(
    name: str = "dev-worker-1", folder: Path = Path(OURS, ".kubeup/dev"), **more: Any
) -> SshTarget:
    values = {
        "role": "worker",
        "address": "192.168.60.11",
        "user": "vagrant",
        "key": folder / "id_rsa",
        "known_hosts": folder / "known_hosts",
    }
    return SshTarget(name, **{**values, **more})


@dataclass(frozen=True)
class Do:
    """An action for runner and report: writes its name down, waits or fails as told."""

    does: Any = None
    lines: tuple[str, ...] = ()

    def run(self, log: Log) -> None:
        for line in self.lines:
            log(line)
        if self.does is not None:
            self.does()

    def commands(self) -> tuple[str, ...]:
        return self.lines


@dataclass(frozen=True)
class DoneAlready(Do):
    def already(self) -> str:
        return "v1.26.1 is there"


@dataclass
class Told:
    """A progress that remembers what it was told."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def started(self, step: Step) -> None:
        self.rows.append((str(step.id), "started"))

    def line(self, step: Step, text: str) -> None:
        self.rows.append((str(step.id), text))

    def ended(self, step: Step, done: Done) -> None:
        end = f"{done.outcome}: {done.why}" if done.why else done.outcome
        self.rows.append((str(step.id), end))

    def note(self, text: str) -> None:
        self.rows.append(("", text))


def named() -> dict[str, StepId]:
    """Every id that has a name of its own, by that name."""
    return {
        str(one): one
        for one in vars(ids).values()
        if isinstance(one, StepId) and one.kind is not Kind.LEFTOVER
    }


# how the names of ids begin that are made for a node, a part and so on
MADE = {
    "rootfs": ids.rootfs,
    "release": ids.release,
    "image": ids.image,
    "load": ids.load,
    "push": ids.push,
    "node": ids.node,
    "resize": ids.resize,
    "remove": ids.profile_removal,
    "deploy": ids.deploy,
}


def sid(name: str) -> StepId:
    """The id that is printed like this; one of no special kind where the product has none."""
    first, _, rest = name.partition("/")
    return named().get(name) or (MADE[first](rest) if first in MADE else StepId(Kind.ADDON, name))


def sids(*names: str) -> tuple[StepId, ...]:
    return tuple(map(sid, names))


def names(found: Any) -> list[str]:
    """How ids are printed, of steps or of themselves."""
    return [
        str(one.id if isinstance(one, Step) else one) for one in found if not isinstance(one, Holds)
    ]


def step(id: str, *needs: str, action: Any = None, **more: Any) -> Step:
    return Step(
        sid(id),
        **{
            "title": f"do {id}",
            "reason": "asked for",
            "action": action or Do(),
            "needs": sids(*needs),
            **more,
        },
    )


def holds(*ids_: str) -> list[Holds]:
    return [Holds(sid(one), "it is there") for one in ids_]


Graph = dict[int, set[int]]


def there_already(graph: Graph) -> list[Holds]:
    """Needs that are no part of the graph."""
    return holds(*{str(need) for needs in graph.values() for need in needs if need not in graph})


@st.composite
def graphs(draw: Any) -> Graph:
    """Any graph without a circle: a step needs only steps of a smaller number; some numbers are
    no part of it.
    """
    size = draw(st.integers(0, 12))
    return {
        n: draw(st.sets(st.integers(0, n - 1), max_size=4)) if n else set()
        for n in range(size)
        if draw(st.booleans())
    }


def by_id(planned: Any) -> dict[str, Step]:
    return {str(one.id): one for one in todo(planned)}


def part_of_plan(planned: Any) -> Plan:
    """A plan of a part of one: what others would have answered for holds."""
    known = {one.id for one in planned}
    needs = {need for one in todo(planned) for need in one.needs}
    return plan_of(planned, [Holds(one, "no part of this test") for one in needs - known])


def commands(steps: Any) -> list[str]:
    return [line for one in todo(steps) for line in one.action.commands()]


def error_of(call: Any, *args: Any) -> KubeupError:
    """The error that a call ends with."""
    try:
        call(*args)
    except KubeupError as error:
        return error
    raise AssertionError(f"{call} raised no KubeupError")


@contextmanager
def held_elsewhere(lock: Path, command: str) -> Iterator[None]:
    """A lock as another command holds it, that of this process' number."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump({"command": command, "process": os.getpid(), "since": "12:00:00"}, file)
        file.flush()
        yield


def given_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be somebody else's: for root by its owner, for others by who they are."""
    if os.geteuid() == 0:
        os.lchown(path, NOBODY, NOBODY)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
