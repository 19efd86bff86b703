"""The embedded default: nodes are containers that run systemd, sshd and containerd.

kubeadm makes the cluster on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    Needed,
    NodeState,
    ReadinessCheck,
    ToolCommand,
    Usable,
    never_ready,
)
from kubeup.cluster.providers.local import disks, forwarding, image, nodes
from kubeup.cluster.providers.local.reading import UNFINISHED, LocalReading, image_of
from kubeup.cluster.release.components import NODE_BINARIES
from kubeup.core import ids, record, shell, things
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Action, Holds, Planned, Room, Step, todo, unless_done
from kubeup.core.things import Thing
from kubeup.facts.containers import Container
from kubeup.images import rootfs
from kubeup.settings.model import NodeSpec
from kubeup.system import cache
from kubeup.system import engine as engines

EXISTING = (
    Holds(ids.LOCAL_NETWORK, "nodes are on it"),
    Holds(ids.LOCAL_IMAGE, "nodes were made from it"),
)


class Local(LocalReading):
    """See `kubeup.cluster.providers.base.Provider`."""

    creates_machines = True
    preloads = True
    keeps_data = True

    def probe(self) -> Usable:
        try:
            why, fix = engines.lacks(self.engine, self.host)
        except KubeupError as error:
            return Usable(False, f"{error.what}: {error.why}", error.next)
        if not why and not self.root_origin.how:
            why, fix = self.root_origin.why, self.root_origin.fix
        if why:
            return Usable(False, why, fix)
        return Usable(True, f"nodes as containers of {self.engine.why}")

    def packages(self) -> tuple[str, ...]:
        """Packages that this machine needs for it."""
        return (*engines.for_nodes(self.engine), *self.root_origin.packages, "openssh-client")

    def cached(self) -> tuple[Path, ...]:
        return (image.rootfs(self.root_origin).path.parent,)

    def made_by(self) -> str:
        return self.engine.name

    def image_engine(self) -> engines.Engine:
        return self.engine

    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines:
        containers = {container.name: container for container in self._containers()}
        node_image = image_of(list(containers.values()))
        rows = [
            self._node_state(spec, containers.pop(name, None)) for name, spec in self._specs.items()
        ]
        rows += map(_surplus, filter(self._is_ours, containers.values()))
        machines = Machines(
            tuple(rows),
            release_inside=True,  # by their image
            # a container can't raise a limit over what this machine may give
            limited=not self.host.sys_resource,
            containers=True,
            cgroup_driver="cgroupfs" if self.host.cgroup == 1 else "systemd",
            taken=self._taken() if any(row.state == "missing" for row in rows) else "",
            image=node_image,
        )
        running = [row for row in rows if row.state == "running" and not row.closed]
        if not running:
            return machines
        ready = ready_since_boot(machines.boots)
        return replace(machines, blocked=self._blocked(node_image, running, ready))

    def plan(self, machines: Machines, needed: Needed) -> Sequence[Planned]:
        """What makes the nodes as the settings want them.

        Raises Refused for what would need a node to be made anew.
        """
        self._refuse(machines)
        steps = [step for node in machines.nodes for step in self._brought_up(node)]
        missing = [node for node in machines.nodes if node.state == "missing"]
        if missing:
            steps += self._foundation(needed)
            steps += [self._create(node.name, self._disk(needed)) for node in missing]
        made = tuple(step.id for step in todo(steps) if step.id.kind is Kind.NODE)
        blocked = machines.blocked
        # where nodes are made or started, the plan that is made afterwards tells
        if blocked and blocked.fix and not made:
            raise Refused("the nodes don't reach each other", blocked.why, blocked.fix)
        if not made and not blocked:
            return steps
        if not missing:
            steps += EXISTING
        why = blocked.why if blocked else "nodes are made or started"
        forward = self._let_forward(why, "" if missing else machines.image, made)
        # by a container of that image, in that network
        holds = {one.id for one in steps if isinstance(one, Holds)}
        there = holds.issuperset(fact.id for fact in EXISTING)
        return [*steps, self._unless_there(forward) if there and not blocked else forward]

    def _brought_up(self, node: NodeState) -> Iterator[Planned]:
        """What lets a node that is there run with its size."""
        if node.closed:
            yield self._admit(node.name)
        elif node.state == "stopped":
            yield self._start(node.name)
        elif node.differs:
            yield Holds(ids.node(node.name), "it runs")
        if node.differs:
            yield self._resize(node)

    def stop(self) -> Sequence[Step]:
        return [
            Step(
                ids.node(container.name),
                f"stop {container.name}",
                "it runs",
                nodes.StopNode(self.engine, container.name),
                seconds=5,
            )
            for container in self._ours()
            if container.state == "running"
        ]

    def start(self) -> Sequence[Planned]:
        """Start what is stopped; podman forgets a resize when a node stops, so it is done again."""
        ours = self._ours()
        stopped = {node.name: node for node in ours if node.state != "running"}
        if not stopped:
            return []
        started = [self._start(name) for name in stopped]
        after = tuple(step.id for step in started)
        forward = self._let_forward("nodes are started", image_of(ours), after)
        steps: list[Planned] = [*EXISTING, *started, self._unless_there(forward)]
        states = [self._node_state(spec, stopped.get(name)) for name, spec in self._specs.items()]
        return [*steps, *(self._resize(node) for node in states if node.differs)]

    def destroy(self, data: bool) -> Sequence[Step]:
        containers = self._ours()
        steps = [self._remove(container.name, data) for container in containers]
        steps += self._orphaned({container.name for container in containers}, data)
        if self.engine.name not in self.host.tools:
            return steps
        made, rules = record.read(self.state).things, self._thing("rules")
        network = self._owns_network(made)
        ruled = network or rules in made
        if ruled and (node_image := image_of(containers) or self._built()):
            title = "take the nodes' rules out of this machine's packet filter"
            unforward = forwarding.Unforward(self._nodes_network(node_image))
            # before the network, whose interface the rules name
            steps.append(_last(steps, ids.UNFORWARD, title, unforward, rules))
        if not network:
            return steps
        title = f"remove the network {self.network}"
        command = ToolCommand(self.engine.argv("network", "rm", self.network))
        steps.append(_last(steps, ids.REMOVE_LOCAL_NETWORK, title, command, self._thing("network")))
        return steps

    def remove(self, name: str) -> Step:
        """Take one node away by name; its data volume stays."""
        return self._remove(name, data=False)

    def _refuse(self, machines: Machines) -> None:
        for node in machines.nodes:
            if node.state == "foreign":
                raise Refused(
                    f"the container {node.name} is not this profile's",
                    f"it was {node.detail}",
                    "give this profile another name (settings.env), or remove that container "
                    "where it belongs; if that folder no longer exists, `inv state.repair` takes "
                    "it over",
                )
            if node.detail and not node.closed and node.state != "surplus":
                raise Refused(
                    f"the node {node.name} {node.detail}",
                    "an address is fixed when a node is made",
                    "set network.control_ip back, or `inv cluster.destroy` (data is kept) and "
                    "`inv up`",
                )
        self.refuse_astray(machines)

    def _container(self, spec: NodeSpec, disk: str) -> nodes.NodeContainer:
        return nodes.NodeContainer(
            spec,
            profile=self.settings.slug,
            network=self.network,
            image=self.node_image(),
            disk=disk,
            owner=self.state.ours,
            named=self.settings.profile,
        )

    @property
    def _labels(self) -> tuple[tuple[str, str], ...]:
        """Of what is the whole profile's."""
        profile, named = self.settings.slug, self.settings.profile
        return tuple(nodes.owned(profile, named, self.state.ours).items())

    def _disk(self, needed: Needed) -> str:
        held = [f"{name} {path.parent.name}" for name, path in needed.archives]
        return f"kubeup-disk-{cache.digest(self.node_image(), *held)}"

    def _foundation(self, needed: Needed) -> Iterator[Planned]:
        """What all nodes are made of: their network, image and disk, where they are not there."""
        root = image.rootfs(self.root_origin)
        yield self._unless_there(
            Step(
                ids.LOCAL_NETWORK,
                f"make the network {self.network} ({self.settings.node_network})",
                "nodes keep their addresses on it",
                nodes.CreateNetwork(
                    self.engine, self.network, str(self.settings.node_network), self._labels
                ),
                needs=(ids.PACKAGES,),
                makes=(self._thing("network"),),
            )
        )
        built = self._unless_there(self._build(root))
        if isinstance(built, Holds):
            # which a container of that image looks at
            yield from (built, self._unless_there(self._fill(needed)))
        else:
            yield from (rootfs.plan(root, "the nodes"), built, self._fill(needed))

    def _unless_there(self, step: Step) -> Planned:
        return unless_done(step) if shell.which(self.engine.name) else step

    def _build(self, root: rootfs.Rootfs) -> Step:
        node_image = self.node_image()
        binaries = tuple(self.release.binary(name) for name in NODE_BINARIES)
        return Step(
            ids.LOCAL_IMAGE,
            "build the nodes' image",
            f"{node_image} is what nodes are made from",
            image.BuildNodeImage(self.engine, root, binaries, node_image),
            needs=(ids.PACKAGES, ids.rootfs(root.name), ids.KUBERNETES),
            seconds=10,
            room=Room(nodes=500),
            measures=True,
        )

    def _fill(self, needed: Needed) -> Step:
        archives = tuple(path for _, path in needed.archives)
        return Step(
            ids.LOCAL_DISK,
            "fill the nodes' disk with images",
            f"{len(archives)} archives, once instead of on every node",
            disks.MakeDisk(self.engine, self.node_image(), self._disk(needed), archives),
            needs=(ids.LOCAL_IMAGE, *needed.steps),
            seconds=15,
            room=Room(nodes=2200),
            measures=True,
        )

    def _let_forward(self, why: str, node_image: str, made: tuple[StepId, ...]) -> Step:
        return Step(
            ids.FORWARDING,
            "let this machine forward what goes between the nodes",
            why,
            forwarding.LetForward(self._nodes_network(node_image)),
            needs=(ids.LOCAL_NETWORK, ids.LOCAL_IMAGE, *made),
            makes=(self._thing("rules"),),
        )

    def _create(self, name: str, disk: str) -> Step:
        spec = self._specs[name]
        container = self._container(spec, disk)
        return Step(
            ids.node(name),
            f"make the node {name}",
            f"{spec.address}, {spec.cpus} CPUs, {spec.memory_mb} MiB: missing",
            nodes.CreateNode(
                self.engine,
                container,
                self.ssh_target(spec),
                self.state,
                self.settings.ssh.users,
                self._owners,
            ),
            needs=(ids.LOCAL_NETWORK, ids.LOCAL_DISK, ids.KEY),
            seconds=4,
            room=Room(nodes=300),
            measures=True,
            makes=self._node_things(name, container.var, container.data),
        )

    def _start(self, name: str) -> Step:
        return Step(
            ids.node(name),
            f"start {name}",
            "it is stopped",
            nodes.StartNode(self.engine, name),
            seconds=3,
            measures=True,
        )

    def _admit(self, name: str) -> Step:
        target, users = self.ssh_target(self._specs[name]), self.settings.ssh.users
        admit = nodes.AdmitNode(self.engine, name, target, self.state, users)
        return Step(
            ids.node(name), f"finish {name}", f"it {UNFINISHED}", admit, (ids.KEY,), seconds=3
        )

    def _resize(self, node: NodeState) -> Step:
        return Step(
            ids.resize(node.name),
            f"resize {node.name}",
            "; ".join(node.differs),
            nodes.Resize(self.engine, self._specs[node.name]),
            needs=(ids.node(node.name),),
        )

    def _remove(self, name: str, data: bool) -> Step:
        # /var without its node is of no use: a new one starts with a copy of the disk
        volumes = [f"{name}{nodes.VAR_VOLUME}"]
        why, loses = "asked for; its data volume stays", ""
        if data:
            volumes.append(f"{name}{nodes.DATA_VOLUME}")
            why, loses = "asked for", f"all data on {name}, the database's included if it is there"
        return Step(
            ids.removal(name),
            f"remove {name}",
            why,
            nodes.RemoveNode(self.engine, name, tuple(volumes), self.settings.slug, self._owners),
            seconds=3,
            loses=loses,
            removes=self._node_things(name, *volumes),
        )

    def _orphaned(self, removed: set[str], data: bool) -> Iterator[Step]:
        """Volumes whose nodes are gone: disks of nodes half made, data that a `down` kept."""
        for volume in filter(self._is_ours, self._volumes()):
            name, _, ending = volume.name.rpartition("-")
            if name in removed:
                continue
            thing = Thing("volume", volume.name, self.engine.name)
            remove = ToolCommand(self.engine.argv("volume", "rm", volume.name))
            if f"-{ending}" == nodes.VAR_VOLUME:
                title, why = f"remove the disk of {name}", "its node is gone"
                yield Step(ids.leftover(volume.name), title, why, remove, removes=(thing,))
            elif data and f"-{ending}" == nodes.DATA_VOLUME:
                yield Step(
                    ids.loss(name),
                    f"remove the data of {name}",
                    "asked for by name",
                    remove,
                    loses=f"all data of {name}",
                    removes=(thing,),
                )

    def _node_things(self, name: str, *volumes: str) -> tuple[Thing, ...]:
        container = Thing("container", name, self.engine.name)
        return (container, *(Thing("volume", volume, self.engine.name) for volume in volumes))

    def _thing(self, kind: things.Kind) -> Thing:
        """That of the nodes' network."""
        return Thing(kind, self.network, self.engine.name)


def _surplus(container: Container) -> NodeState:
    role, detail = container.label(nodes.ROLE), "not in the settings"
    return NodeState(container.name, role, container.address, "surplus", detail=detail)


def _last(steps: Sequence[Step], id_: StepId, title: str, action: Action, thing: Thing) -> Step:
    """A step that comes after all others, once the nodes are gone."""
    needs = tuple(step.id for step in steps)
    return Step(id_, title, "its nodes go", action, needs, removes=(thing,))
