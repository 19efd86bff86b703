"""What there is of a minikube profile, and how far it is from the settings. Changes nothing."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    NodeState,
    ReadinessCheck,
    Survey,
    Trace,
    never_ready,
)
from kubeup.cluster.providers.external_tool import Words, error_text, names
from kubeup.cluster.providers.kubeadm import HOLDING, held
from kubeup.cluster.providers.minikube import command, facts, mark
from kubeup.cluster.providers.minikube.facts import NO_PROFILE, UNKNOWN, NodeStatus, Profile
from kubeup.cluster.providers.minikube.mark import Mark
from kubeup.cluster.providers.minikube.selection import SelectedTool
from kubeup.core import record, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.shell import Output
from kubeup.core.things import Thing, of_kind
from kubeup.facts.containers import containers
from kubeup.settings.kinds import slug
from kubeup.settings.model import NodeSpec
from kubeup.settings.providers import minikube as node_size
from kubeup.system.ssh import SshTarget

USER = "docker"  # on every node that minikube makes, with every driver
PODMAN_IMAGES = ("podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
LIST_IMAGES = {  # the images of a node by its container runtime, a line each
    "containerd": ("ctr", "--namespace", "k8s.io", "images", "list", "--quiet"),
    "docker": ("docker", *PODMAN_IMAGES[1:]),
    "cri-o": PODMAN_IMAGES,
    "crio": PODMAN_IMAGES,
}
CONTAINER_DRIVERS = ("docker", "podman")
DEFAULT_RUNTIME = "docker"  # minikube's own


class ObservedProfile(SelectedTool):
    """One profile by minikube's own answers and files."""

    # by when the profile's file was written: minikube takes a tenth of a second to read it
    _known: Mapping[int, Profile] = {}
    # below one of the few folders that survive a restart with every driver:
    # handbook/persistent_volumes of minikube's documentation
    data_folder = "/var/lib/minikube/kubeup/data"

    @property
    def context(self) -> str:
        """As minikube names it; a profile that it has stopped has none."""
        return self.profile_name

    @property
    def thing(self) -> Thing:
        """The profile, as it is on record."""
        return Thing("profile", self.profile_name, "minikube")

    def leads_to(self, thing: Thing) -> bool:
        return thing.kind != "profile" or thing == self.thing

    def traces(self) -> tuple[Trace, ...]:
        """By the mark that it was given; one that was made by hand has none."""
        made = mark.read(self._folder)
        if made is None or slug(made.profile) != self.settings.slug:
            return ()
        return (Trace(self.thing, made.project, made.profile),)

    def surveys(self) -> dict[str, Survey]:
        return {"minikube": self._survey} if self.tool or self._folder.parent.is_dir() else {}

    def _survey(self) -> tuple[Trace, ...]:
        """Every profile of minikube's: those without a mark are told as nobody's."""
        if self.tool is None:
            raise KubeupError(
                "minikube is not installed here",
                f"there are profiles in {self._folder.parent}",
                "`inv doctor --fix --set provider=minikube` fetches it",
            )
        text = self._listing()
        states = facts.states(text)
        found = list[Trace]()
        for name, profile in facts.profiles(text).items():
            made = mark.read(self._folder.with_name(name)) or Mark()
            memory = profile.memory * max(1, len(profile.nodes))
            thing = Thing("profile", name, "minikube")
            found.append(Trace(thing, made.project, made.profile, states.get(name, ""), memory))
        return tuple(found)

    def standing(self, things: Collection[Thing]) -> tuple[Thing, ...]:
        profiles = of_kind(things, "profile")
        if not profiles:
            return ()
        if self.tool is None:
            return tuple(one for one in profiles if self._folder.with_name(one.name).exists())
        known = self._profiles("--light")
        return tuple(one for one in profiles if one.name in known)

    @property
    def _folder(self) -> Path:
        return self.home / "profiles" / self.profile_name

    @property
    def foreign(self) -> str:
        """Who made the profile, where neither its mark nor the record says that it is ours."""
        known = record.read(self.state)
        if made := mark.read(self._folder):
            ours = made.project in (self.state.ours, *known.taken_over)
            return "" if ours and made.profile == self.settings.profile else str(made)
        # an earlier kubeup made no mark, and one that was made by hand may have been taken over
        taken = self.thing in known.things or known.provider == "minikube"
        return "" if taken or self.state.kubeconfig.exists() else "somebody by hand"

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        """By minikube's own way to its nodes: all of them have to run."""
        rows = list[tuple[str, str, str]]()
        for node in self.profile().nodes:
            look = ("sudo", "sh", "-c", HOLDING, "holding", self.data_folder, *names)
            words = ("ssh", "-p", self.profile_name, "-n", node.name, "--", shlex.join(look))
            output = self.tool.read(*words) if self.tool else Output(1, "", UNKNOWN)
            if not output.ok:
                raise KubeupError(
                    f"can't tell what data {node.name} has",
                    error_text(output),
                    f"`minikube start -p {self.profile_name}` first",
                )
            rows += [(node.name, *folder) for folder in held(output.stdout)]
        return tuple(rows)

    def extra_machines(self) -> tuple[SshTarget, ...]:
        return ()

    # what minikube says

    def ask(self, *words: str) -> str:
        if self.tool is None:
            return ""
        return self.tool.read(*words).stdout

    def profile(self) -> Profile:
        """This profile as minikube keeps it; NO_PROFILE where there is none, or half of one.

        Read again when its file was written.
        """
        file = self.home / "profiles" / self.profile_name / "config.json"
        if not file.exists():
            return NO_PROFILE
        written = file.stat().st_mtime_ns
        if written not in self._known:
            self._known = {written: self._read(file)}
        return self._known[written]

    def _read(self, file: Path) -> Profile:
        """By minikube's word; by its file alone where no minikube is here to be asked."""
        text = file.read_bytes().decode(errors="replace")
        # minikube would call it half made, and delete what there is
        if facts.parsed(text) is None:
            raise Refused(
                f"{file} is not valid JSON",
                "minikube knows the profile's nodes by this file alone",
                "restore it; or, to lose what is in that profile: `minikube delete "
                f"-p {self.profile_name}`",
            )
        if self.tool is None:
            return facts.profile(text)
        return self._profiles("--light").get(self.profile_name, NO_PROFILE)

    def _profiles(self, *options: str) -> dict[str, Profile]:
        """All of minikube's, with those that are half made.

        Raises KubeupError where it lists none at all: not told is not gone.
        """
        return facts.profiles(self._listing(*options))

    def _listing(self, *options: str) -> str:
        text = self.ask("profile", "list", *options, "-o", "json")
        if not facts.lists_profiles(text):
            path = self.tool.path if self.tool else "minikube"
            raise KubeupError(
                "minikube does not list its profiles",
                text.strip()[-500:] or "it printed nothing",
                f"see what it says: {path} profile list",
            )
        return text

    def _states(self, *only: str) -> dict[str, NodeStatus]:
        words = ("status", "-o", "json", "-p", self.profile_name, *only)
        return facts.statuses(self.ask(*words))

    def _each_state(self, profile: Profile) -> dict[str, NodeStatus]:
        """Node by node: asked for all, minikube tells nothing where one of them is gone."""
        states = dict[str, NodeStatus]()
        with ThreadPoolExecutor(max(1, len(profile.nodes))) as pool:
            for state in pool.map(lambda node: self._states("-n", node.name), profile.nodes):
                states |= state
        return states

    # what follows from it

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        profile, wanted = self.profile(), self.node_specs()
        boots = self._booted(profile)
        states = self._node_states(profile, boots, ready_since_boot)
        nodes = [
            _observed(spec, states.get(spec.name, NodeStatus(spec.name)), boots.get(spec.name))
            for spec in wanted
        ]
        # all nodes are alike: what differs is told once
        nodes[0] = replace(nodes[0], differs=self._differs(profile))
        detail = "not in the settings"
        for node in profile.nodes[len(wanted) :]:
            nodes.append(NodeState(node.name, "worker", node.address, "surplus", detail=detail))
        # under `auto` it is not known before it is made: containers take less
        driver = profile.driver or self.settings.minikube.driver
        return Machines(
            tuple(nodes),
            release_inside=True,
            containers=driver in ("auto", *CONTAINER_DRIVERS),
            shares_ports=driver == "none",
        )

    def _node_states(
        self, profile: Profile, boots: Mapping[str, datetime], ready_since_boot: ReadinessCheck
    ) -> dict[str, NodeStatus]:
        if not profile.exists:
            return self._states()
        known = names(profile.nodes)
        if boots.keys() == set(known) and ready_since_boot(boots):
            return {name: NodeStatus(name, "Running", "Running", "Running") for name in known}
        if self.tool is None:  # not asked is not gone
            return {name: NodeStatus(name, facts.UNKNOWN) for name in known}
        # takes longer than all other looks together
        return self._states() or self._each_state(profile)

    def boots(self) -> Mapping[str, datetime]:
        return self._booted(self.profile())

    def _booted(self, profile: Profile) -> Mapping[str, datetime]:
        """Since when nodes run that are containers: minikube itself does not tell."""
        # a virtual machine is not asked, as its clock is its own
        engine = self._engine(profile)
        if not engine or not profile.nodes:
            return {}
        # of names that are gone it prints nothing
        answer = shell.read(*engine, "container", "inspect", *names(profile.nodes), ok=None)
        inspected = containers(answer.stdout)
        return {node.name: node.started for node in inspected if node.started}

    def _engine(self, profile: Profile) -> Words:
        """The engine of a container driver, as minikube calls it; none for other drivers.

        Of half a profile, any that is here.
        """
        for driver in CONTAINER_DRIVERS:
            if profile.driver in ("", driver) and shell.which(driver):
                if driver == "podman" and not self.host.root:
                    return ("sudo", "-n", driver)
                return (driver,)
        return ()

    def _differs(self, profile: Profile) -> tuple[str, ...]:
        """What minikube could change only by making the cluster anew."""
        if not profile.exists:
            return ()
        settings, chosen = self.settings, self.settings.minikube
        plain, driver = profile.plain_registries, str(chosen.driver)
        if driver == "auto":
            driver = profile.driver
        added = filter(lambda name: not profile.trusts(name), command.plain_registries(settings))
        values = {
            "Kubernetes": (profile.kubernetes, settings.software.kubernetes),
            "CPUs": (profile.cpus, node_size.cpus(settings)),
            "MiB of memory": (profile.memory, node_size.memory(settings)),
            "driver": (profile.driver, driver),
            "container runtime": (profile.runtime, chosen.container_runtime or profile.runtime),
            "registries without TLS": (_listed(plain), _listed((*plain, *added))),
        }
        return tuple(
            f"{what} {actual}, wanted {wanted}"
            for what, (actual, wanted) in values.items()
            if actual != wanted
        )

    def node_specs(self) -> tuple[NodeSpec, ...]:
        """Names as minikube gives them: those of the nodes that are there, then the next ones."""
        settings, existing = self.settings, self.profile().nodes
        nodes = facts.wanted_nodes(self.profile_name, existing, settings.minikube.nodes)
        size = (node_size.cpus(settings), node_size.memory(settings))
        return tuple(NodeSpec(node.name, node.role, node.address, *size) for node in nodes)

    def ssh_targets(self) -> tuple[SshTarget, ...]:
        return tuple(
            SshTarget(
                node.name,
                node.role,
                node.address,
                USER,
                self.home / "machines" / node.name / "id_rsa",
                self.state.known_hosts,
                pace=self.host.pace,
            )
            for node in self.profile().nodes
            if node.address
        )

    @property
    def list_images(self) -> Words:
        runtime = self.profile().runtime or self.settings.minikube.container_runtime
        return LIST_IMAGES[runtime or DEFAULT_RUNTIME]


def _observed(spec: NodeSpec, status: NodeStatus, booted: datetime | None) -> NodeState:
    return NodeState(
        spec.name, spec.role, spec.address, status.state, detail=status.detail, booted=booted
    )


def _listed(names: Words) -> str:
    return ", ".join(names) or "none"
