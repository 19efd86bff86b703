"""What there is of a profile's machines, by the programs behind Vagrant. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    NodeState,
    ReadinessCheck,
    Survey,
    Trace,
    never_ready,
)
from kubeup.cluster.providers.external_tool import error_text, names
from kubeup.cluster.providers.kubeadm import KubeadmProvider
from kubeup.cluster.providers.vagrant import facts, files
from kubeup.cluster.providers.vagrant.actions import READ_SECONDS, Admission, AdmittedMachine, Tool
from kubeup.cluster.providers.vagrant.backends import BACKENDS, Backend
from kubeup.cluster.providers.vagrant.facts import Machine
from kubeup.cluster.providers.vagrant.prerequisites import Prerequisites
from kubeup.core import shell
from kubeup.core import state as states
from kubeup.core.errors import KubeupError
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import ssh

NO_HOST_KEY = "has no recorded host key: it was created by hand, or its creation was interrupted"
LOST = "it was created by this profile"
PARTIAL = "was only partly created"


class ObservedMachines(KubeadmProvider):
    """The machines of one profile."""

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host

    @property
    def chosen(self) -> str:
        """Vagrant's provider."""
        return str(self.settings.vagrant.provider)

    @property
    def backend(self) -> Backend:
        return BACKENDS[self.chosen]

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
            # nothing is asked of the network unless machines are made
            "VAGRANT_CHECKPOINT_DISABLE": "1",
            # what it prints is read
            "VAGRANT_NO_COLOR": "1",
        }
        if self.settings.vagrant.home:
            env["VAGRANT_HOME"] = str(Path(self.settings.vagrant.home).expanduser())
        return Tool(
            shell.which("vagrant") or "vagrant", tuple(env.items()), self.folder, self.chosen
        )

    @cached_property
    def prerequisites(self) -> Prerequisites:
        return Prerequisites(self.host, self.tool, self.backend)

    @property
    def known(self) -> set[str]:
        """Machines that vagrant has made by the chosen provider."""
        return set(self.tool.providers().get(self.chosen, ()))

    def traces(self) -> tuple[Trace, ...]:
        return tuple(
            Trace(Thing("machine", name, provider), self.state.ours)
            for provider, names in self.tool.providers().items()
            for name in sorted(names)
        )

    def surveys(self) -> dict[str, Survey]:
        return {"vagrant": self._survey} if "vagrant" in self.host.tools else {}

    def _survey(self) -> tuple[Trace, ...]:
        """By Vagrant's own index, which keeps machines whose folder is gone as well."""
        home = dict(self.tool.env).get("VAGRANT_HOME") or os.environ.get("VAGRANT_HOME")
        index = Path(home or "~/.vagrant.d").expanduser() / "data" / "machine-index" / "index"
        try:
            text = index.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        return tuple(filter(None, map(self._indexed, facts.index(text))))

    def _indexed(self, row: facts.Indexed) -> Trace | None:
        """A machine of ours: Vagrant was started in a folder that kubeup has for it."""
        folder = Path(row.folder)
        state = replace(self.state, folder=folder.parent)
        usual = state.folder.parent.name == states.FOLDER
        # gone, or another user's: its place alone tells what it is
        closed = not os.access(state.folder, os.R_OK | os.X_OK)
        ours = usual if closed else (folder / files.MACHINES).exists()
        if folder.name != files.FOLDER or not ours:
            return None
        name, memory = state.folder.name, 0
        if not closed:
            name, memory = states.owner(state) or name, files.memory(folder, row.name)
        return Trace(
            Thing("machine", row.name, row.provider),
            str(state.folder.parent.parent) if usual else "",
            name,
            row.state,
            memory,
        )

    def standing(self, things: Collection[Thing]) -> tuple[Thing, ...]:
        """By the id that Vagrant knows, or the label of a container of ours."""
        return tuple(thing for thing in of_kind(things, "machine") if self._stands(thing))

    def _stands(self, thing: Thing) -> bool:
        backend = BACKENDS[thing.at]
        identity = replace(self.tool, provider=thing.at).id(thing.name)
        if identity:  # Vagrant itself knows it yet: who can't be asked does not say it is gone
            return not backend.installed or backend.find(identity, known=True) is not None
        machine = backend.find(thing.name) if backend.installed else None
        return machine is not None and machine.folder == str(self.folder)

    def leads_to(self, thing: Thing) -> bool:
        return thing.kind != "machine" or thing.at == self.chosen

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        wanted = self.settings.machines_list()
        surplus = sorted(self.known.difference(names(wanted)))
        machines = self._find([*names(wanted), *surplus])
        nodes = [self._observed(spec, machines[spec.name]) for spec in wanted]
        for name in surplus:
            machine = machines[name]
            if machine and machine.origin == "ours":
                role = "db" if name == self.settings.database_machine else "worker"
                detail = "not in the settings"
                nodes.append(NodeState(name, role, "", "surplus", detail=detail))
        if self.chosen != "docker":
            return Machines(tuple(nodes))
        return Machines(
            tuple(nodes),
            limited=not self.host.sys_resource,
            containers=True,
            cgroup_driver="cgroupfs" if self.host.cgroup == 1 else "systemd",
        )

    def _specs(self, nodes: Iterable[NodeState]) -> list[NodeSpec]:
        wanted = set(names(nodes))
        return [spec for spec in self.settings.machines_list() if spec.name in wanted]

    def _find(self, wanted: Sequence[str]) -> dict[str, Machine | None]:
        """Each machine by the provider's own program.

        By vagrant, which takes its time, where that program is not here.
        """
        if self.backend.installed:
            with ThreadPoolExecutor(len(wanted)) as pool:
                return dict(zip(wanted, pool.map(self._ask_backend, wanted), strict=True))
        machines = dict[str, Machine | None].fromkeys(wanted)
        if not self.tool.providers() or not self.prerequisites.version:
            return machines
        for name, state in self._statuses().items():
            if name in machines and state not in facts.GONE:
                machines[name] = Machine(name, self.tool.id(name), state)
        return machines

    def _statuses(self) -> dict[str, str]:
        answer = self.tool.read("status", "--machine-readable", timeout=READ_SECONDS)
        if not answer.ok:  # not told is not gone
            raise KubeupError(
                "vagrant can't tell which machines there are",
                error_text(answer),
                f"see what it says: cd {self.folder} && vagrant status",
            )
        return facts.statuses(answer.stdout)

    def _ask_backend(self, name: str) -> Machine | None:
        """By the id that vagrant knows, else by its name: then it is not one that vagrant knows."""
        known = self.tool.id(name)
        machine = self.backend.find(known, known=True) if known else None
        if machine:
            return machine
        other = self.backend.find(name)
        if other and self._is_partial(name, other):
            return replace(other, origin="partial")
        return other and replace(other, origin="foreign")

    def _is_partial(self, name: str, machine: Machine) -> bool:
        """Whether vagrant was killed while it made that container.

        One made to its end is not, whatever has become of its id.
        """
        if machine.folder != str(self.folder) or self.tool.provisioned(name):
            return False
        return self._admitted(name).id != machine.id

    def _admitted(self, name: str) -> AdmittedMachine:
        return Admission(self.folder).read().get(name, AdmittedMachine("", ""))

    def _observed(self, spec: NodeSpec, machine: Machine | None) -> NodeState:
        admitted = self._admitted(spec.name)
        if machine is None or machine.origin == "partial":
            # without an address: a machine that is gone has taken its disk along, nothing of it
            # can be saved
            detail = PARTIAL if machine else ""
            return NodeState(spec.name, spec.role, "", "missing", detail=detail)
        if machine.origin == "foreign":
            detail = f"{self.chosen} has a machine of that name that was made elsewhere"
            if machine.folder == str(self.folder):
                detail = f"{LOST}, but {self.tool.id_file(spec.name)} does not name it"
            return NodeState(spec.name, spec.role, spec.address, "foreign", detail=detail)
        new = admitted.id != machine.id or not ssh.known(self.state, self.ssh_target(spec))
        detail = NO_HOST_KEY if new else ""
        if not new and admitted.address != spec.address:
            detail = f"has the address {admitted.address}, wanted is {spec.address}"
        return NodeState(
            spec.name,
            spec.role,
            spec.address,
            "running" if machine.running else "stopped",
            differs=_differs(spec, machine),
            detail=detail,
            booted=self._booted(machine),
            closed=new,
        )

    def _booted(self, machine: Machine) -> datetime | None:
        """Since when it runs; where its provider does not tell, since when it is there."""
        if not machine.running or machine.started:
            return machine.started
        try:
            made = self.tool.id_file(machine.name).stat().st_mtime
        except OSError:
            return None
        return datetime.fromtimestamp(made, UTC)


def _differs(spec: NodeSpec, machine: Machine) -> tuple[str, ...]:
    sizes = {"CPUs": (machine.cpus, spec.cpus), "MiB": (machine.memory, spec.memory_mb)}
    return tuple(
        f"{actual:g} {unit}, wanted {wanted}"
        for unit, (actual, wanted) in sizes.items()
        if actual not in (0, wanted)
    )
