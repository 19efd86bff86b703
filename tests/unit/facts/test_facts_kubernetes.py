from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from builders import recorded

from kubeup.facts.kubernetes import KubeClaim, claims, nodes, pods, reported_since_boot


@pytest.fixture
def node_items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(recorded("facts/kubectl_nodes.json"))["items"]
    return items


@pytest.fixture
def pod_items() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    return items


def test_nodes(node_items: list[dict[str, Any]]) -> None:
    found = {node.name: node for node in nodes(node_items)}
    assert list(found) == ["dev-control", "dev-worker-1", "dev-worker-2"]
    assert all(
        node.ready and node.why == "" and node.version == "v1.26.1" and node.schedulable
        for node in found.values()
    )
    assert [node.control for node in found.values()] == [True, False, False]
    assert found["dev-worker-2"].address == "192.168.60.12"
    assert "registry.k8s.io/kube-proxy:v1.26.1" in found["dev-worker-2"].images


def test_a_node_whose_network_is_not_ready(node_items: list[dict[str, Any]]) -> None:
    ready = next(row for row in node_items[1]["status"]["conditions"] if row["type"] == "Ready")
    ready |= {
        "status": "False",
        "reason": "KubeletNotReady",
        "message": "container runtime network not ready: NetworkReady=false "
        "reason:NetworkPluginNotReady message:cni plugin not initialized",
    }
    node_items[1]["spec"]["unschedulable"] = True
    found = nodes(node_items)[1]
    assert not found.ready
    assert "cni plugin not initialized" in found.why
    assert not found.schedulable


def test_a_node_that_has_reported_nothing() -> None:
    (found,) = nodes([{"metadata": {"name": "new"}, "spec": {}}])
    assert (found.ready, found.why, found.version, found.address, found.images) == (
        False,
        "no report",
        "",
        "",
        frozenset(),
    )


def test_the_stamp_that_provisioning_left(node_items: list[dict[str, Any]]) -> None:
    node_items[0]["metadata"]["annotations"] = {"kubeup/provisioned": "cab22f14ec4c42a6"}
    del node_items[1]["metadata"]["annotations"]
    assert [node.stamp for node in nodes(node_items)[:2]] == ["cab22f14ec4c42a6", ""]


def test_images_without_a_name_do_not_count(node_items: list[dict[str, Any]]) -> None:
    node_items[0]["status"]["images"] = [
        {"names": None, "sizeBytes": 3},
        {"names": ["a:1", "b:2"], "sizeBytes": 3},
    ]
    assert nodes(node_items)[0].images == {"a:1", "b:2"}


def test_pods(pod_items: list[dict[str, Any]]) -> None:
    found = {pod.app: pod for pod in pods(pod_items)}
    assert set(found) == {"api", "db", "ui"}
    database = found["db"]
    assert (database.name, database.namespace, database.node, database.phase) == (
        "mysql-0",
        "default",
        "dev-worker-1",
        "Running",
    )
    assert (
        database.ready
        and not database.deleting
        and database.waiting == ()
        and database.restarts == 0
    )
    assert database.address.startswith("10.244.1.")
    assert database.images[0].startswith("localhost/kubeup-mysql:")


def test_a_pod_that_is_on_its_way_out(pod_items: list[dict[str, Any]]) -> None:
    leaving = copy.deepcopy(pod_items[0])
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z"
    assert pods([leaving])[0].deleting


def test_waiting_containers_and_restarts_count_init_containers_too(
    pod_items: list[dict[str, Any]],
) -> None:
    pod = pod_items[0]
    pod["status"]["initContainerStatuses"] = [
        {"restartCount": 2, "state": {"waiting": {"reason": "PodInitializing"}}}
    ]
    pod["status"]["containerStatuses"][0] |= {
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
    }
    found = pods([pod])[0]
    assert found.waiting == (("PodInitializing", ""), ("CrashLoopBackOff", "back-off 10s"))
    assert found.restarts == 5


def test_claims() -> None:
    assert claims(json.loads(recorded("facts/kubectl_pvc.json"))["items"]) == (
        KubeClaim("data-mysql-0", "Bound", "data-mysql-0", "1Gi"),
    )


def test_a_claim_that_waits() -> None:
    pending = {"metadata": {"name": "data-mysql-0"}, "spec": {}, "status": {"phase": "Pending"}}
    assert claims([pending]) == (KubeClaim("data-mysql-0", "Pending", "", ""),)


def test_when_a_kubelet_reported_and_a_container_began(
    node_items: list[dict[str, Any]], pod_items: list[dict[str, Any]]
) -> None:
    assert all(
        node.reported and node.reported.date().isoformat() == "2026-11-23"
        for node in nodes(node_items)
    )
    assert all(pod.began and pod.began.tzinfo for pod in pods(pod_items))
    assert nodes([{"metadata": {"name": "new"}, "spec": {}}])[0].reported is None


def test_a_word_counts_when_it_is_younger_than_its_machine() -> None:
    boot = datetime(2026, 11, 23, 21, 30, 48, 360_079, tzinfo=UTC)
    boots = {"dev-control": boot}
    assert reported_since_boot(boot.replace(microsecond=0), "dev-control", boots)
    assert not reported_since_boot(boot - timedelta(seconds=1), "dev-control", boots)
    assert not reported_since_boot(None, "dev-control", boots)
    assert reported_since_boot(None, "a machine that does not tell when it started", boots)
