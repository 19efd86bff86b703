"""The cluster's plan from facts made by hand: machines, what provisioning left, and the API
server's word.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import (
    DESKTOP,
    SANDBOX,
    access,
    by_id,
    commands,
    error_of,
    machines,
    names,
    node,
    on_record,
    part_of_plan,
    recorded,
    settings,
    sid,
    sids,
    state,
    step,
    three,
)

from kubeup.application.external import External
from kubeup.cluster import baseline
from kubeup.cluster.providers.base import Blocked, Machines, Needed
from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.release import go
from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, Refused, UsageError
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.plan import Step, todo
from kubeup.core.record import CLUSTER, VM, Location
from kubeup.core.state import write_private
from kubeup.facts.connection import Cause, Unanswered
from kubeup.facts.faults import Fault, Repair
from kubeup.facts.host import HostFacts
from kubeup.facts.kubernetes import KubeNode, KubeWorkload
from kubeup.system import keys
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, health, nodes, playbook, release, removal, snapshots
from kubeup.workflows.cluster import Answer, ClusterFacts
from kubeup.workflows.project import Project

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")


@pytest.fixture(autouse=True)
def good_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "check", lambda _: None)


def project(folder: Path, host: HostFacts = SANDBOX, keys_: str = "") -> Project:
    made = Project(settings(folder, keys_), state(folder), host)
    write_private(made.state.private_key, "key")
    write_private(made.state.public_key, "key")
    return made


def kube(name: str, ready: bool = True) -> KubeNode:
    return KubeNode(
        name,
        ready,
        "" if ready else "cni plugin not initialized",
        "v1.26.1",
        "",
        name.endswith("control"),
        frozenset(),
    )


def facts(one: Project, found: Machines, **more: Any) -> ClusterFacts:
    """A cluster that is as it should be, but for what is given."""
    stamp = inventories.digest(cluster.inventory_inputs(one, ClusterFacts(found)))
    running = [row.name for row in found.nodes if row.state == "running"]
    return ClusterFacts(
        **{
            "machines": found,
            "stamps": dict.fromkeys(running, stamp),
            "nodes": tuple(map(kube, NAMES)),
            "answers": True,
            "system": frozenset({"coredns", "metrics-server", "kube-router"}),
            **more,
        }
    )


def plan(one: Project, seen: ClusterFacts) -> dict[str, Step]:
    return by_id(
        part_of_plan(
            cluster.plan(one, seen, Needed((("system", Path("/s.tar")),), (ids.SYSTEM_IMAGES,)))
        )
    )


def test_nothing_to_do(tmp_path: Path) -> None:
    one = project(tmp_path)
    assert plan(one, facts(one, three())) == {}


@pytest.mark.parametrize(
    ("gone", "step"), [("metrics-server", "cluster/metrics"), ("kube-router", "cluster/policies")]
)
def test_what_runs_system_workloads_is_put_back_without_the_whole_play(
    tmp_path: Path, gone: str, step: str
) -> None:
    one = project(tmp_path)
    left = frozenset({"coredns", "metrics-server", "kube-router"} - {gone})
    steps = plan(one, facts(one, three(), system=left))
    assert list(steps) == [step] and steps[step].reason == "not in the cluster"
    assert ids.ANSWERS in steps[step].needs
    (line,) = commands(steps.values())
    role, manifest = Path(line.split()[-1]).parts[-3], Path(line.split()[-1])
    assert manifest.name == f"{gone}.yaml" and f"metadata: {{name: {gone}" in manifest.read_text()
    tasks = (manifest.parents[1] / "tasks" / "main.yml").read_text()
    assert f"roles/{role}/files/{gone}.yaml" in tasks, "it is the one that the play applies"


def test_the_play_runs_once_nodes_are_mended(tmp_path: Path) -> None:
    """It needs what is put back there, such as a container runtime that runs."""
    one = project(tmp_path)
    mended = step("repair/dev-worker-1")
    outdated = facts(one, three(), stamps=dict.fromkeys(NAMES, "other"))
    needed = Needed((("system", Path("/s.tar")),), (ids.SYSTEM_IMAGES,))
    planned = by_id(todo(cluster.plan(one, outdated, needed, [mended])))
    assert mended.id in planned["cluster/provision"].needs


def test_what_its_manifest_brings_is_not_put_back_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Fault("metrics-server", "it is gone", "", Repair.OBJECTS, "Deployment/metrics-server")
    other = replace(gone, part="CoreDNS", target="ConfigMap/coredns")
    monkeypatch.setattr(baseline, "read", lambda *_: [])
    monkeypatch.setattr(health, "_changed", lambda *_: [gone, other])
    monkeypatch.setattr(health, "_nodes", lambda *_: [])
    one = project(tmp_path)
    without = facts(one, three(), system=frozenset({"coredns", "kube-router"}))
    assert health.look(one, without).faults == (other,)
    assert health.look(one, facts(one, three())).faults == (gone, other)


def test_the_play_brings_what_runs_system_workloads_where_it_runs_anyway(tmp_path: Path) -> None:
    one = project(tmp_path)
    outdated = facts(one, three(), system=frozenset(), stamps=dict.fromkeys(NAMES, "other"))
    for seen in (outdated, facts(one, three("missing"), answers=False, nodes=())):
        steps = plan(one, seen)
        assert "cluster/provision" in steps and "cluster/metrics" not in steps
    asleep = facts(one, three(), system=frozenset(), answers=False, nodes=())
    assert "cluster/metrics" not in plan(one, asleep), "nobody tells that it is missing"


def test_calico_enforces_policies_itself(tmp_path: Path) -> None:
    one = project(tmp_path, keys_="network: {cni: calico}")
    assert one.provider.system_workloads == ("metrics-server",)


@pytest.mark.parametrize("keys_", ["", "nodes: {workers: {count: 1}}"])
@pytest.mark.parametrize(
    ("addresses", "first"),
    [(["192.168.60.10", "192.168.60.12"], ["deploy/address"]), (["192.168.60.10"], [])],
)
def test_a_worker_gives_its_address_back_before_it_goes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    first: list[str],
    keys_: str,
) -> None:
    one = project(tmp_path, keys_=keys_)
    monkeypatch.setattr(External, "_specs", lambda _: [{"externalIPs": addresses}])
    monkeypatch.setattr(type(one.provider), "observe", lambda _: three())
    objects = json.loads(recorded("diagram/cluster.json"))["items"]
    there = [item for item in objects if item["kind"] == "Node"]
    monkeypatch.setattr(Kubectl, "items", lambda *_: there)
    steps = todo(removal.remove(one, "dev-worker-2"))
    assert names(steps)[:-1] == [*first, "cluster/leave"]
    assert steps[-2].needs == sids(*first) and steps[-1].needs == sids("cluster/leave")
    for unpublish in steps[: len(first)]:
        assert "192.168.60.12" in unpublish.title and "dev-worker-2" in unpublish.reason


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("dev-control", "dev-control is the control plane"),
        ("dev-worker-9", "there is no node dev-worker-9 of this profile"),
        ("dev-worker-3", "there is no node dev-worker-3 of this profile"),
        ("dev-worker-1", "the database's volume lies on dev-worker-1"),
        ("dev-worker-2", "the database's data lie on dev-worker-2"),
    ],
)
def test_what_must_not_go_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, why: str
) -> None:
    one = project(tmp_path, keys_="nodes: {workers: {count: 3}}")
    on_record(
        one.state, database=Location(CLUSTER, "dev-worker-1"), left=Location(VM, "dev-worker-2")
    )
    found = machines(*(node(each) for each in NAMES), node("dev-worker-3", "missing"))
    monkeypatch.setattr(type(one.provider), "observe", lambda _: found)
    error = error_of(removal.remove, one, name)
    assert isinstance(error, Refused) and error.what == why


def test_from_nothing(tmp_path: Path) -> None:
    one = project(tmp_path)
    steps = plan(one, facts(one, three("missing"), nodes=(), answers=False))
    assert steps["cluster/provision"].reason == "dev-control, dev-worker-1, dev-worker-2 new"
    assert set(steps["cluster/provision"].needs) >= set(
        sids(
            "node/dev-control", "node/dev-worker-2", "release/kubernetes", "image/system", "ssh/key"
        )
    )
    assert set(steps["cluster/answers"].needs) >= set(sids("node/dev-control", "cluster/provision"))
    assert list(steps)[-2:] == ["cluster/provision", "cluster/answers"]
    assert steps["cluster/answers"].action.names == NAMES  # type: ignore[attr-defined]


def test_a_resized_node_is_waited_for_as_its_kubelet_starts_anew(tmp_path: Path) -> None:
    one = project(tmp_path)
    small = node("dev-worker-1", differs=("2048 MiB, wanted 4096",))
    steps = plan(one, facts(one, machines(node("dev-control"), small, node("dev-worker-2"))))
    assert list(steps) == ["resize/dev-worker-1", "cluster/answers"]
    assert sid("resize/dev-worker-1") in steps["cluster/answers"].needs


def test_a_key_that_is_missing_is_made_first(tmp_path: Path) -> None:
    one = Project(settings(tmp_path), state(tmp_path), SANDBOX)
    steps = list(plan(one, facts(one, three("missing"), nodes=(), answers=False)))
    assert steps.index("ssh/key") < steps.index("node/dev-control")


def test_one_new_worker(tmp_path: Path) -> None:
    one = project(tmp_path)
    found = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "missing"))
    steps = plan(one, facts(one, found, nodes=tuple(map(kube, NAMES[:2]))))
    assert steps["cluster/provision"].reason == "dev-worker-2 new"
    assert "node/dev-control" not in steps


@pytest.mark.parametrize("stamp", ["0000000000000000", ""])
def test_a_node_provisioned_otherwise_is_named(tmp_path: Path, stamp: str) -> None:
    one = project(tmp_path)
    good = facts(one, three())
    steps = plan(one, replace(good, stamps={**good.stamps, "dev-worker-1": stamp}))
    assert list(steps) == ["cluster/provision", "cluster/answers"]
    assert (
        steps["cluster/provision"].reason
        == "dev-worker-1 not provisioned as the settings and roles are now"
    )


def test_other_networks_provision_anew(tmp_path: Path) -> None:
    before = project(tmp_path)
    seen = facts(before, three())
    after = project(tmp_path, keys_="network: {pod_cidr: 10.200.0.0/16}")
    assert "cluster/provision" in plan(after, seen)


def test_stopped_nodes_are_started_and_waited_for(tmp_path: Path) -> None:
    one = project(tmp_path)
    write_private(one.state.kubeconfig, access())
    steps = plan(one, facts(one, three("stopped"), nodes=(), answers=False))
    assert list(steps) == [
        "node/dev-control",
        "node/dev-worker-1",
        "node/dev-worker-2",
        "local/forwarding",
        "cluster/answers",
    ]


def test_without_a_kubeconfig_the_play_gets_it_from_the_nodes(tmp_path: Path) -> None:
    """What is advised where it was moved away."""
    one = project(tmp_path)
    steps = plan(one, facts(one, three(), nodes=(), answers=False))
    assert (
        steps["cluster/provision"].reason
        == f"{one.state.kubeconfig} is missing, or names no cluster"
    )


def test_a_start_ends_once_the_clusters_network_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    monkeypatch.setattr(type(one.provider), "observe", lambda self: three("stopped"))
    monkeypatch.setattr(type(one.provider), "start", lambda self: [step("node/dev-control")])
    steps = by_id(cluster.start(one))
    assert steps["cluster/answers"].action.joined, "one that never joined is `up`'s"  # type: ignore[attr-defined]
    assert list(steps) == ["node/dev-control", "cluster/answers", "cluster/network"]
    assert steps["cluster/network"].needs == sids("cluster/answers")
    monkeypatch.setattr(type(one.provider), "start", lambda self: [])
    assert cluster.start(one) == []


@pytest.mark.parametrize(
    ("answers", "more", "waits"),
    [
        (False, {}, True),
        (False, {"tags": "base"}, False),
        (False, {"limit": "workers"}, False),
        (True, {"tags": "base"}, True),
        (True, {"check": True}, False),
    ],
)
def test_a_play_by_hand_ends_once_what_it_restarted_is_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: bool,
    more: dict[str, Any],
    waits: bool,
) -> None:
    one = project(tmp_path)
    monkeypatch.setattr(cluster, "observe", lambda project: facts(one, three(), answers=answers))
    steps = by_id(playbook.provision(one, **more))
    assert ("cluster/answers" in steps) is waits and list(steps)[-1 - waits] == "cluster/provision"


def test_a_play_by_hand_waits_for_what_stood_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    found = replace(
        facts(one, three(), answers=True),
        workloads=(KubeWorkload("api", "api", 1, 0), KubeWorkload("ui", "ui", 1, 1)),
    )
    monkeypatch.setattr(cluster, "observe", lambda project: found)
    steps = by_id(playbook.provision(one))
    assert (
        list(steps)[-3:] == ["cluster/provision", "cluster/answers", "deploy/ui"]
        and sid("cluster/answers") in steps["deploy/ui"].needs
    )


@pytest.mark.parametrize(("reported", "waited"), [(-30, ["cluster/answers"]), (1, [])])
def test_a_node_ready_by_the_word_of_its_former_kubelet_is_waited_for(
    tmp_path: Path, reported: int, waited: list[str]
) -> None:
    one, booted = project(tmp_path), datetime(2026, 11, 24, 12, tzinfo=UTC)
    found = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", booted=booted))
    worker = replace(kube("dev-worker-2"), reported=booted + timedelta(seconds=reported))
    assert list(plan(one, facts(one, found, nodes=(*map(kube, NAMES[:2]), worker)))) == waited


@pytest.mark.parametrize(
    ("names", "minutes", "ready_since_boot"),
    [
        (("dev-control", "dev-worker-1"), 1, True),
        (("dev-control",), 1, True),
        (("dev-control", "dev-worker-9"), 1, False),
        (("dev-control",), -1, False),
    ],
)
def test_kubernetes_vouches_for_machines_it_has_heard_of_since_they_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    minutes: int,
    ready_since_boot: bool,
) -> None:
    boot, told = datetime(2026, 1, 1, tzinfo=UTC), list[bool]()
    reported = f"{boot + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
    ready = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": reported,
        "lastTransitionTime": reported,
    }
    monkeypatch.setattr(
        cluster,
        "ask",
        lambda *_: Answer(
            tuple(
                {
                    "kind": "Node",
                    "metadata": {"name": name},
                    "spec": {},
                    "status": {"conditions": [ready]},
                }
                for name in ("dev-control", "dev-worker-1")
            )
        ),
    )
    one = project(tmp_path)
    boots = dict.fromkeys(names, boot)
    monkeypatch.setattr(
        type(one.provider),
        "observe",
        lambda self, ready_since_boot: told.append(ready_since_boot(boots)) or machines(),
    )
    cluster.observe(one)
    assert told == [ready_since_boot]


def test_a_node_that_is_not_ready_is_waited_for(tmp_path: Path) -> None:
    one = project(tmp_path)
    assert list(
        plan(
            one, facts(one, three(), nodes=(kube("dev-control"), kube("dev-worker-1", ready=False)))
        )
    ) == ["cluster/answers"]


def test_a_node_out_of_reach_is_told_with_its_cause(tmp_path: Path) -> None:
    one = project(tmp_path)
    seen = facts(
        one,
        three(),
        unreachable={"dev-worker-1": "error: the host key of dev-worker-1 is not known"},
    )
    error = error_of(plan, one, seen)
    assert error.what == "dev-worker-1 runs but can't be reached by SSH"
    assert "host key" in error.why


def test_release_by_download(tmp_path: Path) -> None:
    steps = by_id(
        part_of_plan(release.release_steps(project(tmp_path, replace(DESKTOP, arch="arm64"))))
    )
    assert list(steps) == [
        "release/kubeadm",
        "release/kubelet",
        "release/kubectl",
        "release/kubernetes",
    ]
    assert (
        steps["release/kubelet"].action.url
        == "https://dl.k8s.io/release/v1.26.1/bin/linux/arm64/kubelet"
    )  # type: ignore[attr-defined]
    assert steps["release/kubelet"].reason == "https://dl.k8s.io and registry.k8s.io answer"
    assert steps["release/kubernetes"].needs == sids(
        "release/kubeadm", "release/kubelet", "release/kubectl"
    )


def test_release_by_compiling_goes_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    monkeypatch.setattr(go, "go_tool", lambda: "")
    bring, *steps = todo(release.release_steps(one))
    assert (str(bring.id), bring.needs) == ("release/go", sids("host/packages"))
    monkeypatch.setattr(go, "go_tool", lambda: "/usr/lib/go-1.19/bin/go")
    assert names(step.needs[0] for step in todo(release.release_steps(one)))[:2] == [
        "host/packages",
        "release/kubernetes",
    ]
    assert names(steps) == [
        "release/kubernetes",
        "release/etcd",
        "release/coredns",
        "release/metrics-server",
        "release/pause",
        "release/kube-router",
    ]
    assert [step.needs[0] for step in steps] == [ids.GO, *[step.id for step in steps[:-1]]]
    assert steps[1].title == "compile etcd"
    assert (
        steps[0].reason == f"{one.release.why}; not in the cache"
        and "can't be resolved" in one.release.why
    )
    assert steps[1].reason == "not in the cache"
    assert part_of_plan([bring, *steps]).critical_seconds() == bring.seconds + sum(
        step.seconds for step in steps
    )


def test_system_images(tmp_path: Path) -> None:
    built, pulled = (
        by_id(release.image_steps(project(tmp_path, host))) for host in (SANDBOX, DESKTOP)
    )
    assert list(built) == ["rootfs/kube-proxy", "image/system"]
    assert built["image/system"].title == "build Kubernetes' own images"
    builds = ("kubernetes", "etcd", "coredns", "metrics-server", "pause", "kube-router")
    assert built["image/system"].needs == sids(
        "host/packages",
        "rootfs/kube-proxy",
        *(f"release/{name}" for name in (*builds, "kubernetes")),
    )
    assert pulled["image/system"].needs == sids("host/packages", "release/kubernetes")
    assert pulled["image/system"].title == "pull Kubernetes' own images"
    one = project(tmp_path)
    write_private(one.system_archive, "tar")
    assert todo(release.image_steps(one)) == []


def test_pulled_system_images_need_no_root_file_system(tmp_path: Path) -> None:
    assert list(by_id(release.image_steps(project(tmp_path, DESKTOP)))) == ["image/system"]


class Coming(Kubectl):
    """An API server whose nodes become ready one by one, some minutes from one to the next, as
    far as they do.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ready: tuple[str, ...]) -> None:
        super().__init__(Path("kubectl"), Path("kubeconfig"), "kubeup-dev")
        vars(self).update(time=0.0, ready=ready)
        monkeypatch.setattr(
            nodes, "Patience", lambda seconds: Patience(seconds, lambda: vars(self)["time"])
        )
        monkeypatch.setattr(Kubectl, "unanswered", lambda _: None)

    def at(self, pace: Pace) -> Coming:
        return self

    def watch(self, *words: str, each: Any, tick: float = 2.0) -> None:
        events = [{"object": api_node(name)} for name in vars(self)["ready"]]
        while not each(events.pop(0) if events else None):
            vars(self)["time"] += 150.0


def api_node(name: str) -> dict[str, Any]:
    now = "2026-11-24T12:00:00Z"
    condition = {
        "type": "Ready",
        "status": "True",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {},
        "status": {"conditions": [condition]},
    }


def test_nodes_that_come_one_by_one_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl = Coming(monkeypatch, NAMES)
    nodes.WaitForNodes(kubectl, NAMES, dict).run(lambda _: None)
    assert vars(kubectl)["time"] == 300


@pytest.mark.parametrize(("pace", "waited"), [(AS_MEANT, 450), (Pace(10), 2100)])
def test_nodes_that_never_come_are_not(
    monkeypatch: pytest.MonkeyPatch, pace: Pace, waited: int
) -> None:
    kubectl, said = Coming(monkeypatch, NAMES[:2]), list[str]()
    error = error_of(nodes.WaitForNodes(kubectl, NAMES, dict).at(pace).run, said.append)
    assert error.what == "not every node became ready" and error.why.startswith(
        "dev-worker-2: not registered yet"
    )
    assert ("10 times slower" in error.why, said[0].endswith("waiting for up to 1800 s")) == (
        pace.times > 1,
        pace.times > 1,
    )
    assert vars(kubectl)["time"] == waited


def test_a_node_that_never_joined_is_the_next_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by a run that was cut off before the play, and stopped since."""
    kubectl = Coming(monkeypatch, NAMES[:2])
    there = [api_node(name) for name in NAMES[:2]]
    monkeypatch.setattr(Kubectl, "items", lambda *_: there)
    nodes.WaitForNodes(kubectl, NAMES, dict, joined=True).run(lambda _: None)
    assert vars(kubectl)["time"] < 450, "it waited for the third"


@pytest.mark.parametrize(
    ("ends", "told"),
    [([1], ""), ([1, 1], ""), ([1, 1, 1], "kubectl ended"), ([shell.STOPPED], "kubectl ended")],
)
def test_an_api_server_that_is_away_again_is_asked_once_more(
    monkeypatch: pytest.MonkeyPatch, ends: list[int], told: str
) -> None:
    def items(*_: object) -> list[dict[str, Any]]:
        if ends:
            raise CommandError("kubectl ended", code=ends.pop(0))
        return [api_node(name) for name in NAMES]

    wait = nodes.WaitForNodes(Coming(monkeypatch, NAMES), NAMES, dict, joined=True)
    monkeypatch.setattr(Kubectl, "items", items)
    if told:
        assert error_of(wait.run, print).what == told
    else:
        wait.run(lambda _: None)
    assert ends == []


def test_what_a_stopped_machine_holds_is_planned_once_it_runs(tmp_path: Path) -> None:
    one = project(tmp_path)
    mixed = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "stopped"))
    steps = plan(one, facts(one, mixed))
    assert steps["cluster/answers"].action.joined  # type: ignore[attr-defined]
    mixed = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "missing"))
    assert not plan(one, facts(one, mixed))["cluster/answers"].action.joined  # type: ignore[attr-defined]


def test_the_play_waits_for_what_lets_nodes_reach_each_other(tmp_path: Path) -> None:
    """Somebody has flushed the packet filter, and the roles have changed."""
    one = project(tmp_path)
    seen = facts(one, three(blocked=Blocked("no rules")), stamps=dict.fromkeys(NAMES, "other"))
    steps = plan(one, seen)
    assert ids.FORWARDING in steps["cluster/provision"].needs


def test_nodes_are_waited_for_once_there_is_a_kubectl_to_ask_by(tmp_path: Path) -> None:
    """The cache was emptied: compiling takes longer than anybody waits for an API server."""
    one = project(tmp_path)
    steps = plan(one, facts(one, three(), answers=False, nodes=()))
    assert ids.KUBERNETES in steps["cluster/answers"].needs


@pytest.mark.parametrize(
    ("cause", "waited"),
    [(Cause.REFUSED, 181), (Cause.AUTHORITY, 11), (Cause.EXPIRED, 11)],
)
def test_an_api_server_that_does_not_come_is_told(
    monkeypatch: pytest.MonkeyPatch, cause: Cause, waited: int
) -> None:
    """With what the connection said; what waiting can't change is not waited for."""
    kubectl, clock = Coming(monkeypatch, NAMES), [0.0]
    found: list[Unanswered | None] = [Unanswered(cause, "said so")] * 3
    monkeypatch.setattr(Kubectl, "unanswered", lambda _: found.pop(0) if found else None)
    monkeypatch.setattr(nodes.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(nodes.time, "sleep", lambda _: clock.__setitem__(0, clock[0] + 1))
    wait = nodes.WaitForNodes(kubectl, NAMES, dict)
    wait._until_answered(print)
    monkeypatch.setattr(Kubectl, "unanswered", lambda _: Unanswered(cause, "said so"))
    clock[0] = 0.0
    error = error_of(wait._until_answered, print)
    assert error.what == "the API server does not answer" and "said so" in error.why
    assert error.next == cause.advice and clock[0] == waited


@pytest.mark.parametrize(
    ("cause", "provisions"),
    [
        (Cause.AUTHORITY, True),
        (Cause.UNAUTHORIZED, True),
        (Cause.NAME, True),
        (Cause.EXPIRED, True),
        (Cause.REFUSED, False),
        (Cause.SILENT, False),
        (Cause.EARLY, False),
    ],
)
def test_a_kubeconfig_of_another_cluster_is_fetched_anew(
    tmp_path: Path, cause: Cause, provisions: bool
) -> None:
    one = project(tmp_path)
    write_private(one.state.kubeconfig, access())
    found = facts(one, three(), answers=False, unanswered=Unanswered(cause, "so"))
    steps = plan(one, found)
    assert ("cluster/provision" in steps) == provisions
    if provisions:
        assert "(so)" in steps["cluster/provision"].reason


def test_the_play_is_for_machines_that_run_and_are_ours_to_provision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minikube = project(tmp_path, keys_="provider: minikube")
    assert isinstance(error_of(playbook.provision, minikube), UsageError)
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three("stopped")))
    assert "dev-worker-2 stopped" in error_of(playbook.provision, project(tmp_path)).why


def test_one_thing_at_a_time_is_done_with_snapshots(tmp_path: Path) -> None:
    error = error_of(snapshots.snapshots, project(tmp_path), "one", "other", "")
    assert error.what == "more than one thing to do with snapshots"
    assert snapshots.snapshots(project(tmp_path), "", "", "") == []
