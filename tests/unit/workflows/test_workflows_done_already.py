"""A step whose work is done is not in the plan: it is looked for before, and stated as a fact."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from builders import holds, machines, names, node, step, three
from scenarios import World, standing, world

from kubeup.application.external import External, Published
from kubeup.cluster.providers.base import Blocked, Machines
from kubeup.cluster.providers.local import Local, disks, forwarding
from kubeup.cluster.provision import cni
from kubeup.cluster.provision.cni import PrepareManifest
from kubeup.core import ids, shell
from kubeup.core.plan import Holds, plan_of, unless_done, without_unused
from kubeup.core.state import write_private
from kubeup.images import build
from kubeup.settings.nodes import NodeSpec
from kubeup.system.engine import Engine
from kubeup.workflows import cluster, rollout, up
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

ASK = Local._unless_there  # which other tests do without
FOUNDATION = ["local/network", "rootfs/machine", "local/image", "local/disk", "local/forwarding"]
LACKING = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "missing"))


@dataclass
class Podman:
    """What an engine has; it is asked, and starts nothing."""

    has: Collection[str]
    looked: list[str]

    def __call__(self, _: Engine, kind: str, name: str) -> bool:
        self.looked.append(kind)
        return kind in self.has


@pytest.fixture
def there(tmp_path: Path) -> object:
    with world(tmp_path) as found:
        found.patch.setattr(Local, "_unless_there", ASK)
        found.patch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
        yield found


def having(there: World, *kinds: str, rules: bool = True) -> Podman:
    engine = Podman(kinds, [])
    there.patch.setattr(Engine, "has", lambda *asked: engine(*asked))
    there.patch.setattr(
        disks, "complete_disk", lambda one, image, volume: one.has("volume", volume)
    )
    there.patch.setattr(forwarding.LetForward, "already", lambda _: "there" if rules else "")
    return engine


def planned(there: World, one: Project, found: Machines) -> list[str]:
    return names(there.up(one, found, **standing(found)))


@pytest.mark.parametrize(
    ("has", "lacks"),
    [
        ((), FOUNDATION[:-1]),
        (("network",), FOUNDATION[1:-1]),
        (("network", "image"), ["local/disk"]),
        (("network", "image", "volume"), []),
    ],
)
def test_a_new_worker_stands_on_what_is_there(
    there: World, has: tuple[str, ...], lacks: list[str]
) -> None:
    having(there, *has, rules="image" in has)
    found = planned(there, there.project(), LACKING)
    wanted = lacks if "image" in has else [*lacks, "local/forwarding"]
    assert [one for one in FOUNDATION if one in found] == wanted
    assert "node/dev-worker-2" in found


def test_rules_that_are_gone_are_put_back_for_a_new_worker(there: World) -> None:
    having(there, "network", "image", "volume", rules=False)
    assert "local/forwarding" in planned(there, there.project(), LACKING)


def test_rules_that_keep_nodes_from_each_other_are_not_looked_at_twice(there: World) -> None:
    having(there, "network", "image", "volume", rules=True)
    blocked = replace(LACKING, blocked=Blocked("another rule comes first"))
    assert "local/forwarding" in planned(there, there.project(), blocked)


def test_an_engine_that_is_not_installed_yet_is_not_asked(there: World) -> None:
    engine = having(there, "network", "image", "volume")
    there.patch.setattr(shell, "which", lambda name: None)
    assert set(FOUNDATION) <= set(planned(there, there.project(), three("missing")))
    assert engine.looked == []


def test_a_disk_is_looked_at_by_the_image_alone_that_is_there(there: World) -> None:
    engine = having(there, "network")
    planned(there, there.project(), LACKING)
    assert "volume" not in engine.looked, "the engine would fetch the image to look"


@pytest.mark.parametrize("rules", [True, False])
def test_nodes_that_were_stopped_need_rules_only_where_they_are_gone(
    there: World, rules: bool
) -> None:
    having(there, rules=rules)
    there.passwords()
    steps = names(there.up(there.project(), three("stopped")))
    assert ("local/forwarding" in steps) is not rules and "node/dev-control" in steps


def test_images_are_not_rolled_out_past_a_machine_that_sleeps(there: World) -> None:
    """Which of them it has is not known: the next plan brings what it lacks."""
    having(there, "network", "image", "volume")
    there.passwords()
    mixed = machines(
        node("dev-control", "stopped"), node("dev-worker-1"), node("dev-worker-2", "missing")
    )
    there.patch.setattr(cluster, "observe", lambda *_, **__: ClusterFacts(mixed))
    made = up.plan(there.project(), force=True)
    assert made.incomplete and {ids.PROVISION, ids.node("dev-control")} <= set(made.plan.ids)
    assert not [one for one in names(made.plan) if one.startswith("deploy/")]


def test_an_image_that_every_node_has_is_not_built_again(there: World) -> None:
    """The cache was emptied since: nobody needs the archives, nor what they are built on."""
    having(there)
    there.passwords()
    one = there.project()
    there.access(one)
    write_private(one.system_archive, "made")
    held = frozenset(image.reference for image in one.images)
    facts = {**standing(three()), "images": dict.fromkeys(("dev-control", "dev-worker-1"), held)}
    facts["images"]["dev-worker-2"] = held - {one.images[1].reference}
    steps = names(there.up(one, three(), **facts))
    assert [one for one in steps if one.startswith(("image/", "load/"))] == [
        "image/api",
        "load/api",
    ]
    assert not {"rootfs/mysql", "rootfs/npm"}.intersection(steps) and "rootfs/python" in steps
    there.patch.setattr(cluster, "observe", lambda *_: ClusterFacts(three(), **facts))
    deployed = names(rollout.plan(one, ("db", "api", "ui")))
    assert [one for one in deployed if one.startswith("image/")] == ["image/api"]
    # by its own name it is built wherever it is not in the cache
    assert "image/ui" in names(build.plan(one.images, one.builder))


@pytest.mark.parametrize(("keys", "address", "deploys"), [
    ("{}", "", True),
    ("{}", "192.168.60.14", False),
    ("{ports: {http: 0}}", "", False),
])  # fmt: skip
def test_the_ui_is_to_answer_at_addresses_that_are_not_known_yet(
    there: World, keys: str, address: str, deploys: bool
) -> None:
    """As of a node that minikube is to make."""
    there.passwords()
    one = there.project(keys)
    there.access(one)
    specs = (*one.provider.node_specs(), NodeSpec("dev-m03", "worker", address, 2, 2048))
    there.patch.setattr(type(one.provider), "node_specs", lambda _: specs)
    there.changed()
    there.patch.setattr(External, "found", lambda _: Published())
    facts = ClusterFacts(three(), **standing(three()))
    there.patch.setattr(cluster, "observe", lambda *_: facts)
    assert ("deploy/ui" in names(rollout.plan(one, ("db", "api", "ui")))) == deploys


def test_a_manifest_that_was_prepared(there: World) -> None:
    one = there.project("{provider: vagrant, network: {cni: flannel}}")
    prepare = PrepareManifest("flannel", "0.23.0", "10.244.0.0/16", cni.target(one.state))
    there.patch.setattr(cni, "filled", lambda *_: "filled")
    assert names(cni.steps(one.settings, one.state)) == ["release/cni"]
    assert "curl" in prepare.commands()[0]
    write_private(prepare.cached, "as upstream has it")
    assert names(cni.steps(one.settings, one.state)) == ["release/cni"]
    assert prepare.commands() == (), "it is not fetched again"
    write_private(prepare.target, "of another network")
    assert names(cni.steps(one.settings, one.state)) == ["release/cni"]
    prepare.run(print)
    assert cni.steps(one.settings, one.state) == [Holds(ids.CNI, "prepared")]


def test_only_what_is_made_for_others_goes_with_them() -> None:
    steps = [
        step("rootfs/a"),
        step("image/a", "rootfs/a"),
        step("image/b"),
        step("load/b", "image/b"),
        step("deploy/ui"),
    ]
    left = without_unused([*steps, *holds("cluster/answers")])
    assert names(left) == ["image/b", "load/b", "deploy/ui"]
    assert plan_of(left).held == {ids.ANSWERS}
    assert unless_done(steps[-1]) is steps[-1], "it can't be looked for"


def test_what_a_machine_lacks_does_not_count_what_is_there(there: World) -> None:
    """Else a worker would be refused for the room of an image that is there."""
    having(there, "network", "image", "volume")
    one = there.project()
    there.patch.setattr(
        cluster, "observe", lambda *_, **__: ClusterFacts(LACKING, **standing(LACKING))
    )
    whole = up.plan(one, application=False, force=True).plan
    assert whole.room.nodes == 300
