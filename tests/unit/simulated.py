"""A machine, its container engine and a cluster as data, and what steps do to them.

The plans are the real plan makers'. A step needs what it needs in the world (an archive, a network,
an API server) and fails where that is not there; one that is cut off leaves what it may leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from builders import SANDBOX, access, settings, state
from scenarios import World

from kubeup.application.apply import ApplyPart, WaitForPart
from kubeup.application.deployment import Deployment
from kubeup.application.external import Published
from kubeup.application.overlay import Overlay
from kubeup.cluster import repair
from kubeup.cluster.baseline import KeepBaseline, PutBack
from kubeup.cluster.providers.base import Blocked, Machines, NodeState
from kubeup.cluster.providers.kube_system import METRICS, POLICIES, ApplyManifest
from kubeup.cluster.providers.local import Local, disks, forwarding, image, nodes
from kubeup.cluster.providers.local.reading import UNFINISHED
from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.provision import play
from kubeup.cluster.release import go, source
from kubeup.cluster.release import images as system_images
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.components import IMAGES
from kubeup.core import ids, record, shell
from kubeup.core.ids import StepId
from kubeup.core.plan import Plan, Rechecked, Step
from kubeup.facts import manifests
from kubeup.facts.faults import Fault, Repair
from kubeup.facts.kubernetes import KubeNode, KubeWorkload
from kubeup.images import load as loads
from kubeup.images import rootfs
from kubeup.images.build import BuildImage
from kubeup.images.load import LoadImage, PushImage
from kubeup.system import cache, keys, packages, secrets, tls
from kubeup.system.engine import Engine
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, health, rollout, up
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.health import Health
from kubeup.workflows.nodes import WaitForNodes
from kubeup.workflows.project import Project

ASK = Local._unless_there
PARTS = {"db": "StatefulSet mysql", "api": "Deployment api", "ui": "Deployment ui"}
RENDERED = "\n---\n".join(
    f"{{kind: {key.split()[0]}, metadata: {{name: {key.split()[1]}, labels: {{app: {app}}}}}}}"
    for app, key in PARTS.items()
)
SYSTEM = frozenset(one.name for one in IMAGES)
SETTINGS = (
    "",
    "nodes: {workers: {count: 1}}",
    "images: {via: registry, registry: '192.168.1.5:5000', prefix: ana}",
)


@dataclass
class Node:
    """A machine; `stamp` is what it was provisioned with."""

    images: set[str]
    runs: bool = True
    closed: bool = False
    differs: bool = False
    stamp: str = ""
    joined: bool = False
    ready: bool = False
    units: bool = True  # whether its services run


@dataclass
class Simulated:
    """What is there now."""

    project: Project
    engine: set[str] = field(default_factory=set)  # network, image, volume
    rules: bool = False
    engines_rules: bool = False  # put before all others when the first node starts
    packages: bool = False
    certificate: bool = False
    baseline: bool = False  # whether it is written down how Kubernetes' own parts were made
    nodes: dict[str, Node] = field(default_factory=dict)
    registry: set[str] = field(default_factory=set)
    system: set[str] = field(default_factory=set)
    deployed: dict[str, bool] = field(default_factory=dict)  # whether it is as it should be
    standing: set[str] = field(default_factory=set)
    objects: bool = True  # whether Kubernetes' own are as they were made

    # files

    @property
    def files(self) -> list[tuple[Path, ...]]:
        """All that lies on this machine and need not, each made whole or not at all."""
        one, builds = self.project, self.project.release.builds
        roots = [root for made in one.images for _, root in made.rootfs]
        roots += [
            image.rootfs(one.root_origin),
            system_images.proxy_rootfs(one.root_origin),
            go.debian_root(one.root_origin),
        ]
        return [
            *((root.path,) for root in roots),
            *((made.archive,) for made in one.images),
            (one.system_archive,),
            *(
                tuple(one.release.folder(build) / name for name in build.binaries)
                for build in builds
            ),
            (go.unpacked(go.debian_root(one.root_origin)),),
        ]

    def forget_files(self) -> None:
        state_ = self.project.state
        own = (state_.private_key, state_.public_key, state_.kubeconfig, state_.secrets)
        for path in (*own, *(path for group in self.files for path in group)):
            path.unlink(missing_ok=True)
        for build in self.project.release.builds:
            with suppress(OSError):
                self.project.release.folder(build).rmdir()

    def begin(self, chance: Random) -> None:
        """Anything that may have been left here by whatever was before."""
        share = chance.choice((0.0, 0.5, 1.0))

        def some(values: Iterable[Any]) -> set[Any]:
            return {one for one in values if chance.random() < share}

        self.forget_files()
        for file in (path for group in some(self.files) for path in group):
            touch(file)
        self.engine, self.rules = some(("network", "image", "volume")), chance.random() < share
        self.engines_rules = self.rules
        self.packages, self.certificate, self.baseline = (chance.random() < 0.5 for _ in "123")
        state_ = self.project.state
        for path in (state_.private_key, state_.public_key) if chance.random() < share else ():
            touch(path)
        if chance.random() < 0.5:
            self.do_passwords()
        specs = self.project.provider.node_specs()
        names = [spec.name for spec in specs if chance.random() < max(share, 0.2)]
        if names and specs[0].name in names:  # the rest is refused: its control plane is gone
            self._begin_nodes(names, chance)

    def _begin_nodes(self, names: list[str], chance: Random) -> None:
        references = [made.reference for made in self.project.images]
        self.engine.add("network")
        self.do_passwords()
        for path in (self.project.state.private_key, self.project.state.public_key):
            touch(path)
        for name in names:
            self.nodes[name] = Node(
                {one for one in (*references, *sorted(SYSTEM)) if chance.random() < 0.8},
                *(chance.random() < share for share in (0.7, 0.2, 0.2)),
                chance.choice(("", "other")),
            )
            # one that does not run, or lets nobody in yet, is looked at by the next plan
            hidden = not self.nodes[name].runs or self.nodes[name].closed
            self.nodes[name].units = hidden or chance.random() < 0.7
        control = self.control
        if control and chance.random() < 0.7:
            self._join(chance)
            self.objects = chance.random() < 0.7
            self.system = {one for one in (METRICS, POLICIES) if chance.random() < 0.8}
            self.deployed = {part: chance.random() < 0.7 for part in PARTS if chance.random() < 0.8}
            self.standing = {part for part in self.deployed if chance.random() < 0.7}

    def _join(self, chance: Random) -> None:
        if chance.random() < 0.8:
            self.write_access()
        for node in self.nodes.values():
            node.joined, node.closed = node is self.control or chance.random() < 0.8, False
            if node.joined and chance.random() < 0.7:
                node.stamp = self.stamp

    # what is seen

    @property
    def control(self) -> Node | None:
        return self.nodes.get(self.project.provider.node_specs()[0].name)

    @property
    def stamp(self) -> str:
        seen = ClusterFacts(self.machines)
        return inventories.digest(cluster.inventory_inputs(self.project, seen))

    @property
    def serves(self) -> bool:
        """Whether there is an API server."""
        return self.control is not None and self.control.runs and self.control.joined

    @property
    def answers(self) -> bool:
        kubectl = self.project.kubectl
        return self.serves and kubectl.has_access() and kubectl.path.exists()

    @property
    def machines(self) -> Machines:
        rows = tuple(map(self._row, self.project.settings.machines_list()))
        whole = Machines(
            rows,
            release_inside=True,
            limited=True,
            containers=True,
            cgroup_driver="cgroupfs",
            image="node:1" if self.nodes else "",
        )
        running = [node for node in self.nodes.values() if node.runs and not node.closed]
        return replace(whole, blocked=Blocked("no rules") if running and not self.rules else None)

    def _row(self, spec: Any) -> NodeState:
        node = self.nodes.get(spec.name)
        if node is None:
            return NodeState(spec.name, spec.role, spec.address, "missing")
        return NodeState(
            spec.name,
            spec.role,
            spec.address,
            "running" if node.runs else "stopped",
            ("1 CPUs, wanted 2",) if node.differs else (),
            UNFINISHED if node.closed else "",
            closed=node.closed,
        )

    def facts(self) -> ClusterFacts:
        known = {name: one for name, one in self.nodes.items() if one.runs and not one.closed}
        found = ClusterFacts(
            self.machines,
            {name: one.stamp for name, one in known.items()},
            {name: frozenset(one.images) for name, one in known.items()},
        )
        if not self.answers:
            return found
        registered = tuple(
            KubeNode(name, one.ready and one.runs, "", "v1.26.1", "", False, frozenset())
            for name, one in self.nodes.items()
            if one.joined
        )
        there = tuple(
            KubeWorkload(PARTS[part].split()[1], part, 1, int(part in self.standing))
            for part in self.deployed
        )
        system = frozenset(self.system)
        return replace(found, nodes=registered, answers=True, workloads=there, system=system)

    def health(self, facts: ClusterFacts) -> Health:
        """Services of nodes that run, and objects where they can be compared."""
        units = [
            Fault(name, "kubelet is inactive", "", Repair.UNITS, name, ("kubelet",))
            for name, stamp in facts.stamps.items()
            if stamp and not self.nodes[name].units
        ]
        changed = Fault("CoreDNS", "changed", "", Repair.OBJECTS, "ConfigMap/coredns", users=True)
        objects = [changed] if self.answers and self.baseline and not self.objects else []
        return Health((*objects, *units), known=self.baseline)

    def plan(self) -> up.UpPlan:
        return up.plan(self.project, force=True)

    # what steps do

    def run(self, plan: Plan, chance: Random, cut: bool) -> None:
        """Its steps in any order that their needs allow; `cut` off at any place, if so."""
        waiting, done = list(plan), set(plan.held)
        left = chance.randrange(len(waiting)) if cut else len(waiting)
        while left and waiting:
            step = chance.choice([one for one in waiting if done.issuperset(one.needs)])
            self.do(step)
            waiting.remove(step)
            done.add(step.id)
            left -= 1
        if cut:
            for step in [one for one in waiting if done.issuperset(one.needs)][:8]:
                if chance.random() < 0.7:
                    self.leave_half(step, chance)

    def do(self, step: Step) -> None:
        action: Any = step.action
        if isinstance(action, Rechecked) and action.already():  # as the runner does
            return
        DONE[type(action)](self, step.id, action)

    def leave_half(self, step: Step, chance: Random) -> None:
        half = HALF.get(type(step.action))
        if half:
            half(self, step.id, step.action, chance)
        elif chance.random() < 0.5:  # all or nothing
            self.do(step)

    def do_passwords(self, *_: Any) -> None:
        text = "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n"
        self.project.state.secrets.write_text(text)

    def write_access(self) -> None:
        touch(self.project.state.kubeconfig).write_text(access(self.project.provider.context))

    def reboot(self) -> None:
        """The machine's: nodes stay stopped, the packet filter is empty.

        Services that had ended start with their nodes.
        """
        self.rules = self.engines_rules = False
        for node in self.nodes.values():
            node.runs, node.ready, node.units = False, False, True


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    return path


def needed(*paths: Path) -> None:
    lacking = [path for path in paths if not path.exists()]
    assert not lacking, f"it needs {lacking}"


def _install(world: Simulated, _: StepId, action: packages.Install) -> None:
    world.packages = True


def _key(world: Simulated, _: StepId, action: keys.MakeKey) -> None:
    touch(action.private)
    touch(action.public)


def _certificate(world: Simulated, _: StepId, action: tls.MakeCertificate) -> None:
    world.certificate = True


def _rootfs(world: Simulated, _: StepId, action: rootfs.MakeRootfs) -> None:
    assert world.packages
    touch(action.rootfs.path)


def _compile(world: Simulated, _: StepId, action: GoCompile) -> None:
    assert go.go_tool()
    for name in action.build.binaries:
        touch(action.target / name)


def _image(world: Simulated, _: StepId, action: BuildImage) -> None:
    needed(*(root.path for _, root in action.image.rootfs))
    touch(action.image.archive)


def _system_images(world: Simulated, _: StepId, action: system_images.MakeSystemImages) -> None:
    needed(action.root.path, *(action.release.binary(one.binary) for one in IMAGES))
    touch(system_images.archive(action.release, action.root))


def _network(world: Simulated, _: StepId, action: nodes.CreateNetwork) -> None:
    assert world.packages and "network" not in world.engine
    world.engine.add("network")


def _node_image(world: Simulated, _: StepId, action: image.BuildNodeImage) -> None:
    needed(action.root.path, *action.binaries)
    world.engine.add("image")


def _disk(world: Simulated, _: StepId, action: disks.MakeDisk) -> None:
    assert "image" in world.engine
    needed(*action.archives)
    world.engine.add("volume")


def _forward(world: Simulated, _: StepId, action: forwarding.LetForward) -> None:
    assert "network" in world.engine and (world.nodes or "image" in world.engine)
    world.rules = True


def _create(world: Simulated, _: StepId, action: nodes.CreateNode) -> None:
    assert {"network", "image", "volume"} <= world.engine
    assert action.node.name not in world.nodes
    needed(world.project.state.public_key)
    via = world.project.settings.images.via
    held = {one.reference for one in world.project.images if via == "load"}
    _engine_starts(world)
    world.nodes[action.node.name] = Node(held | SYSTEM)


def _half_node(world: Simulated, id_: StepId, action: nodes.CreateNode, chance: Random) -> None:
    if chance.random() < 0.7:  # its container is there, nobody was let in yet
        _create(world, id_, action)
        world.nodes[action.node.name].closed = True


def _engine_starts(world: Simulated) -> None:
    """As netavark does: its rules come first where they were not there."""
    world.rules = world.rules and world.engines_rules
    world.engines_rules = True


def _start(world: Simulated, _: StepId, action: nodes.StartNode) -> None:
    _engine_starts(world)
    world.nodes[action.name].runs = True


def _admit(world: Simulated, _: StepId, action: nodes.AdmitNode) -> None:
    needed(world.project.state.public_key)
    node = world.nodes[action.name]
    node.runs, node.closed = True, False


def _resize(world: Simulated, _: StepId, action: nodes.Resize) -> None:
    world.nodes[action.spec.name].differs = False


def _provision(world: Simulated, _: StepId, action: play.Provision) -> None:
    _half_play(world, ids.PROVISION, action, None)


def _half_play(world: Simulated, _: StepId, action: play.Provision, chance: Random | None) -> None:
    """Its parts one after another; what comes last on each node is its stamp."""
    specs = world.project.provider.node_specs()
    found = [world.nodes[spec.name] for spec in specs]
    assert world.rules and all(node.runs and not node.closed for node in found)
    far = chance.randrange(5) if chance else 5
    if far > 0:
        found[0].joined = True
        world.write_access()
    for node in found if far > 1 else ():
        # what a run that was cut off may not have started is started by the next
        node.joined, node.units = True, node.units or not node.stamp
    if far > 2:
        world.system |= {METRICS, POLICIES}
    for node in found if far > 3 else ():
        if chance is None or chance.random() < 0.5:
            node.stamp = world.stamp


def _wait_for_nodes(world: Simulated, _: StepId, action: WaitForNodes) -> None:
    assert world.answers
    for name in action.names:
        if action.joined and not world.nodes[name].joined:
            continue
        assert world.nodes[name].joined and world.nodes[name].runs
        assert world.nodes[name].units, "a kubelet that does not run makes no node ready"
        world.nodes[name].ready = True


def _beside(world: Simulated, _: StepId, action: ApplyManifest) -> None:
    assert world.answers
    world.system.add(action.manifest.stem)


def _load(world: Simulated, _: StepId, action: LoadImage) -> None:
    needed(action.image.archive)
    for reach in action.nodes:
        assert world.nodes[reach.name].runs and world.nodes[reach.name].stamp == world.stamp
        world.nodes[reach.name].images.add(action.image.reference)


def _half_load(world: Simulated, id_: StepId, action: LoadImage, chance: Random) -> None:
    some = tuple(node for node in action.nodes if chance.random() < 0.5)
    _load(world, id_, replace(action, nodes=some))


def _push(world: Simulated, _: StepId, action: PushImage) -> None:
    needed(action.image.archive)
    world.registry.add(action.image.reference)


def _deploy(world: Simulated, id_: StepId, action: ApplyPart) -> None:
    _apply(world, action)
    _wait(world, id_, action)


def _apply(world: Simulated, action: ApplyPart) -> None:
    assert world.answers and world.certificate and not secrets.missing(world.project.state.secrets)
    world.deployed[action.part] = True
    world.standing.discard(action.part)


def _half_deploy(world: Simulated, _: StepId, action: ApplyPart, chance: Random) -> None:
    if chance.random() < 0.7:
        _apply(world, action)


def _wait(world: Simulated, _: StepId, action: ApplyPart | WaitForPart) -> None:
    made = next(one for one in world.project.images if one.part == action.part)
    for node in world.nodes.values():
        assert made.reference in node.images | world.registry, "it can't be started"
    world.standing.add(action.part)


def _repair(world: Simulated, _: StepId, action: repair.OnNode) -> None:
    node = world.nodes[action.target.name]
    assert node.runs
    node.units = True


def _put_back(world: Simulated, _: StepId, action: PutBack) -> None:
    assert world.answers and world.baseline
    world.objects = True


def _keep(world: Simulated, _: StepId, action: KeepBaseline) -> None:
    assert world.answers
    world.baseline = world.objects = True  # what is there counts as right


def _nothing(world: Simulated, *_: Any) -> None:
    assert world.answers


DONE: dict[type, Callable[..., None]] = {
    packages.Install: _install,
    keys.MakeKey: _key,
    secrets.AddPasswords: Simulated.do_passwords,
    tls.MakeCertificate: _certificate,
    rootfs.MakeRootfs: _rootfs,
    go.UnpackGo: lambda _, __, action: touch(go.unpacked(action.root)),
    GoCompile: _compile,
    BuildImage: _image,
    system_images.MakeSystemImages: _system_images,
    nodes.CreateNetwork: _network,
    image.BuildNodeImage: _node_image,
    disks.MakeDisk: _disk,
    forwarding.LetForward: _forward,
    nodes.CreateNode: _create,
    nodes.StartNode: _start,
    nodes.AdmitNode: _admit,
    nodes.Resize: _resize,
    play.Provision: _provision,
    WaitForNodes: _wait_for_nodes,
    ApplyManifest: _beside,
    repair.OnNode: _repair,
    PutBack: _put_back,
    KeepBaseline: _keep,
    LoadImage: _load,
    PushImage: _push,
    ApplyPart: _deploy,
    WaitForPart: _wait,
    rollout.data.CheckData: _nothing,
}
HALF: dict[type, Callable[..., None]] = {
    nodes.CreateNode: _half_node,
    play.Provision: _half_play,
    LoadImage: _half_load,
    ApplyPart: _half_deploy,
}


def once(asked: Callable[..., Any]) -> Callable[..., Any]:
    known = dict[str, Any]()

    def answer(*arguments: Any, **named: Any) -> Any:
        key = repr((arguments, named))
        if key not in known:
            known[key] = asked(*arguments, **named)
        return known[key]

    return answer


@contextmanager
def simulation(folder: Path, keys_: str) -> Iterator[Callable[[], Simulated]]:
    """Gives a new world each time that it is called; plans are made of the last one."""
    with pytest.MonkeyPatch.context() as patch:
        World(folder, patch)
        one = Project(settings(folder, keys_), state(folder), SANDBOX)
        worlds = list[Simulated]()

        def now() -> Simulated:
            return worlds[-1]

        def differing(_: str) -> tuple[str, ...]:
            return tuple(key for part, key in PARTS.items() if not now().deployed.get(part))

        for owner, name, value in (
            # the same each time, and asked for again and again
            (cache, "tree_digest", once(cache.tree_digest)),
            (cache, "folder", once(cache.folder)),
            (source.Release, "folder", once(source.Release.folder)),
            (rollout, "database_refuses", lambda *_: False),
            (record, "read", lambda _: record.Record()),
            (play, "text", lambda _: "inventory"),
            (Local, "_unless_there", ASK),
            (shell, "which", lambda tool: tool if now().packages else None),
            (Engine, "has", lambda _, kind, __: kind in now().engine),
            (disks, "complete_disk", lambda *_: "volume" in now().engine),
            (forwarding.LetForward, "already", lambda _: "there" if now().rules else ""),
            (packages, "missing", lambda names: () if now().packages else tuple(names)),
            (go, "go_tool", lambda: _go(now())),
            (tls, "due", lambda _: "" if now().certificate else "not there"),
            (loads, "in_registry", lambda _, reference, __: reference in now().registry),
            (Kubectl, "has_access", lambda kubectl: kubectl.kubeconfig.exists()),
            (Overlay, "published", lambda _: Published()),
            (Deployment, "render", lambda _: RENDERED),
            (Deployment, "diff", lambda *_: "changed"),
            (manifests, "changed", differing),
            (cluster, "observe", lambda *_, **__: now().facts()),
            (health, "look", lambda _, facts: now().health(facts)),
        ):
            patch.setattr(owner, name, value)

        def anew() -> Simulated:
            worlds[:] = [Simulated(one)]
            return worlds[-1]

        yield anew


def _go(world: Simulated) -> str:
    there = go.unpacked(go.debian_root(world.project.root_origin))
    return str(there) if there.exists() else ""
