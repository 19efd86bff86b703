"""Pods as kubectl gave them; those in trouble are the recorded ones with the states that a kubelet 1.26 writes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders import recorded

from kubeup.deploy import watch
from kubeup.deploy.watch import UNSCHEDULED_SECONDS, Trouble, Watched

Pod = dict[str, Any]


@pytest.fixture
def pod() -> Pod:
    """The API's pod, running and ready."""
    items = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    return copy.deepcopy(next(item for item in items if item["metadata"]["labels"]["app"] == "api"))


def not_ready(pod: Pod, state: dict[str, Any], restarts: int = 0, last: dict[str, Any] | None = None) -> Pod:
    container = pod["status"]["containerStatuses"][0]
    container |= {"ready": False, "started": False, "restartCount": restarts, "state": state, "lastState": last or {}}
    for row in pod["status"]["conditions"]:
        if row["type"] in ("Ready", "ContainersReady"):
            row["status"] = "False"
    return pod


def seen(*pods: Pod) -> Watched:
    watched = Watched(since=100.0)
    for one in pods:
        watched.take({"type": "ADDED", "object": one})
    return watched


def told(pod: Pod, at: float = 101.0) -> Trouble:
    found = seen(pod).trouble(at)
    assert found is not None
    return found


def test_a_healthy_pod_stands(pod: Pod) -> None:
    watched = seen(pod)
    assert watched.trouble(10_000.0) is None
    assert watch.standing(watched)
    assert watch.told(watched) == f"{pod['metadata']['name']} ready"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_can_not_be_had(pod: Pod, reason: str) -> None:
    message = 'Back-off pulling image "localhost/fast-api-products:84cd8e436066"'
    found = told(not_ready(pod, {"waiting": {"reason": reason, "message": message}}))
    assert found.what.startswith(f"{pod['metadata']['name']} can't get its image localhost/fast-api-products:")
    assert found.why == f"{reason}: {message}"
    assert "inv images.load" in found.next


def test_a_real_pull_error() -> None:
    assert "connection refused" in told(json.loads(recorded("deploy/pod_pull_error.json"))).why


def test_a_secret_that_is_missing(pod: Pod) -> None:
    waiting = not_ready(pod, {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "mysecret" not found'}})
    assert seen(waiting).trouble(101.0) is None  # it may be a moment behind
    found = told(waiting, at=116.0)
    assert found.what.endswith("can't be started")
    assert found.why == 'CreateContainerConfigError: secret "mysecret" not found'


def test_a_crash_loop_tells_how_it_ended(pod: Pod) -> None:
    message = "back-off 20s restarting failed container=api-backend-fastapi pod=api-79d64858f6-dfn4c_default(0b3a)"
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": "2026-11-23T21:31:32Z", "finishedAt": "2026-11-23T21:31:40Z"}}
    found = told(not_ready(pod, {"waiting": {"reason": "CrashLoopBackOff", "message": message}}, 2, ended))
    assert found.what == f"{pod['metadata']['name']} keeps ending"
    assert found.why == "OOMKilled with status 137 (2 restarts)"
    assert found.next == "read why: `inv deploy.logs api`"


def test_one_crash_is_not_yet_a_loop(pod: Pod) -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert seen(not_ready(pod, {"running": {"startedAt": "2026-11-23T21:31:42Z"}}, 1, ended)).trouble(400.0) is None


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_start_is_no_trouble_and_does_not_stand(pod: Pod, reason: str) -> None:
    watched = seen(not_ready(pod, {"waiting": {"reason": reason}}))
    assert watched.trouble(400.0) is None
    assert not watch.standing(watched)
    assert watch.told(watched) == f"{pod['metadata']['name']} {reason}"


def unscheduled(pod: Pod) -> Pod:
    message = "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient memory."
    pod["spec"].pop("nodeName")
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastProbeTime": None}]}
    return pod


def test_no_node_is_trouble_only_after_the_grace(pod: Pod) -> None:
    watched = seen(unscheduled(pod))
    assert watched.trouble(100.0 + UNSCHEDULED_SECONDS) is None
    found = watched.trouble(100.0 + UNSCHEDULED_SECONDS + 1)
    assert found is not None
    assert found.what.endswith("finds no node")
    assert "2 Insufficient memory" in found.why
    assert watch.told(watched).endswith(" pending")


def test_a_pod_that_is_deleted_does_not_count(pod: Pod) -> None:
    broken = not_ready(copy.deepcopy(pod), {"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    broken["metadata"] |= {"name": "api-old", "deletionTimestamp": "2026-11-23T21:40:00Z"}
    watched = seen(broken, pod)
    assert watched.trouble(101.0) is None
    assert not watch.standing(watched), "it is still there"
    watched.take({"type": "DELETED", "object": broken})
    assert watch.standing(watched)


def test_a_later_event_replaces_an_earlier_one(pod: Pod) -> None:
    broken = not_ready(copy.deepcopy(pod), {"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    watched = seen(broken)
    assert watched.trouble(101.0)
    watched.take({"type": "MODIFIED", "object": pod})
    assert watched.trouble(101.0) is None


def test_no_pods_do_not_stand() -> None:
    assert not watch.standing(seen())
    assert watch.told(seen()) == ""
