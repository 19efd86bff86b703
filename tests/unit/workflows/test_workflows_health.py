"""From faults to steps: which there are, in what order, and what is asked about first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import (
    SANDBOX,
    access,
    error_of,
    holds,
    machines,
    names,
    node,
    settings,
    sids,
    state,
    step,
    three,
)

from kubeup.cluster import baseline
from kubeup.cluster.providers.base import Machines
from kubeup.core.errors import Refused
from kubeup.core.plan import Step, plan_of
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.facts import parts
from kubeup.facts.faults import Fault, Repair
from kubeup.facts.kubernetes import KubeNode
from kubeup.inspect import doctor
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import health
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.health import Health
from kubeup.workflows.project import Project

CONFIG = {"kind": "ConfigMap", "metadata": {"name": "coredns"}, "data": {"Corefile": "made"}}
PROXY = {"kind": "DaemonSet", "metadata": {"name": "kube-proxy"}, "spec": {"template": {}}}
UNIT = Fault("w", "kubelet is inactive", "", Repair.UNITS, "dev-worker-1", ("kubelet",))
ROUTE = Fault("w", "a route is missing", "", Repair.POD_NETWORK, "dev-worker-1")
CORDON = Fault("w", "cordoned", "", Repair.SCHEDULING, "dev-worker-1", (), users=True)
TAINT = replace(CORDON, what="tainted", details=("mine:NoExecute",))
DNS = Fault("CoreDNS", "does not run", "", Repair.WAIT, "Deployment/coredns")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    one = Project(settings(tmp_path), state(tmp_path), SANDBOX)
    write_private(one.state.private_key, "key")
    write_private(one.state.kubeconfig, access())
    return one


def facts(*faults: Fault, found: Machines | None = None) -> ClusterFacts:
    running = found or three()
    stamps = {one.name: "stamp" for one in running.nodes}
    there = tuple(KubeNode(one.name, True, "", "", "", False, frozenset()) for one in running.nodes)
    return ClusterFacts(running, stamps=stamps, nodes=there, answers=True, faults=faults)


def on_nodes(project: Project, *faults: Fault) -> list[Step]:
    return health.on_nodes(project, facts(), Health(faults))


def by_api(project: Project, *faults: Fault, before: Iterable[Step] = ()) -> list[Step]:
    return health.by_api(project, Health(faults), before)


def lines(one: Step) -> list[str]:
    return [line.partition(" -- ")[2] or line for line in one.action.commands()]


def test_a_cluster_that_is_well_needs_nothing(project: Project) -> None:
    assert on_nodes(project) == by_api(project) == []
    assert health.keep_baseline(project, Health(), []) == []


def test_services_of_a_node_are_started_together(project: Project) -> None:
    (one,) = on_nodes(project, UNIT, replace(UNIT, details=("containerd",)))
    assert str(one.id) == "repair/units-dev-worker-1" and not one.loses
    assert one.title == "dev-worker-1: start its services"
    assert "sudo -n systemctl unmask kubelet containerd" in lines(one)[0]
    assert "systemctl restart kubelet containerd" in lines(one)[-1]


def test_a_manifest_that_somebody_changed_is_asked_about(project: Project) -> None:
    gone = Fault("c", "gone", "", Repair.STATIC_PODS, "dev-control", ("etcd",))
    changed = replace(gone, what="changed", details=("kube-scheduler",), users=True)
    (one,) = on_nodes(project, gone)
    assert not one.loses and "kubeadm init phase etcd local --config" in lines(one)[0]
    (one,) = on_nodes(project, gone, changed)
    assert one.loses == "what somebody has set by hand: changed"
    assert "init phase control-plane scheduler" in lines(one)[1]


def test_a_node_without_its_pod_network_gets_it_by_the_play_alone(project: Project) -> None:
    (one,) = on_nodes(project, replace(ROUTE, repair=Repair.CNI))
    assert "--limit=dev-worker-1 --tags=network" in one.action.commands()[0]


def test_objects_are_put_back_together_and_asked_about(project: Project) -> None:
    config = Fault("CoreDNS", "changed", "", Repair.OBJECTS, "ConfigMap/coredns", users=True)
    proxy = Fault("kube-proxy", "gone", "", Repair.OBJECTS, "DaemonSet/kube-proxy")
    (one,) = by_api(project, config, proxy)
    assert str(one.id) == "repair/objects" and one.needs == sids("cluster/answers")
    assert one.loses == "what somebody has set by hand: changed"
    assert "ConfigMap/coredns, DaemonSet/kube-proxy" in lines(one)[0]


def test_a_cordon_and_a_taint_are_taken_off_and_asked_about(project: Project) -> None:
    (one,) = by_api(project, CORDON, TAINT)
    assert [line.split("kubeup-dev ")[1] for line in lines(one)] == [
        "uncordon dev-worker-1",
        "taint node dev-worker-1 mine:NoExecute-",
    ]
    assert one.loses == "what somebody has set by hand: cordoned; tainted"


def test_what_does_not_run_is_waited_for_where_nothing_else_brings_it(project: Project) -> None:
    assert names(one.id for one in by_api(project, DNS)) == ["repair/coredns"]
    assert by_api(project, DNS, before=[step("cluster/answers")]) == []
    config = Fault("CoreDNS", "changed", "", Repair.OBJECTS, "ConfigMap/coredns", users=True)
    assert names(one.id for one in by_api(project, DNS, config)) == ["repair/objects"]


def test_how_the_parts_are_made_is_written_down_once(project: Project) -> None:
    play = step("cluster/provision")
    (one,) = health.keep_baseline(project, Health(known=False), [play])
    assert one.needs == sids("cluster/answers", "cluster/provision")
    assert health.keep_baseline(project, Health(), [play]) == []
    assert health.keep_baseline(project, Health((DNS,), known=False), []) == [], "not as it is ill"


def test_nodes_that_the_play_has_made_are_asked_and_no_others(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run_all(targets: Any, *_: str, **__: Any) -> dict[str, Output]:
        asked.extend(target.name for target in targets)
        return {name: Output(255, "", "no answer") for name in asked}

    monkeypatch.setattr(ssh, "run_all", run_all)
    some = machines(node("dev-control"), node("dev-worker-1", "stopped"), node("dev-worker-2"))
    seen = facts(CORDON, found=some)
    seen = replace(seen, stamps={"dev-control": "stamp", "dev-worker-1": "stamp"})
    found = health.look(project, seen)
    assert asked == ["dev-control"] and not found.known
    assert [fault.what for fault in found.faults] == ["cordoned", "dev-control could not be asked"]


@pytest.mark.parametrize(
    ("without", "repair", "giver"),
    [
        (("dev-worker-1",), Repair.NAMES, ("dev-control",)),
        (("dev-control", "dev-worker-1"), Repair.NAMES, ("dev-worker-2",)),
        (("dev-control", "dev-worker-1", "dev-worker-2"), Repair.NONE, ()),
    ],
)
def test_a_node_gets_name_servers_of_one_that_has_them(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    without: tuple[str, ...],
    repair: Repair,
    giver: tuple[str, ...],
) -> None:
    well = "unit kubelet active enabled\nend\n"
    told = {
        one.name: Output(0, f"names missing\n{well}" if one.name in without else well, "")
        for one in three().nodes
    }
    monkeypatch.setattr(ssh, "run_all", lambda *_, **__: told)
    found = health.look(project, facts())
    assert {(fault.repair, fault.details) for fault in found.faults} == {(repair, giver)}
    steps = health.on_nodes(project, facts(), found)
    assert len(steps) == (len(without) if giver else 0)
    for one in steps:
        assert "cat /etc/resolv.conf" in lines(one)[0] and "tee /etc/resolv.conf" in lines(one)[0]


def test_a_running_machine_that_is_no_node_any_more_joins_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "run_all", lambda *_, **__: {})
    seen = replace(facts(), nodes=facts().nodes[1:])
    found = health.look(project, seen)
    assert [fault.what for fault in found.faults] == [
        "dev-control is no node of the cluster any more"
    ]
    (one,) = health.on_nodes(project, seen, found)
    assert str(one.id) == "repair/register-dev-control" and not one.loses
    assert "systemctl restart kubelet" in lines(one)[0] and "mark-control-plane" in lines(one)[-1]
    worker = replace(seen, nodes=facts().nodes[:-1])
    (one,) = health.on_nodes(project, worker, health.look(project, worker))
    assert "kubeup/provisioned=$(cat /etc/kubeup/provisioned)" in lines(one)[-1]
    assert not health.look(project, replace(seen, answers=False)).faults, "nobody knows then"


class Holding(Kubectl):
    """A cluster with these objects in kube-system."""

    def read(self, *words: str, **_: Any) -> Output:
        assert words[:3] == ("get", "-n", "kube-system")
        return Output(
            0, json.dumps({"items": vars(self)["items"]}) if vars(self)["items"] else "", ""
        )

    def write(self, *words: str, stdin: str | None = None, **_: Any) -> str:
        wrote = json.loads(stdin)["items"] if stdin else []
        vars(self)["wrote"].append((*words[2:5], *(one["metadata"]["name"] for one in wrote)))
        return ""


def holding(*items: Any) -> Holding:
    one = Holding(Path("kubectl"), Path("kubeconfig"), "kubeup-dev")
    vars(one).update(items=list(items), wrote=[])
    return one


def test_what_is_there_is_replaced_and_what_is_gone_is_made(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    said: list[str] = []
    baseline.KeepBaseline(holding(CONFIG, PROXY), path, "play 1").run(said.append)
    assert said == ["2 objects"] and path.stat().st_mode & 0o777 == 0o600
    changed = {**CONFIG, "data": {"Corefile": "other"}}
    assert baseline.read(path, "play 2") is None, "another play may make others"
    found = parts.changed(baseline.read(path, "play 1") or [], [changed])
    kubectl = holding(changed)
    baseline.PutBack(kubectl, path, "play 1", tuple(fault.target for fault in found)).run(print)
    assert vars(kubectl)["wrote"] == [
        ("create", "-f", "-", "kube-proxy"),
        ("replace", "-f", "-", "coredns"),
        ("rollout", "restart", "deployment/coredns"),
        ("rollout", "status", "deployment/coredns"),
        ("rollout", "status", "daemonset/kube-proxy"),
    ], "who reads a configuration that was another one starts anew"
    kubectl = holding(CONFIG, PROXY)
    baseline.PutBack(kubectl, path, "play 1", ("ConfigMap/coredns",)).run(print)
    written = [row for row in vars(kubectl)["wrote"] if row[0] in ("create", "replace")]
    assert written == [("replace", "-f", "-", "coredns")], "and nothing that was not asked"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"objects": [{"kind": "Pod"}]}', '{"a": 1}'])
def test_a_baseline_that_can_not_be_read_is_not_taken_for_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    assert baseline.read(path, "play 1") is None
    write_private(path, text)
    assert isinstance(error_of(baseline.read, path, "play 1"), Refused)


def test_doctor_names_each_fault_and_mends_what_is_safe(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "look", lambda *_: Health((CORDON, UNIT)))
    nodes, cordon, unit = doctor._cluster(project, facts())
    assert nodes.ok and not cordon.ok and "let it take pods again" in cordon.fix
    assert names(step.id for step in (*cordon.steps, *unit.steps)) == ["repair/units-dev-worker-1"]
    monkeypatch.setattr(health, "look", lambda *_: Health())
    assert all(finding.ok for finding in doctor._cluster(project, facts()))


def test_repairs_of_nodes_come_before_the_api_server_is_waited_for(project: Project) -> None:
    repairs = on_nodes(project, UNIT)
    assert plan_of(repairs, holds("cluster/provision"))
