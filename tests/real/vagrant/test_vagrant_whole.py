"""What machines live through: stopped, cut off, lost, killed halfway, removed, recreated."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest

from tests.real.harness import processes_of, until
from tests.real.vagrant.machines import OnVagrant

pytestmark = pytest.mark.real

CONTROL, WORKER_1, WORKER_2 = "vg-control", "vg-worker-1", "vg-worker-2"
REACHED = {  # what tells that a role is at work, and on which node
    "base": (CONTROL, "/etc/sysctl.d/90-kubeup.conf"),
    "network": (WORKER_1, "/usr/local/sbin/kubeup-pod-network"),
    "containerd": (WORKER_1, "/etc/containerd/certs.d"),
    "kubernetes": (CONTROL, "/usr/local/bin/kubeadm"),
    "control_plane": (CONTROL, "/etc/kubernetes/manifests/etcd.yaml"),
    "worker": (WORKER_1, "/etc/kubernetes/pki/ca.crt"),
    "metrics": (CONTROL, "/etc/kubeup/metrics-server.yaml"),
}  # fmt: skip


def lines_of(cluster: OnVagrant) -> set[str]:
    return set((cluster.state / "known_hosts").read_text().splitlines())


def everything_is_back(cluster: OnVagrant, number: int, name: str) -> None:
    """Without the play, and with the data."""
    cluster.verify_until_ok(150)
    assert cluster.product(number)["name"] == name and cluster.plan() == []


def plays(cluster: OnVagrant) -> int:
    return sum(
        row["event"] == "start" and row["step"] == "cluster/provision" for row in cluster.journal
    )


@pytest.mark.long
def test_halt_and_start_keep_everything(cluster: OnVagrant) -> None:
    number, before, keys = (
        cluster.add_product("kept over a halt"),
        plays(cluster),
        lines_of(cluster),
    )
    cluster.inv("cluster.halt")
    assert {row["state"] for row in cluster.inv("status", "--json").json["machines"]} == {"stopped"}
    assert "Nothing to do." in cluster.inv("cluster.halt").out
    cluster.inv("cluster.start")
    everything_is_back(cluster, number, "kept over a halt")
    assert plays(cluster) == before and lines_of(cluster) == keys


def test_after_a_power_cut_up_brings_everything_back(cluster: OnVagrant) -> None:
    number, before = cluster.add_product("kept over a power cut"), plays(cluster)
    cluster.power_cut()
    until(
        lambda: (
            {row["state"] for row in cluster.inv("status", "--json").json["machines"]}
            == {"stopped"}
        ),
        "all are off",
    )
    cluster.up()
    everything_is_back(cluster, number, "kept over a power cut")
    assert plays(cluster) == before


def test_a_worker_lost_behind_our_back_is_made_anew_alone(cluster: OnVagrant) -> None:
    number, pods, keys = (
        cluster.add_product("not on that worker"),
        cluster.pods(),
        lines_of(cluster),
    )
    cluster.podman("rm", "--force", "--volumes", "--time", "0", WORKER_2)
    steps = {step["id"]: step for step in cluster.plan()}
    assert steps["node/vg"]["reason"] == f"{WORKER_2} is missing"
    cluster.up()
    everything_is_back(cluster, number, "not on that worker")
    assert cluster.ready_nodes() == set(cluster.node_names)
    assert cluster.pods()[f"etcd-{CONTROL}"] == pods[f"etcd-{CONTROL}"]
    # its host key is another one, the others' are the same
    assert {line.split()[0] for line in keys ^ lines_of(cluster)} == {"192.168.64.12"}


@pytest.mark.long
def test_a_machine_made_by_hand_is_let_in_and_provisioned(cluster: OnVagrant) -> None:
    cluster.vagrant("destroy", "--force", WORKER_2)
    cluster.vagrant("up", WORKER_2)
    status = next(
        row for row in cluster.inv("status", "--json").json["machines"] if row["name"] == WORKER_2
    )
    assert "made by hand" in status["detail"]
    cluster.up()
    assert cluster.ready_nodes() == set(cluster.node_names) and cluster.plan() == []


def test_another_host_key_on_the_same_machine_is_refused(cluster: OnVagrant) -> None:
    old = cluster.on(WORKER_2, "cat /etc/ssh/ssh_host_ed25519_key")
    try:
        cluster.on(
            WORKER_2,
            "cd /etc/ssh && rm ssh_host_ed25519_key* && ssh-keygen -q -t ed25519 -N '' -f "
            "ssh_host_ed25519_key",
        )
        cluster.on(WORKER_2, "systemctl restart ssh")
        said = cluster.inv("ssh.run", "hostname", code=1).both
        assert "shows another host key than the one on record" in said
    finally:
        cluster.podman(
            "exec",
            WORKER_2,
            "sh",
            "-c",
            f"printf '%s' '{old}' >/etc/ssh/ssh_host_ed25519_key; "
            "ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub; "
            "systemctl restart ssh",
        )


@pytest.mark.long
def test_reload_keeps_everything(cluster: OnVagrant) -> None:
    number, before = cluster.add_product("kept over a reload"), plays(cluster)
    cluster.inv("cluster.reload")
    everything_is_back(cluster, number, "kept over a reload")
    assert plays(cluster) == before


@pytest.mark.long
def test_a_worker_more_and_one_less(cluster: OnVagrant) -> None:
    pods = cluster.pods()
    cluster.resized(3)
    try:
        cluster.up()
        assert cluster.ready_nodes() == set(cluster.node_names)
    finally:
        cluster.resized(2)
    refused = cluster.inv("up", "--yes", code=3)
    assert "inv cluster.remove vg-worker-3" in refused.err
    cluster.inv("cluster.remove", "vg-worker-3", "--yes")
    assert cluster.ready_nodes() == set(cluster.node_names)
    cluster.up()  # the others forget the way to its pods
    assert cluster.plan() == [] and "10.248.3.0/24" not in cluster.on(WORKER_1, "ip route")
    assert "vg-worker-3" not in cluster.vagrant("status")
    assert cluster.pods()[f"etcd-{CONTROL}"] == pods[f"etcd-{CONTROL}"]


@pytest.mark.long
def test_down_saves_the_data_also_where_the_control_plane_is_lost(cluster: OnVagrant) -> None:
    number = cluster.add_product("outlives the control plane")
    cluster.podman("rm", "--force", "--volumes", "--time", "0", CONTROL)
    refused = cluster.inv("up", "--yes", code=3)
    assert f"the control plane {CONTROL} is gone" in refused.err
    cluster.inv("down", "--yes")
    cluster.up()
    assert cluster.product(number)["name"] == "outlives the control plane"


@pytest.mark.long
def test_down_leaves_nothing_and_up_brings_the_data_back(cluster: OnVagrant) -> None:
    number = cluster.add_product("kept over down")
    cluster.inv("down", "--yes")
    assert cluster.left() == [] and not list(
        (cluster.vagrants / ".vagrant" / "machines").glob("*/*/id")
    )
    assert "Nothing to do." in cluster.inv("down", "--yes").out
    assert (cluster.state / "data.tar.gz").stat().st_mode & 0o077 == 0
    cluster.up()
    assert cluster.product(number)["name"] == "kept over down"


@pytest.mark.long
def test_down_saves_the_data_of_the_databases_own_machine(cluster: OnVagrant) -> None:
    """Vagrant takes a machine's disk along, and the rows are not in the cluster."""
    number = cluster.add_product("outlives its machine")
    cluster.environment["KUBEUP_NODES__DATABASE__COUNT"] = "1"
    try:
        cluster.up()
        cluster.inv("db.move", "vm", "--yes")
        cluster.inv("db.move", "vm", "--drop-old", "--yes")
        cluster.inv("down", "--yes")
        assert (
            cluster.left() == [] and (cluster.state / "data-vm.tar.gz").stat().st_mode & 0o077 == 0
        )
        cluster.up()
        assert cluster.product(number)["name"] == "outlives its machine" and cluster.plan() == []
        cluster.inv("db.move", "cluster", "--yes")
        cluster.inv("db.move", "cluster", "--drop-old", "--yes")
    finally:
        del cluster.environment["KUBEUP_NODES__DATABASE__COUNT"]
    assert "vg-db is not in the settings" in cluster.inv("up", "--yes", code=3).err
    cluster.inv("cluster.remove", "vg-db", "--yes")
    assert cluster.product(number)["name"] == "outlives its machine" and cluster.plan() == []


@pytest.mark.long
def test_two_profiles_at_once(cluster: OnVagrant, lone: OnVagrant) -> None:
    lone.environment["KUBEUP_NETWORK__POD_CIDR"] = "10.249.0.0/16"
    process, began = lone.start("cluster.vagrant", "--yes"), time.monotonic()
    number = cluster.add_product("of the other profile")
    lone.end(process, ("cluster.vagrant",), began)
    assert lone.left() == ["vh-control"] and cluster.plan() == []
    lone.inv("down", "--yes")
    assert lone.left() == [] and cluster.left() == cluster.node_names
    assert cluster.product(number)["name"] == "of the other profile"


@pytest.mark.long
@pytest.mark.parametrize("role", REACHED)
def test_killed_while_a_role_is_at_work(bare: OnVagrant, role: str) -> None:
    """Killed when a role has begun to change something: the next run goes on from there."""
    node, path = REACHED[role]
    bare.inv("down", "--yes", "--data", code=None)
    bare.inv("cluster.up", "--yes")
    process = bare.start("cluster.provision")
    until(
        lambda: bare.on(node, f"test -e {path} && echo yes || true").strip() == "yes",
        f"{role} is at work",
        300,
        0.1,
    )
    for pid in [process.pid, *processes_of(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    bare.inv("state.stop", "--yes")  # what was started between the look at them and their end
    bare.inv("cluster.vagrant", "--yes")
    assert (
        bare.ready_nodes() == set(bare.node_names)
        and "Nothing to do." in bare.inv("cluster.vagrant", "--yes").out
    )
