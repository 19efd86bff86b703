"""What changes behind kubeup's back or in the settings: the plan names it, and `up` mends that
and nothing else.
"""

from __future__ import annotations

import base64
import json
from functools import partial

import httpx
import pytest

from tests.real.harness import ADDRESSES, CONTROL, NODES, WORKER_1, WORKER_2, Cluster, mended, until

pytestmark = [pytest.mark.real, pytest.mark.long]


def ids(steps: list[dict[str, str]]) -> set[str]:
    return {step["id"] for step in steps}


def test_a_node_of_another_size_is_resized_in_place(cluster: Cluster) -> None:
    more = ("--set", "nodes.workers.memory=2304", "--set", "nodes.workers.cpu=1")
    before = cluster.containers(), cluster.pods()
    with mended(cluster.up):
        steps = cluster.plan(*more)
        assert {f"resize/{WORKER_1}", f"resize/{WORKER_2}"} <= ids(steps) and not [
            step for step in ids(steps) if step.startswith("node/")
        ]
        reasons = {step["id"]: step["reason"] for step in steps}
        assert "2048" in reasons[f"resize/{WORKER_1}"] and "2304" in reasons[f"resize/{WORKER_1}"]
        assert not any(step["loses"] for step in steps)
        cluster.up(*more)
        assert cluster.limits(WORKER_1) == cluster.limits(WORKER_2) == (1.0, 2304)
        assert cluster.limits(CONTROL) == (2.0, 2048)
        until(
            lambda: cluster.capacity(WORKER_1) == cluster.capacity(WORKER_2) == (1, 2304),
            "the cluster knows of their size",
            30,
        )
        assert cluster.plan(*more) == []
        assert cluster.containers() == before[0]
        # no pod was disturbed
        assert {name: cluster.pods().get(name) for name in before[1]} == before[1]
    assert cluster.limits(WORKER_1) == (2.0, 2048) and cluster.plan() == []
    until(
        lambda: cluster.capacity(WORKER_1) == cluster.capacity(WORKER_2) == (2, 2048),
        "the cluster knows of their size",
        30,
    )


def test_only_what_differs_is_deployed(cluster: Cluster) -> None:
    """Another name for the API's image: the API alone is built, loaded and rolled out; the diff
    shows that line.
    """
    other = ("--set", "images.api=another-name")
    before = cluster.workloads()
    with mended(cluster.up):
        steps = cluster.plan(*other)
        # an earlier run may have left the image in the cache
        assert (
            {"load/api", "deploy/api"} <= ids(steps) <= {"image/api", "load/api", "deploy/api"}
        ), steps
        diff = cluster.inv("deploy.diff", *other).out
        changed = [
            line
            for line in diff.splitlines()
            if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
        ]
        assert {line.strip("+- ").split(":")[0] for line in changed} <= {"image", "generation"}, (
            diff
        )
        assert any("localhost/another-name:" in line for line in changed)
        assert cluster.workloads() == before  # a diff only looks
        cluster.inv("deploy.api", *other)
        after = cluster.workloads()
        assert {name for name in after if after[name][0] != before[name][0]} == {"Deployment/api"}
        assert "another-name" in json.dumps(cluster.objects("deployments"))
        assert cluster.plan(*other) == []
    assert cluster.plan() == []


def test_what_was_changed_by_hand_is_named_and_put_back(cluster: Cluster) -> None:
    cluster.kubectl(
        "patch",
        "service",
        "ui",
        "--type=json",
        '-p=[{"op":"replace","path":"/spec/ports/0/nodePort","value":30077}]',
    )
    steps = cluster.plan()
    assert ids(steps) == {"deploy/ui"} and "ui" in steps[0]["reason"]
    assert "+    nodePort: 30001" in cluster.inv("deploy.diff").out
    cluster.up()
    assert cluster.objects("services", "-l", "app=ui")[0]["spec"]["ports"][0]["nodePort"] == 30001
    assert cluster.plan() == []


def test_a_node_whose_port_80_is_taken_is_left_out(cluster: Cluster) -> None:
    none, named = ("--set", "ports.http=0"), ("--set", "ports.http=80")
    taken = f"port 80 of {WORKER_2} can't be the UI's: python3 has it"
    stop = "pkill -f '[h]ttp.server' || true"
    with mended(cluster.up, lambda: cluster.on(WORKER_2, stop)):
        cluster.inv("up", "--yes", *none)
        assert "externalIPs" not in cluster.objects("services", "-l", "app=ui")[0]["spec"]
        cluster.on(WORKER_2, "setsid python3 -m http.server 80 >/dev/null 2>&1 </dev/null &")
        until(lambda: ":80" in cluster.on(WORKER_2, "ss -Hltn sport = :80"), "it listens")
        assert taken in cluster.inv("up", "--yes", *named, code=3).err
        (step,) = cluster.plan()
        assert step["id"] == "deploy/ui" and taken in step["reason"]
        cluster.up()
        addresses = cluster.objects("services", "-l", "app=ui")[0]["spec"]["externalIPs"]
        assert addresses == [ADDRESSES[name] for name in NODES if name != WORKER_2]
        assert taken in cluster.inv("status").out and cluster.plan() == []
        listed = httpx.get(f"http://{ADDRESSES[WORKER_2]}/", trust_env=False).text
        assert "Directory listing" in listed  # theirs, as before
    assert len(cluster.objects("services", "-l", "app=ui")[0]["spec"]["externalIPs"]) == len(NODES)
    assert cluster.plan() == []


def test_passwords_are_masked_in_a_diff(cluster: Cluster, passwords: list[str]) -> None:
    secret = cluster.objects("secrets", "-l", "app=db")[0]
    patch = {"data": {"MYSQL_DATABASE": base64.b64encode(b"something-else-entirely").decode()}}
    with mended(cluster.up):
        cluster.kubectl("patch", "secret", secret["metadata"]["name"], "-p", json.dumps(patch))
        text = cluster.inv("deploy.diff").both + cluster.inv("plan", "--commands").both
        assert "***" in text
        for value in (*passwords, "something-else-entirely"):
            assert value not in text and base64.b64encode(value.encode()).decode() not in text
    assert cluster.plan() == []


def test_a_removed_node_is_made_again_and_only_that(cluster: Cluster) -> None:
    number, before = cluster.add_product("kept over a lost worker"), cluster.containers()
    cluster.podman("rm", "--force", "--time", "0", WORKER_2)
    steps = cluster.plan()
    assert [step for step in ids(steps) if step.startswith("node/")] == [f"node/{WORKER_2}"]
    # what it stands on is there
    assert ids(steps).isdisjoint({"local/network", "local/image", "local/disk", "image/system"})
    assert WORKER_2 in next(step["reason"] for step in steps if step["id"] == "cluster/provision")
    cluster.up()
    after = cluster.containers()
    assert {name for name in NODES if after[name] != before[name]} == {WORKER_2}
    assert cluster.ready_nodes() == set(NODES) and cluster.plan() == []
    assert cluster.product(number)["name"] == "kept over a lost worker"


@pytest.mark.long
def test_the_node_with_the_database_is_made_again_with_its_data(cluster: Cluster) -> None:
    number = cluster.add_product("kept over a lost database node")
    cluster.podman("rm", "--force", "--time", "0", WORKER_1)
    cluster.up()
    assert (
        cluster.product(number)["name"] == "kept over a lost database node" and cluster.plan() == []
    )


def test_a_lost_control_plane_is_told_and_only_data_comes_back(cluster: Cluster) -> None:
    """Its workers can't join another: that is said before anything is touched, and the way that
    is named keeps the data.
    """
    number = cluster.add_product("kept over a lost control plane")
    cluster.podman("rm", "--force", "--time", "0", CONTROL)
    before = cluster.containers()
    ran = cluster.inv("up", "--yes", code=3)
    assert f"the control plane {CONTROL} is gone" in ran.err and "inv down" in ran.err
    assert cluster.containers() == before
    cluster.inv("down", "--yes")
    cluster.up()
    assert cluster.ready_nodes() == set(NODES) and cluster.plan() == []
    assert cluster.product(number)["name"] == "kept over a lost control plane"


def all_states(cluster: Cluster) -> str:
    """Every container with a name like our nodes', whoever made it."""
    rows = cluster.podman(
        "ps",
        "--all",
        "--no-trunc",
        "--format",
        "{{.Names}} {{.ID}} {{.State}}",
        "--filter",
        "name=e2e-",
    )
    # without podman's "3 seconds ago"
    return "\n".join(" ".join(row.split()[:3]) for row in rows.splitlines())


def test_somebody_elses_container_is_refused_by_name_and_left_alone(cluster: Cluster) -> None:
    """A container that has a node's name, but is not of this profile's project."""
    image = cluster.podman("container", "inspect", WORKER_2, "--format", "{{.ImageName}}").strip()
    name, parked = WORKER_2, f"{WORKER_2}-parked"
    back = (("start", name), ("rename", parked, name), ("rm", "--force", "--time", "0", name))
    with mended(*(partial(cluster.podman, *words) for words in back)):
        cluster.podman("stop", "--time", "20", name)
        cluster.podman("rename", name, parked)
        cluster.podman(
            "create",
            "--name",
            name,
            "--network",
            "none",
            "--label",
            "whose=not-yours",
            image,
            "sleep",
            "600",
        )
        before = all_states(cluster)
        for words in (("plan",), ("up", "--yes"), ("cluster.local", "--yes")):
            ran = cluster.inv(*words, code=3)
            assert f"the container {name} is not this profile's" in ran.err, str(ran)
        assert all_states(cluster) == before
    cluster.up()
    assert cluster.ready_nodes() == set(NODES)


def test_fewer_workers_are_refused_before_anything_is_lost(cluster: Cluster) -> None:
    before = cluster.containers()
    ran = cluster.inv("up", "--yes", "--set", "nodes.workers.count=1", code=3)
    assert WORKER_2 in ran.err and "could lose the data" in ran.err
    assert cluster.containers() == before


def test_another_address_is_refused(cluster: Cluster) -> None:
    before = cluster.containers()
    ran = cluster.inv("up", "--yes", "--set", "network.control_ip=192.168.62.20", code=3)
    assert "192.168.62.10" in ran.err and "192.168.62.20" in ran.err
    assert cluster.containers() == before
