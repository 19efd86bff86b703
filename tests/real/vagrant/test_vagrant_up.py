"""The how-to's first road: from nothing to a verified application on three machines, and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.beds.ran import Ran
from tests.real.browsing import Visit, live_a_life
from tests.real.harness import output
from tests.real.vagrant.machines import OnVagrant

pytestmark = pytest.mark.real

NODES = ["vg-control", "vg-worker-1", "vg-worker-2"]


def test_the_plan_is_the_howtos_first_half(bare: OnVagrant) -> None:
    """ssh-keygen, vagrant up, ansible-playbook, in this order."""
    said = bare.inv("cluster.vagrant", "--dry", "--commands").out
    places = [
        said.index(words)
        for words in (
            "ssh-keygen -q -t rsa -b 4096 -m PEM -N ''",
            "vagrant up --provider docker",
            "ansible-playbook -i",
        )
    ]
    assert places == sorted(places) and "wait for every node to be ready" in said
    assert bare.left() == [] and not bare.state.exists()


def test_up_proves_everything(bare: OnVagrant, first_up: Ran) -> None:
    assert first_up.code == 0, str(first_up)
    assert (
        "3 nodes Ready at v1.26.1: vg-control 192.168.64.10, vg-worker-1 192.168.64.11, "
        "vg-worker-2 192.168.64.12" in first_up.out
    )
    for name in (
        "pods across nodes",
        "names in the cluster",
        "name in the wrong order",
        "product removed",
        "metrics",
    ):
        assert f" ✔ {name}" in first_up.out
    assert bare.left() == NODES


def test_a_second_up_finds_nothing_to_do_before_vagrant_has_told_its_status(
    cluster: OnVagrant,
) -> None:
    before = cluster.pods(), cluster.workloads()
    ran = cluster.up()
    assert "Nothing to do." in ran.out and (cluster.pods(), cluster.workloads()) == before
    began = time.monotonic()
    cluster.vagrant("status")
    assert ran.seconds <= 1.2 * (time.monotonic() - began)


def test_each_node_registers_with_the_address_that_others_reach(cluster: OnVagrant) -> None:
    """Each machine has another interface before the private one, as with VirtualBox' NAT."""
    rows = {
        node["metadata"]["name"]: {
            row["type"]: row["address"] for row in node["status"]["addresses"]
        }
        for node in cluster.objects("nodes")
    }
    assert {name: row["InternalIP"] for name, row in rows.items()} == {
        name: f"192.168.64.{10 + number}" for number, name in enumerate(NODES)
    }
    for name in NODES:
        first = cluster.on(name, "ip -4 -o addr show scope global | head -1")
        assert "192.168.64." not in first
        assert f"--node-ip={rows[name]['InternalIP']}" in cluster.on(
            name, "tr '\\0' ' ' </proc/$(pgrep -xo kubelet)/cmdline"
        )


def test_the_play_again_changes_nothing_and_a_check_tells_the_truth(cluster: OnVagrant) -> None:
    assert cluster.changed() == dict.fromkeys(NODES, 0)
    assert cluster.changed("--check", "--diff") == dict.fromkeys(NODES, 0)
    cluster.on("vg-worker-1", "echo '# drift' >>/etc/containerd/config.toml")
    # and its handler
    assert cluster.changed("--check", "--diff", "--tags", "containerd") == {
        **dict.fromkeys(NODES, 0),
        "vg-worker-1": 2,
    }
    assert "# drift" in cluster.on("vg-worker-1", "tail -1 /etc/containerd/config.toml")
    assert "\n-# drift\n" in cluster.inv("cluster.provision", "--check", "--tags", "containerd").out
    assert "# drift" in cluster.on("vg-worker-1", "tail -1 /etc/containerd/config.toml")
    told = cluster.inv(
        "cluster.provision", "--limit", "vg-worker-1", "--tags", "containerd", "-v"
    ).out
    assert "changed: [vg-worker-1] => {" in told and "PLAY RECAP" in told
    assert "# drift" not in cluster.on("vg-worker-1", "tail -1 /etc/containerd/config.toml")


def test_ansible_answers_by_kubeup_and_by_hand(cluster: OnVagrant) -> None:
    assert [
        line.split(" ")[0] for line in sorted(cluster.inv("cluster.ping").out.splitlines())
    ] == NODES
    assert cluster.inv("cluster.ping", "--limit", "workers").out.count("pong") == 2
    assert cluster.ansible("ansible", "-m", "ping", "all").count("SUCCESS") == 3


def test_nodes_by_ssh(cluster: OnVagrant) -> None:
    assert cluster.inv("ssh.control", "--command", "hostname").out.split() == ["vg-control"]
    assert cluster.inv("ssh.worker", "2", "--command", "hostname").out.split() == ["vg-worker-2"]
    # by sudo: root has no key here
    assert cluster.inv("ssh.control", "--root", "--command", "id -un").out.split() == ["root"]
    assert cluster.on(
        "vg-control", "cat /root/.ssh/authorized_keys 2>/dev/null || echo none"
    ).split() == ["none"]
    config = cluster.inv("ssh.config").out.strip()
    assert output("ssh", "-F", config, "vg-worker-1", "hostname").strip() == "vg-worker-1"
    # Vagrant's own key, which everybody has, opens nothing any more
    assert "insecure" not in cluster.on("vg-control", "cat /home/vagrant/.ssh/authorized_keys")


def test_vagrant_typed_by_hand_in_the_same_folder(cluster: OnVagrant) -> None:
    said = cluster.vagrant("status")
    assert all(f"{name} " in said and "running (docker)" in said for name in NODES)
    assert "vg-worker-1" in cluster.vagrant("ssh", "vg-worker-1", "-c", "hostname")


def test_status_doctor_and_diagram(cluster: OnVagrant) -> None:
    rows = [
        (row["name"], row["role"], row["state"])
        for row in cluster.inv("status", "--json").json["machines"]
    ]
    assert rows == [
        (name, "control" if name == NODES[0] else "worker", "running") for name in NODES
    ]
    assert " ✔ provider     vagrant: Vagrant 2." in cluster.inv("doctor").out
    assert all(name in cluster.inv("diagram").out for name in NODES)


def test_no_snapshots_of_containers(cluster: OnVagrant) -> None:
    assert "has no snapshots" in cluster.inv("cluster.snapshot", "--save", "before", code=2).err


@pytest.fixture
def visit(cluster: OnVagrant, browser: Browser, artifacts: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visit = Visit(context.new_page())
    yield visit
    visit.page.screenshot(path=artifacts / "page.png", full_page=True)
    context.close()


def test_a_product_with_a_picture_lives_its_life(
    visit: Visit, cluster: OnVagrant, tmp_path: Path
) -> None:
    live_a_life(visit, cluster.ui, tmp_path)
