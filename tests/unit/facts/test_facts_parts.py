"""What is not as it was made, on a recorded cluster that then is broken in one place."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders import recorded

from kubeup.facts import objects, parts
from kubeup.facts.faults import Repair

Item = dict[str, Any]
SYSTEM: list[Item] = json.loads(recorded("diagram/kube-system.json"))["items"]
EXPECTED = ("coredns", "metrics-server")
COREDNS = "Deployment/coredns"


def system() -> list[Item]:
    items = copy.deepcopy(SYSTEM)
    for item in items:
        item["metadata"].setdefault("namespace", "kube-system")
    return items


def of(items: list[Item], key: str) -> Item:
    return next(item for item in items if objects.key(item) == key)


def without(items: list[Item], start: str) -> list[Item]:
    return [item for item in items if not item["metadata"]["name"].startswith(start)]


def test_a_cluster_that_is_well_has_no_fault() -> None:
    assert parts.not_running(system(), EXPECTED) == []
    assert parts.changed(system(), system()) == []


@pytest.mark.parametrize("name", parts.STATIC)
def test_a_part_of_the_control_plane_that_is_gone_is_named(name: str) -> None:
    (fault,) = parts.not_running(without(system(), name), EXPECTED)
    assert fault.part == "control plane" and fault.what == f"{name} does not run"


def scheduler_after(reason: str) -> list[Item]:
    """A scheduler whose probe is still to pass, after an earlier one that ended like that."""
    items = system()
    (pod,) = (one for one in items if one["metadata"]["name"].startswith("kube-scheduler"))
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    (row,) = pod["status"]["containerStatuses"]
    row.update(ready=False, started=False, state={"running": {"startedAt": "now"}})
    row["lastState"] = {"terminated": {"reason": reason, "exitCode": 255}} if reason else {}
    return items


def test_what_starts_with_its_node_is_no_fault() -> None:
    for reason in ("", "Unknown"):
        assert parts.not_running(scheduler_after(reason), EXPECTED) == []
    (fault,) = parts.not_running(scheduler_after("Error"), EXPECTED)
    assert fault.what == "kube-scheduler does not run", "it ends again and again"
    items = scheduler_after("")
    (pod,) = (one for one in items if one["metadata"]["name"].startswith("kube-scheduler"))
    pod["status"]["containerStatuses"] = []
    assert parts.not_running(items, EXPECTED), "nothing of it has been started yet"


def test_a_part_that_does_not_run_is_waited_for_by_its_name() -> None:
    items = system()
    of(items, COREDNS)["status"]["readyReplicas"] = 1
    (fault,) = parts.not_running(items, EXPECTED)
    assert fault.repair is Repair.WAIT and fault.target == COREDNS
    of(items, COREDNS)["spec"]["replicas"] = 0
    assert parts.not_running(items, EXPECTED)


def test_a_daemon_set_without_a_node_does_not_run() -> None:
    proxy: Item = {
        "kind": "DaemonSet",
        "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
        "status": {"desiredNumberScheduled": 3, "numberReady": 3},
    }
    assert parts.not_running([*system(), proxy], EXPECTED) == []
    proxy["status"] = {"desiredNumberScheduled": 0, "numberReady": 0}
    (fault,) = parts.not_running([*system(), proxy], EXPECTED)
    assert fault.part == "kube-proxy"


def test_a_workload_that_is_gone_is_named() -> None:
    (fault,) = parts.not_running(without(system(), "metrics-server"), EXPECTED)
    assert fault.what == "Deployment/metrics-server is gone"
    assert fault.repair is Repair.MANIFEST
    (fault,) = parts.not_running(without(system(), "coredns"), EXPECTED)
    assert fault.repair is Repair.NONE, "kubeadm's are put back as they were written down"
    assert parts.not_running(without(system(), "metrics-server"), ("coredns",)) == []


def test_what_the_cluster_itself_writes_is_no_change() -> None:
    now = system()
    deployment = of(now, COREDNS)
    deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7"
    deployment["metadata"]["resourceVersion"] = "999"
    deployment["status"] = {"readyReplicas": 0}
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-30T10:00:00Z"}
    deployment["spec"]["template"]["metadata"]["annotations"] = restarted
    of(now, "Service/metrics-server")["spec"].update(clusterIP="10.1.2.3", clusterIPs=["10.1.2.3"])
    assert parts.changed(system(), now) == []


def test_what_somebody_changed_is_said_in_words_and_may_be_meant() -> None:
    now = system()
    of(now, COREDNS)["spec"]["replicas"] = 0
    of(now, COREDNS)["spec"]["template"]["spec"]["nodeSelector"] = {"none": "here"}
    of(now, "Service/kube-dns")["spec"]["selector"]["k8s-app"] = "other"
    service, deployment = parts.changed(system(), now)
    assert deployment.what == (
        "Deployment coredns was changed: spec.replicas 0, was 2, "
        "spec.template.spec.nodeSelector.kubernetes.io/os missing, was linux, "
        "spec.template.spec.nodeSelector.none here, was missing"
    )
    assert service.what.endswith("spec.selector.k8s-app other, was kube-dns")
    assert {fault.repair for fault in (deployment, service)} == {Repair.OBJECTS}
    assert deployment.users and deployment.target == COREDNS


def test_the_address_that_kubelets_are_told_is_no_other() -> None:
    now = system()
    of(now, "Service/kube-dns")["spec"]["clusterIP"] = "10.1.2.3"
    assert len(parts.changed(system(), now)) == 1


def test_what_is_gone_nobody_can_want_back_as_it_is_now() -> None:
    (fault,) = parts.changed(system(), without(system(), "kube-dns"))
    assert fault.what == "Service kube-dns is gone" and not fault.users


def test_objects_of_others_in_kube_system_are_nobodys_business() -> None:
    theirs: Item = {"kind": "ConfigMap", "metadata": {"name": "theirs"}}
    assert parts.changed([*system(), theirs], system()) == []


def node(name: str = "dev-worker-1", control: bool = False, **spec: Any) -> Item:
    labels = {"node-role.kubernetes.io/control-plane": ""} if control else {}
    return {"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec}


def taint(key: str, effect: str = "NoSchedule") -> dict[str, str]:
    return {"key": key, "effect": effect}


@pytest.mark.parametrize(
    ("item", "details"),
    [
        (node(), None),
        (node(unschedulable=True), ()),
        (
            node(taints=[taint("ana.example.org/mine", "NoExecute")]),
            ("ana.example.org/mine:NoExecute",),
        ),
        (node(taints=[taint("node.kubernetes.io/not-ready", "NoExecute")]), None),
        (node("dev-control", True, taints=[taint("node-role.kubernetes.io/control-plane")]), None),
        (
            node(taints=[taint("node-role.kubernetes.io/control-plane")]),
            ("node-role.kubernetes.io/control-plane:NoSchedule",),
        ),
    ],
)
def test_what_keeps_pods_off_a_node(item: Item, details: tuple[str, ...] | None) -> None:
    found = parts.of_nodes([item])
    assert [fault.details for fault in found] == ([] if details is None else [details])
    assert all(fault.users and fault.repair is Repair.SCHEDULING for fault in found)


def test_a_node_under_pressure_is_named() -> None:
    item = node()
    item["status"] = {
        "conditions": [
            {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"},
            {"type": "MemoryPressure", "status": "False"},
        ]
    }
    (fault,) = parts.of_nodes([item])
    assert str(fault) == "dev-worker-1 is short: DiskPressure (kubelet has disk pressure)"
    assert fault.repair is Repair.NONE
