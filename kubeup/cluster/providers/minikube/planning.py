"""What makes a profile's nodes as the settings want them, as steps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kubeup.cluster.providers.base import Machines, Needed, NodeState, ToolCommand, nothing_on
from kubeup.cluster.providers.external_tool import in_state, names
from kubeup.cluster.providers.minikube import command, facts
from kubeup.cluster.providers.minikube.actions import (
    START_SECONDS,
    AskAndRun,
    MarkedProfile,
    RunAndAdmit,
)
from kubeup.cluster.providers.minikube.facts import OUTDATED_KUBECONFIG, DryRun, Profile
from kubeup.cluster.providers.minikube.mark import Mark
from kubeup.cluster.providers.minikube.profile import CONTAINER_DRIVERS, ObservedProfile
from kubeup.cluster.providers.minikube.remake import RemakeNode
from kubeup.core import ids, shell
from kubeup.core.errors import Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Planned, Room, Step
from kubeup.settings.providers import minikube as node_size
from kubeup.system import ssh

# on a node: constants.KubeadmYamlPath of minikube
CONFIGURATION = "/var/tmp/minikube/kubeadm.yaml"  # noqa: S108


class NodePlans(ObservedProfile):
    """How a profile is made, started, repaired and taken over."""

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the nodes as the settings want them.

        Raises Refused for what would need the cluster to be made anew.
        """
        for node in machines.nodes:
            self._refuse(node)
        profile = self.profile()
        missing = names(in_state(machines.nodes, "missing"))
        stopped = in_state(machines.nodes, "stopped")
        if not profile.exists:
            return self._create() if missing or stopped else []
        control = machines.nodes[0]  # minikube's first node
        if control.state == "missing" or not control.address:
            return self._create_again(control)
        known = names(profile.nodes)
        steps = list[Step]()
        if stopped:
            steps.append(self._start(why_stopped(stopped)))
        steps += [self._remake(name, profile) for name in missing if name in known]
        steps += self._add([name for name in missing if name not in known], steps)
        # what starts or adds nodes brings our access to them along
        steps = steps or self._take_over(machines)
        if any(step.id == self._all for step in steps):
            return steps
        return [Holds(self._all, "it runs"), *steps]

    def _refuse(self, node: NodeState) -> None:
        if node.state == "surplus":
            raise Refused(
                f"the node {node.name} is not in the settings",
                "removing a node could lose the data on it",
                "raise minikube.nodes again, or remove it by name: `inv cluster.remove "
                f"{node.name}`",
            )
        if node.differs:
            raise Refused(
                f"the profile {self.profile_name} is another cluster than the settings want",
                "; ".join(node.differs),
                "restore the settings, or recreate it with `inv down` (the database's data is "
                "kept, everything else in it is lost) and `inv up`; only the number of nodes "
                "can change in place",
            )

    @property
    def _all(self) -> StepId:
        """What makes or starts the profile, with all of its nodes."""
        return ids.node(self.profile_name)

    def _admitting(self, *commands: ToolCommand) -> RunAndAdmit:
        return RunAndAdmit(self.planned, commands, self.ssh_targets, self.state)

    # from nothing

    def _create(self) -> list[Step]:
        settings = self.settings.minikube
        if self.planned == self.tool or settings.driver != "auto":
            chosen = self._driver()
            why = chosen.why
            action: Action = self._create_with(chosen)
        else:
            chosen = command.expected(self.host_with_packages) or command.HOWTO
            why = f"{chosen.why}; minikube is asked once it is fetched"
            action = AskAndRun(self._create_with(chosen), self._create_as_minikube_chooses)
        if self.host.root:
            why = f"{why}; --force, as minikube refuses root without"
        elif settings.force:
            why = f"{why}; --force, as minikube.force says"
        create = Step(
            self._all,
            f"create the minikube profile {self.profile_name}",
            why,
            action,
            needs=(ids.PACKAGES,),
            seconds=90,
            room=self._room,
            makes=(self.thing,),
        )
        return [create, *self._get_kubectl()]

    def _create_again(self, control: NodeState) -> list[Planned]:
        """A profile without its control plane.

        One that was never made holds nothing, any other is not ours to throw away.
        """
        if control.address:
            raise Refused(
                f"the control plane {control.name} is gone",
                "the cluster's state is lost with it, and minikube can't recreate it",
                "`inv down` (the database's data is kept), then `inv up`",
            )
        delete = Step(
            ids.half_removal(self.profile_name),
            f"delete the incomplete profile {self.profile_name}",
            "interrupted while its first node was created",
            self.planned.command("delete", *self.planned.on),
            seconds=5,
        )
        create, *others = self._create()
        create = replace(create, needs=(*create.needs, delete.id))
        return [*nothing_on("its first node was never created"), delete, create, *others]

    def _driver(self) -> command.Driver:
        """The driver that is named, or the one that minikube takes."""
        wanted = self.settings.minikube.driver
        probed = self._dry_run() if wanted == "auto" else DryRun()
        host = self.host
        # a plan may have installed it since this machine was looked at
        if shell.which("podman"):
            host = replace(host, tools=host.tools | {"podman"})
        return command.driver(wanted, probed, host)

    def _dry_run(self) -> DryRun:
        """In a home of its own, with the user's configuration.

        A dry run that finds no driver leaves half a profile behind.
        """
        configuration = self.home / "config" / "config.json"
        with tempfile.TemporaryDirectory() as folder:
            if configuration.exists():
                target = Path(folder, ".minikube", "config")
                target.mkdir(parents=True)
                shutil.copy(configuration, target)
            tool = self.planned
            elsewhere = replace(tool, env=(*tool.env, ("MINIKUBE_HOME", folder)))
            words = command.probe(self.settings, self.host)
            return facts.dry_run(elsewhere.read(*words, timeout=120).stdout)

    def _create_with(self, chosen: command.Driver) -> RunAndAdmit:
        words = command.start(self.settings, chosen, self.host)
        start = self.planned.command(*words, timeout=START_SECONDS)
        made = MarkedProfile(self._folder, Mark(self.settings.profile, self.state.ours))
        return replace(self._admitting(start), made=made)

    def _create_as_minikube_chooses(self) -> RunAndAdmit:
        return self._create_with(self._driver())

    @property
    def _room(self) -> Room:
        """Roughly, by what its base image and one archive of Kubernetes' images unpack to."""
        nodes = self.settings.minikube.nodes
        if self.settings.minikube.driver in ("auto", *CONTAINER_DRIVERS):
            return Room(home=1000, nodes=1200 + 2000 * nodes)
        return Room(home=1000 + 3000 * nodes)

    # what is there, in part

    def _start(self, why: str, *before: ToolCommand) -> Step:
        title = f"start the minikube profile {self.profile_name}"
        words = command.restart(self.settings, self.host)
        start = self.planned.command(*words, timeout=START_SECONDS)
        return Step(self._all, title, why, self._admitting(*before, start), seconds=40)

    @property
    def _node_add(self) -> ToolCommand:
        # without a size minikube makes a first worker, and the cluster from then on, smaller:
        # kubernetes/minikube#7928
        tool, size = self.planned, str(node_size.memory(self.settings))
        env = (("MINIKUBE_MEMORY", size),)
        return tool.command("node", "add", *tool.on, env=env, timeout=START_SECONDS)

    def _add(self, added: Sequence[str], before: Sequence[Step]) -> list[Step]:
        """A node at a time: each gets the number after the last one's."""
        steps, needs = list[Step](), tuple(step.id for step in before)
        for name in added:
            action = self._admitting(self._node_add)
            step = Step(ids.node(name), f"add the node {name}", "missing", action, needs, 40)
            steps.append(step)
            needs = (step.id,)
        return steps

    def _remake(self, name: str, profile: Profile) -> Step:
        """A node whose machine was removed behind minikube's back."""
        engine, tool = self._engine(profile), self.planned
        if not engine or name != profile.nodes[-1].name:
            why = "without it only a container's volume can be read"
            if engine:
                why = "minikube would give it another name"
            raise Refused(
                f"the node {name} is gone",
                why,
                f"`inv cluster.remove {name}` where the database is on another; else "
                "`inv down --data` and `inv up`",
            )
        remake = RemakeNode(
            name=name,
            engine=engine,
            data=self.data_folder,
            machine=self.home / "machines" / name,
            delete=tool.command("node", "delete", name, *tool.on),
            add=self._node_add,
            admit=self._admitting(),
        )
        why = "its machine is gone; data on its volume is carried over"
        title = f"recreate the node {name}"
        return Step(ids.node(name), title, why, remake, needs=(self._all,), seconds=45)

    # what runs, and somebody else made or started

    def _take_over(self, machines: Machines) -> list[Step]:
        """What a running profile lacks that was made or started outside kubeup: our access."""
        outdated = any(node.detail == OUTDATED_KUBECONFIG for node in machines.nodes)
        no_access = outdated or not self.state.kubeconfig.exists()
        # what we start is known when its start has ended
        unknown = not all(ssh.known(self.state, target) for target in self.ssh_targets())
        if (no_access or unknown) and self._half_made():
            return [self._set_up_again()]
        steps = self._get_kubectl()
        if no_access:
            # a container's ports are others after each start: kubernetes/minikube#6824
            why = OUTDATED_KUBECONFIG if outdated else "the profile was made outside kubeup"
            update = self.planned.command("update-context", *self.planned.on)
            title = f"update the kubeconfig for {self.profile_name}"
            steps.append(Step(ids.NODE_ACCESS, title, why, update))
        if unknown:
            title = f"record the host keys of {self.profile_name}"
            steps.append(Step(ids.HOST_KEYS, title, "not known yet", self._admitting()))
        return steps

    def _half_made(self) -> bool:
        """Whether minikube calls it so: its Kubernetes may run, but not all of it was set up."""
        return facts.starting(self.ask("profile", "list", "-o", "json"), self.profile_name)

    def _set_up_again(self) -> Step:
        """A start that was cut off once its Kubernetes ran: the pod network, say, is missing.

        `minikube start` takes such a cluster as it is where the configuration on its node is the
        wanted one (restartPrimaryControlPlane in pkg/minikube/bootstrapper/kubeadm: "does not
        require reconfiguration"), so that is removed before; minikube writes it anew.
        """
        tool = self.planned
        forget = tool.command("ssh", *tool.on, "--", "sudo", "rm", "-f", CONFIGURATION)
        return self._start("its creation was interrupted", forget)

    def _get_kubectl(self) -> list[Step]:
        """minikube fetches the kubectl of the cluster's version, where none here fits."""
        if self.kubectl().exists():
            return []
        tool, needs = self.planned, (self._all,)
        fetch = tool.command("kubectl", *tool.on, "--", "version", "--client")
        why = "no kubectl within one minor version here"
        return [Step(ids.NODE_KUBECTL, "get the kubectl that fits", why, fetch, needs, 10)]


def why_stopped(nodes: Sequence[NodeState]) -> str:
    return ", ".join(f"{node.name} {node.detail or 'is stopped'}" for node in nodes)
