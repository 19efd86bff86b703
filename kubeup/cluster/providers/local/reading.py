"""What there is of a profile on this machine: containers, volumes, the network, their owners."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property, partial

from kubeup.cluster.providers.base import Blocked, NodeState, Survey, Trace
from kubeup.cluster.providers.kubeadm import KubeadmProvider
from kubeup.cluster.providers.local import disks, image, nodes, survey
from kubeup.cluster.providers.local.forwarding import NodesNetwork
from kubeup.cluster.release import source
from kubeup.core import record, shell
from kubeup.core.errors import KubeupError
from kubeup.core.state import State
from kubeup.core.things import Thing, of_kind
from kubeup.facts.cgroups import Limits, limits
from kubeup.facts.containers import Container, Volume, containers, networks
from kubeup.facts.host import HostFacts
from kubeup.images import bases
from kubeup.images.rootfs import Origin
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import engine as engines
from kubeup.system import ssh

UNFINISHED = "was not finished: its creation was interrupted"


class LocalReading(KubeadmProvider):
    """The part of the provider that changes nothing."""

    name = "local"

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host

    @cached_property
    def engine(self) -> engines.Engine:
        made = record.read(self.state).made
        return engines.choose(self.settings.local.engine, self.host, made.engine)

    @cached_property
    def release(self) -> source.Release:
        chosen = self.settings.release
        made = record.read(self.state).made
        return source.choose(chosen.source, self.host, str(chosen.base_url), made)

    @cached_property
    def root_origin(self) -> Origin:
        return bases.origin(self.host, self.engine)

    @cached_property
    def _specs(self) -> dict[str, NodeSpec]:
        """The machines that the settings want, by their names."""
        return {spec.name: spec for spec in self.settings.machines_list()}

    @property
    def network(self) -> str:
        return f"{self.settings.local.network}-{self.settings.slug}"

    def node_image(self) -> str:
        return image.tag(image.rootfs(self.root_origin), self.release.identity())

    def traces(self) -> tuple[Trace, ...]:
        if not shell.which(self.engine.name):
            return ()
        containers = [
            survey.trace("container", container, self.engine)
            for container in self._containers()
            if container.label(nodes.PROFILE) == self.settings.slug
        ]
        volumes = (survey.trace("volume", volume, self.engine) for volume in self._volumes())
        return (*containers, *volumes)

    def surveys(self) -> dict[str, Survey]:
        return {name: partial(self._survey, name) for name in engines.here(self.host)}

    def _survey(self, name: str) -> tuple[Trace, ...]:
        return survey.everything(engines.to_ask(name, self.host))

    def standing(self, things: Collection[Thing]) -> tuple[Thing, ...]:
        """Rules can be looked at only where an image of nodes is left to do it with."""
        if not of_kind(things, "container", "volume", "network", "rules"):
            return ()
        if not shell.which(self.engine.name):
            raise KubeupError(
                f"{self.engine.name} is not installed",
                f"it can't be asked about {', '.join(map(str, things))}",
                "install it again, then run this again",
            )
        there = {container.name for container in self._ours()}
        there |= {volume.name for volume in self._volumes() if self._is_ours(volume)}
        if self._owns_network(things):
            there.add(self.network)
        of_names = of_kind(things, "container", "volume", "network")
        left = [thing for thing in of_names if thing.name in there]
        rules = of_kind(things, "rules")
        node_image = self._built() if rules else ""
        if node_image and self._nodes_network(node_image).has_rules():
            left += rules
        return tuple(left)

    def _owns_network(self, made: Collection[Thing]) -> bool:
        """Whether the nodes' network is there, and was made by this checkout for this profile.

        An earlier kubeup gave it no owner: then it is among what was `made`, or has our nodes.
        """
        for network in survey.networks(self.engine):
            if network.name == self.network:
                if nodes.OWNER in network.labels or nodes.OURS not in network.labels:
                    return self._is_ours(network)
                thing = Thing("network", self.network, self.engine.name)
                return thing in made or bool(self._ours())
        return False

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        """By the volumes, whether or not their nodes are there."""
        data = [
            volume.name for volume in self._volumes() if volume.name.endswith(nodes.DATA_VOLUME)
        ]
        node_image = image_of(self._containers()) or self._built()
        if data and not node_image:
            raise KubeupError(
                "the data volumes can't be read",
                "that takes a container of the nodes' image, and there is no such image",
                "restore state.json as it was",
            )
        return tuple(
            (volume.removesuffix(nodes.DATA_VOLUME), *folder)
            for volume in data
            for folder in disks.holding(self.engine, node_image, volume, names)
        )

    def _built(self) -> str:
        """The image of new nodes, or an earlier one; '' where there is none."""
        node_image = self.node_image()
        if self.engine.has("image", node_image):
            return node_image
        earlier = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", image.NAME)
        return next(iter(self.engine.read(*earlier).stdout.split()), "")

    def _containers(self) -> tuple[Container, ...]:
        """This profile's node containers, and those of others that have a name that it needs."""
        if not shell.which(self.engine.name):
            return ()
        if self.engine.by_sudo:
            shell.authorize()
        names = set[str]()
        for line in self.engine.read("ps", "--all", "--format", self._format()).stdout.splitlines():
            name, *profile = line.split()
            if name in self._specs or profile == [self.settings.slug]:
                names.add(name)
        if not names:
            return ()
        return containers(self.engine.read("container", "inspect", *sorted(names)).stdout)

    def _format(self) -> str:
        """Name and profile of each container, in the engine's template language."""
        label = "index .Labels" if self.engine.name == "podman" else ".Label"
        return f'{{{{.Names}}}} {{{{{label} "{nodes.PROFILE}"}}}}'

    def _volumes(self) -> list[Volume]:
        """This profile's, whichever checkout made them."""
        if not shell.which(self.engine.name):
            return []
        return survey.labelled_volumes(self.engine, f"{nodes.PROFILE}={self.settings.slug}")

    def _ours(self) -> list[Container]:
        """What this checkout made or took over: another one may have a profile of this name."""
        return [container for container in self._containers() if self._is_ours(container)]

    @cached_property
    def _owners(self) -> frozenset[str]:
        return frozenset((self.state.ours, *record.read(self.state).taken_over))

    def _is_ours(self, item: Container | Volume) -> bool:
        """Whether this checkout made it for this very profile: `Dev` and `dev` share node names."""
        profile, labels = self.settings.profile, dict(item.labels)
        # an older kubeup did not write it down
        older = profile if self.state.folder.exists() else self.settings.slug
        return labels.get(nodes.OWNER) in self._owners and labels.get(nodes.NAMED, older) == profile

    def _node_state(self, spec: NodeSpec, container: Container | None) -> NodeState:
        if container is None:
            return NodeState(spec.name, spec.role, spec.address, "missing")
        if not self._is_ours(container):
            detail = _maker(container)
            return NodeState(spec.name, spec.role, container.address, "foreign", detail=detail)
        # a stopped container has no address of its own
        address = container.label(nodes.ADDRESS) or container.address
        detail = "" if ssh.known(self.state, self.ssh_target(spec)) else UNFINISHED
        if address != spec.address:
            detail = f"has the address {address}, wanted is {spec.address}"
        return NodeState(
            spec.name,
            spec.role,
            address,
            "running" if container.state == "running" else "stopped",
            tuple(self._differences(spec, container)),
            detail,
            container.started,
            closed=detail == UNFINISHED,
        )

    def _differences(self, spec: NodeSpec, container: Container) -> Iterator[str]:
        # what the kernel enforces where it runs, as podman 4 does not tell what `podman update` has
        # changed (containers/podman#17187), else what it will start with
        configured = Limits(container.cpus, container.memory)
        size = limits(container.cgroup, self.host.cgroup) or configured
        if size.cpus != float(spec.cpus):
            yield f"{size.cpus:g} CPUs, wanted {spec.cpus}"
        if size.memory != spec.memory_mb:
            yield f"{size.memory} MiB, wanted {spec.memory_mb}"

    def _taken(self) -> str:
        """The engine's network that has the nodes' range already, as another profile's may."""
        if self.engine.name not in self.host.tools:
            return ""
        names = self.engine.read("network", "ls", "--format", "{{.Name}}").stdout.split()
        if self.network in names or not names:
            return ""
        # a network may be removed between the two commands
        inspected = networks(self.engine.read("network", "inspect", *names, ok=None).stdout)
        for name, ranges in inspected.items():
            if any(map(self.settings.node_network.overlaps, ranges)):
                return f"{self.engine.name}'s network {name}"
        return ""

    def _nodes_network(self, node_image: str = "") -> NodesNetwork:
        """`node_image`: one that is there, where that of new nodes may not be."""
        return NodesNetwork(
            self.engine,
            node_image or self.node_image(),
            self.network,
            self.settings.slug,
            self.settings.node_network,
            self.settings.network.pod_cidr,
            self.host.pace,
        )

    def _blocked(
        self, node_image: str, running: Sequence[NodeState], ready_since_boot: bool
    ) -> Blocked | None:
        control = next((node.address for node in running if node.role == "control"), "")
        worker = next((node.name for node in running if node.role == "worker"), "")
        return self._nodes_network(node_image).blocked(worker, control, ready_since_boot)


def image_of(containers: Sequence[Container]) -> str:
    """What nodes that are there were made from; '' where there are none."""
    return containers[0].image if containers else ""


def _maker(container: Container) -> str:
    """Who made a container that is not this profile's."""
    owner, profile = container.label(nodes.OWNER), container.label(nodes.NAMED)
    whose = f" for the profile {profile}" if profile else ""
    return f"made by {owner or 'another program'}{whose}"
