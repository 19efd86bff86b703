"""The protocol of a provider, and the choice of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kubeup.cluster.providers.table import PROVIDERS
from kubeup.core import ids, shell
from kubeup.core.errors import Refused, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Log, Paced, Planned, Step
from kubeup.core.things import Thing
from kubeup.facts.host import HostFacts

if TYPE_CHECKING:
    from kubeup.core.state import State
    from kubeup.images.catalog import AppImage
    from kubeup.settings import Settings
    from kubeup.settings.model import NodeSpec
    from kubeup.system.engine import Engine
    from kubeup.system.kubectl import Kubectl
    from kubeup.system.ssh import SshTarget


@dataclass(frozen=True)
class Usable:
    """Whether a provider works on this machine: `why` not, and the `fix`.

    `fetched`: only once its tool has been fetched.
    """

    ok: bool
    why: str = ""
    fix: str = ""
    fetched: bool = False


@dataclass(frozen=True)
class NodeState:
    """A machine as the provider sees it: state is running, stopped, missing or foreign.

    `booted`: since when it runs, None where not told.
    """

    name: str
    role: str
    address: str
    state: str
    differs: tuple[str, ...] = ()  # from the settings, in words
    detail: str = ""
    booted: datetime | None = None
    closed: bool = False  # does not let us in before the plan has finished making it


@dataclass(frozen=True)
class Blocked:
    """Why nodes don't reach each other on this machine.

    `fix`: what to type where no step can mend it.
    """

    why: str
    fix: str = ""


@dataclass(frozen=True)
class Sizes:
    """The settings that say how many machines there are and how large.

    `others` are those of the count that are no workers.
    """

    count: str = "nodes.workers.count"
    control: str = "nodes.control"
    worker: str = "nodes.workers"
    others: int = 0
    cpus: str = "cpu"


@dataclass(frozen=True)
class Machines:
    """What a provider found: its nodes, what is beside them, and what is on them already."""

    nodes: tuple[NodeState, ...] = ()
    release_inside: bool = False  # the nodes come with the release's binaries
    limited: bool = False  # the nodes lack CAP_SYS_RESOURCE
    containers: bool = False
    cgroup_driver: str = "systemd"
    image: str = ""  # that a node was made from, where that is the provider's own business
    blocked: Blocked | None = None  # what keeps nodes from each other on this machine
    taken: str = ""  # who has the network that the nodes are to be on
    shares_ports: bool = False  # a node is this machine itself: a NodePort is a port of it

    @property
    def running(self) -> bool:
        return bool(self.nodes) and all(node.state == "running" for node in self.nodes)

    @property
    def boots(self) -> Mapping[str, datetime]:
        """Since when each runs that tells it."""
        return {node.name: node.booted for node in self.nodes if node.booted}

    @property
    def hidden(self) -> bool:
        """Whether some can't be looked into before a part of the plan has run."""
        return any(node.state == "stopped" or node.closed for node in self.nodes)

    @property
    def any_there(self) -> bool:
        return any(node.state in ("running", "stopped") for node in self.nodes)


@dataclass(frozen=True)
class Trace:
    """Something that bears a profile's name, and the folder of the checkout that made it.

    `owner` is '' where its label does not tell. A machine's are `state` and `memory` (MiB at most,
    0 where not told); `disk` in MiB, None where not told.
    """

    thing: Thing
    owner: str
    profile: str = ""
    state: str = ""
    memory: int = 0
    disk: int | None = None

    def __str__(self) -> str:
        return str(self.thing)


@dataclass(frozen=True)
class Needed:
    """What the rest of the plan hands a provider.

    Images to lie on every node before it starts, as archives by image name.
    """

    archives: tuple[tuple[str, Path], ...] = ()
    steps: tuple[StepId, ...] = field(default=())  # ids of the steps that make those archives


def nothing_on(why: str) -> list[Holds]:
    """That machines may go as they are: no data are on them, and no cluster knows of them."""
    return [Holds(one, why) for one in (ids.SAVE_CLUSTER, ids.SAVE_MACHINE, ids.LEAVE)]


def plain_name(text: str) -> str:
    """What a person calls a snapshot or an addon.

    Raises UsageError for what a provider's tool would take for an option, or for more than a name.
    """
    if not re.fullmatch(r"\w[\w. -]*", text):
        raise UsageError(
            f"{text!r} is no name",
            "it is handed to the provider's tool",
            "letters, digits, blanks and _ . - make one, the first is a letter or a digit",
        )
    return text


@dataclass(frozen=True)
class ToolCommand(Paced):
    """A command of the provider's own tool.

    It is run as a step or, where a person is wanted, in this process' place.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    timeout: float = 600

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.argv),)

    def run(self, log: Log) -> None:
        shell.write(
            *self.argv, log=log, env=dict(self.env), timeout=self.pace.seconds(self.timeout)
        )


# tells what all profiles of all checkouts have on this machine
Survey = Callable[[], tuple[Trace, ...]]
# whether Kubernetes itself calls all of these machines ready, by reports since each of them runs
ReadinessCheck = Callable[[Mapping[str, datetime]], bool]


def never_ready(boots: Mapping[str, datetime]) -> bool:
    """Kubernetes was not asked."""
    return False


class Provider(Protocol):
    """What a cluster stands on. Reading and planning never change anything."""

    name: str
    creates_machines: bool
    sizes: Sizes
    uses_kubeadm: bool  # its machines come without Kubernetes: the play makes it of them
    preloads: bool  # its new nodes start with the images of `Needed`
    keeps_data: bool  # what lies in the data folder outlives `destroy(data=False)`
    data_folder: str  # where a node keeps what must outlive its pods and its restarts
    list_images: tuple[str, ...]  # the command that prints the images of a node, a line each

    @property
    def context(self) -> str:
        """Of the profile's kubeconfig, by which its cluster is reached and no other."""

    def probe(self) -> Usable: ...
    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        """What there is of its machines.

        Those that `ready_since_boot` calls ready need no slow tool to be asked about them.
        """

    def boots(self) -> Mapping[str, datetime]:
        """Since when each of its machines runs that tells it."""

    def traces(self) -> tuple[Trace, ...]:
        """What there is of this profile, whichever checkout made it, by labels alone.

        Raises KubeupError where that can't be told.
        """

    def surveys(self) -> Mapping[str, Survey]:
        """By the name of each of its tools that is here, what tells of every profile's things.

        By labels alone. Each raises KubeupError where its tool can't be asked.
        """

    def standing(self, things: Collection[Thing]) -> tuple[Thing, ...]:
        """Which of these are there now and this checkout's, of the kinds that are the provider's.

        Looked at anew; a thing of that name that bears another label is none of them. Raises
        KubeupError where that can't be told.
        """

    def leads_to(self, thing: Thing) -> bool:
        """Whether these settings find something that is on record, where it is the provider's."""

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        """Which of the folders `names` in machines' data folders hold something.

        Machine, folder, and what that tells of the database that wrote it (`facts.datafolder`).

        Raises KubeupError where that can't be told of every machine.
        """

    def node_specs(self) -> tuple[NodeSpec, ...]:
        """The nodes as they should be, the control plane first.

        An address that is not known yet is ''.
        """

    def ssh_targets(self) -> tuple[SshTarget, ...]:
        """How each node that has an address is reached."""

    def extra_machines(self) -> tuple[SshTarget, ...]:
        """How the machines are reached that it makes and that are no nodes: the database's own."""

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the nodes as the settings want them.

        Of the kind NODE where one is made or started.
        """

    def load(self, image: AppImage, names: tuple[str, ...]) -> Action:
        """Bring an image's archive to the nodes of those names, and look that it is there."""

    @property
    def system_workloads(self) -> tuple[str, ...]:
        """The workloads that kube-system has to have (`kubeup.cluster.providers.kube_system`)."""

    def put_back(self, lacking: Collection[str], kubectl: Kubectl) -> Sequence[Step]:
        """What brings those of them that the cluster lacks."""

    def after_start(self) -> Sequence[Step]:
        """What has to be done to a cluster whose nodes were started.

        As soon as they run and its API server answers.
        """

    def trust(self, stamps: Mapping[str, str], made: bool) -> Sequence[Step]:
        """What brings authorities and mirrors to nodes with these stamps, or to `made` ones.

        Nothing where the play does.
        """

    def kubectl(self) -> Path | None:
        """A kubectl of the cluster's version (±1 minor); None where the release's own is taken."""

    def kubernetes(self) -> str:
        """Where its Kubernetes comes from, in words; '' where that is the release's business."""

    def made_by(self) -> str:
        """The container engine that has its nodes, where kubeup makes them with one; else ''."""

    def install(self) -> Sequence[Step]:
        """What fetches the tool that the provider needs, where none here fits.

        It comes first in a plan.
        """

    def host_steps(self) -> Sequence[Planned]:
        """What this machine itself has to allow before nodes can be made.

        Part of `plan` where they are.
        """

    def tool_command(self, *words: str) -> ToolCommand:
        """A command that only this kind of cluster has, such as `dashboard`.

        Raises UsageError where it has none.
        """

    def stop(self) -> Sequence[Step]: ...
    def start(self) -> Sequence[Planned]: ...
    def destroy(self, data: bool) -> Sequence[Step]: ...
    def remove(self, name: str) -> Step: ...
    def packages(self) -> tuple[str, ...]: ...
    def cached(self) -> tuple[Path, ...]:
        """What it alone uses of the cache, whether or not it is there yet."""

    def image_engine(self) -> Engine:
        """The container engine that builds and saves images."""


def make(name: str, settings: Settings, state: State, host: HostFacts) -> Provider:
    """The provider of that name. Raises UsageError for one that is not in the table."""
    if name not in PROVIDERS:
        raise UsageError(
            f"the provider {name} is not there yet",
            f"there are: {', '.join(PROVIDERS)}",
            "set provider to one of them, or to auto",
        )
    made: Provider = PROVIDERS[name].load()(settings, state, host)
    return made


def brings_kubernetes(name: str) -> bool:
    """Whether that provider's clusters come with Kubernetes; False where none is chosen yet."""
    return name in PROVIDERS and not PROVIDERS[name].load().uses_kubeadm


def choose(
    settings: Settings, state: State, host: HostFacts, stands_on: str = ""
) -> tuple[Provider, str]:
    """The provider that the settings name, or that `auto` stands for.

    That is the one the profile's cluster stands on, or the first that works here. Raises Refused
    where the settings name another one than a cluster of this profile stands on.
    """
    if settings.provider != "auto":
        if stands_on and stands_on != settings.provider and state.kubeconfig.exists():
            raise Refused(
                f"the profile {settings.profile} has a cluster on {stands_on}, the settings "
                f"want it on {settings.provider}",
                "two clusters would share one state",
                f"`inv down --set provider={stands_on}` first (data is kept), or use another "
                "--profile",
            )
        return make(settings.provider, settings, state, host), "named in the settings"
    if stands_on in PROVIDERS:
        return make(stands_on, settings, state, host), "this profile's cluster stands on it"
    refused, later = list[str](), list[tuple[Provider, str]]()
    for name in PROVIDERS:
        provider = make(name, settings, state, host)
        usable = provider.probe()
        if usable.ok and not usable.fetched:
            return provider, usable.why or "the first that works here"
        if usable.ok:
            later.append((provider, usable.why))
        else:
            refused.append(f"{name}: {usable.why} ({usable.fix})")
    if later:  # what has to be fetched is the last resort
        return later[0]
    raise UsageError(
        "no provider works on this machine",
        "\n".join(refused),
        "fix one of these, or name a provider in the settings",
    )
