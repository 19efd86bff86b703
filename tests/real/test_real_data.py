"""What was written stays: over stop and start, down and up, and a power cut."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.real.harness import NODES, WORKER_1, Cluster, until

pytestmark = [pytest.mark.real, pytest.mark.long]

USERS_OWN = Path.home() / ".kube" / "config"


def users_kubeconfig() -> str:
    return hashlib.sha256(USERS_OWN.read_bytes()).hexdigest() if USERS_OWN.exists() else "none"


def steps_since(cluster: Cluster, row: int) -> set[str]:
    return {entry["step"] for entry in cluster.journal[row:] if entry["step"]}


def test_stop_and_start_keep_everything(cluster: Cluster) -> None:
    number, before, row = (
        cluster.add_product("kept over a stop"),
        cluster.containers(),
        len(cluster.journal),
    )
    cluster.inv("cluster.stop")
    assert (
        cluster.podman("container", "inspect", "--format", "{{.State.Status}}", *NODES).split()
        == ["exited"] * 3
    )
    assert "Nothing to do." in cluster.inv("cluster.stop").out
    assert {row["state"] for row in cluster.inv("status", "--json").json["machines"]} == {"stopped"}
    assert "inv cluster.start" in cluster.inv("status").out

    cluster.inv("cluster.start")
    assert cluster.ready_nodes() == set(NODES)
    assert cluster.containers() == before
    # started, not provisioned anew: only machines, and the waits for them and for their network;
    # the rules between them stayed
    nodes = {f"node/{name}" for name in NODES}
    assert steps_since(cluster, row) == {
        *nodes,
        "cluster/answers",
        "cluster/network",
    }
    cluster.verify_until_ok()
    assert cluster.product(number)["name"] == "kept over a stop"
    assert "Nothing to do." in cluster.inv("cluster.start").out
    assert cluster.plan() == []


def test_up_starts_what_is_stopped(cluster: Cluster) -> None:
    before = cluster.containers()
    cluster.inv("cluster.stop")
    assert {step["id"] for step in cluster.plan()} >= {f"node/{name}" for name in NODES}
    ran = cluster.up()
    assert " ✔ product removed" in ran.out and "make the node" not in ran.out
    assert cluster.containers() == before and cluster.plan() == []


@pytest.mark.long
def test_a_power_cut(cluster: Cluster) -> None:
    number, before = cluster.add_product("kept over a power cut"), cluster.containers()
    cluster.podman("kill", *NODES)
    cluster.up()
    assert cluster.containers() == before
    assert cluster.product(number)["name"] == "kept over a power cut"
    cluster.verify_until_ok()


def test_without_a_terminal_data_is_not_deleted(cluster: Cluster) -> None:
    before = cluster.containers(), cluster.volumes(), len(cluster.journal)
    ran = cluster.inv("down", "--data", code=3)
    assert (
        "confirmation needed, but standard input is not a terminal" in ran.err
        and "--yes" in ran.err
        and WORKER_1 in ran.err
    )
    assert f"this loses all data on {WORKER_1}" in ran.out
    ran = cluster.inv("cluster.destroy", "--data", code=3)
    assert (cluster.containers(), cluster.volumes(), len(cluster.journal)) == before
    ran = cluster.inv("down", "--data", "--dry")
    assert (cluster.containers(), cluster.volumes(), len(cluster.journal)) == before
    assert cluster.api.get("/readyz").status_code == 200


def test_the_application_goes_and_its_data_stays(cluster: Cluster) -> None:
    number = cluster.add_product("kept over deploy.delete")
    cluster.inv("deploy.delete", "--yes")
    until(lambda: not cluster.objects("pods"), "the application's pods gone", 90)
    assert [claim["metadata"]["name"] for claim in cluster.objects("persistentvolumeclaims")] == [
        "data-mysql-0"
    ]
    # not ours, not touched
    assert "kubernetes" in {row["metadata"]["name"] for row in cluster.objects("services")}
    assert "Nothing to do." in cluster.inv("deploy.delete", "--yes").out
    assert {step["id"] for step in cluster.plan()} == {
        "deploy/data",
        "deploy/db",
        "deploy/api",
        "deploy/ui",
    }
    cluster.inv("deploy.all")
    assert cluster.product(number)["name"] == "kept over deploy.delete"


def test_down_and_up_find_the_data_again(cluster: Cluster) -> None:
    number, users = cluster.add_product("kept over down"), users_kubeconfig()
    cluster.inv("down", "--yes")
    assert cluster.containers() == {} and cluster.networks() == set()
    assert cluster.volumes() == {f"{name}-data" for name in NODES}
    assert "Nothing to do." in cluster.inv("down", "--yes").out
    assert users_kubeconfig() == users
    ran = cluster.inv("verify", code=1)
    assert "there is no cluster of this profile" in ran.err and "inv up" in ran.err

    cluster.up()
    assert cluster.product(number)["name"] == "kept over down"
    assert cluster.plan() == [] and users_kubeconfig() == users
