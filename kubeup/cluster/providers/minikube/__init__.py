"""minikube: the how-to's last choice.

It makes machines and Kubernetes in one; what is there is taken as it is.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    Needed,
    NodeState,
    Sizes,
    ToolCommand,
    nothing_on,
)
from kubeup.cluster.providers.minikube import actions, command, facts, release, trusts
from kubeup.cluster.providers.minikube.actions import RunAndAdmit, Tool
from kubeup.cluster.providers.minikube.facts import Profile
from kubeup.cluster.providers.minikube.reading import (
    ASLEEP,
    CONTAINER_DRIVERS,
    STALE,
    UNASKED,
    Reading,
)
from kubeup.cluster.providers.minikube.remake import RemakeNode
from kubeup.cluster.providers.minikube.trusts import Told
from kubeup.core import ids, shell
from kubeup.core.errors import Refused, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Planned, Room, Step
from kubeup.facts import registries
from kubeup.facts.registries import Registry
from kubeup.images.catalog import AppImage
from kubeup.settings.providers import minikube as wanted
from kubeup.system import certificates, ssh
from kubeup.system import engine as engines
from kubeup.system.kubectl import Kubectl


class Minikube(Reading):
    """See `kubeup.cluster.providers.base.Provider`."""

    name = "minikube"
    creates_machines = True
    uses_kubeadm = False
    sizes = Sizes("minikube.nodes", "minikube", "minikube", others=1, cpus="cpus")
    preloads = False
    keeps_data = False
    # below one of the few folders that survive a restart with every driver:
    # handbook/persistent_volumes of minikube's documentation
    data_folder = "/var/lib/minikube/kubeup/data"

    def install(self) -> Sequence[Step]:
        """What brings the pinned minikube, where the one that is there does not fit."""
        wrong, _ = self.misfit()
        if not wrong:
            return []
        pinned = release.pinned(self.host, self.settings.minikube.download_url)
        what = actions.Install(pinned.url, pinned.sha256, pinned.path)
        beside = f"the one at {self.tool.path} stays: {wrong}" if self.tool else wrong
        return [
            Step(
                ids.FETCH_MINIKUBE,
                f"fetch minikube v{release.PINNED} to {pinned.path}",
                beside,
                what,
                seconds=20,
            )
        ]

    def packages(self) -> tuple[str, ...]:
        return ("openssh-client",) if self.host.distribution.has_apt else ()

    def image_engine(self) -> engines.Engine:
        return engines.for_images(self.settings.local.engine, self.host)

    def made_by(self) -> str:
        return ""

    def kubernetes(self) -> str:
        return "brought by minikube"

    def _ready(self) -> Tool:
        """The minikube that is here, for what is done at once.

        Raises Refused, with the download that fits, where it does not.
        """
        wrong, fix = self.misfit()
        if self.tool is None:
            raise Refused(wrong, "there is none on PATH, and none was fetched", fix)
        if wrong:
            raise Refused(f"the minikube at {self.tool.path} does not fit", wrong, fix)
        return self.tool

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the nodes as the settings want them.

        Raises Refused for what would need the cluster to be made anew.
        """
        self._refuse(machines)
        profile = self.profile()
        missing = [node for node in machines.nodes if node.state == "missing"]
        asleep = [node for node in machines.nodes if node.state == "stopped"]
        if profile is None:
            return self._create() if missing or asleep else []
        there, control = {node.name for node in profile.nodes}, machines.nodes[0]
        if control.state == "missing" or not control.address:
            return self._make_again(control)
        steps = [self._start(asleep)] if asleep else []
        steps += self._remake([node for node in missing if node.name in there], profile)
        steps += self._add(
            [node.name for node in missing if node.name not in there],
            tuple(step.id for step in steps),
        )
        steps = steps or self._adopt(any(node.detail == STALE for node in machines.nodes))
        started = any(step.id == self._whole for step in steps)
        return steps if started else [Holds(self._whole, "it runs"), *steps]

    def _make_again(self, control: NodeState) -> list[Planned]:
        """A profile without its control plane: one that was never made holds nothing, any other
        is not ours to throw away.
        """
        if control.address:
            raise Refused(
                f"the control plane {control.name} is gone",
                "what the cluster knew went with it, and minikube can't make it again",
                "`inv down` (the database's data is kept), then `inv up`",
            )
        delete = Step(
            ids.half_removal(self.profile_name),
            f"delete what there is of {self.profile_name}",
            "interrupted while its first node was made",
            self.planned.does("delete", *command.on(self.settings)),
            seconds=5,
        )
        create, *more = self._create()
        create = replace(create, needs=(*create.needs, delete.id))
        return [*nothing_on("its first node was never made"), delete, create, *more]

    def _remake(self, gone: Sequence[NodeState], profile: Profile) -> list[Step]:
        """Nodes whose machines were removed behind minikube's back."""
        engine, steps = self._engine(profile), list[Step]()
        for node in gone:
            last = node.name == profile.nodes[-1].name
            if not engine or not last:
                why = (
                    "minikube would give it another name"
                    if engine
                    else "only a container's volume can be looked into without it"
                )
                raise Refused(
                    f"the node {node.name} is gone",
                    why,
                    f"`inv cluster.remove {node.name}` where the database is on another; else "
                    "`inv down --data` and `inv up`",
                )
            what = RemakeNode(
                self.planned,
                engine,
                node.name,
                self.data_folder,
                self.home / "machines" / node.name,
                self._size,
                self.ssh_targets,
                self.state,
            )
            steps.append(
                Step(
                    ids.node(node.name),
                    f"make the node {node.name} anew",
                    "its machine is gone; data on its volume is carried over",
                    what,
                    (self._whole,),
                    45,
                )
            )
        return steps

    @property
    def _whole(self) -> StepId:
        """What makes or starts the profile, with all of its nodes."""
        return ids.node(self.profile_name)

    @property
    def _size(self) -> tuple[tuple[str, str], ...]:
        """Without it minikube makes a first worker, and from then on the cluster, smaller:
        cmd/minikube/cmd/node_add.go.
        """
        return (("MINIKUBE_MEMORY", str(wanted.memory(self.settings))),)

    def _refuse(self, machines: Machines) -> None:
        for node in machines.nodes:
            if node.state == "surplus":
                raise Refused(
                    f"the node {node.name} is not in the settings",
                    "taking a node away could lose the data on it",
                    "raise minikube.nodes again, or remove it by name: `inv cluster.remove "
                    f"{node.name}`",
                )
            if node.differs:
                raise Refused(
                    f"the profile {self.profile_name} is another cluster than the settings want",
                    "; ".join(node.differs),
                    "put the settings back; or make it anew with `inv down` (the database's "
                    "data is kept, whatever else is in it is lost) "
                    "and `inv up`. Only the number of nodes can change in place",
                )

    def _create(self) -> list[Step]:
        tool, wanted = self.planned, self.settings.minikube.driver
        if tool == self.tool or wanted != "auto":
            chosen = self._driver()
            action: Action = self._making(chosen)
        else:
            chosen = command.expected(self.host_then) or command.Driver(
                ("--vm=true",), "as the how-to has it"
            )
            chosen = replace(chosen, why=f"{chosen.why}; minikube is asked once it is fetched")
            action = actions.AskAndRun(self._making(chosen), self._as_told)
        forced = "; --force, as minikube.force says" if self.settings.minikube.force else ""
        root = "; --force, as minikube refuses root without" if self.host.root else forced
        return [
            Step(
                self._whole,
                f"make the minikube profile {self.profile_name}",
                f"{chosen.why}{root}",
                action,
                (ids.PACKAGES,),
                90,
                room=self._room(self.settings.minikube.nodes),
                makes=(self.whole,),
            ),
            *self._get_kubectl(),
        ]

    def _driver(self) -> command.Driver:
        """The driver that is named, or the one that minikube takes."""
        wanted = self.settings.minikube.driver
        # a plan may have installed podman since this machine was looked at
        found = replace(
            self.host, tools=self.host.tools | ({"podman"} if shell.which("podman") else set())
        )
        return command.driver(
            wanted, self._dry_run(self.planned) if wanted == "auto" else facts.DryRun(), found
        )

    def _making(self, chosen: command.Driver) -> RunAndAdmit:
        tool = self.planned
        return self._admitted(
            tool,
            tool.does(
                *command.start(self.settings, chosen, self.host), timeout=actions.START_SECONDS
            ),
        )

    def _as_told(self) -> RunAndAdmit:
        return self._making(self._driver())

    def _room(self, nodes: int) -> Room:
        """Roughly, by what its base image and one archive of Kubernetes' images unpack to."""
        if self.settings.minikube.driver in ("auto", *CONTAINER_DRIVERS):
            return Room(home=1000, nodes=1200 + 2000 * nodes)
        return Room(home=1000 + 3000 * nodes)

    def _dry_run(self, tool: Tool) -> facts.DryRun:
        """In a home of its own with the user's configuration: a dry run that finds no driver
        leaves half a profile behind.
        """
        configuration = Path("config", "config.json")
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder, ".minikube")
            if (self.home / configuration).exists():
                (home / "config").mkdir(parents=True)
                shutil.copy(self.home / configuration, home / configuration)
            elsewhere = replace(tool, env=(*tool.env, ("MINIKUBE_HOME", folder)))
            return facts.dry_run(
                elsewhere.read(*command.probe(self.settings, self.host), timeout=120).stdout
            )

    def _start(self, nodes: Sequence[NodeState]) -> Step:
        why = ", ".join(f"{node.name} {node.detail or 'is ' + node.state}" for node in nodes)
        return Step(
            self._whole,
            f"start the minikube profile {self.profile_name}",
            why,
            self._starting(),
            seconds=40,
        )

    def _starting(self) -> RunAndAdmit:
        tool, words = self.planned, command.restart(self.settings, self.host)
        return self._admitted(tool, tool.does(*words, timeout=actions.START_SECONDS))

    def _add(self, names: Sequence[str], needs: tuple[StepId, ...]) -> list[Step]:
        """A node at a time: each gets the number after the last one's."""
        steps = list[Step]()
        for name in names:
            tool = self.planned
            what = tool.does(
                "node",
                "add",
                *command.on(self.settings),
                more=self._size,
                timeout=actions.START_SECONDS,
            )
            steps.append(
                Step(
                    ids.node(name),
                    f"add the node {name}",
                    "missing",
                    self._admitted(tool, what),
                    needs,
                    40,
                )
            )
            needs = (steps[-1].id,)
        return steps

    def _adopt(self, stale: bool) -> list[Step]:
        """What a running profile lacks that somebody else made, or started: our access to it."""
        steps = self._get_kubectl()
        lost = stale or not self.state.kubeconfig.exists()
        # what we start is known when its start has ended
        strange = not all(ssh.known(self.state, reach) for reach in self.ssh_targets())
        if (lost or strange) and self._half_made():
            return [self._set_up_again()]
        if lost:
            steps.append(
                Step(
                    ids.NODE_ACCESS,
                    f"get access to {self.profile_name}",
                    STALE if stale else "it was made by somebody else",
                    self.planned.does("update-context", *command.on(self.settings)),
                )
            )
        if strange:
            steps.append(
                Step(
                    ids.HOST_KEYS,
                    f"put the host keys of {self.profile_name} on record",
                    "not known yet",
                    actions.Admit(self.planned, self.ssh_targets, self.state),
                )
            )
        return steps

    def _set_up_again(self) -> Step:
        forget = self.planned.does(
            "ssh", *command.on(self.settings), "--", "sudo", "rm", "-f", actions.CONFIGURATION
        )
        return replace(
            self._start(()),
            action=actions.SetUpAgain(forget, self._starting()),
            reason="its making was interrupted",
        )

    def _half_made(self) -> bool:
        """Whether minikube calls it so: its Kubernetes may run, but not all of it was set up."""
        return facts.starting(self.ask("profile", "list", "-o", "json"), self.profile_name)

    def _get_kubectl(self) -> list[Step]:
        """minikube fetches the kubectl of the cluster's version where neither it nor the system
        has one that fits.
        """
        if self.kubectl().exists():
            return []
        what = self.planned.does("kubectl", *command.on(self.settings), "--", "version", "--client")
        return [
            Step(
                ids.NODE_KUBECTL,
                "get the kubectl that fits",
                "no kubectl within one minor version here",
                what,
                (self._whole,),
                10,
            )
        ]

    def _admitted(self, tool: Tool, what: ToolCommand) -> RunAndAdmit:
        return RunAndAdmit(tool, what, self.ssh_targets, self.state)

    def tool_command(self, *words: str) -> ToolCommand:
        if words[0] == "snapshot":
            raise UsageError(
                "minikube has no snapshots",
                "Vagrant has, with VirtualBox and libvirt",
                "`inv db.backup` keeps the database as it is now; what else is in the cluster, "
                "`inv up` makes again",
            )
        return self._ready().does(*words, *command.on(self.settings))

    def metrics(self) -> Sequence[Step]:
        # without the profile it would be somebody else's: the profile `minikube`
        enable = self.planned.does("addons", "enable", "metrics-server", *command.on(self.settings))
        return [
            Step(
                ids.METRICS,
                "enable metrics-server",
                f"not in the profile {self.profile_name}",
                actions.SetMetricsResolution(self._access(), enable),
                seconds=5,
            )
        ]

    def _access(self) -> Kubectl:
        return Kubectl(self.kubectl(), self.state.kubeconfig, self.context, pace=self.host.pace)

    def host_steps(self) -> Sequence[Planned]:
        return ()

    def after_start(self) -> Sequence[Step]:
        profile = self.profile()
        services = profile.services if profile else facts.DEFAULT_SERVICES
        return [
            Step(
                ids.SERVICES,
                "keep Services' addresses inside the nodes",
                "nodes were started",
                actions.KeepServicesInside(self.ssh_targets, services),
                seconds=1,
            ),
            Step(
                ids.NAMES,
                "let CoreDNS forget names sooner",
                "one that was not there yet is asked for again after 2 s instead of 30",
                actions.ShortenDnsCache(self._access()),
                seconds=1,
            ),
            Step(
                ids.METRICS,
                "let metrics-server look every 15 s",
                "minikube's start sets it back to a minute",
                actions.SetMetricsResolution(self._access()),
                seconds=1,
            ),
        ]

    def trust(self, stamps: Mapping[str, str], made: bool) -> Sequence[Step]:
        """minikube's own way is a folder that is the user's, and for all its profiles.

        See its handbook, untrusted_certs. Mirrors it tells dockerd alone of.
        """
        told = Told(certificates.read(self.settings).pems, self._mirrored())
        if not (made and told.stamp) and all(stamp == told.stamp for stamp in stamps.values()):
            return []
        why = "new nodes" if made else "nodes are not as the settings are now"
        return [
            Step(
                ids.TRUST,
                "tell nodes of authorities and mirrors",
                why,
                trusts.TellNodes(self.ssh_targets, told, self._access()),
                seconds=5,
            )
        ]

    def _mirrored(self) -> tuple[Registry, ...]:
        images = self.settings.images
        known = registries.registries(images.mirrors, images.plain_registries)
        return tuple(one for one in known if one.mirrors)

    def load(self, image: AppImage, names: tuple[str, ...]) -> Action:
        return actions.LoadImage(self.planned, image, self.ssh_targets, names, self.list_images)

    def stop(self) -> Sequence[Step]:
        running = [
            node
            for node in self.observe().nodes
            if node.state == "running" or node.detail in (ASLEEP, UNASKED)
        ]
        if not running:
            return []
        return [
            Step(
                self._whole,
                f"stop the minikube profile {self.profile_name}",
                "it runs",
                self.tool_command("stop"),
                seconds=20,
            )
        ]

    def start(self) -> Sequence[Planned]:
        asleep = [node for node in self.observe().nodes if node.state == "stopped"]
        if not asleep:
            return []
        self._ready()
        return [self._start(asleep)]

    def destroy(self, data: bool) -> Sequence[Step]:
        if self.tool is None:
            if (self.home / "profiles" / self.profile_name).exists():
                self._ready()  # not asked is not gone
            return []
        known = self._profiles()
        if self.profile_name not in known:
            return []
        profile = known[self.profile_name]
        loses = (
            f"everything in the minikube profile {self.profile_name}, the database's data included"
            if data
            else ""
        )
        delete = Step(
            ids.profile_removal(self.profile_name),
            f"delete the minikube profile {self.profile_name}",
            "asked for",
            self.tool.does("delete", *command.on(self.settings)),
            seconds=5,
            loses=loses,
            removes=(self.whole,),
        )
        engine = self._engine(profile)
        if not engine or not actions.network_of(engine, self.profile_name):
            return [delete]
        return [
            delete,
            Step(
                ids.REMOVE_NETWORK,
                f"remove the network {self.profile_name}",
                "minikube leaves it behind",
                actions.RemoveNetwork(engine, self.profile_name),
                (delete.id,),
            ),
        ]

    def remove(self, name: str) -> Step:
        """Take one node away by name."""
        return Step(
            ids.removal(name),
            f"remove {name}",
            "asked for",
            self.tool_command("node", "delete", name),
            seconds=10,
            loses=f"what only {name} holds",
        )
