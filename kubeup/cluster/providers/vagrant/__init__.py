"""Vagrant: the how-to's first road.

It makes the machines, VirtualBox' unless the settings say otherwise; the play does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from kubeup.cluster.providers.base import Machines, Needed, ToolCommand, Usable, nothing_on
from kubeup.cluster.providers.external_tool import Words, in_state, names
from kubeup.cluster.providers.vagrant import files, networks, networks_conf
from kubeup.cluster.providers.vagrant.actions import RunVagrant, Up
from kubeup.cluster.providers.vagrant.backends import SNAPSHOTS, podman_behind
from kubeup.cluster.providers.vagrant.networks import AllowNetwork, DisallowNetwork
from kubeup.cluster.providers.vagrant.observing import PARTIAL
from kubeup.cluster.providers.vagrant.refusals import CheckedMachines
from kubeup.cluster.providers.versions import dotted
from kubeup.core import ids, record
from kubeup.core.errors import Refused, UsageError
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Planned, Step, todo
from kubeup.core.things import Thing, of_kind


class Vagrant(CheckedMachines):
    """See `kubeup.cluster.providers.base.Provider`."""

    name = "vagrant"
    creates_machines = True
    preloads = False
    keeps_data = False  # a machine's disk goes with it

    # whether it can be used

    def probe(self) -> Usable:
        if misfit := self.misfit:
            return Usable(False, misfit.why, misfit.fix)
        what = f"Vagrant {dotted(self.prerequisites.planned)} with {self.chosen}"
        coming = self.prerequisites.coming()
        if not coming:
            return Usable(True, what)
        if not self.host.root and not self.host.may_sudo:
            return Usable(
                False,
                f"packages are missing: {', '.join(coming)}",
                f"ask an administrator to run: apt-get install {' '.join(coming)}",
            )
        why = f"{what}; {', '.join(coming)} would be installed first"
        return Usable(True, why, "`inv doctor --fix` installs them", fetched=True)

    def packages(self) -> tuple[str, ...]:
        if not self.host.distribution.has_apt:
            return ()
        return ("openssh-client", *self.prerequisites.packages())

    # planning

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the machines as the settings want them.

        Raises Refused for what would need one to be made anew.
        """
        self.refuse(machines)
        missing = in_state(machines.nodes, "missing")
        bring = [*self._bring_up(machines), *self._resize(machines)]
        # whatever is started needs the same Vagrant
        if steps := todo(bring):
            self.refuse_unfit(steps[-1])
        network: Sequence[Planned] = [Holds(ids.NETWORKS_CONF, "no machine is new")]
        if missing:
            self.refuse_new(missing)
            network = self.host_steps()
        return [self._files(), *network, *bring]

    @property
    def _all(self) -> StepId:
        """What makes, starts or admits machines: one command of vagrant's for all of them."""
        return ids.node(self.settings.slug)

    def _bring_up(self, machines: Machines) -> list[Planned]:
        changing = [node for node in machines.nodes if node.closed or node.state != "running"]
        if not changing:
            return [Holds(self._all, "they run")]
        starting = names(node for node in changing if node.state != "running")
        missing = in_state(changing, "missing")
        new = self._specs(node for node in changing if node.closed or node in missing)
        title = f"record the host keys of {', '.join(names(new))}"
        if starting:
            title = f"bring up {', '.join(starting)} with Vagrant ({self.chosen})"
        up = Step(
            self._all,
            title,
            "; ".join(f"{node.name} {node.detail or f'is {node.state}'}" for node in changing),
            Up(self.tool, tuple(starting), tuple(map(self.ssh_target, new)), self.state),
            needs=(ids.KEY, ids.PACKAGES, ids.VAGRANT_FILES, ids.NETWORKS_CONF, ids.REMOVE_HALVES),
            seconds=self.backend.seconds,
            room=self.backend.room(len(missing)),
            makes=self._machines(starting),
        )
        partial = names(node for node in changing if node.detail == PARTIAL)
        return [*self._remove_partial(partial), up]

    @staticmethod
    def _remove_partial(partial: Sequence[str]) -> list[Planned]:
        """Containers whose vagrant was killed before it had recorded that it made them."""
        if not partial:
            return [Holds(ids.REMOVE_HALVES, "no machine is incomplete")]
        title, why = f"remove {', '.join(partial)}", "vagrant was killed while creating them"
        remove = ToolCommand(("docker", "rm", "--force", "--volumes", *partial), env=())
        return [*nothing_on(why), Step(ids.REMOVE_HALVES, title, why, remove)]

    def _files(self) -> Planned:
        texts = self._texts()
        wrong = files.differing(self.folder, texts)
        if not wrong:
            return Holds(ids.VAGRANT_FILES, f"the files in {self.folder} match the settings")
        title, why = f"write {', '.join(wrong)} for Vagrant", f"new settings for {self.folder}"
        action = files.WriteFiles(self.folder, texts)
        return Step(ids.VAGRANT_FILES, title, why, action, seconds=0)

    def _texts(self) -> dict[str, str]:
        wanted = names(self.settings.machines_list())
        others = files.left_behind(self.folder, self.known.difference(wanted))
        podman = self.chosen == "docker" and podman_behind()
        return files.texts(files.machines(self.settings, self.state, self.host, podman, others))

    def host_steps(self) -> Sequence[Planned]:
        """VirtualBox' leave to use the nodes' network, where it lacks that."""
        if self.chosen != "virtualbox":
            return [Holds(ids.NETWORKS_CONF, f"{self.chosen} takes any network")]
        network = self.settings.node_network
        if self.settings.vagrant.networks_conf == "open":
            network = networks_conf.EVERYTHING
        allow = AllowNetwork(network, networks.FILE)
        if why := allow.already():
            return [Holds(ids.NETWORKS_CONF, why)]
        return [
            Step(
                ids.NETWORKS_CONF,
                f"allow VirtualBox to use {allow.network}",
                allow.current(),
                allow,
                seconds=0.2,
                makes=(Thing("line", allow.line, str(allow.path)),),
            )
        ]

    def _resize(self, machines: Machines) -> list[Step]:
        """A virtual machine takes another size at its next start."""
        differing = [node for node in in_state(machines.nodes, "running") if node.differs]
        if not differing:
            return []
        restarted = names(differing)
        title = f"restart {', '.join(restarted)} with another size"
        why = "; ".join(f"{node.name}: {', '.join(node.differs)}" for node in differing)
        # who is let in does not change with the size
        reload = RunVagrant(self.tool, ("reload", "--no-provision", *restarted))
        needs = (ids.VAGRANT_FILES, self._all)
        return [Step(ids.RESTART_RESIZED, title, why, reload, needs, seconds=90)]

    # the rest of a machine's life

    def _in_state(self, state: str) -> Words:
        return tuple(names(in_state(self.observe().nodes, state)))

    def _run(self, *words: str) -> RunVagrant:
        """Raises Refused where no vagrant is here to do it."""
        if not self.prerequisites.version:
            install = self.prerequisites.install
            raise Refused("vagrant is not installed", "these machines are managed by it", install)
        return RunVagrant(self.tool, words)

    def stop(self) -> Sequence[Step]:
        running = self._in_state("running")
        if not running:
            return []
        title, halt = f"stop {', '.join(running)}", self._run("halt", *running)
        return [Step(self._all, title, "they run", halt, seconds=15)]

    def start(self) -> Sequence[Planned]:
        stopped = self._in_state("stopped")
        if not stopped:
            return []
        up = Up(self.tool, stopped, (), self.state)
        title = f"start {', '.join(stopped)}"
        step = Step(self._all, title, "stopped", up, seconds=30, measures=True)
        self.refuse_unfit(step)
        return [step]

    def destroy(self, data: bool) -> Sequence[Step]:
        known, steps = sorted(self.known), list[Step]()
        if known:
            listed = ", ".join(known)
            loses = f"everything on {listed}, the database's data included" if data else ""
            step = Step(
                ids.profile_removal(self.settings.slug),
                f"remove {listed}",
                "asked for",
                self._run("destroy", "--force", *known),
                seconds=15,
                loses=loses,
                removes=self._machines(known),
            )
            steps.append(step)
        steps += self._lone_containers(known)
        if data:
            needs = tuple(step.id for step in steps)
            lines = of_kind(record.read(self.state).things, "line")
            steps += [self._disallow(line, needs) for line in lines]
        return steps

    def _lone_containers(self, known: Sequence[str]) -> list[Step]:
        """Of the record's machines those that Vagrant was killed over before it knew them."""
        made = of_kind(record.read(self.state).things, "machine")
        lone = self.standing([thing for thing in made if thing.name not in known])
        return todo(self._remove_partial(names(lone)))

    def _machines(self, machines: Iterable[str]) -> tuple[Thing, ...]:
        return tuple(Thing("machine", name, self.chosen) for name in machines)

    @staticmethod
    def _disallow(line: Thing, needs: tuple[StepId, ...]) -> Step:
        title = f"remove kubeup's line from {line.at}"
        action = DisallowNetwork(line.name, Path(line.at))
        step = Step(ids.DISALLOW_NETWORK, title, line.name, action, needs, seconds=0.2)
        return replace(step, removes=(line,))

    def remove(self, name: str) -> Step:
        """Take one node away by name."""
        destroy = self._run("destroy", "--force", name)
        return Step(
            ids.removal(self.settings.slug),
            f"remove {name}",
            "asked for",
            replace(destroy, files_afterwards=self._texts),
            seconds=8,
            loses=f"what only {name} holds",
            removes=self._machines((name,)),
        )

    def tool_command(self, *words: str) -> ToolCommand:
        if words[0] not in ("snapshot", "status"):
            return super().tool_command(*words)
        if words[0] == "snapshot" and not self.backend.snapshots:
            raise UsageError(
                f"Vagrant's provider {self.chosen} has no snapshots",
                f"{' and '.join(SNAPSHOTS)} have them",
                "`inv down` keeps the database's data, if that is what you want to keep",
            )
        return self.tool.command(*words)
