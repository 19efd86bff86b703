"""Vagrant: the how-to's first road.

It makes the machines, VirtualBox' unless the settings say otherwise; the play does the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    Needed,
    NodeState,
    ReadinessCheck,
    ToolCommand,
    Trace,
    Usable,
    never_ready,
    nothing_on,
)
from kubeup.cluster.providers.kubeadm import KubeadmProvider
from kubeup.cluster.providers.vagrant import addresses, facts, files, networks
from kubeup.cluster.providers.vagrant.actions import (
    Admission,
    Do,
    RemoveHalves,
    RemoveMachine,
    Tool,
    Up,
)
from kubeup.cluster.providers.vagrant.facts import Machine
from kubeup.cluster.providers.vagrant.fitness import Fitness
from kubeup.cluster.providers.vagrant.looking import PROGRAMS, Looking, podman_behind
from kubeup.cluster.providers.vagrant.versions import dotted
from kubeup.core import ids, record, shell
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Planned, Room, Step, todo
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

UNFINISHED = "has no host key on record: it was made by hand, or its making was interrupted"
MADE_HERE = "it was made here"
HALF = "is half made"
SNAPSHOTS = ("virtualbox", "libvirt")
SECONDS = {"docker": 20.0}  # of three machines; others boot a whole system


@dataclass(frozen=True)
class MachineMatch:
    """A machine under a name we want, and whether it is the one that this folder's vagrant made."""

    machine: Machine | None
    ours: bool = False
    half: bool = False  # made by ours, which was killed before it knew


class Vagrant(KubeadmProvider):
    """See `kubeup.cluster.providers.base.Provider`."""

    name = "vagrant"
    creates_machines = True
    preloads = False
    keeps_data = False  # a machine's disk goes with it

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host

    @property
    def chosen(self) -> str:
        return str(self.settings.vagrant.provider)

    @property
    def folder(self) -> Path:
        return self.state.folder / files.FOLDER

    @property
    def tool(self) -> Tool:
        env = {
            "VAGRANT_CWD": str(self.folder),
            "VAGRANT_DOTFILE_PATH": str(self.folder / ".vagrant"),
            "VAGRANT_VAGRANTFILE": "Vagrantfile",
            "VAGRANT_DEFAULT_PROVIDER": self.chosen,
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            "VAGRANT_NO_COLOR": "1",
        }
        if self.settings.vagrant.home:
            env["VAGRANT_HOME"] = str(Path(self.settings.vagrant.home).expanduser())
        return Tool(shell.which("vagrant") or "vagrant", self.folder, tuple(env.items()))

    @property
    def looking(self) -> Looking:
        return PROGRAMS[self.chosen]

    # reading

    def _reach(self, spec: NodeSpec) -> SshTarget:
        return SshTarget(
            spec.name,
            spec.role,
            spec.address,
            self.settings.ssh.user,
            self.state.private_key,
            self.state.known_hosts,
            root=self.settings.ssh.root,
            pace=self.host.pace,
        )

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        wanted = self.settings.machines_list()
        known = self.tool.providers().get(self.chosen, frozenset())
        surplus = sorted(known - {spec.name for spec in wanted})
        found = self._find([*(spec.name for spec in wanted), *surplus])
        admitted = Admission(self.folder).read()
        rows = [self._seen(spec, found[spec.name], admitted.get(spec.name, {})) for spec in wanted]
        rows += [
            NodeState(
                name,
                "db" if name == self.settings.database_machine else "worker",
                "",
                "surplus",
                detail="not in the settings",
            )
            for name in surplus
            if found[name].ours
        ]
        containers = self.chosen == "docker"
        return Machines(
            tuple(rows),
            limited=containers and not self.host.sys_resource,
            containers=containers,
            cgroup_driver="cgroupfs" if containers and self.host.cgroup == 1 else "systemd",
        )

    def traces(self) -> tuple[Trace, ...]:
        known = self.tool.providers()
        return tuple(
            Trace(Thing("machine", name, provider), self.state.ours)
            for provider, names in known.items()
            for name in sorted(names)
        )

    def leads_to(self, thing: Thing) -> bool:
        return thing.kind != "machine" or thing.at == self.chosen

    def _find(self, names: Sequence[str]) -> dict[str, MachineMatch]:
        """Each machine by the provider's own program; by vagrant, which takes its time, where
        that program is not here.
        """
        if self.looking.there:
            with ThreadPoolExecutor(len(names)) as pool:
                return dict(zip(names, pool.map(self._look, names), strict=True))
        told = self._statuses() if self.tool.providers() and self.fitness.version else {}
        return {name: self._told(name, told.get(name, "")) for name in names}

    def _statuses(self) -> dict[str, str]:
        answer = self.tool.read("status", "--machine-readable")
        if not answer.ok:  # not told is not gone
            raise KubeupError(
                "vagrant does not tell which machines are there",
                (answer.stderr or answer.stdout).strip()[-500:],
                f"see what it says: cd {self.folder} && vagrant status",
            )
        return facts.statuses(answer.stdout)

    def _look(self, name: str) -> MachineMatch:
        known = self.tool.id(name, self.chosen)
        machine = self.looking.look(known, known=True) if known else None
        if machine:
            return MachineMatch(machine, ours=True)
        other = self.looking.look(name)
        return (
            MachineMatch(None, half=True)
            if other and self._is_half(name, other)
            else MachineMatch(other)
        )

    def _is_half(self, name: str, machine: Machine) -> bool:
        """Whether vagrant was killed while it made that container: one made to its end is no
        half, whatever has become of its id.
        """
        if machine.folder != str(self.folder) or self.tool.provisioned(name, self.chosen):
            return False
        return Admission(self.folder).read().get(name, {}).get("id") != machine.id

    def _told(self, name: str, state: str) -> MachineMatch:
        there = state not in facts.GONE
        return (
            MachineMatch(Machine(name, self.tool.id(name, self.chosen), state), ours=True)
            if there
            else MachineMatch(None)
        )

    def _seen(self, spec: NodeSpec, found: MachineMatch, admitted: dict[str, str]) -> NodeState:
        machine = found.machine
        # without an address: a machine that is gone has taken its disk along, nothing of it can be
        # saved
        if machine is None:
            return NodeState(spec.name, spec.role, "", "missing", detail=HALF if found.half else "")
        if not found.ours:
            lost = machine.folder == str(self.folder)
            why = (
                f"{MADE_HERE}, and {self.tool.id_file(spec.name, self.chosen)} does not tell so "
                "any more"
                if lost
                else ""
            )
            return NodeState(
                spec.name,
                spec.role,
                spec.address,
                "foreign",
                detail=why or f"{self.chosen} has one that was made elsewhere",
            )
        anew = admitted.get("id") != machine.id or not ssh.known(self.state, self._reach(spec))
        moved = (
            ""
            if anew or admitted["address"] == spec.address
            else f"has the address {admitted['address']}, wanted is {spec.address}"
        )
        return NodeState(
            spec.name,
            spec.role,
            spec.address,
            "running" if machine.running else "stopped",
            self._differs(spec, machine),
            UNFINISHED if anew else moved,
            self._booted(machine),
            closed=anew,
        )

    def _booted(self, machine: Machine) -> datetime | None:
        """Since when it runs; where its provider does not tell, since when it is there."""
        if not machine.running or machine.started:
            return machine.started
        try:
            made = (self.tool.machines / machine.name / self.chosen / "id").stat().st_mtime
        except OSError:
            return None
        return datetime.fromtimestamp(made, UTC)

    @staticmethod
    def _differs(spec: NodeSpec, machine: Machine) -> tuple[str, ...]:
        pairs = ((machine.cpus, spec.cpus, "CPUs"), (machine.memory, spec.memory_mb, "MiB"))
        return tuple(
            f"{has:g} {what}, wanted {wants}" for has, wants, what in pairs if has and has != wants
        )

    # whether it can be used

    @cached_property
    def fitness(self) -> Fitness:
        return Fitness(self.host, self.tool, self.chosen, self.looking)

    def _misfit(self) -> tuple[str, str]:
        return self.fitness.misfit(self.settings.vagrant.box_architecture)

    def probe(self) -> Usable:
        wrong, fix = self._misfit()
        if wrong:
            return Usable(False, wrong, fix)
        found, coming = (
            f"Vagrant {dotted(self.fitness.planned)} with {self.chosen}",
            self.fitness.coming(),
        )
        if not coming:
            return Usable(True, found)
        if not self.host.root and not self.host.may_sudo:
            return Usable(
                False,
                f"packages are missing: {', '.join(coming)}",
                f"have an administrator type: apt-get install {' '.join(coming)}",
            )
        return Usable(
            True,
            f"{found}; {', '.join(coming)} would be installed first",
            "`inv doctor --fix` installs them",
            fetched=True,
        )

    def packages(self) -> tuple[str, ...]:
        return (
            ("openssh-client", *self.fitness.packages()) if self.host.distribution.has_apt else ()
        )

    # planning

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the machines as the settings want them.

        Raises Refused for what would need one to be made anew.
        """
        self._refuse(machines)
        missing = [node for node in machines.nodes if node.state == "missing"]
        bring = [*self._bring(machines), *self._resize(machines)]
        if steps := todo(bring):
            self._refuse_unfit(steps[-1])
        if missing:
            self._refuse_new(missing)
        networks = self.host_steps() if missing else [Holds(ids.NETWORKS_CONF, "no machine is new")]
        return [self._files(), *networks, *bring]

    def _bring(self, machines: Machines) -> list[Planned]:
        start = [node for node in machines.nodes if node.state in ("missing", "stopped")]
        admit = [node for node in machines.nodes if node.state == "missing" or node.closed]
        if not start and not admit:
            return [Holds(self._all, "they run")]
        names = tuple(node.name for node in start)
        halves = tuple(node.name for node in start if node.detail == HALF)
        ssh_targets = tuple(self._reach(self._spec(node.name)) for node in admit)
        why = "; ".join(
            f"{node.name} {node.detail or 'is ' + node.state}"
            for node in {node.name: node for node in (*start, *admit)}.values()
        )
        title = (
            f"bring up {', '.join(names)} with Vagrant ({self.chosen})"
            if names
            else f"admit {', '.join(reach.name for reach in ssh_targets)}"
        )
        needs = (ids.KEY, ids.PACKAGES, ids.VAGRANT_FILES, ids.NETWORKS_CONF, ids.REMOVE_HALVES)
        up = Step(
            self._all,
            title,
            why,
            Up(self.tool, self.chosen, names, ssh_targets, self.state),
            needs,
            SECONDS.get(self.chosen, 180.0),
            room=self._room(sum(node.state == "missing" for node in start)),
            makes=self._machines(names),
        )
        return [*self._remove_halves(halves), up]

    @property
    def _all(self) -> StepId:
        """What makes, starts or admits machines: one command of vagrant's for all of them."""
        return ids.node(self.settings.slug)

    @staticmethod
    def _remove_halves(names: tuple[str, ...]) -> list[Planned]:
        if not names:
            return [Holds(ids.REMOVE_HALVES, "none is half made")]
        why = "half made when vagrant was killed"
        return [
            *nothing_on(why),
            Step(ids.REMOVE_HALVES, f"remove {', '.join(names)}", why, RemoveHalves(names)),
        ]

    def _room(self, machines: int) -> Room:
        """Roughly: a box, and what each machine adds to it. libvirt keeps its machines
        elsewhere.
        """
        rooms = {
            "docker": Room(nodes=2500 * machines),
            "virtualbox": Room(home=2000 + 2500 * machines),
        }
        return rooms.get(self.chosen, Room(home=2000)) if machines else Room()

    def _files(self) -> Planned:
        wanted = self._texts()
        wrong = files.differing(self.folder, wanted)
        if not wrong:
            return Holds(ids.VAGRANT_FILES, f"{self.folder} has them as the settings are")
        return Step(
            ids.VAGRANT_FILES,
            f"write {', '.join(wrong)} for Vagrant",
            f"not in {self.folder} as the settings are now",
            files.WriteFiles(self.folder, tuple(wanted.items())),
            seconds=0,
        )

    def _texts(self) -> dict[str, str]:
        names = {spec.name for spec in self.settings.machines_list()}
        there = self.tool.providers().get(self.chosen, frozenset())
        others = files.left_behind(self.folder, there - names)
        podman = self.chosen == "docker" and podman_behind()
        return files.texts(files.machines(self.settings, self.state, self.host, podman, others))

    def host_steps(self) -> Sequence[Planned]:
        """VirtualBox' leave to use the nodes' network, where it lacks that."""
        network, open_ = self.settings.node_network, self.settings.vagrant.networks_conf == "open"
        allow = networks.AllowNetwork(network, open_, networks.FILE)
        if self.chosen != "virtualbox":
            return [Holds(ids.NETWORKS_CONF, f"{self.chosen} takes any network")]
        if why := allow.already():
            return [Holds(ids.NETWORKS_CONF, why)]
        return [
            Step(
                ids.NETWORKS_CONF,
                f"let VirtualBox use {allow.wanted}",
                allow.found(),
                allow,
                seconds=0.2,
                makes=(Thing("line", allow.line, str(allow.path)),),
            )
        ]

    def _resize(self, machines: Machines) -> list[Step]:
        """A virtual machine takes another size at its next start."""
        differing = [node for node in machines.nodes if node.differs and node.state == "running"]
        if not differing:
            return []
        names = tuple(node.name for node in differing)
        why = "; ".join(f"{node.name}: {', '.join(node.differs)}" for node in differing)
        return [
            Step(
                ids.RESTART_RESIZED,
                f"restart {', '.join(names)} with another size",
                why,
                Do(self.tool, ("reload", "--no-provision", *names)),
                (ids.VAGRANT_FILES, self._all),
                90,
            )
        ]

    def _refuse(self, machines: Machines) -> None:
        for provider, names in self.tool.providers().items():
            if provider != self.chosen:
                raise Refused(
                    f"{', '.join(sorted(names))} are {provider}'s, the settings want {self.chosen}",
                    "Vagrant keeps each machine with its provider",
                    f"`inv down --set vagrant.provider={provider}` first (data is kept), or set "
                    f"vagrant.provider to {provider}",
                )
        for node in machines.nodes:
            self._refuse_node(node)
        self.refuse_astray(machines)
        self._refuse_architecture()

    def _refuse_architecture(self) -> None:
        """An older Vagrant reads no file that names one, so nothing could be done with machines
        that are there already.
        """
        wrong, fix = (
            self.fitness.architecture_misfit()
            if self.settings.vagrant.box_architecture
            else ("", "")
        )
        if wrong:
            raise Refused(
                wrong, f"vagrant.box_architecture is {self.settings.vagrant.box_architecture}", fix
            )

    def _refuse_node(self, node: NodeState) -> None:
        if node.detail.startswith(MADE_HERE):
            raise Refused(
                f"Vagrant has lost the machine {node.name}",
                node.detail,
                "put that file back: it holds the container's id, as `docker ps --all "
                "--no-trunc` shows it",
            )
        if node.state == "foreign":
            raise Refused(
                f"a machine named {node.name} is not ours",
                node.detail,
                "give this profile another name (settings.env), or remove that machine where it "
                "belongs",
            )
        if node.detail and node.detail != HALF and not node.closed and node.state != "surplus":
            raise Refused(
                f"the node {node.name} {node.detail}",
                "an address is fixed when a node is made",
                "set network.control_ip back, or `inv cluster.destroy` (data is kept) and `inv up`",
            )
        if node.differs and self.chosen == "docker":
            raise Refused(
                f"the node {node.name} has another size than the settings want: "
                f"{'; '.join(node.differs)}",
                "Vagrant gives a container its size when it makes it",
                "put the settings back; a worker can be made anew: "
                f"`inv cluster.remove {node.name}`, then `inv up`",
            )

    def _refuse_unfit(self, step: Step) -> None:
        """What would stop vagrant before it begins."""
        wrong, fix = self._misfit()
        if wrong:
            raise Refused(wrong, f"it is needed to {step.title}", fix)

    def _refuse_new(self, missing: Sequence[NodeState]) -> None:
        """What would stop vagrant halfway."""
        self._refuse_key()
        # where no network of this machine holds an address, a gateway far away may answer for it
        wanted = [self._spec(node.name).address for node in missing]
        for address in addresses.taken(
            [address for address in wanted if self.host.leads_to(address)]
        ):
            raise Refused(
                f"the address {address} is taken",
                "a machine that Vagrant did not make for this profile answers there",
                "set network.control_ip to another one, or stop that machine",
            )

    def _refuse_key(self) -> None:
        """Debian's Vagrant can't read an RSA key in OpenSSH's own format: it would wait for a
        machine that refuses it.
        """
        private, public = self.state.private_key, self.state.public_key
        if (
            not private.exists()
            or not public.exists()
            or not public.read_text(encoding="utf-8").startswith("ssh-rsa")
        ):
            return
        if "BEGIN OPENSSH PRIVATE KEY" in private.read_text(encoding="utf-8").partition("\n")[0]:
            raise Refused(
                f"the key {private} is in a format that Vagrant's SSH library can't read",
                "it is RSA in OpenSSH's own format (net-ssh with OpenSSL 3: rsa#set_key= is "
                "incompatible)",
                "write it as PEM, which ssh reads as well: ssh-keygen -p -m PEM -N '' -f "
                f"{private}",
            )

    def _spec(self, name: str) -> NodeSpec:
        return next(spec for spec in self.settings.machines_list() if spec.name == name)

    # the rest of a machine's life

    def _in_state(self, state: str) -> tuple[str, ...]:
        return tuple(node.name for node in self.observe().nodes if node.state == state)

    def stop(self) -> Sequence[Step]:
        running = self._in_state("running")
        return (
            [
                self._step(
                    self._all, f"stop {', '.join(running)}", "they run", ("halt", *running), 15
                )
            ]
            if running
            else []
        )

    def start(self) -> Sequence[Planned]:
        stopped = self._in_state("stopped")
        if not stopped:
            return []
        up = Up(self.tool, self.chosen, stopped, (), self.state)
        step = Step(
            self._all, f"start {', '.join(stopped)}", "stopped", up, seconds=30, measures=True
        )
        self._refuse_unfit(step)
        return [step]

    def destroy(self, data: bool) -> Sequence[Step]:
        names = tuple(sorted(self.tool.providers().get(self.chosen, ())))
        loses = f"everything on {', '.join(names)}, the database's data included" if data else ""
        whole = (
            self._step(
                ids.profile_removal(self.settings.slug),
                f"remove {', '.join(names)}",
                "asked for",
                ("destroy", "--force", *names),
                15,
                loses,
            )
            if names
            else None
        )
        gone = [replace(whole, removes=self._machines(names))] if whole else []
        return [*gone, *(self._without(line, gone) for line in self._lines() if data)]

    def _machines(self, names: Sequence[str]) -> tuple[Thing, ...]:
        return tuple(Thing("machine", name, self.chosen) for name in names)

    def _lines(self) -> tuple[Thing, ...]:
        """Those of its own in VirtualBox' file."""
        return of_kind(record.read(self.state).things, "line")

    @staticmethod
    def _without(line: Thing, gone: Sequence[Step]) -> Step:
        action = networks.DisallowNetwork(line.name, Path(line.at))
        return Step(
            ids.DISALLOW_NETWORK,
            f"take kubeup's line out of {line.at}",
            line.name,
            action,
            tuple(step.id for step in gone),
            0.2,
            removes=(line,),
        )

    def remove(self, name: str) -> Step:
        """Take one node away by name."""
        words = ("destroy", "--force", name)
        step = self._step(
            ids.removal(self.settings.slug),
            f"remove {name}",
            "asked for",
            words,
            8,
            f"what only {name} holds",
        )
        return replace(
            step,
            action=RemoveMachine(Do(self.tool, words), self._texts),
            removes=self._machines((name,)),
        )

    def _step(
        self,
        id_: StepId,
        title: str,
        reason: str,
        words: tuple[str, ...],
        seconds: float,
        loses: str = "",
    ) -> Step:
        if not self.fitness.version:
            raise Refused(
                "vagrant is not installed", "it made these machines", self.fitness.install
            )
        return Step(id_, title, reason, Do(self.tool, words), seconds=seconds, loses=loses)

    def tool_command(self, *words: str) -> ToolCommand:
        if words[0] not in ("snapshot", "status"):
            return super().tool_command(*words)
        if words[0] == "snapshot" and self.chosen not in SNAPSHOTS:
            raise UsageError(
                f"Vagrant's provider {self.chosen} has no snapshots",
                f"there are some with {' and '.join(SNAPSHOTS)}",
                "`inv down` keeps the database's data, if that is what you want to keep",
            )
        return self.tool.does(*words)
