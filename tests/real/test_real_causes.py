"""What stops a rollout is named with its cause and a way out, in seconds: each is broken on
purpose, waited for as `up` does, and mended.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from kubeup.application import apply, watch
from kubeup.core.errors import KubeupError
from kubeup.core.state import PROJECT
from kubeup.database import passwords
from kubeup.system import secrets
from tests.real.harness import CONTROL, WORKER_1, WORKER_2, Cluster, mended, until

pytestmark = pytest.mark.real

API = "deployment/api"
MANIFESTS = "/etc/kubernetes/manifests"


def waited(cluster: Cluster, within: float = 40) -> KubeupError:
    """How waiting for the API ends; the cause is told in less than half a minute, if not final."""
    told, began = dict[str, float](), time.monotonic()
    with pytest.raises(KubeupError) as raised:
        kubectl, pace = cluster.project.kubectl, cluster.project.host.pace
        log = lambda line: told.setdefault(line, time.monotonic() - began)  # noqa: E731
        watch.until_ready(kubectl, "api", {}, 120, log, apply.never, pace)
    took, error = time.monotonic() - began, raised.value
    cause = error.why.splitlines()[0][-20:]
    first = min((at for line, at in told.items() if cause in line), default=took)
    assert first < pace.seconds(25), f"{first:.0f} s\n{told}"
    assert took < pace.seconds(within), f"{took:.0f} s\n{error.lines()}\n{cluster.looked()}"
    assert "inv " in error.next or "kubectl" in error.next, error.lines()
    return error


def patch(cluster: Cluster, **container: Any) -> None:
    """Change the API's container."""
    row = {"name": "api-backend-fastapi", **container}
    template = {"spec": {"template": {"spec": {"containers": [row]}}}}
    cluster.kubectl("patch", API, "-p", json.dumps(template))


def undo(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "undo", API)
    rolled(cluster)


def anew(cluster: Cluster) -> None:
    """The API's pod is made again; the earlier one is gone."""
    cluster.kubectl("delete", "pod", "-l", "app=api")


def rolled(cluster: Cluster) -> None:
    cluster.kubectl("rollout", "status", API, "--timeout=150s")


def test_an_image_that_no_node_has(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        patch(cluster, image="localhost/nothing:1")
        error = waited(cluster)
        assert "can't get its image localhost/nothing:1" in error.what
        assert "inv images.load" in error.next
        shown = cluster.inv("deploy.status").out
        assert error.what in shown and error.next in shown


def test_a_crash_loop_shows_its_last_lines(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        patch(cluster, command=["python3", "-c", "raise SystemExit('no such luck')"])
        error = waited(cluster)
        assert error.what.endswith("keeps ending") and "exit status 1" in error.why
        assert "no such luck" in error.why and "inv deploy.logs api" in error.next


@pytest.mark.long
def test_a_registry_that_is_away(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        patch(cluster, image="127.0.0.1:1/nothing:1")
        error = waited(cluster)
        assert "connection refused" in error.why and "don't reach the registry" in error.next


@pytest.mark.long
def test_a_secret_that_is_missing(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        patch(cluster, envFrom=[{"secretRef": {"name": "nobodys"}}])
        assert 'secret "nobodys" not found' in waited(cluster).why


@pytest.mark.long
def test_out_of_memory_with_its_limit(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        limits = {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}
        words = ["python3", "-c", "bytearray(b'x') * 10**9"]
        patch(cluster, command=words, resources=limits)
        error = waited(cluster)
        assert "OOMKilled, exit status 137, its limit is 64Mi" in error.why
        assert "inv deploy.api" in error.next


@pytest.mark.long
def test_nodes_that_are_short_of_memory(cluster: Cluster) -> None:
    with mended(lambda: undo(cluster)):
        patch(cluster, resources={"requests": {"memory": "99Gi"}, "limits": {"memory": "99Gi"}})
        error = waited(cluster)
        assert "Insufficient memory" in error.why and "memory 99Gi" in error.why
        assert "nodes.workers.memory" in error.next


@pytest.mark.long
def test_a_quota_that_admits_no_pod(cluster: Cluster) -> None:
    with mended(
        lambda: rolled(cluster),
        lambda: cluster.kubectl("delete", "quota", "none", "--ignore-not-found"),
    ):
        cluster.kubectl("create", "quota", "none", "--hard=pods=0")
        anew(cluster)
        error = waited(cluster)
        assert error.what == "Deployment api can't make its pods" and "exceeded quota" in error.why
        line = cluster.verify()["NodePort api"]
        assert "exceeded quota: none" in line["cause"] and "describe quota" in line["next"]


@pytest.mark.long
def test_nodes_that_are_cordoned(cluster: Cluster) -> None:
    with mended(lambda: rolled(cluster), lambda: cluster.kubectl("uncordon", WORKER_1, WORKER_2)):
        cluster.kubectl("cordon", WORKER_1, WORKER_2)
        anew(cluster)
        error = waited(cluster)
        assert "were unschedulable" in error.why and "inv up" in error.next


@pytest.mark.long
def test_a_password_that_was_changed_by_sql(cluster: Cluster) -> None:
    server = cluster.project.server
    mine = secrets.password(PROJECT / ".env", "MYSQL_PASSWORD")

    def change(password: str) -> None:
        hosts = passwords.hosts(server, server.user)
        server.sql(passwords.altering(server.user, hosts, password, ""))

    with mended(lambda: rolled(cluster), lambda: change(mine)):
        change("another-password")
        anew(cluster)
        error = waited(cluster)
        assert "the database refuses this user or password (error 1045)" in error.what


@pytest.mark.long
@pytest.mark.parametrize("part", ["kube-scheduler", "kube-controller-manager"])
def test_a_part_of_the_control_plane_that_is_away(cluster: Cluster, part: str) -> None:
    def put_back() -> None:
        cluster.on(CONTROL, f"! test -e /root/{part}.yaml || mv /root/{part}.yaml {MANIFESTS}/")

    with mended(lambda: rolled(cluster), put_back):
        cluster.on(CONTROL, f"mv {MANIFESTS}/{part}.yaml /root/")
        until(lambda: f"{part}-{CONTROL}" not in cluster.pods(), f"{part} has gone")
        if part == "kube-scheduler":
            anew(cluster)
        else:
            cluster.kubectl("rollout", "restart", API)
        assert part in waited(cluster, 80).why
