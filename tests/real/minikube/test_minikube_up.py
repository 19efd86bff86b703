"""The how-to's profile, from nothing to a verified application, and again."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.beds.ran import Ran
from tests.real.browsing import Visit, live_a_life
from tests.real.harness import mended, output, until
from tests.real.minikube.cluster import HOWTO, USERS, OnMinikube

pytestmark = pytest.mark.real

FLAGS = [
    "--kubernetes-version=1.26.1",
    "--memory=4096",
    "--cpus=2",
    "--disk-size=10GB",
    "--nodes=2",
    "-p",
    HOWTO,
]


def test_the_plan_is_the_howtos_command(bare: OnMinikube) -> None:
    """Flag for flag, but for --vm=true, which finds no hypervisor here."""
    dry = bare.inv("cluster.minikube", "--dry", "--commands").out
    line = next(line.strip() for line in dry.splitlines() if " start --kubernetes-version" in line)
    words = shlex.split(line[line.index("minikube start") :])
    assert [word for word in words if word in FLAGS] == FLAGS
    assert "--driver=podman" in words and "--vm=true" not in words
    assert (
        "--vm=true finds no hypervisor here (DRV_NOT_DETECTED), so nodes are containers of podman"
        in dry
    )
    assert "minikube addons enable metrics-server -p " + HOWTO in dry
    assert not (bare.home / ".minikube" / "profiles").exists(), "looking left something"
    # the real one takes every flag of it, and all of the how-to's, and makes nothing of them
    assert "dry-run" in bare.minikube(*words[1:], "--dry-run")
    vm = bare.minikube(
        "start", *FLAGS[:4], "--vm=true", *FLAGS[4:], "--force", "--dry-run", check=False
    )
    assert "Unable to pick a default driver" in vm and "unknown flag" not in vm
    assert bare.profiles() == {} and bare.left() == {
        "containers": [],
        "volumes": [],
        "networks": [],
    }


def test_before_there_is_anything_status_says_so(bare: OnMinikube) -> None:
    status = bare.inv("status", "--json").json
    assert (
        not status["answers"]
        and {row["state"] for row in status["machines"]} == {"missing"}
        and status["urls"] == []
    )
    assert "Kubernetes does not answer" in bare.inv("status").out


def test_up_proves_everything(bare: OnMinikube, first_up: Ran) -> None:
    assert first_up.code == 0, str(first_up)
    assert f"2 nodes Ready at v1.26.1: {HOWTO} " in first_up.out and " ✔ metrics" in first_up.out
    assert " ✔ pods across nodes" in first_up.out and " ✔ product removed" in first_up.out
    assert f"lies on {HOWTO}-m02 in /var/lib/minikube/kubeup/data/mysql (Retain)" in first_up.out
    assert set(bare.profiles()) == {HOWTO}


def test_a_second_up_changes_nothing(cluster: OnMinikube) -> None:
    before = cluster.pods(), cluster.workloads()
    assert "Nothing to do." in cluster.up().out and cluster.plan() == []
    assert (cluster.pods(), cluster.workloads()) == before


def test_the_users_kubeconfig_is_left_alone(cluster: OnMinikube) -> None:
    assert cluster.users_kubeconfig.read_text() == USERS


def test_nodes_are_reached_by_name(cluster: OnMinikube) -> None:
    assert cluster.inv("ssh.control", "--command", "hostname").out.split() == [HOWTO]
    assert cluster.inv("ssh.worker", "1", "--command", "sudo id -un").out.split() == ["root"]
    rows = cluster.inv("ssh.run", "hostname", "--json").json
    assert {name: row["stdout"].strip() for name, row in rows.items()} == {
        name: name for name in cluster.node_names
    }
    config = cluster.inv("ssh.config").out.strip()
    assert output("ssh", "-F", config, f"{HOWTO}-m02", "hostname").strip() == f"{HOWTO}-m02"


def test_status_and_addons(cluster: OnMinikube) -> None:
    status = cluster.inv("status", "--json").json
    rows = [(row["name"], row["role"], row["state"]) for row in status["machines"]]
    assert rows == [(HOWTO, "control", "running"), (f"{HOWTO}-m02", "worker", "running")]
    # what minikube says of it after a restart can't be relied on
    assert "metrics-server" in cluster.inv("cluster.addons", "--json").json
    assert "minikube" in cluster.inv("cluster.status").out
    assert " ✔ provider     minikube: v1.36.0 at " in cluster.inv("doctor").out


def test_a_name_that_was_not_there_is_found_soon(cluster: OnMinikube) -> None:
    """minikube's own CoreDNS would keep for 30 s that it was not."""
    ask = (
        "exec",
        "deploy/api",
        "--",
        "python3",
        "-c",
        "import socket; print(socket.gethostbyname('late.default.svc.cluster.local'))",
    )
    assert "not known" in cluster.kubectl(*ask, check=False)
    cluster.kubectl("create", "service", "clusterip", "late", "--tcp=80")
    with mended(lambda: cluster.kubectl("delete", "service", "late")):
        address = cluster.kubectl("get", "service", "late", "-o", "jsonpath={.spec.clusterIP}")
        until(lambda: cluster.kubectl(*ask, check=False).strip() == address, "the name is known", 8)


def test_an_image_is_loaded_on_every_node_that_lacks_it(cluster: OnMinikube) -> None:
    reference = next(
        row["image"] for row in cluster.inv("images.list", "--json").json if row["part"] == "ui"
    )
    cluster.inv(
        "ssh.run", f"ctr --namespace k8s.io images rm {reference}", "--role", "worker", "--root"
    )
    steps = cluster.inv("images.load", "--dry").out
    assert f"missing on {HOWTO}-m02" in steps
    cluster.inv("images.load")
    row = next(row for row in cluster.inv("images.list", "--json").json if row["part"] == "ui")
    assert set(row["nodes"]) == set(cluster.node_names)


@pytest.fixture
def dashboard(cluster: OnMinikube) -> Iterator[str]:
    """The address at which `cluster.dashboard` shows it, as long as the task runs."""
    process = cluster.start("cluster.dashboard", "--url")
    timer = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    assert process.stdout is not None
    try:
        # minikube says before what it enables
        yield next((line.strip() for line in process.stdout if line.startswith("http://")), "")
    finally:
        timer.cancel()
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
        cluster.inv("cluster.addons", "--disable", "dashboard")


def test_the_dashboard_is_shown(dashboard: str, cluster: OnMinikube) -> None:
    assert dashboard.endswith(
        "/api/v1/namespaces/kubernetes-dashboard/services/http:kubernetes-dashboard:/proxy/"
    )
    assert httpx.get(dashboard, trust_env=False).status_code == 200
    assert cluster.profiles()[HOWTO]["Config"]["Addons"]["dashboard"] is True
    assert cluster.users_kubeconfig.read_text() == USERS


def test_no_snapshots_of_a_profile(cluster: OnMinikube) -> None:
    refused = cluster.inv("cluster.snapshot", "--save", "before", code=2)
    assert "minikube has no snapshots" in refused.err and "inv db.backup" in refused.err


@pytest.fixture
def visit(cluster: OnMinikube, browser: Browser, artifacts: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visit = Visit(context.new_page())
    yield visit
    visit.page.screenshot(path=artifacts / "page.png", full_page=True)
    context.close()


def test_a_product_with_a_picture_lives_its_life(
    visit: Visit, cluster: OnMinikube, tmp_path: Path
) -> None:
    live_a_life(visit, cluster.ui, tmp_path)
