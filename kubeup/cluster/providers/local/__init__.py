"""The embedded default: nodes are containers that run systemd, sshd and containerd; kubeadm
makes the cluster on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal

from kubeup.cluster.providers.base import (
    Blocked,
    Machines,
    Needed,
    NodeState,
    ReadinessCheck,
    Trace,
    Usable,
    never_ready,
)
from kubeup.cluster.providers.kubeadm import KubeadmProvider
from kubeup.cluster.providers.local import disks, forwarding, image, nodes
from kubeup.cluster.providers.local.forwarding import NodesNetwork
from kubeup.cluster.providers.local.nodes import NodeContainer
from kubeup.cluster.release import source
from kubeup.cluster.release.components import NODE_BINARIES
from kubeup.core import ids, record, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import Kind
from kubeup.core.plan import Holds, Planned, Room, Step, todo
from kubeup.core.state import State
from kubeup.core.things import Thing
from kubeup.facts.cgroups import Limits, limits
from kubeup.facts.containers import Container, Volume, containers, networks, volumes
from kubeup.facts.host import HostFacts
from kubeup.images import bases, rootfs
from kubeup.images.rootfs import Origin
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import cache, ssh
from kubeup.system import engine as engines
from kubeup.system.ssh import SshTarget

UNFINISHED = "was never finished: its making was interrupted"
STANDING = (
    Holds(ids.LOCAL_NETWORK, "nodes are on it"),
    Holds(ids.LOCAL_IMAGE, "nodes were made from it"),
)


class Local(KubeadmProvider):
    """See `kubeup.cluster.providers.base.Provider`."""

    name = "local"
    creates_machines = True
    preloads = True
    keeps_data = True

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host

    @cached_property
    def engine(self) -> engines.Engine:
        return engines.choose(
            self.settings.local.engine, self.host, record.read(self.state).made.engine
        )

    @cached_property
    def release(self) -> source.Release:
        chosen = self.settings.release
        return source.choose(
            chosen.source, self.host, str(chosen.base_url), record.read(self.state).made
        )

    def made_by(self) -> str:
        return self.engine.name

    @cached_property
    def root_origin(self) -> Origin:
        return bases.origin(self.host, self.engine)

    @property
    def network(self) -> str:
        return f"{self.settings.local.network}-{self.settings.slug}"

    def probe(self) -> Usable:
        try:
            chosen = self.engine
        except KubeupError as error:
            return Usable(False, f"{error.what}: {error.why}", error.next)
        why, fix = engines.lacks(chosen, self.host)
        if not why and not self.root_origin.how:
            why, fix = self.root_origin.why, self.root_origin.fix
        return (
            Usable(False, why, fix) if why else Usable(True, f"nodes as containers of {chosen.why}")
        )

    def packages(self) -> tuple[str, ...]:
        """Packages that this machine needs for it."""
        return (*engines.for_nodes(self.engine), *self.root_origin.packages, "openssh-client")

    def image_engine(self) -> engines.Engine:
        return self.engine

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        found = {one.name: one for one in self._containers()}
        wanted = self.settings.machines_list()
        names = {spec.name for spec in wanted}
        surplus = [
            one for one in found.values() if one.name not in names and self._made(dict(one.labels))
        ]
        rows = [self._seen(spec, found.get(spec.name)) for spec in wanted]
        rows += [
            NodeState(
                one.name,
                one.label(nodes.ROLE),
                one.address,
                "surplus",
                detail="not in the settings",
            )
            for one in surplus
        ]
        machines = Machines(
            tuple(rows),
            release_inside=True,
            images_inside=True,
            limited=not self.host.sys_resource,
            containers=True,
            cgroup_driver="cgroupfs" if self.host.cgroup == 1 else "systemd",
            taken=self._taken() if any(row.state == "missing" for row in rows) else "",
            image=_image(tuple(found.values())),
        )
        running = [row for row in rows if row.state == "running" and not row.closed]
        if not running:
            return machines
        return replace(
            machines,
            blocked=self._blocked(machines.image, running, ready_since_boot(machines.boots)),
        )

    def _taken(self) -> str:
        """The engine's network that has the nodes' range already, as another profile's may."""
        if self.engine.name not in self.host.tools:
            return ""
        argv = self.engine.argv
        names = shell.read(*argv("network", "ls", "--format", "{{.Name}}")).stdout.split()
        if self.network in names or not names:
            return ""
        # one may go between the two looks
        known = networks(shell.read(*argv("network", "inspect", *names), ok=None).stdout)
        wanted = self.settings.node_network
        having = [name for name, ranges in known.items() if any(map(wanted.overlaps, ranges))]
        return f"{self.engine.name}'s network {having[0]}" if having else ""

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the nodes as the settings want them.

        Raises Refused for what would need a node to be made anew.
        """
        missing = [node for node in machines.nodes if node.state == "missing"]
        self._refuse(machines)
        unfinished = {node.name for node in machines.nodes if node.detail == UNFINISHED}
        steps = list[Planned](self._admit(name) for name in sorted(unfinished))
        steps += [
            self._start(node.name, "stopped")
            for node in machines.nodes
            if node.state == "stopped" and node.name not in unfinished
        ]
        steps += [one for node in machines.nodes if node.differs for one in self._resized(node)]
        if missing:
            steps += self._foundation(needed)
            steps += [self._create(node.name, self._disk(needed)) for node in missing]
        made = any(step.id.kind is Kind.NODE for step in todo(steps))
        if machines.blocked and machines.blocked.fix and not made:
            raise Refused(
                "the nodes don't reach each other", machines.blocked.why, machines.blocked.fix
            )
        if made or machines.blocked:
            why = machines.blocked.why if machines.blocked else ""
            steps += [
                *(() if missing else STANDING),
                self._let_forward(why, "" if missing else machines.image),
            ]
        return steps

    def stop(self) -> Sequence[Step]:
        running = [one.name for one in self._ours() if one.state == "running"]
        return [
            Step(
                ids.node(name),
                f"stop {name}",
                "it runs",
                nodes.StopNode(self.engine, name),
                seconds=5,
            )
            for name in running
        ]

    def start(self) -> Sequence[Planned]:
        """Start what is stopped; podman forgets a resize when a node stops, so it is done again."""
        ours = self._ours()
        stopped = {one.name: one for one in ours if one.state != "running"}
        seen = [
            self._seen(spec, stopped[spec.name])
            for spec in self.settings.machines_list()
            if spec.name in stopped
        ]
        if not stopped:
            return []
        return [
            *STANDING,
            self._let_forward("", _image(ours)),
            *(self._start(one.name, one.state) for one in stopped.values()),
            *(self._resize(node) for node in seen if node.differs),
        ]

    def destroy(self, data: bool) -> Sequence[Step]:
        found = self._ours()
        steps = [self._remove(one.name, data) for one in found]
        if data:
            steps += self._orphaned_data({one.name for one in found})
        if (
            self.engine.name in self.host.tools
            and shell.read(*self.engine.argv("network", "inspect", self.network), ok=None).ok
        ):
            gone = tuple(step.id for step in steps)
            if image_there := _image(found) or self._built():
                steps.append(
                    Step(
                        ids.UNFORWARD,
                        "take the nodes' rules out of this machine's packet filter",
                        "its nodes go",
                        forwarding.Unforward(self._nodes_network(image_there)),
                        gone,
                        removes=(self._thing("rules"),),
                    )
                )
            steps.append(
                Step(
                    ids.REMOVE_LOCAL_NETWORK,
                    f"remove the network {self.network}",
                    "its nodes go",
                    nodes.RemoveNetwork(self.engine, self.network),
                    tuple(step.id for step in steps),
                    removes=(self._thing("network"),),
                )
            )
        return steps

    # what it is made of

    def node_image(self) -> str:
        return image.tag(image.rootfs(self.root_origin), self.release.identity())

    def _nodes_network(self, image: str = "") -> NodesNetwork:
        """`image`: one that is there and has a node's programs, where that of new nodes may not
        be.
        """
        return NodesNetwork(
            self.engine,
            image or self.node_image(),
            self.network,
            self.settings.slug,
            self.settings.node_network,
            self.settings.network.pod_cidr,
            self.host.pace,
        )

    def _blocked(
        self, image: str, running: Sequence[NodeState], ready_since_boot: bool
    ) -> Blocked | None:
        control = next((node.address for node in running if node.role == "control"), "")
        worker = next((node.name for node in running if node.role == "worker"), "")
        return self._nodes_network(image).blocked(worker, control, ready_since_boot)

    def _built(self) -> str:
        """The image of new nodes, where it is there."""
        there = shell.read(*self.engine.argv("image", "inspect", self.node_image()), ok=None).ok
        return self.node_image() if there else ""

    def _containers(self) -> tuple[Container, ...]:
        """This profile's node containers, ours or not: names are what a second checkout would
        collide with.
        """
        if not shell.which(self.engine.name):
            return ()
        if self.engine.by_sudo:
            shell.authorize()
        wanted = {spec.name for spec in self.settings.machines_list()}
        rows = [
            line.split()
            for line in shell.read(
                *self.engine.argv("ps", "--all", "--format", self._names())
            ).stdout.splitlines()
        ]
        names = sorted(
            {row[0] for row in rows if row[0] in wanted or row[1:] == [self.settings.slug]}
        )
        return (
            containers(shell.read(*self.engine.argv("container", "inspect", *names)).stdout)
            if names
            else ()
        )

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        """By the volumes, whether or not their nodes are there."""
        having = [one.name for one in self._volumes() if one.name.endswith("-data")]
        image = _image(self._containers()) or self._built()
        if having and not image:
            raise KubeupError(
                "volumes can't be looked into",
                "no image of a node is there to do it with",
                "put state.json back as it was",
            )
        return tuple(
            (volume.removesuffix("-data"), *one)
            for volume in having
            for one in disks.holding(self.engine, image, volume, names)
        )

    def _ours(self) -> list[Container]:
        """Only what this checkout made, or took over: another one may have a profile of the same
        name.
        """
        return [one for one in self._containers() if self._made(dict(one.labels))]

    @cached_property
    def _owners(self) -> frozenset[str]:
        return frozenset((self.state.ours, *record.read(self.state).taken_over))

    def traces(self) -> tuple[Trace, ...]:
        if not shell.which(self.engine.name):
            return ()
        made = [one for one in self._containers() if one.label(nodes.PROFILE) == self.settings.slug]
        return (
            *(
                Trace(Thing("container", one.name, self.engine.name), one.label(nodes.OURS))
                for one in made
            ),
            *(
                Trace(
                    Thing("volume", one.name, self.engine.name),
                    dict(one.labels).get(nodes.OURS, ""),
                )
                for one in self._volumes()
            ),
        )

    def _volumes(self) -> list[Volume]:
        """This profile's, whichever checkout made them."""
        profile = {nodes.PROFILE: self.settings.slug}
        filtered = f"label={nodes.PROFILE}={self.settings.slug}"
        listed = shell.read(
            *self.engine.argv("volume", "ls", "--quiet", "--filter", filtered)
        ).stdout.split()
        found = (
            volumes(shell.read(*self.engine.argv("volume", "inspect", *listed)).stdout)
            if listed
            else ()
        )
        # compared here as well: podman 4.3 takes two filters for "one or the other", and another
        # profile's data would be gone
        return [one for one in found if one.has(profile)]

    def _made(self, labels: Mapping[str, str]) -> bool:
        """Whether it is this checkout's, and of this very profile: others may have the same
        names for their nodes.
        """
        profile, slug = self.settings.profile, self.settings.slug
        # an older kubeup did not write it down
        older = profile if self.state.folder.exists() else slug
        return labels.get(nodes.OURS) in self._owners and labels.get(nodes.NAMED, older) == profile

    def _names(self) -> str:
        """Name and profile of each container, in the engine's template language."""
        label = (
            f'{{{{index .Labels "{nodes.PROFILE}"}}}}'
            if self.engine.name == "podman"
            else f'{{{{.Label "{nodes.PROFILE}"}}}}'
        )
        return f"{{{{.Names}}}} {label}"

    def _seen(self, spec: NodeSpec, found: Container | None) -> NodeState:
        if found is None:
            return NodeState(spec.name, spec.role, spec.address, "missing")
        if not self._made(dict(found.labels)):
            named = found.label(nodes.NAMED)
            whose = found.label(nodes.OURS) or "not made by kubeup"
            return NodeState(
                spec.name,
                spec.role,
                found.address,
                "foreign",
                detail=f"the profile {named} of {whose}" if named else whose,
            )
        limits = self._limits(found)
        differs = []
        if limits.cpus != float(spec.cpus):
            differs.append(f"{limits.cpus:g} CPUs, wanted {spec.cpus}")
        if limits.memory != spec.memory_mb:
            differs.append(f"{limits.memory} MiB, wanted {spec.memory_mb}")
        # a stopped container has none of its own
        address = found.label(nodes.ADDRESS) or found.address
        moved = (
            f"has the address {address}, wanted is {spec.address}"
            if address != spec.address
            else ""
        )
        detail = moved or ("" if ssh.known(self.state, self._reach(spec)) else UNFINISHED)
        return NodeState(
            spec.name,
            spec.role,
            address,
            "running" if found.state == "running" else "stopped",
            tuple(differs),
            detail,
            found.started,
            closed=detail == UNFINISHED,
        )

    def _limits(self, found: Container) -> Limits:
        """What the kernel enforces where it runs, else what it will start with."""
        return limits(found.cgroup, self.host.cgroup) or Limits(found.cpus, found.memory)

    def _refuse(self, machines: Machines) -> None:
        for node in machines.nodes:
            if node.state == "foreign":
                raise Refused(
                    f"a container named {node.name} belongs to somebody else",
                    f"it is of {node.detail}",
                    "give this profile another name (settings.env), or remove that container "
                    "where it belongs; "
                    "where that folder is gone: `inv state.repair` takes it over",
                )
            if node.detail and node.detail != UNFINISHED and node.state != "surplus":
                raise Refused(
                    f"the node {node.name} {node.detail}",
                    "an address is fixed when a node is made",
                    "set network.control_ip back, or `inv cluster.destroy` (data is kept) and "
                    "`inv up`",
                )
        self.refuse_astray(machines)

    def _spec(self, name: str) -> NodeSpec:
        return next(spec for spec in self.settings.machines_list() if spec.name == name)

    def _reach(self, spec: NodeSpec) -> SshTarget:
        return SshTarget(
            spec.name,
            spec.role,
            spec.address,
            self.settings.ssh.user,
            self.state.private_key,
            self.state.known_hosts,
            pace=self.host.pace,
        )

    def _container(self, spec: NodeSpec, disk: str) -> NodeContainer:
        return NodeContainer(
            spec.name,
            spec.role,
            self.settings.slug,
            spec.address,
            spec.cpus,
            spec.memory_mb,
            self.network,
            self.node_image(),
            disk,
            self.state.ours,
            self.settings.profile,
        )

    def _disk(self, needed: Needed) -> str:
        held = [f"{name} {path.parent.name}" for name, path in needed.archives]
        return f"kubeup-disk-{cache.digest(self.node_image(), *held)}"

    def _foundation(self, needed: Needed) -> list[Planned]:
        root = image.rootfs(self.root_origin)
        binaries = tuple(self.release.binary(name) for name in NODE_BINARIES)
        subnet = str(self.settings.node_network)
        disk = self._disk(needed)
        return [
            Step(
                ids.LOCAL_NETWORK,
                f"make the network {self.network} ({subnet})",
                "nodes keep their addresses on it",
                nodes.CreateNetwork(self.engine, self.network, subnet),
                (ids.PACKAGES,),
                makes=(self._thing("network"),),
            ),
            rootfs.plan(root, "the nodes"),
            Step(
                ids.LOCAL_IMAGE,
                "build the nodes' image",
                f"{self.node_image()} is what nodes are made from",
                image.BuildNodeImage(self.engine, root, binaries, self.node_image()),
                (ids.PACKAGES, ids.rootfs(root.name), ids.KUBERNETES),
                10,
                room=Room(nodes=500),
                measures=True,
            ),
            Step(
                ids.LOCAL_DISK,
                "fill the nodes' disk with images",
                f"{len(needed.archives)} archives, once instead of on every node",
                disks.MakeDisk(
                    self.engine, self.node_image(), disk, tuple(path for _, path in needed.archives)
                ),
                (ids.LOCAL_IMAGE, *needed.steps),
                15,
                room=Room(nodes=2200),
                measures=True,
            ),
        ]

    def _create(self, name: str, disk: str) -> Step:
        spec = self._spec(name)
        container = self._container(spec, disk)
        return Step(
            ids.node(name),
            f"make the node {name}",
            f"{spec.address}, {spec.cpus} CPUs, {spec.memory_mb} MiB: missing",
            nodes.CreateNode(self.engine, container, self._reach(spec), self.state),
            (ids.FORWARDING, ids.LOCAL_DISK, ids.KEY),
            4,
            room=Room(nodes=300),
            measures=True,
            makes=tuple(self._node_things(name, (container.var, container.data))),
        )

    def _start(self, name: str, was: str) -> Step:
        return Step(
            ids.node(name),
            f"start {name}",
            f"it is {was}",
            nodes.StartNode(self.engine, name),
            (ids.FORWARDING,),
            3,
            measures=True,
        )

    def _let_forward(self, reason: str, image: str = "") -> Step:
        return Step(
            ids.FORWARDING,
            "let this machine forward what goes between the nodes",
            reason or "nodes are made or started",
            forwarding.LetForward(self._nodes_network(image)),
            (ids.LOCAL_NETWORK, ids.LOCAL_IMAGE),
            makes=(self._thing("rules"),),
        )

    def _admit(self, name: str) -> Step:
        admit = nodes.AdmitNode(self.engine, name, self._reach(self._spec(name)), self.state)
        return Step(ids.node(name), f"finish {name}", UNFINISHED, admit, (ids.KEY,), 3)

    def _resized(self, node: NodeState) -> list[Planned]:
        """Another size for a node, which has to run for it."""
        runs = (
            [Holds(ids.node(node.name), "it runs")]
            if node.state == "running" and not node.closed
            else []
        )
        return [*runs, self._resize(node)]

    def _resize(self, node: NodeState) -> Step:
        spec = self._spec(node.name)
        return Step(
            ids.resize(node.name),
            f"resize {node.name}",
            "; ".join(node.differs),
            nodes.Resize(self.engine, node.name, spec.cpus, spec.memory_mb),
            (ids.node(node.name),),
        )

    def remove(self, name: str) -> Step:
        """Take one node away by name; its data volume stays."""
        return self._remove(name, data=False)

    def _remove(self, name: str, data: bool) -> Step:
        volumes = (f"{name}-var", f"{name}-data") if data else (f"{name}-var",)
        loses = f"all data on {name}, the database's included where it is there" if data else ""
        return Step(
            ids.removal(name),
            f"remove {name}",
            "asked for" if data else "asked for; its data volume stays",
            nodes.RemoveNode(self.engine, name, volumes),
            seconds=3,
            loses=loses,
            removes=tuple(self._node_things(name, volumes)),
        )

    def _node_things(self, name: str, volumes: Sequence[str]) -> Iterator[Thing]:
        yield Thing("container", name, self.engine.name)
        yield from (Thing("volume", volume, self.engine.name) for volume in volumes)

    def _thing(self, kind: Literal["network", "rules"]) -> Thing:
        """That of the nodes' network."""
        return Thing(kind, self.network, self.engine.name)

    def _orphaned_data(self, done: set[str]) -> list[Step]:
        """Data volumes whose nodes went before (a `down` that kept them)."""
        if not shell.which(self.engine.name):
            return []
        names = [
            one.name.removesuffix("-data")
            for one in self._volumes()
            if one.name.endswith("-data") and self._made(dict(one.labels))
        ]
        return [
            Step(
                ids.loss(name),
                f"remove the data of {name}",
                "asked for by name",
                nodes.RemoveVolumes(self.engine, (f"{name}-data",)),
                loses=f"all data of {name}",
                removes=(Thing("volume", f"{name}-data", self.engine.name),),
            )
            for name in names
            if name not in done
        ]


def _image(found: Sequence[Container]) -> str:
    """What nodes that are there were made from; '' where there are none."""
    return found[0].image if found else ""
