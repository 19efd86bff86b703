"""Plans by the real plan makers, each from another state of the world."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import SANDBOX, access, machines, node, on_record, recorded, settings, state, three

from kubeup.application import deploying, stale
from kubeup.application.deployment import Deployment
from kubeup.application.external import External
from kubeup.cluster.providers.base import Machines, NodeState, ToolCommand
from kubeup.cluster.providers.local import Local
from kubeup.cluster.providers.minikube import Minikube, actions, facts, selection
from kubeup.cluster.providers.minikube.actions import Tool
from kubeup.cluster.providers.vagrant import Vagrant
from kubeup.cluster.providers.vagrant.actions import Tool as VagrantTool
from kubeup.cluster.providers.vagrant.observing import PARTIAL
from kubeup.cluster.release import go
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Plan, plan_of
from kubeup.core.record import CLUSTER, VM, Location, Schedule
from kubeup.core.shell import Output
from kubeup.core.shell.processes import Command
from kubeup.core.state import State, write_private
from kubeup.core.things import Thing
from kubeup.database import backups
from kubeup.database import server as servers
from kubeup.database.backups import BackupManifest, Listed
from kubeup.database.machine import DatabaseVm
from kubeup.database.passwords import Passwords
from kubeup.database.service_state import ServiceState
from kubeup.database.version import Version
from kubeup.facts.containers import containers
from kubeup.facts.host import HostFacts
from kubeup.facts.kubernetes import KubeNode, KubeWorkload
from kubeup.images import load as loads
from kubeup.system import keys, packages, secrets
from kubeup.system.certificates import Authorities
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import (
    cluster,
    database,
    down,
    health,
    playbook,
    removal,
    rollout,
    rotation,
    scheduled,
    snapshots,
    up,
)
from kubeup.workflows import move as moving
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.health import Health
from kubeup.workflows.project import Project

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")
IN_CLUSTER = Location(CLUSTER, "dev-worker-1")
VAGRANT = "provider: vagrant\nvagrant: {provider: docker, image: localhost/box:1}"
EVERY_6_HOURS = Schedule("6h", 7, "2026-01-01T00:00:00Z")
ABOUT = BackupManifest(
    "b.sql.zst", "", 1, 1, "2026-01-01", "dev", "api", "8.4.3", "abc", {"products": 7}
)
CHANGED = "\n---\n".join(
    (
        "{kind: Secret, apiVersion: v1, metadata: {name: mysecret, labels: {app: db}}}",
        "{kind: Deployment, apiVersion: apps/v1, metadata: {name: api, labels: {app: api}}}",
    )
)


class World:
    """A folder for a profile and nothing of this machine; what a scenario says of it is so."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.delenv("SSL_CERT_FILE", raising=False)
        for provider in (Local, Vagrant):
            patch.setattr(provider, "traces", lambda _: ())
        patch.setattr("kubeup.facts.certificates.STORES", ())
        patch.setattr("kubeup.core.shell.processes.run", self._refuse)
        patch.setattr("kubeup.core.shell.which", lambda name: None)
        patch.setattr(State, "secrets", property(lambda _: folder / ".env"))
        patch.setattr(keys, "check", lambda _: None)
        patch.setattr(go, "go_tool", lambda: "")
        patch.setattr(packages, "missing", lambda names: ())
        patch.setattr(up.this_machine, "routes", tuple)
        patch.setattr(Deployment, "render", lambda _: CHANGED)
        patch.setattr(Deployment, "diff", lambda *_: "")
        patch.setattr(stale, "api_is_stale", lambda _: False)
        patch.setattr(health, "look", lambda *_: Health())
        patch.setattr(loads, "in_registry", lambda *_: False)
        patch.setattr(servers, "version", lambda _: Version("8.4.3"))
        patch.setattr(servers, "count", lambda *_: {"products": 7})
        patch.setattr(Passwords, "root", lambda _: "rrrrrrrr")
        patch.setattr(Passwords, "in_use", self._silent)
        patch.setattr(DatabaseVm, "look", lambda _: ServiceState())
        patch.setattr(VagrantTool, "providers", lambda _: {"docker": frozenset(NAMES)})
        patch.setattr(Vagrant, "refuse_unfit", lambda *_: None)

    @staticmethod
    def _silent(*_: Any) -> bool:
        raise KubeupError("no server answers")

    @staticmethod
    def _refuse(command: Command, *_: Any, **__: Any) -> int:
        raise AssertionError(f"this starts `{' '.join(command.argv)}`")

    def project(self, keys_: str = "", host: HostFacts = SANDBOX) -> Project:
        return Project(settings(self.folder, keys_), state(self.folder), host)

    def passwords(self) -> None:
        write_private(
            self.folder / ".env", "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n"
        )

    def saved(self, one: Project) -> None:
        for side in ("cluster", "vm"):
            write_private(one.state.saved_data(side), "saved")

    def up(self, one: Project, found: Machines, **facts: Any) -> Plan:
        self.patch.setattr(cluster, "observe", lambda *_, **__: ClusterFacts(found, **facts))
        return up.plan(one, force=True).plan

    def access(self, one: Project) -> None:
        write_private(one.kubectl.path, "there")
        write_private(one.state.kubeconfig, access(one.provider.context))

    def changed(self, *objects: str) -> None:
        """What `kubectl diff` names, for a database with other passwords than `.env` has."""
        self.patch.setattr(Deployment, "diff", lambda *_: "changed")
        self.patch.setattr("kubeup.facts.manifests.changed", lambda _: objects)
        self.patch.setattr(deploying, "new_passwords", lambda _: True)
        self.patch.setattr(Passwords, "in_use", lambda _: False)


def standing(found: Machines) -> dict[str, Any]:
    """A cluster that answers, with nodes provisioned by somebody else's settings."""
    nodes = tuple(
        KubeNode(name, True, "", "v1.26.1", "", name == NAMES[0], frozenset()) for name in NAMES
    )
    return {
        "answers": True,
        "nodes": nodes,
        "stamps": dict.fromkeys(NAMES, "other"),
        "images": dict.fromkeys(NAMES, frozenset()),
        "system": frozenset({"metrics-server", "kube-router"}),
    }


def nothing_there(world: World) -> Plan:
    one = world.project()
    world.saved(one)
    return world.up(one, three("missing"))


def through_a_registry(world: World) -> Plan:
    return world.up(
        world.project("images: {via: registry, registry: '192.168.1.5:5000', prefix: ana}"),
        three("missing"),
    )


def vagrants_machines(world: World) -> Plan:
    one = world.project(f"{VAGRANT}\nnetwork: {{cni: flannel}}")
    world.saved(one)
    world.passwords()
    half = machines(
        node(NAMES[0], "missing", detail=PARTIAL),
        node(NAMES[1], "missing"),
        node(NAMES[2], "missing"),
        release_inside=False,
    )
    return world.up(one, half)


def minikube_half_made(world: World) -> Plan:
    one = _minikube(
        world,
        ("profiles_half_no_node.rc0.json", "status_half_no_node.rc0.json"),
        "profile: bed-half, ",
    )
    world.patch.setattr(Minikube, "_each_state", lambda self, profile: {})
    return world.up(one, one.provider.observe())


def nodes_provisioned_otherwise(world: World) -> Plan:
    """Images are brought to nodes that run, what is deployed is not known yet."""
    one, found = world.project(), three()
    world.access(one)
    return world.up(one, found, **{**standing(found), "answers": False})


def another_size(world: World) -> Plan:
    one = world.project()
    found = machines(*(node(name, differs=("2048 MiB, wanted 4096",)) for name in NAMES))
    world.passwords()
    world.access(one)
    return world.up(
        one, found, **{**standing(found), "workloads": (KubeWorkload("api", "api", 1, 0),)}
    )


def database_on_a_new_machine(world: World) -> Plan:
    one = world.project("{nodes: {database: {count: 1}}, database: {on: vm}}")
    one.__dict__["authorities"] = Authorities(("a certificate",))
    world.saved(one)
    found = three("missing")
    return world.up(
        one,
        replace(found, nodes=(*found.nodes, NodeState("dev-db", "db", "192.168.60.9", "missing"))),
    )


def new_passwords(world: World, keys_: str = "", **facts: Any) -> Plan:
    one, found = world.project(keys_), three()
    world.passwords()
    world.access(one)
    world.saved(one)
    world.changed("Secret mysecret", "Deployment api")
    return world.up(one, found, **standing(found), **facts)


def new_passwords_on_a_machine(world: World) -> Plan:
    return new_passwords(world, "database: {on: vm}")


def rollout_of_all(world: World) -> Plan:
    one, found = world.project(), three()
    world.passwords()
    world.changed("Secret mysecret", "Deployment api")
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(found, **standing(found)))
    return rollout.plan(one, ("db", "api", "ui"))


def rollout_on_a_machine(world: World) -> Plan:
    one = world.project("database: {on: vm}")
    world.passwords()
    world.changed("Secret mysecret", "Deployment api")
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(three(), **standing(three())))
    return rollout.plan(one, ("db", "api", "ui"))


def left_open(world: World, keys_: str = "", where: Location = IN_CLUSTER) -> Plan:
    """A database as an older kubeup left it."""
    one, found = world.project(keys_), three()
    on_record(one.state, provider="local", database=where)
    world.passwords()
    world.access(one)
    world.saved(one)
    world.changed("Secret mysecret", "Deployment api")
    return world.up(one, found, **standing(found))


def left_open_on_a_machine(world: World) -> Plan:
    return left_open(world, "database: {on: vm}", Location(VM, "dev-worker-1"))


def play_by_hand(world: World) -> Plan:
    one, found = world.project(), three()
    workloads = (KubeWorkload("api", "api", 1, 1),)
    world.patch.setattr(
        cluster,
        "observe",
        lambda *_: ClusterFacts(found, **{**standing(found), "workloads": workloads}),
    )
    return plan_of(playbook.provision(one))


def start(world: World) -> Plan:
    one = world.project(VAGRANT)
    world.patch.setattr(Vagrant, "observe", lambda *_: three("stopped"))
    world.patch.setattr(
        "kubeup.cluster.providers.vagrant.prerequisites.Prerequisites.version", (2, 3, 4)
    )
    return plan_of(cluster.start(one))


def snapshot(world: World) -> Plan:
    one = world.project(VAGRANT)
    world.patch.setattr(Vagrant, "tool_command", lambda self, *words: ToolCommand(words))
    return plan_of(snapshots.snapshots(one, "", "before", ""))


def move_to_a_machine(world: World) -> Plan:
    one = world.project()
    world.passwords()
    return moving.plan(one, "vm")


def move_to_a_new_machine(world: World) -> Plan:
    def unreachable(_: DatabaseVm) -> ServiceState:
        raise KubeupError("it can't be reached")

    one = world.project("{nodes: {database: {count: 1}}, database: {vm: db}}")
    world.patch.setattr(DatabaseVm, "look", unreachable)
    found = three()
    found = replace(
        found, nodes=(*found.nodes, NodeState("dev-db", "db", "192.168.60.9", "missing"))
    )
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(found, **standing(found)))
    world.passwords()
    world.saved(one)
    return moving.plan(one, "vm")


def move_back(world: World) -> Plan:
    one = world.project()
    world.passwords()
    world.saved(one)
    on_record(one.state, database=Location(VM, "dev-worker-1"))
    return moving.plan(one, "cluster")


def move_cut_off_after_the_switch(world: World) -> Plan:
    one = world.project()
    on_record(one.state, database=Location(VM, "dev-worker-1"), left=IN_CLUSTER)
    world.patch.setattr(moving, "_serves", lambda *_: True)
    return moving.plan(one, "vm")


def dropping(world: World) -> Plan:
    one = world.project()
    world.saved(one)
    on_record(one.state, database=IN_CLUSTER, left=Location(VM, "dev-worker-2"))
    return moving.dropping(one, "cluster")


def rotated(world: World) -> Plan:
    world.passwords()
    return rotation.plan(world.project())


def rotated_on_a_machine(world: World) -> Plan:
    world.passwords()
    return rotation.plan(world.project("database: {on: vm}"))


def rotation_gone_on_with(world: World) -> Plan:
    world.passwords()
    one = world.project()
    on_record(one.state, passwords=str(one.state.secrets))
    return rotation.plan(one)


def rotation_taken_back(world: World) -> Plan:
    world.passwords()
    return rotation.taking_back(world.project(), dict.fromkeys(secrets.PASSWORDS, "earlier"))


def backup_restored(world: World) -> Plan:
    world.patch.setattr(backups, "check", lambda _: ABOUT)
    write_private(world.folder / "b.sql.zst", "a backup")
    return database.restored(world.project(), str(world.folder / "b.sql.zst"))


def backed_up_by_itself(world: World) -> Plan:
    on_record(world.project().state, schedule=EVERY_6_HOURS)
    return new_passwords(world)


def backed_up_on_a_machine(world: World) -> Plan:
    keys_ = "database: {on: vm}"
    on_record(world.project(keys_).state, schedule=EVERY_6_HOURS)
    return new_passwords(world, keys_)


def no_more_backups(world: World, keys_: str = "") -> Plan:
    """Nodes and the cluster still make them."""
    world.patch.setattr(up, "_look_at_machine", lambda _: ServiceState(schedule="on"))
    return new_passwords(world, keys_, schedules=True)


def no_more_backups_on_a_machine(world: World) -> Plan:
    return no_more_backups(world, "database: {on: vm}")


def rotated_with_backups(world: World) -> Plan:
    on_record(world.project().state, schedule=EVERY_6_HOURS)
    return rotated(world)


def moved_with_backups(world: World) -> Plan:
    on_record(world.project().state, schedule=EVERY_6_HOURS)
    return move_to_a_machine(world)


def asked_to_back_up(world: World) -> Plan:
    one, found = world.project(), three()
    world.passwords()
    world.changed("Secret mysecret")
    world.patch.setattr(deploying, "new_passwords", lambda _: False)
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(found, **standing(found)))
    return scheduled.plan(one, "6h", 7, off=False)


def fetched_and_restored(world: World) -> Plan:
    one = world.project()
    row = Listed(Path(ABOUT.file), ABOUT, "", "dev-worker-1")
    world.patch.setattr(scheduled, "listed", lambda _: [row])
    world.patch.setattr(scheduled, "targets", lambda _: one.provider.ssh_targets())
    return database.restored(one, ABOUT.file)


def all_down(world: World) -> Plan:
    """Both sides are saved from machines that sleep."""
    one = world.project(VAGRANT)
    world.access(one)
    context = Thing("context", "kubeup-dev", str(world.folder / "config"))
    where = Location(VM, "dev-worker-2")
    on_record(one.state, database=where, left=IN_CLUSTER, things=(context,))
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(three("stopped")))
    world.patch.setattr(Vagrant, "observe", lambda *_: three("stopped"))
    world.patch.setattr(
        "kubeup.cluster.providers.vagrant.prerequisites.Prerequisites.version", (2, 3, 4)
    )
    return down.down(one, with_data=False)


def all_down_with_data(world: World) -> Plan:
    one = world.project(VAGRANT)
    world.access(one)
    world.saved(one)
    world.patch.setattr(
        "kubeup.cluster.providers.vagrant.prerequisites.Prerequisites.version", (2, 3, 4)
    )
    return down.down(one, with_data=True)


def local_down(world: World) -> Plan:
    one = world.project()
    world.access(one)
    write_private(one.state.saved_data("cluster"), "saved")
    found = containers(recorded("local/podman_inspect_nodes.json"))
    world.patch.setattr(Local, "_ours", lambda _: list(found))
    world.patch.setattr("kubeup.core.shell.read", lambda *_, **__: Output(0, "", ""))
    return down.down(one, with_data=False)


def minikube_down(world: World) -> Plan:
    one = _minikube(world, ("profiles_two_running.rc0.json", "status_two_running.rc0.json"))
    world.access(one)
    world.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(one.provider.observe()))
    world.patch.setattr(actions, "network_of", lambda engine, name: True)
    world.patch.setattr(Minikube, "_engine", lambda *_: ("podman",))
    world.patch.setattr(Minikube, "_booted", lambda *_: {})
    return down.down(one, with_data=False)


def worker_removed(world: World) -> Plan:
    one = world.project()
    items = [
        item
        for item in json.loads(recorded("diagram/cluster.json"))["items"]
        if item["kind"] == "Node"
    ]
    world.patch.setattr(External, "_specs", lambda _: [{"externalIPs": ["192.168.60.12"]}])
    world.patch.setattr(Local, "observe", lambda *_: three())
    world.patch.setattr(Kubectl, "items", lambda *_: items)
    return plan_of(removal.remove(one, "dev-worker-2"))


def databases_machine_removed(world: World) -> Plan:
    one, found = world.project("nodes: {database: {count: 1}}"), three()
    world.patch.setattr(
        Local,
        "observe",
        lambda *_: replace(
            found, nodes=(*found.nodes, NodeState("dev-db", "db", "192.168.60.9", "running"))
        ),
    )
    return plan_of(removal.remove(one, "dev-db"))


def _minikube(world: World, told: tuple[str, str], keys_: str = "") -> Project:
    one = world.project(f"provider: minikube\nminikube: {{{keys_}container_runtime: containerd}}")
    folder = world.folder
    world.patch.setattr(selection, "version_of", lambda tool: (1, 36, 0))
    world.patch.setattr(Minikube, "home", property(lambda self: folder / ".minikube"))
    world.patch.setattr(
        Minikube, "tool", property(lambda self: Tool("minikube", (), self.profile_name))
    )
    world.patch.setattr(
        Minikube,
        "_dry_run",
        lambda self: facts.dry_run(recorded("minikube/dry_run_vm.json.rc55.txt")),
    )
    world.patch.setattr(
        Minikube, "ask", lambda self, *words: recorded(f"minikube/{told[words[0] != 'profile']}")
    )
    name = one.provider.profile_name  # type: ignore[attr-defined]
    write_private(folder / ".minikube" / "profiles" / name / "config.json", "{}")
    return one


SCENARIOS: tuple[Callable[[World], Plan], ...] = (
    nothing_there,
    through_a_registry,
    vagrants_machines,
    minikube_half_made,
    nodes_provisioned_otherwise,
    another_size,
    database_on_a_new_machine,
    new_passwords,
    new_passwords_on_a_machine,
    rollout_of_all,
    rollout_on_a_machine,
    left_open,
    left_open_on_a_machine,
    play_by_hand,
    start,
    snapshot,
    move_to_a_machine,
    move_to_a_new_machine,
    move_back,
    move_cut_off_after_the_switch,
    dropping,
    rotated,
    rotated_on_a_machine,
    rotation_gone_on_with,
    rotation_taken_back,
    backup_restored,
    backed_up_by_itself,
    backed_up_on_a_machine,
    no_more_backups,
    no_more_backups_on_a_machine,
    rotated_with_backups,
    moved_with_backups,
    asked_to_back_up,
    fetched_and_restored,
    all_down,
    all_down_with_data,
    local_down,
    minikube_down,
    worker_removed,
    databases_machine_removed,
)


@contextmanager
def world(folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        yield World(folder, patch)
