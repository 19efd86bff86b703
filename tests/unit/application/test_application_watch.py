"""Pods as kubectl gave them; those in trouble are the recorded ones with the states that a
kubelet 1.26 writes.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders import error_of, recorded

from kubeup.application import watch
from kubeup.application.watch import UNSCHEDULED_SECONDS, Trouble, Watched
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.shell import Output, processes
from kubeup.system.kubectl import Kubectl

Pod = dict[str, Any]


@pytest.fixture
def pod() -> Pod:
    """The API's pod, running and ready."""
    items = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    return copy.deepcopy(next(item for item in items if item["metadata"]["labels"]["app"] == "api"))


def not_ready(
    pod: Pod, state: dict[str, Any], restarts: int = 0, last: dict[str, Any] | None = None
) -> Pod:
    container = pod["status"]["containerStatuses"][0]
    container |= {
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }
    for row in pod["status"]["conditions"]:
        if row["type"] in ("Ready", "ContainersReady"):
            row["status"] = "False"
    return pod


def seen(*pods: Pod, app: str = "api") -> Watched:
    watched = Watched(app, since=100.0)
    for one in pods:
        watched.take({"type": "ADDED", "object": one})
    return watched


def pods_ready(watched: Watched) -> bool:
    return watch.pods_ready(watched.of_app(), {})


def progress(pod: Pod, at: float = 101.0) -> Trouble:
    found = seen(pod).trouble(at)
    assert found is not None
    return found


def test_a_healthy_pod_stands(pod: Pod) -> None:
    watched = seen(pod)
    assert watched.trouble(10_000.0) is None
    assert pods_ready(watched)
    assert watch.progress(watched) == f"{pod['metadata']['name']} ready"


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"]
)
def test_an_image_that_can_not_be_had(pod: Pod, reason: str) -> None:
    message = 'Back-off pulling image "localhost/fast-api-products:84cd8e436066"'
    found = progress(not_ready(pod, {"waiting": {"reason": reason, "message": message}}))
    assert found.what.startswith(
        f"{pod['metadata']['name']} can't get its image localhost/fast-api-products:"
    )
    assert found.why == f"{reason}: {message}"
    assert "inv images.load" in found.next


def test_a_real_pull_error() -> None:
    pod = json.loads(recorded("deploy/pod_pull_error.json"))
    found = seen(pod, app=pod["metadata"]["labels"].get("app", "")).trouble(101.0)
    assert found is not None and "connection refused" in found.why


def test_a_secret_that_is_missing(pod: Pod) -> None:
    waiting = not_ready(
        pod,
        {
            "waiting": {
                "reason": "CreateContainerConfigError",
                "message": 'secret "mysecret" not found',
            }
        },
    )
    assert seen(waiting).trouble(101.0) is None  # it may be a moment behind
    found = progress(waiting, at=116.0)
    assert found.what.endswith("can't be started")
    assert found.why == 'CreateContainerConfigError: secret "mysecret" not found'


def test_a_container_that_could_not_be_started_is_tried_again(pod: Pod) -> None:
    state = {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": "back-off 10s restarting failed container",
        }
    }
    ended = {
        "terminated": {
            "exitCode": 128,
            "reason": "StartError",
            "message": "failed to create containerd task: timed out",
        }
    }
    assert seen(not_ready(pod, state, 1, ended)).trouble(200.0) is None
    assert (
        progress(not_ready(pod, state, 3, ended)).why
        == "StartError with status 128: failed to create containerd task: timed out (3 restarts)"
    )


def test_a_container_whose_machine_went_away_is_no_failure(pod: Pod) -> None:
    state = {
        "waiting": {
            "reason": "CrashLoopBackOff",
            "message": "back-off 10s restarting failed container",
        }
    }
    ended = {"terminated": {"exitCode": 255, "reason": "Unknown"}}
    assert seen(not_ready(pod, state, 7, ended)).trouble(200.0) is None
    own = {"terminated": {"exitCode": 255, "reason": "Error"}}
    assert progress(not_ready(pod, state, 7, own)).why == "Error with status 255 (7 restarts)"


def test_pods_without_their_image_are_replaced_once_it_is_there(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulling = not_ready(
        copy.deepcopy(pod),
        {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
    )
    pulling["metadata"]["name"] = "api-pulling"
    crashing = not_ready(copy.deepcopy(pod), {"waiting": {"reason": "CrashLoopBackOff"}}, 2)
    wrote: list[tuple[str, ...]] = []
    monkeypatch.setattr(Kubectl, "items", lambda self, *words: [pod, pulling, crashing])
    monkeypatch.setattr(Kubectl, "write", lambda self, *words, log: wrote.append(words))
    watch.retry_pulls(Kubectl(Path("kubectl"), Path("config"), "kubeup-dev"), lambda line: None)
    assert wrote == [("delete", "pod", "api-pulling", "--wait=false")]


def test_a_crash_loop_tells_how_it_ended(pod: Pod) -> None:
    message = (
        "back-off 20s restarting failed container=api-backend-fastapi "
        "pod=api-79d64858f6-dfn4c_default(0b3a)"
    )
    ended = {
        "terminated": {
            "exitCode": 137,
            "reason": "OOMKilled",
            "startedAt": "2026-11-23T21:31:32Z",
            "finishedAt": "2026-11-23T21:31:40Z",
        }
    }
    found = progress(
        not_ready(pod, {"waiting": {"reason": "CrashLoopBackOff", "message": message}}, 2, ended)
    )
    assert found.what == f"{pod['metadata']['name']} keeps ending"
    assert found.why == "OOMKilled with status 137 (2 restarts)"
    assert found.next == "read why: `inv deploy.logs api`"


def test_one_crash_is_not_yet_a_loop(pod: Pod) -> None:
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert (
        seen(not_ready(pod, {"running": {"startedAt": "2026-11-23T21:31:42Z"}}, 1, ended)).trouble(
            400.0
        )
        is None
    )


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_start_is_no_trouble_and_does_not_stand(pod: Pod, reason: str) -> None:
    watched = seen(not_ready(pod, {"waiting": {"reason": reason}}))
    assert watched.trouble(400.0) is None
    assert not pods_ready(watched)
    assert watch.progress(watched) == f"{pod['metadata']['name']} {reason}"


def unscheduled(pod: Pod) -> Pod:
    message = (
        "0/3 nodes are available: 1 node(s) had untolerated taint "
        "{node-role.kubernetes.io/control-plane: }, 2 Insufficient memory."
    )
    pod["spec"].pop("nodeName")
    pod["status"] = {
        "phase": "Pending",
        "qosClass": "Burstable",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
                "lastProbeTime": None,
            }
        ],
    }
    return pod


def test_no_node_is_trouble_only_after_the_grace(pod: Pod) -> None:
    watched = seen(unscheduled(pod))
    assert watched.trouble(100.0 + UNSCHEDULED_SECONDS) is None
    found = watched.trouble(100.0 + UNSCHEDULED_SECONDS + 1)
    assert found is not None
    assert found.what.endswith("can't be scheduled")
    assert "2 Insufficient memory" in found.why
    assert watch.progress(watched).endswith(" pending")


def test_a_pod_that_is_deleted_does_not_count(pod: Pod) -> None:
    broken = not_ready(
        copy.deepcopy(pod), {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    )
    broken["metadata"] |= {"name": "api-old", "deletionTimestamp": "2026-11-23T21:40:00Z"}
    watched = seen(broken, pod)
    assert watched.trouble(101.0) is None
    assert not pods_ready(watched), "it is still there"
    watched.take({"type": "DELETED", "object": broken})
    assert pods_ready(watched)


def test_a_later_event_replaces_an_earlier_one(pod: Pod) -> None:
    broken = not_ready(
        copy.deepcopy(pod), {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    )
    watched = seen(broken)
    assert watched.trouble(101.0)
    watched.take({"type": "MODIFIED", "object": pod})
    assert watched.trouble(101.0) is None


def test_no_pods_do_not_stand() -> None:
    assert not pods_ready(seen())
    assert watch.progress(seen()) == ""


def test_what_was_ready_before_its_node_started_anew_does_not_stand(pod: Pod) -> None:
    """The API server keeps a kubelet's last word until the next one tells that the pod is gone."""
    began = datetime.fromisoformat(
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    )
    node = pod["spec"]["nodeName"]
    assert watch.pods_ready([pod], {node: began - timedelta(seconds=20)})
    assert not watch.pods_ready([pod], {node: began + timedelta(seconds=20)})
    assert watch.pods_ready([pod], {"another": began + timedelta(seconds=20)})


def test_a_node_started_in_the_same_second(pod: Pod) -> None:
    pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = "2026-11-23T21:31:33Z"
    assert watch.pods_ready(
        [pod], {pod["spec"]["nodeName"]: datetime(2026, 11, 23, 21, 31, 33, 900_000, tzinfo=UTC)}
    )


class Answering(Kubectl):
    """A kubectl that has some objects to tell."""

    def __init__(self, *items: dict[str, Any]) -> None:
        super().__init__(Path("/cache/kubectl"), Path("/state/kubeconfig"), "kubeup-dev")
        object.__setattr__(self, "text", json.dumps({"items": items}))

    def read(
        self,
        *words: str,
        ok: tuple[int, ...] | None = (0,),
        stdin: str | None = None,
        timeout: float = 60,
    ) -> Output:
        assert words == (
            "get",
            "deployments,statefulsets,replicasets,pods",
            "-l",
            "app=api",
            "-o",
            "json",
        )
        return Output(0, vars(self)["text"], "")


def deployment(**status: int) -> dict[str, Any]:
    rolled = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    return {
        "kind": "Deployment",
        "metadata": {"name": "api", "labels": {"app": "api"}, "generation": 2},
        "spec": {"replicas": 1},
        "status": rolled | status,
    }


def test_a_complete_rollout_stands(pod: Pod) -> None:
    pod["kind"] = "Pod"
    assert watch.all_ready(Answering(deployment(), pod), ("-l", "app=api"), {})


@pytest.mark.parametrize(
    "status",
    [{"observedGeneration": 1}, {"replicas": 2}, {"updatedReplicas": 0}, {"readyReplicas": 0}],
)
def test_a_rollout_on_its_way_does_not_stand(pod: Pod, status: dict[str, int]) -> None:
    pod["kind"] = "Pod"
    assert not watch.all_ready(Answering(deployment(**status), pod), ("-l", "app=api"), {})


def test_an_old_pod_that_still_drains_does_not_stand(pod: Pod) -> None:
    """It is no longer counted by its Deployment, but may still be asked."""
    pod["kind"] = "Pod"
    old = copy.deepcopy(pod)
    old["metadata"] |= {"name": "api-old", "deletionTimestamp": "2026-11-23T21:40:00Z"}
    assert not watch.all_ready(Answering(deployment(), pod, old), ("-l", "app=api"), {})


def test_pods_without_their_workload_do_not_stand(pod: Pod) -> None:
    pod["kind"] = "Pod"
    assert not watch.all_ready(Answering(pod), ("-l", "app=api"), {})


def replica_set(name: str, revision: str) -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"kind": "Deployment", "name": "api"}],
        },
        "status": {"observedGeneration": 1},
    }


def rolled(pod: Pod, **status: int) -> Answering:
    """The pod is of the first template, and the Deployment is at its second."""
    second = deployment(**status)
    second["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    first = pod["metadata"]["ownerReferences"][0]["name"]
    return Answering(second, replica_set(first, "1"), replica_set("api-new", "2"), pod)


def broken(pod: Pod, name: str = "") -> Pod:
    pod["kind"] = "Pod"
    pod["metadata"]["ownerReferences"][0]["name"] = (
        name or pod["metadata"]["ownerReferences"][0]["name"]
    )
    return not_ready(pod, {"waiting": {"reason": "ErrImagePull", "message": "not found"}})


def test_trouble_of_an_older_template_may_be_what_the_rollout_mends(pod: Pod) -> None:
    assert watch.newest_trouble(rolled(broken(pod)), "api", ("-l", "app=api"), 1.0) is None


def test_trouble_of_the_newest_template(pod: Pod) -> None:
    answering = rolled(broken(copy.deepcopy(pod)))
    newer = broken(pod, "api-new")
    items = [*json.loads(vars(answering)["text"])["items"], newer]
    found = watch.newest_trouble(Answering(*items), "api", ("-l", "app=api"), 1.0)
    assert found is not None and found.why == "ErrImagePull: not found"


def test_a_template_that_its_controller_has_not_seen_has_no_pods(pod: Pod) -> None:
    assert (
        watch.newest_trouble(
            rolled(broken(pod, "api-new"), observedGeneration=1), "api", ("-l", "app=api"), 1.0
        )
        is None
    )


@pytest.mark.parametrize(("revision", "wrong"), [("mysql-1", False), ("mysql-2", True)])
def test_a_stateful_sets_pods_carry_their_revision(pod: Pod, revision: str, wrong: bool) -> None:
    status = {"observedGeneration": 3, "updateRevision": "mysql-2"}
    stateful = {
        "kind": "StatefulSet",
        "metadata": {"name": "mysql", "generation": 3},
        "status": status,
    }
    one = broken(pod)
    one["metadata"]["labels"]["controller-revision-hash"] = revision
    assert (
        bool(watch.newest_trouble(Answering(stateful, one), "api", ("-l", "app=api"), 1.0)) is wrong
    )


def test_waiting_ends_where_it_is_in_vain() -> None:
    error = error_of(
        watch.until_ready, Answering(), "api", {}, 60.0, lambda line: None, lambda: True
    )
    assert (error.what, error.why) == ("no longer waited for api", "another step failed")


def test_a_pod_whose_node_has_gone_is_not_waited_for(pod: Pod) -> None:
    """As the control plane tells of it forty seconds after the node's last word: the pod is not
    ready, its containers still are.
    """
    for row in pod["status"]["conditions"]:
        row["status"] = "False" if row["type"] == "Ready" else row["status"]
    assert all(row["ready"] for row in pod["status"]["containerStatuses"])
    watched = seen(pod)
    assert watched.trouble(100.0 + UNSCHEDULED_SECONDS) is None
    found = watched.trouble(100.0 + UNSCHEDULED_SECONDS + 1)
    assert (
        found is not None
        and found.what.endswith(f"is on {pod['spec']['nodeName']}, which is down")
        and "inv cluster.start" in found.next
    )


def test_a_pod_that_needs_another_whose_node_has_gone_is_not_waited_for(pod: Pod) -> None:
    """The API is not ready without its database, which stays on the node that holds its data."""
    database = next(
        item
        for item in json.loads(recorded("facts/kubectl_pods.json"))["items"]
        if item["metadata"]["labels"]["app"] == "db"
    )
    waiting = not_ready(pod, {"running": {"startedAt": "2026-11-23T21:31:42Z"}})
    watched = seen(waiting, database)
    assert watched.trouble(400.0) is None
    assert not pods_ready(watched), "a database that is ready is not the API"
    assert "mysql-0" not in watch.progress(watched)
    for row in database["status"]["conditions"]:
        row["status"] = "False" if row["type"] == "Ready" else row["status"]
    found = watched.trouble(400.0)
    assert (
        found is not None
        and found.what == f"mysql-0 is on {database['spec']['nodeName']}, which is down"
    )


def test_other_troubles_of_what_a_pod_needs_are_told_by_whoever_waits_for_that(pod: Pod) -> None:
    database = next(
        item
        for item in json.loads(recorded("facts/kubectl_pods.json"))["items"]
        if item["metadata"]["labels"]["app"] == "db"
    )
    broken_image = not_ready(
        database, {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    )
    assert seen(pod, broken_image).trouble(400.0) is None


class Slow(Answering):
    """Tells of one pod, a state at a time, 200 s from one to the next; never of a whole rollout."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *told: Pod) -> None:
        super().__init__()
        vars(self).update(told=list(told), time=0.0)
        monkeypatch.setattr(
            watch, "Patience", lambda seconds: Patience(seconds, lambda: vars(self)["time"])
        )

    def watch(self, *words: str, each: Any, tick: float = 2.0) -> None:
        pods = vars(self)["told"]
        while not each({"type": "MODIFIED", "object": pods[0]}):
            vars(self)["time"] += 200.0
            pods.append(pods.pop(0))  # round and round

    def until_ready(self, pace: Pace = AS_MEANT) -> str:
        error = error_of(
            watch.until_ready, self, "api", {}, 300.0, lambda line: None, lambda: False, pace
        )
        return f"{error.what}; {error.why}; {vars(self)['time']:.0f} s"


def in_states(pod: Pod, *reasons: str) -> list[Pod]:
    return [not_ready(copy.deepcopy(pod), {"waiting": {"reason": reason}}) for reason in reasons]


def test_a_pod_that_gets_on_is_waited_for_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, pod: Pod
) -> None:
    pods = in_states(
        pod, "PodInitializing", "ContainerCreating", "Pulling", "Pulled", "Created", "Started"
    )
    assert Slow(monkeypatch, *pods).until_ready().endswith("; 1400 s"), (
        "5 states later than the first, then 2 of nothing new"
    )


def test_one_that_stands_still_or_goes_round_in_circles_is_not(
    monkeypatch: pytest.MonkeyPatch, pod: Pod
) -> None:
    still, around = (
        Slow(monkeypatch, *pods).until_ready()
        for pods in (in_states(pod, "Creating"), in_states(pod, "Creating", "Waiting"))
    )
    assert still.startswith("api is not ready after 300 s; api-") and still.endswith(
        " Creating; 400 s"
    )
    assert around.endswith("; 600 s")


def test_a_slow_machine_has_more_time(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    text = Slow(monkeypatch, *in_states(pod, "Creating")).until_ready(Pace(10))
    assert (
        "is not ready after 3000 s" in text
        and "about 10 times slower" in text
        and text.endswith("; 3200 s")
    )


def test_logs_that_do_not_come_in_time_are_no_failure_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They only explain one: a kubelet that is busy must not be what the user is told of."""

    def late(*_: object, **__: object) -> Output:
        raise processes.late(("kubectl", "logs"), 10)

    monkeypatch.setattr(Kubectl, "read", late)
    assert watch.logs(Kubectl(Path("kubectl"), Path("kubeconfig"), "kubeup-dev"), "api") == ""


def test_a_pod_in_trouble_ends_the_wait_with_its_log(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = Kubectl(Path("kubectl"), Path("config"), "kubeup-dev")
    broken = not_ready(pod, {"waiting": {"reason": "ErrImagePull", "message": "not found"}})
    monkeypatch.setattr(
        Kubectl, "watch", lambda self, *_, each, tick: each({"type": "ADDED", "object": broken})
    )
    monkeypatch.setattr(
        watch, "newest_trouble", lambda *_: Trouble("it can't start", "no image", "push it")
    )
    monkeypatch.setattr(watch, "logs", lambda *_: "its last line")
    error = error_of(watch.until_ready, kubectl, "api", {}, 60.0, print, lambda: False)
    assert (error.what, error.why, error.next) == (
        "it can't start",
        "no image\nits last line",
        "push it",
    )
