"""What verification is for: each thing is broken on purpose, its line says so with a cause and a
way out, and is good again when mended.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.real.harness import ADDRESSES, CONTROL, NODES, WORKER_1, WORKER_2, Cluster, mended, until

pytestmark = pytest.mark.real

PRODUCT = {"product written", "product read", "product in the database", "product removed"}
UI = {"NodePort ui", "HTTP port ui"}
IN_PODS = {"pods across nodes", "names in the cluster", "name in the wrong order", "names outside"}
RANGES = dict(zip(NODES, ("10.246.0.0/24", "10.246.1.0/24", "10.246.2.0/24"), strict=True))
Lines = dict[str, dict[str, Any]]


def failed(lines: Lines) -> set[str]:
    """The names of the lines that failed; each has its cause and a way out."""
    wrong = {name: line for name, line in lines.items() if not line["ok"]}
    for line in wrong.values():
        assert line["cause"].strip() and ("inv " in line["next"] or "kubectl" in line["next"]), line
        assert "mistake in kubeup" not in line["next"], line
    return set(wrong)


def patch_volume(cluster: Cluster, policy: str) -> None:
    cluster.kubectl(
        "patch",
        "persistentvolume",
        "data-mysql-0",
        "-p",
        f'{{"spec":{{"persistentVolumeReclaimPolicy":"{policy}"}}}}',
    )


def test_no_api_and_a_volume_that_would_be_deleted(cluster: Cluster) -> None:
    with mended(
        lambda: cluster.scale("deployment/api", 1), lambda: patch_volume(cluster, "Retain")
    ):
        cluster.scale("deployment/api", 0)
        patch_volume(cluster, "Delete")
        lines = cluster.verify()
        # the UI's list says that it can't be shown
        assert failed(lines) == {"NodePort api", "storage"} | UI | PRODUCT
        assert (
            "api has no pod" in lines["NodePort api"]["cause"]
            and "inv up" in lines["NodePort api"]["next"]
        )
        assert all(address in lines["NodePort api"]["cause"] for address in ADDRESSES.values())
        assert (
            "Delete, not Retain" in lines["storage"]["cause"]
            and "deleting the claim would delete the data" in lines["storage"]["cause"]
        )
        assert "the UI does not get through to the API" in lines["product written"]["cause"]
        assert lines["product read"]["detail"] == "not tried"
        plan = {step["id"]: step["reason"] for step in cluster.plan()}
        # and that is how the way out that is named mends it
        assert set(plan) == {"deploy/data", "deploy/db", "deploy/api"}, plan
        cluster.up()
        assert not failed(cluster.verify())


def test_no_ui(cluster: Cluster) -> None:
    with mended(lambda: cluster.scale("deployment/ui", 1)):
        cluster.scale("deployment/ui", 0)
        lines = cluster.verify()
        assert failed(lines) == UI | PRODUCT
        assert (
            "ui has no pod" in lines["NodePort ui"]["cause"]
            and "the UI itself is not there" in lines["product written"]["cause"]
        )
    assert not failed(cluster.verify())


def test_the_uis_service_without_one_of_the_nodes_addresses(cluster: Cluster) -> None:
    some = [ADDRESSES[CONTROL], ADDRESSES[WORKER_1]]
    patch = json.dumps({"spec": {"externalIPs": some}})
    cluster.kubectl("patch", "service", "ui", "--type=merge", "-p", patch)
    lines = cluster.verify()
    assert failed(lines) == {"HTTP port ui"}
    assert f"the externalIPs {', '.join(some)}\n" in lines["HTTP port ui"]["cause"]
    assert [step["id"] for step in cluster.plan()] == ["deploy/ui"]
    cluster.up()
    assert not failed(cluster.verify()) and cluster.plan() == []


def test_no_cluster_dns(cluster: Cluster) -> None:
    with mended(lambda: cluster.scale("deployment/coredns", 2, "kube-system")):
        cluster.scale("deployment/coredns", 0, "kube-system")
        lines = cluster.verify()
        assert {"names in the cluster", "name in the wrong order"} <= failed(lines)
        # what is done by address goes on; the UI needs the name of the API, and that the database's
        assert not failed(lines) & {
            "nodes",
            "pods start",
            "pods across nodes",
            "storage",
            "metrics",
        }
        assert (
            "coredns has no pod" in lines["names in the cluster"]["cause"]
            and "coredns" in lines["names in the cluster"]["next"]
        )
        assert "NXDOMAIN" in lines["name in the wrong order"]["cause"]
    cluster.verify_until_ok()


def test_a_node_that_lost_its_route_to_another_nodes_pods(cluster: Cluster) -> None:
    """Between two workers that way is gone.

    The line names the pair, and following its advice mends it.
    """
    with mended(lambda: cluster.on(WORKER_1, "/usr/local/sbin/kubeup-pod-network")):
        cluster.on(WORKER_1, f"ip route del {RANGES[WORKER_2]}")
        lines = cluster.verify()
        assert "pods across nodes" in failed(lines)
        assert not failed(lines) & {"nodes", "pods start", "storage"}
        pairs = {
            line.split(" (")[0]
            for line in lines["pods across nodes"]["cause"].splitlines()
            if "→" in line
        }
        assert f"{WORKER_1} → {WORKER_2}" in pairs and not [
            pair for pair in pairs if CONTROL in pair
        ]
        advice = re.findall(r"`inv ([^`]+)`", lines["pods across nodes"]["next"])
        assert advice
        cluster.inv(
            *shlex.split(advice[0]),
            *(["--yes"] if advice[0] == "up" else []),
            code=None,
            timeout=90,
        )
        assert RANGES[WORKER_2] in cluster.on(WORKER_1, "ip route"), (
            f"`inv {advice[0]}` did not set the routes anew"
        )
    cluster.verify_until_ok()


def test_following_the_advice_brings_metrics_server_back(cluster: Cluster) -> None:
    saved = cluster.kubectl(
        "-n", "kube-system", "get", "deployment", "metrics-server", "-o", "json"
    )

    def restore() -> None:
        if not cluster.kubectl(
            "-n", "kube-system", "get", "deployment", "metrics-server", "--ignore-not-found"
        ):
            cluster.kubectl("create", "-f", "-", stdin=saved)
        cluster.kubectl(
            "-n", "kube-system", "rollout", "status", "deployment/metrics-server", "--timeout=120s"
        )

    with mended(restore):
        cluster.kubectl(
            "-n", "kube-system", "delete", "deployment", "metrics-server", "--cascade=foreground"
        )
        cluster.kubectl(
            "-n",
            "kube-system",
            "wait",
            "pod",
            "-l",
            "k8s-app=metrics-server",
            "--for=delete",
            "--timeout=60s",
        )
        lines = cluster.verify()
        assert failed(lines) == {"metrics"}
        assert (
            "metrics-server is not in the cluster" in lines["metrics"]["cause"]
            and "inv up" in lines["metrics"]["next"]
        )
        # one manifest, and not the whole play for it
        assert [step["id"] for step in cluster.plan()] == ["cluster/metrics"]
        cluster.up()
        cluster.verify_until_ok()


@pytest.mark.long
def test_no_metrics(cluster: Cluster) -> None:
    with mended(lambda: cluster.scale("deployment/metrics-server", 1, "kube-system")):
        cluster.scale("deployment/metrics-server", 0, "kube-system")
        lines = cluster.verify()
        assert failed(lines) == {"metrics"}
        assert "metrics-server" in lines["metrics"]["cause"]
    cluster.verify_until_ok()


def test_a_policy_that_is_gone(cluster: Cluster) -> None:
    with mended(cluster.up):
        cluster.kubectl("delete", "networkpolicy", "db")
        lines = cluster.verify()
        assert failed(lines) == {"network policies"}
        cause = lines["network policies"]["cause"]
        assert all(f"a stranger's pod on {node} reaches mysql-0:3306" in cause for node in NODES)
        assert [step["id"] for step in cluster.plan()] == ["deploy/data", "deploy/db"]
    assert not failed(cluster.verify())


def database(cluster: Cluster, sql: str) -> str:
    """Run SQL as the database's root, the password taken from the pod's own environment."""
    client = (
        'MYSQL_PWD=$MYSQL_ROOT_PASSWORD exec "$(command -v mysql || command -v '
        'mariadb)" -uroot -N "$MYSQL_DATABASE"'
    )
    return cluster.kubectl("exec", "-i", "mysql-0", "--", "sh", "-c", client, stdin=sql)


def test_a_database_that_lost_its_table(cluster: Cluster) -> None:
    with mended(lambda: database(cluster, "RENAME TABLE products_away TO products;")):
        database(cluster, "RENAME TABLE products TO products_away;")
        lines = cluster.verify()
        # the API closes for a moment each time it meets the missing table, so whether it is ready
        # depends on who asked before
        assert failed(lines) - {"NodePort api"} == UI | PRODUCT
        assert "inv deploy.logs" in lines["product written"]["next"]
    assert not failed(cluster.verify())


def test_a_row_that_the_api_shows_and_the_database_does_not_let_read(cluster: Cluster) -> None:
    """The API's open connections go on; who comes anew, as the check does, is turned away."""
    user = database(
        cluster, "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user = 'api';"
    ).strip()
    with mended(lambda: database(cluster, f"ALTER USER {user} ACCOUNT UNLOCK;")):
        database(cluster, f"ALTER USER {user} ACCOUNT LOCK;")
        lines = cluster.verify()
        # the API asks with a new connection whether it is ready, now and then
        assert (
            "product in the database"
            in failed(lines)
            <= {"NodePort api", "product in the database", "product removed"}
        )
        assert "lock" in lines["product in the database"]["cause"].lower()
    assert not failed(cluster.verify())


def all_ready(cluster: Cluster) -> None:
    until(lambda: len(cluster.ready_nodes()) == 3, "all nodes ready", 120)


def gone(cluster: Cluster) -> bool:
    return "mysql-0" not in cluster.pods()


@pytest.mark.long
def test_no_database(cluster: Cluster) -> None:
    with mended(lambda: cluster.scale("statefulset/mysql", 1)):
        cluster.kubectl("scale", "statefulset/mysql", "--replicas=0")
        until(lambda: gone(cluster), "the database's pod gone", 90)
        until(
            lambda: cluster.api.get("/readyz").status_code == 503 if answers(cluster) else True,
            "the API not ready",
            60,
        )
        lines = cluster.verify()
        assert failed(lines) == {"NodePort api", "names in the cluster"} | UI | PRODUCT
        assert "mysql-headless has no ready pod behind it" in lines["names in the cluster"]["cause"]
        assert (
            "HTTP 503" in lines["product written"]["cause"]
            or "does not get through" in lines["product written"]["cause"]
        )
    cluster.verify_until_ok()


def answers(cluster: Cluster) -> bool:
    import httpx

    try:
        return cluster.api.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.long
def test_a_kubelet_that_stopped(cluster: Cluster) -> None:
    """The API server takes about 40 s to call a node not ready; then `up` says what it waits
    for.
    """
    with mended(
        lambda: all_ready(cluster), lambda: cluster.on(WORKER_2, "systemctl start kubelet")
    ):
        cluster.on(WORKER_2, "systemctl stop kubelet")
        until(lambda: WORKER_2 not in cluster.ready_nodes(), "the node not ready", 90)
        lines = cluster.verify()
        assert {"nodes", "pods start"} <= failed(lines)
        assert (
            f"{WORKER_2} is not Ready" in lines["nodes"]["cause"]
            and CONTROL not in lines["nodes"]["cause"]
        )
        assert (
            WORKER_2 in lines["pods start"]["cause"]
            and f"{WORKER_1}:" not in lines["pods start"]["cause"]
        )
        assert "inv cluster.start" in lines["nodes"]["next"] or "inv up" in lines["nodes"]["next"]
    cluster.verify_until_ok()


def test_nothing_is_left_of_a_verification(cluster: Cluster) -> None:
    before: Callable[[], int] = lambda: cluster.api.get("/products").json()["total"]  # noqa: E731
    count = before()
    assert not failed(cluster.verify())
    assert before() == count
    until(
        lambda: not [name for name in cluster.pods() if name.startswith("kubeup-verify")],
        "no probe pod",
        30,
    )


def test_two_verifications_at_once_leave_each_other_alone(cluster: Cluster) -> None:
    words, began = ("verify",), time.monotonic()
    both = [cluster.start(*words), cluster.start(*words)]
    for process in both:
        cluster.end(process, words, began, timeout=120)
    until(
        lambda: not [name for name in cluster.pods() if name.startswith("kubeup-verify")],
        "no probe pod",
        30,
    )
