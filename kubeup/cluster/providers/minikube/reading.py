"""What there is of a minikube profile: its tool, its own files and its answers, and how far they
are from the settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    NodeState,
    ReadinessCheck,
    Trace,
    Usable,
    never_ready,
)
from kubeup.cluster.providers.minikube import command, facts, release
from kubeup.cluster.providers.minikube.actions import Tool
from kubeup.cluster.providers.minikube.facts import NodeStatus, Profile
from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.state import State
from kubeup.core.things import Thing
from kubeup.facts.containers import containers
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.settings.providers import minikube as wanted
from kubeup.system.ssh import SshTarget

USER = "docker"  # on every node that minikube makes
LISTS = {  # the images of a node by its container runtime, a line each
    "containerd": ("ctr", "--namespace", "k8s.io", "images", "list", "--quiet"),
    "docker": ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
    "cri-o": ("podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
    "crio": ("podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
}
CONTAINER_DRIVERS = ("docker", "podman")
DEFAULT_RUNTIME = "docker"  # minikube's own
ASLEEP = "its machine runs, its Kubernetes does not"
UNASKED = "can't be looked at, as there is no minikube here"
STALE = "our kubeconfig leads to where it was before"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


@cache
def version_of(tool: Tool) -> tuple[int, ...]:
    return facts.version(tool.read("version", "-o", "json").stdout)


class Reading:
    """Asks minikube about one profile. Changes nothing."""

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host
        # the profile, and when its file was written
        self._kept: tuple[int, Profile | None] = (0, None)

    @property
    def profile_name(self) -> str:
        return str(self.settings.minikube.profile)

    @property
    def context(self) -> str:
        """As minikube names it; a profile that it has stopped has none."""
        return self.profile_name

    @property
    def tool(self) -> Tool | None:
        """The pinned minikube where it was fetched, else the one on PATH; with minikube.force
        that one first, where it does.
        """
        path, pinned = shell.which("minikube"), self._pinned
        own = self._at(path) if path else None
        if own and self.settings.minikube.force and not release.misfit(version_of(own), force=True):
            return own
        return self._at(str(pinned)) if pinned and pinned.exists() else own

    @property
    def planned(self) -> Tool:
        """The minikube that a plan's steps use: the one that is here, or the pinned one, which
        `install` fetches before.

        Raises KubeupError where none fits and none is pinned for this machine.
        """
        tool = self.tool
        if tool and not self._wrong:
            return tool
        return self._at(str(release.pinned(self.host).path))

    @property
    def _pinned(self) -> Path | None:
        """Where the pinned minikube lies once it was fetched; None where none is pinned for this
        machine.
        """
        return (
            release.pinned(self.host).path
            if (self.host.system, self.host.arch) in release.SUMS
            else None
        )

    def _at(self, path: str) -> Tool:
        env = {**command.QUIET, "KUBECONFIG": str(self.state.kubeconfig)}
        if self.settings.minikube.home:
            env["MINIKUBE_HOME"] = str(Path(self.settings.minikube.home).expanduser())
        return Tool(path, tuple(env.items()), self.profile_name)

    @property
    def home(self) -> Path:
        """minikube's own folder: MINIKUBE_HOME is either it or its parent, see
        pkg/minikube/localpath.
        """
        given = self.settings.minikube.home or os.environ.get("MINIKUBE_HOME")
        base = Path(given).expanduser() if given else Path.home()
        return base if base.name == ".minikube" else base / ".minikube"

    def ask(self, *words: str) -> str:
        return self.tool.read(*words).stdout if self.tool else ""

    def profile(self) -> Profile | None:
        """This profile as minikube keeps it; None where there is none, or half of one.

        Read again when its file was written.
        """
        file = self.home / "profiles" / self.profile_name / "config.json"
        written = file.stat().st_mtime_ns if file.exists() else 0
        if written != self._kept[0]:
            self._kept = written, self._read(file) if written else None
        return self._kept[1] if written else None

    def _read(self, file: Path) -> Profile | None:
        """By minikube's word; by its file alone where no minikube is here to be asked."""
        text = file.read_bytes().decode(errors="replace")
        if not facts.is_json(text):  # minikube would call it half made, and delete what there is
            raise Refused(
                f"{file} can't be understood",
                "minikube writes it as JSON, and by it alone knows its nodes",
                "put it back as it was; or, to lose what is in that profile: `minikube delete "
                f"-p {self.profile_name}`",
            )
        if self.tool is None:
            return facts.profile(text)
        return self._profiles("--light").get(self.profile_name)

    def _profiles(self, *more: str) -> dict[str, Profile | None]:
        """All of minikube's, with those that are half made.

        Raises KubeupError where it does not tell: not told is not gone.
        """
        text = self.ask("profile", "list", *more, "-o", "json")
        if not facts.tells_profiles(text):
            raise KubeupError(
                "minikube does not tell which profiles there are",
                text.strip()[-500:] or "it says nothing",
                f"see what it says: {self.tool.path if self.tool else 'minikube'} profile list",
            )
        return facts.profiles(text)

    def _states(self, *only: str) -> dict[str, NodeStatus]:
        return facts.statuses(self.ask("status", "-o", "json", *command.on(self.settings), *only))

    def _each_state(self, profile: Profile) -> dict[str, NodeStatus]:
        """Node by node: asked for all, minikube tells nothing where one of them is gone."""
        with ThreadPoolExecutor(len(profile.nodes)) as pool:
            found = pool.map(lambda node: self._states("-n", node.name), profile.nodes)
            return {name: status for states in found for name, status in states.items()}

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        profile = self.profile()
        booted = self._booted(profile)
        if (
            profile
            and booted.keys() == {node.name for node in profile.nodes}
            and ready_since_boot(booted)
        ):
            states = {name: NodeStatus(name, "Running", "Running", "Running") for name in booted}
        elif profile and self.tool is None:  # not asked is not gone
            states = {node.name: NodeStatus(node.name, UNASKED) for node in profile.nodes}
        else:  # takes longer than all other looks together
            states = self._states() or (self._each_state(profile) if profile else {})
        wanted = self._wanted(profile)
        rows = [
            replace(
                self._seen(spec, states.get(spec.name, NodeStatus(spec.name))),
                booted=booted.get(spec.name),
            )
            for spec in wanted
        ]
        surplus = profile.nodes[len(wanted) :] if profile else ()
        rows += [
            NodeState(node.name, "worker", node.address, "surplus", detail="not in the settings")
            for node in surplus
        ]
        if profile is not None:
            rows[0] = replace(rows[0], differs=self._differs(profile))
        driver = profile.driver if profile else self.settings.minikube.driver
        # under `auto` it is not known before it is made: containers take less
        return Machines(
            tuple(rows),
            release_inside=True,
            images_inside=True,
            containers=driver in ("auto", *CONTAINER_DRIVERS),
            shares_ports=driver == "none",
        )

    def _seen(self, spec: NodeSpec, status: NodeStatus) -> NodeState:
        state = "running" if status.running else "stopped" if status.there else "missing"
        asleep = status.host == "Running" and not status.running
        stale = status.running and status.kubeconfig == "Misconfigured"
        detail = ASLEEP if asleep else STALE if stale else UNASKED if status.host == UNASKED else ""
        return NodeState(spec.name, spec.role, spec.address, state, detail=detail)

    def _engine(self, profile: Profile | None) -> tuple[str, ...]:
        """The engine of a container driver, as minikube calls it."""
        name = (
            profile.driver
            if profile
            else next((name for name in CONTAINER_DRIVERS if shell.which(name)), "")
        )
        if name not in CONTAINER_DRIVERS or not shell.which(name):
            return ()
        return ("sudo", "-n", name) if name == "podman" and not self.host.root else (name,)

    def boots(self) -> Mapping[str, datetime]:
        return self._booted(self.profile())

    def _booted(self, profile: Profile | None) -> Mapping[str, datetime]:
        """Since when nodes run that are containers: minikube does not tell, and a virtual
        machine's clock is its own.
        """
        engine = self._engine(profile) if profile else ()
        if not profile or not engine:
            return {}
        # those that are there
        answer = shell.read(
            *engine, "container", "inspect", *(node.name for node in profile.nodes), ok=None
        )
        return {one.name: one.started for one in containers(answer.stdout) if one.started}

    def _differs(self, profile: Profile) -> tuple[str, ...]:
        """What minikube could change only by making the cluster anew."""
        settings = self.settings
        chosen = settings.minikube
        plain = profile.plain_registries
        strange = (name for name in command.plain_registries(settings) if not profile.trusts(name))
        pairs = (
            ("Kubernetes", profile.kubernetes, settings.software.kubernetes),
            ("CPUs", profile.cpus, wanted.cpus(settings)),
            ("MiB of memory", profile.memory, wanted.memory(settings)),
            (
                "driver",
                profile.driver,
                profile.driver if chosen.driver == "auto" else chosen.driver,
            ),
            ("container runtime", profile.runtime, chosen.container_runtime or profile.runtime),
            ("registries without TLS", _listed(plain), _listed((*plain, *strange))),
        )
        return tuple(f"{what} {has}, wanted {wants}" for what, has, wants in pairs if has != wants)

    def traces(self) -> tuple[Trace, ...]:
        """None: minikube's profiles bear no label, and one that was made by hand is taken as it
        is.
        """
        return ()

    def leads_to(self, thing: Thing) -> bool:
        return thing.kind != "profile" or thing == self.whole

    @property
    def whole(self) -> Thing:
        """The profile, as it is on record."""
        return Thing("profile", self.profile_name, "minikube")

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        return ()

    def node_specs(self) -> tuple[NodeSpec, ...]:
        return self._wanted(self.profile())

    def _wanted(self, profile: Profile | None) -> tuple[NodeSpec, ...]:
        """Names as minikube gives them: those of the nodes that are there, then the next ones."""
        settings, count = self.settings, self.settings.minikube.nodes
        cpus, memory = wanted.cpus(settings), wanted.memory(settings)
        there = profile.nodes[:count] if profile else ()
        specs = [
            NodeSpec(node.name, "control" if node.control else "worker", node.address, cpus, memory)
            for node in there
        ]
        last = max((node.number for node in profile.nodes), default=0) if profile else 0
        for number in range(last + 1, last + 1 + count - len(specs)):
            first = number == facts.FIRST_NODE
            name = facts.machine_name(self.profile_name, "" if first else f"m{number:02}")
            specs.append(NodeSpec(name, "control" if first else "worker", "", cpus, memory))
        return tuple(specs)

    def ssh_targets(self) -> tuple[SshTarget, ...]:
        profile = self.profile()
        return tuple(
            SshTarget(
                node.name,
                "control" if node.control else "worker",
                node.address,
                USER,
                self.home / "machines" / node.name / "id_rsa",
                self.state.known_hosts,
                pace=self.host.pace,
            )
            for node in (profile.nodes if profile else ())
            if node.address
        )

    def extra_machines(self) -> tuple[SshTarget, ...]:
        return ()

    def probe(self) -> Usable:
        tool, (wrong, fix) = self.tool, self.misfit()
        if tool and not wrong:
            return Usable(True, f"{release.shown(version_of(tool))} at {tool.path}")
        if self._pinned is None:
            return Usable(False, wrong, fix)
        if command.expected(self.host_then) is None:
            return Usable(
                False,
                f"{wrong}, and there is neither a hypervisor nor a container engine for its nodes",
                command.to_install(self.host),
            )
        return Usable(True, f"{wrong}; v{release.PINNED} would be fetched", fix, fetched=True)

    @property
    def host_then(self) -> HostFacts:
        """This machine with the container engine that a plan installs from Debian's packages,
        for images, before nodes are made.
        """
        installs = (self.host.root or self.host.may_sudo) and self.host.distribution.has_apt
        return replace(self.host, tools=self.host.tools | {"podman"}) if installs else self.host

    @property
    def _wrong(self) -> str:
        """Why the minikube that is there can't be used, or ''."""
        tool, force = self.tool, self.settings.minikube.force
        return (
            "minikube is not installed" if tool is None else release.misfit(version_of(tool), force)
        )

    def misfit(self) -> tuple[str, str]:
        """Why the minikube that is there can't be used, and the fix; ('', '') where it can."""
        wrong = self._wrong
        if not wrong:
            return "", ""
        try:
            pinned = release.pinned(self.host, self.settings.minikube.download_url)
        except KubeupError as error:
            return wrong, error.next
        forced = (
            "; or set minikube.force, which gives it --force"
            if self.tool and not release.misfit(version_of(self.tool), True)
            else ""
        )
        return (
            wrong,
            f"`inv doctor --fix --set provider=minikube` fetches {pinned.url} (sha256 "
            f"{pinned.sha256}){forced}",
        )

    def kubectl(self) -> Path:
        """minikube's own, of the cluster's very version; the system's where that is not there
        (yet) and fits.
        """
        own = (
            self.home
            / "cache"
            / self.host.system.lower()
            / self.host.arch
            / f"v{self.settings.software.kubernetes}"
            / "kubectl"
        )
        system = shell.which("kubectl")
        return Path(system) if system and not own.exists() and self._fits(system) else own

    def _fits(self, kubectl: str) -> bool:
        """Within one minor version of the cluster:
        https://kubernetes.io/releases/version-skew-policy/#kubectl.
        """
        return (
            abs(
                facts.kubectl_minor(
                    shell.read(kubectl, "version", "--client", "-o", "json", ok=None).stdout
                )
                - int(self.settings.software.kubernetes.split(".")[1])
            )
            <= 1
        )

    @property
    def list_images(self) -> tuple[str, ...]:
        profile = self.profile()
        runtime = (
            (profile.runtime if profile else "")
            or self.settings.minikube.container_runtime
            or DEFAULT_RUNTIME
        )
        return LISTS[runtime]
