"""What a profile lives through: stopped, broken, killed halfway, grown, removed, recreated."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.real.harness import mended, output, until
from tests.real.minikube.cluster import HOWTO, USERS, OnMinikube
from tests.real.registry import held, options, serve

pytestmark = pytest.mark.real

WORKER = f"{HOWTO}-m02"
LINK, HERE = "kubeup-reg", "192.168.67.1"  # of the registry


def shown(cluster: OnMinikube, number: int) -> bool:
    """Whether the API gives a product; its port is closed while the database is away."""
    try:
        return cluster.api.get(f"/products/{number}").status_code == 200
    except httpx.TransportError:
        return False


def test_stop_and_start_keep_everything(cluster: OnMinikube) -> None:
    number = cluster.add_product("kept over a stop")
    cluster.inv("cluster.stop")
    assert {row["state"] for row in cluster.inv("status", "--json").json["machines"]} == {"stopped"}
    assert "Nothing to do." in cluster.inv("cluster.stop").out
    cluster.inv("cluster.start")
    cluster.verify_until_ok(120)  # metrics among them
    assert cluster.product(number)["name"] == "kept over a stop"
    assert "Nothing to do." in cluster.inv("cluster.start").out and cluster.plan() == []


def test_the_databases_pod_comes_back_to_its_data(cluster: OnMinikube) -> None:
    number = cluster.add_product("kept by its node")
    cluster.kubectl("delete", "pod", "mysql-0")
    cluster.kubectl("rollout", "status", "statefulset/mysql", "--timeout=120s")
    until(lambda: shown(cluster, number), "the product is there again")
    node = cluster.kubectl("get", "pod", "mysql-0", "-o", "jsonpath={.spec.nodeName}")
    assert node == WORKER


@pytest.mark.long
def test_a_node_deleted_behind_our_back_comes_back_with_its_data(cluster: OnMinikube) -> None:
    number = cluster.add_product("kept over a lost node")
    cluster.podman("rm", "--force", "--time", "10", WORKER)
    plan = cluster.plan()
    assert (
        plan[0]["id"] == f"node/{WORKER}"
        and "data on its volume is carried over" in plan[0]["reason"]
    )
    refused = cluster.inv("down", "--yes", code=3)
    assert "with it the way to the database's data" in refused.err and HOWTO in cluster.profiles()
    cluster.up()
    assert cluster.product(number)["name"] == "kept over a lost node"
    assert cluster.plan() == []


@pytest.mark.long
def test_a_node_more_and_one_less(cluster: OnMinikube) -> None:
    cluster.nodes = 3
    cluster.environment["KUBEUP_SETTINGS"] = str(cluster.settings)
    try:
        assert [step["id"] for step in cluster.plan()][:1] == [f"node/{HOWTO}-m03"]
        cluster.up()
        assert (
            cluster.ready_nodes() == set(cluster.node_names)
            and cluster.profiles()[HOWTO]["Config"]["Memory"] == 4096
        )
    finally:
        cluster.nodes = 2
        cluster.environment["KUBEUP_SETTINGS"] = str(cluster.settings)
    refused = cluster.inv("up", "--yes", code=3)
    assert f"inv cluster.remove {HOWTO}-m03" in refused.err
    cluster.inv("cluster.remove", f"{HOWTO}-m03", "--yes")
    assert cluster.plan() == [] and cluster.ready_nodes() == set(cluster.node_names)


def test_another_cluster_than_the_settings_want_is_refused(cluster: OnMinikube) -> None:
    before = cluster.profiles()[HOWTO]["Config"]
    refused = cluster.inv(
        "up", "--yes", "--set", "minikube.memory=3000", "--set", "minikube.cpus=3", code=3
    )
    assert (
        "CPUs 2, wanted 3; MiB of memory 4096, wanted 3000" in refused.err
        and "data is kept" in refused.err
    )
    assert cluster.profiles()[HOWTO]["Config"] == before


@pytest.mark.long
def test_two_profiles_side_by_side_and_one_goes(cluster: OnMinikube, other: OnMinikube) -> None:
    """The other one is made by hand, with the how-to's own words, and adopted."""
    assert other.bed is not None
    other.minikube(
        "start",
        "--kubernetes-version=1.26.1",
        "--memory=4096",
        "--cpus=2",
        "--disk-size=10GB",
        "--nodes=1",
        "-p",
        other.name,
        *other.bed.start_args,
        users=True,
    )
    users = other.users_kubeconfig.read_text()
    began = other.profiles()[other.name]["Config"]
    refused = other.inv("down", "--yes", code=3)
    assert "is not this profile's" in refused.err and other.name in other.profiles()
    assert other.name in cluster.inv("profiles").out
    ran = other.up()
    assert "create the minikube profile" not in ran.out and " ✔ product removed" in ran.out
    assert other.profiles()[other.name]["Config"]["Nodes"] == began["Nodes"]
    assert "Nothing to do." in cluster.up().out
    other.inv("down", "--yes")
    assert other.users_kubeconfig.read_text() == users
    assert other.left() == {"containers": [], "volumes": [], "networks": []}
    assert set(cluster.profiles()) == {HOWTO} and cluster.plan() == []


def test_down_leaves_nothing_and_up_brings_the_data_back(cluster: OnMinikube) -> None:
    number = cluster.add_product("kept over down")
    cluster.inv("down", "--yes")
    assert (
        cluster.left() == {"containers": [], "volumes": [], "networks": []}
        and cluster.profiles() == {}
    )
    assert cluster.users_kubeconfig.read_text() == USERS
    assert "Nothing to do." in cluster.inv("down", "--yes").out
    assert (cluster.state / "data.tar.gz").stat().st_mode & 0o077 == 0
    cluster.up()
    assert cluster.product(number)["name"] == "kept over down"
    assert not (cluster.state / "data.tar.gz").exists()


@pytest.mark.long
def test_the_database_on_a_node(cluster: OnMinikube) -> None:
    """By a docker beside the node's containerd: there, over a stop and a `down`, and back.

    minikube keeps docker.service masked on such a node.
    """
    number = cluster.add_product("kept on a node")
    cluster.inv("db.vm", "--yes")
    assert "Nothing to do." in cluster.inv("db.vm").out and cluster.plan() == []
    cluster.inv("db.move", "vm", "--yes")
    storage = cluster.verify_until_ok()["storage"]["detail"]
    assert (
        f"kubeup-db on {WORKER}" in storage
        and cluster.product(number)["name"] == "kept on a node"
        and cluster.plan() == []
    )
    cluster.inv("cluster.stop")
    cluster.inv("cluster.start")
    cluster.verify_until_ok(120)
    assert cluster.product(number)["name"] == "kept on a node" and cluster.plan() == []
    cluster.inv("db.move", "vm", "--drop-old", "--yes")
    cluster.inv("down", "--yes")
    assert (cluster.state / "data-vm.tar.gz").stat().st_mode & 0o077 == 0
    assert " ✔ product removed" in cluster.up().out
    assert (
        cluster.product(number)["name"] == "kept on a node"
        and not (cluster.state / "data-vm.tar.gz").exists()
    )
    cluster.inv("db.move", "cluster", "--yes")
    cluster.inv("db.move", "cluster", "--drop-old", "--yes")
    assert cluster.product(number)["name"] == "kept on a node" and cluster.plan() == []


@pytest.fixture
def registry(registry_tool: str, tmp_path: Path) -> Iterator[str]:
    """One that the nodes reach, whatever network they get: through their gateway, this machine."""
    output("ip", "link", "del", LINK, check=False)
    output("ip", "link", "add", LINK, "type", "bridge")
    with mended(lambda: output("ip", "link", "del", LINK)):
        output("ip", "address", "add", f"{HERE}/32", "dev", LINK)
        output("ip", "link", "set", LINK, "up")
        process = serve(registry_tool, tmp_path / "registry", f"{HERE}:5064")
        with mended(lambda: process.wait(20), process.terminate):
            yield f"{HERE}:5064"


@pytest.mark.long
def test_nodes_pull_from_a_registry(cluster: OnMinikube, other: OnMinikube, registry: str) -> None:
    through = ("--set", "images.via=registry", *options(registry))
    refused = cluster.inv("up", "--yes", *through, code=3)
    assert f"registries without TLS none, wanted {registry}" in refused.err, (
        "it can't be told of one any more"
    )
    assert " ✔ product removed" in other.up(*through).out
    assert set(held(registry)) == {
        "tests/kubeup-mysql",
        "tests/fast-api-products",
        "tests/ui-node-products",
    }
    images = {row["image"] for pod in other.objects("pods") for row in pod["spec"]["containers"]}
    assert images and all(image.startswith(f"{registry}/tests/") for image in images)
    assert other.plan(*through) == [] and "Nothing to do." in other.inv("images.push", *through).out


@pytest.mark.long
def test_killed_in_the_middle_of_a_start(other: OnMinikube) -> None:
    """Whatever minikube has made by then: `up` goes on from there."""
    for seconds in (4, 12, 25):
        process = other.start("up", "--yes")
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        for pid in output_pids(other.name):
            os.kill(pid, signal.SIGKILL)
        process.communicate()
        other.inv("state.stop", "--yes")  # whatever else it had started
    other.up()
    assert other.plan() == []


def output_pids(profile: str) -> list[int]:
    """minikubes at work on a profile, which `up` had started and a kill of it left running."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/minikube") and profile.encode() in words:
            found.append(int(path.parent.name))
    return found
