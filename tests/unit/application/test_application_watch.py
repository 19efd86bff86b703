"""How a rollout is waited for, with pods as kubectl gave them; those that are not ready are the
recorded ones with the states that a kubelet 1.26 writes.
"""

from __future__ import annotations

import copy
import json
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from builders import error_of, recorded

from kubeup.application import watch, why
from kubeup.application.watch import Watched
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.shell import Output, processes
from kubeup.facts.pods import KINDS
from kubeup.facts.trouble import RETRIED, SLOW
from kubeup.system.kubectl import Kubectl

Pod = dict[str, Any]


@pytest.fixture
def pod() -> Pod:
    """The API's pod, running and ready."""
    items = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    found = next(item for item in items if item["metadata"]["labels"]["app"] == "api")
    return {**copy.deepcopy(found), "kind": "Pod"}


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


def seen(*pods: Pod) -> Watched:
    watched = Watched("api")
    for one in pods:
        watched.take({"type": "ADDED", "object": one})
    return watched


def pods_ready(watched: Watched) -> bool:
    return watch.pods_ready(watched.pods.values(), {})


def test_a_pod_that_is_deleted_does_not_count(pod: Pod) -> None:
    leaving = copy.deepcopy(pod)
    leaving["metadata"] |= {"name": "api-old", "deletionTimestamp": "2026-11-23T21:40:00Z"}
    watched = seen(leaving, pod)
    assert not pods_ready(watched), "it is still there"
    assert "api-old terminating" in watched.progress
    watched.take({"type": "DELETED", "object": leaving})
    assert pods_ready(watched)
    assert watched.progress == f"{pod['metadata']['name']} ready"


def test_a_later_event_replaces_an_earlier_one(pod: Pod) -> None:
    watched = seen(not_ready(copy.deepcopy(pod), {"waiting": {"reason": "ContainerCreating"}}))
    assert not pods_ready(watched)
    watched.take({"type": "MODIFIED", "object": pod})
    assert pods_ready(watched)


def test_no_pods_do_not_stand() -> None:
    assert not pods_ready(seen()) and seen().progress == ""


def test_an_evicted_pod_is_left_behind_by_the_one_in_its_place(pod: Pod) -> None:
    evicted = copy.deepcopy(pod)
    evicted["metadata"]["name"] = "api-evicted"
    evicted["status"] = {"phase": "Failed", "reason": "Evicted"}
    assert pods_ready(seen(evicted, pod)) and not pods_ready(seen(evicted))


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
            "deployments,statefulsets,pods",
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
    assert watch.all_ready(Answering(deployment(), pod), ("-l", "app=api"), {})


@pytest.mark.parametrize(
    "status",
    [{"observedGeneration": 1}, {"replicas": 2}, {"updatedReplicas": 0}, {"readyReplicas": 0}],
)
def test_a_rollout_on_its_way_does_not_stand(pod: Pod, status: dict[str, int]) -> None:
    assert not watch.all_ready(Answering(deployment(**status), pod), ("-l", "app=api"), {})


def test_an_old_pod_that_still_drains_does_not_stand(pod: Pod) -> None:
    """It is no longer counted by its Deployment, but may still be asked."""
    old = copy.deepcopy(pod)
    old["metadata"] |= {"name": "api-old", "deletionTimestamp": "2026-11-23T21:40:00Z"}
    assert not watch.all_ready(Answering(deployment(), pod, old), ("-l", "app=api"), {})


def test_pods_without_their_workload_do_not_stand(pod: Pod) -> None:
    assert not watch.all_ready(Answering(pod), ("-l", "app=api"), {})


def test_waiting_ends_where_it_is_in_vain() -> None:
    error = error_of(
        watch.until_ready, Answering(), "api", {}, 60.0, lambda line: None, lambda: True
    )
    assert (error.what, error.why) == ("no longer waited for api", "another step failed")


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


NAME = "api-79d64858f6-dfn4c"
RUNNING = {"running": {"startedAt": "2026-11-23T21:31:42Z"}}
REFUSED = "the database refuses this user or password (error 1045)"
WELL = "ready"
SILENT = "the database does not answer (error 2003)"


def replica_set(pod: Pod) -> dict[str, Any]:
    meta = {"name": pod["metadata"]["ownerReferences"][0]["name"], "labels": {"app": "api"}}
    return {
        "kind": "ReplicaSet",
        "metadata": meta | {"ownerReferences": [{"kind": "Deployment", "name": "api"}]},
    }


class Living(Answering):
    """A cluster as time goes by, a second from one tick to the next.

    `pods`: of the API, by the second from which on they are so; `answers`: likewise, what /readyz
    says; `silent`: seconds in which a look gets no answer.
    """

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        pods: dict[float, list[Pod]],
        answers: dict[float, str] | None = None,
        others: tuple[dict[str, Any], ...] = (),
        silent: range = range(0),
    ) -> None:
        super().__init__()
        vars(self).update(pods=pods, answers=answers or {0: ""}, others=others, silent=silent)
        vars(self).update(time=0.0, progress=[], asked=[])
        monkeypatch.setattr(watch, "Watched", partial(Watched, now=self.now))
        monkeypatch.setattr(watch, "Patience", partial(Patience, now=self.now))

    def now(self) -> float:
        return float(vars(self)["time"])

    def at(self, scenes: dict[float, Any]) -> Any:
        return scenes[max(since for since in scenes if since <= self.now())]

    def read(self, *words: str, **_: Any) -> Output:
        me, pods = vars(self), self.at(vars(self)["pods"])
        if "exec" in words:
            me["asked"].append(words)
            said = self.at(me["answers"])
            status = 503 if said != WELL else 200
            return Output(0, f"{status} {json.dumps({'detail': said})}\n", "")
        if "logs" in words:
            return Output(0, f"what {words[3]} printed\n", "")
        if KINDS in words and int(self.now()) in me["silent"]:
            raise processes.late(("kubectl", "get"), 10)
        status = {} if all(watch.pods_ready([pod], {}) for pod in pods) else {"readyReplicas": 0}
        sets = {pod["metadata"]["name"]: replica_set(pod) for pod in pods}.values()
        items = [deployment(**status), *sets, *pods, *me["others"]]
        return Output(0, json.dumps({"items": items}), "")

    def watch(self, *words: str, each: Any, tick: float = 2.0) -> None:
        first = self.at(vars(self)["pods"])
        ended = any(each({"type": "ADDED", "object": pod}) for pod in first)
        while not ended:
            vars(self)["time"] += 1.0
            now = self.at(vars(self)["pods"])
            told = {"type": "MODIFIED", "object": now[0]} if now != first else None
            first, ended = now, each(told)

    def until_ready(self, pace: Pace = AS_MEANT) -> KubeupError | None:
        """How waiting ended, at `time`; None: all is ready."""
        log = vars(self)["progress"].append
        try:
            watch.until_ready(self, "api", {}, 300.0, log, lambda: False, pace)
        except KubeupError as error:
            return error
        return None


def waits(pod: Pod, reason: str, message: str = "", restarts: int = 0) -> Pod:
    state = {"waiting": {"reason": reason, "message": message}}
    return not_ready(copy.deepcopy(pod), state, restarts)


def unready(pod: Pod) -> Pod:
    found = not_ready(copy.deepcopy(pod), RUNNING)
    found["status"]["containerStatuses"][0]["started"] = True
    return found


def ended(error: KubeupError | None) -> KubeupError:
    assert error is not None
    return error


def test_what_is_hopeless_ends_the_wait_in_seconds_with_its_log(
    monkeypatch: pytest.MonkeyPatch, pod: Pod
) -> None:
    loop = not_ready(
        copy.deepcopy(pod),
        {"waiting": {"reason": "CrashLoopBackOff"}},
        2,
        {"terminated": {"exitCode": 1, "reason": "Error"}},
    )
    cluster = Living(monkeypatch, {0: [waits(pod, "ContainerCreating")], 6: [loop]})
    error = ended(cluster.until_ready())
    assert cluster.now() < 6 + 2 * watch.LOOK_SECONDS
    assert error.what == f"{NAME} keeps ending" and error.next == "read why: `inv deploy.logs api`"
    cause = "CrashLoopBackOff: Error, exit status 1 (2 restarts)"
    assert error.why == f"{cause}\nwhat {NAME} printed"


def test_what_kubelet_tries_again_is_waited_for(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    """As seen: long after the wait began a first try failed, and the second succeeded."""
    failed = waits(pod, "RunContainerError", "failed to create containerd task")
    cluster = Living(monkeypatch, {0: [waits(pod, "ContainerCreating")], 60: [failed], 75: [pod]})
    assert cluster.until_ready() is None
    assert f"{NAME} RunContainerError: failed" in " ".join(vars(cluster)["progress"])


def test_what_stands_for_a_while_ends_the_wait(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    waiting = waits(pod, "CreateContainerConfigError", 'secret "mysecret" not found')
    cluster = Living(monkeypatch, {0: [waiting]})
    assert ended(cluster.until_ready()).what.endswith("can't be started")
    assert RETRIED < cluster.now() < 30
    late = Living(monkeypatch, {0: [waiting], RETRIED - 2: [pod]})
    assert late.until_ready() is None, "a Secret may be a moment behind its pod"
    slow = Living(monkeypatch, {0: [waiting], 150: [pod]})
    assert slow.until_ready(Pace(10)) is None, "and longer on a slow machine"


def test_what_comes_and_goes_is_not_added_up(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    waiting = waits(pod, "CreateContainerConfigError", "x")
    creating = waits(pod, "ContainerCreating")
    scenes = {0: [waiting], 15: [creating], 22: [waiting], 35: [pod]}
    assert Living(monkeypatch, scenes).until_ready() is None


def test_what_the_api_says_of_its_database(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    cluster = Living(monkeypatch, {0: [unready(pod)]}, {0: REFUSED})
    error = ended(cluster.until_ready())
    assert error.what == f"{NAME} is not ready: {REFUSED}" and "inv db.rotate" in error.next
    assert RETRIED < cluster.now() < 30
    assert f"{NAME} running: runs, but not ready: {REFUSED}" in vars(cluster)["progress"]
    words = vars(cluster)["asked"][0]
    assert words[:7] == ("-n", "default", "exec", NAME, "-c", "api-backend-fastapi", "--")
    assert words[-2:] == ("8000", "/readyz")


def test_a_database_that_is_starting_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, pod: Pod
) -> None:
    answers = {0: SILENT, 100: "the migrations have not run yet"}
    cluster = Living(monkeypatch, {0: [unready(pod)], 150: [pod]}, answers)
    assert cluster.until_ready() is None
    assert any(SILENT in line for line in vars(cluster)["progress"])


def test_a_database_that_is_ready_and_not_reached(
    monkeypatch: pytest.MonkeyPatch, pod: Pod
) -> None:
    items = json.loads(recorded("facts/kubectl_pods.json"))["items"]
    database = next(one for one in items if one["metadata"]["labels"]["app"] == "db")
    others = ({**database, "kind": "Pod"},)
    cluster = Living(monkeypatch, {0: [unready(pod)]}, {0: SILENT}, others)
    assert "inv verify" in ended(cluster.until_ready()).next and SLOW < cluster.now() < 105


def test_one_that_got_well_just_now_says_nothing(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    cluster = Living(monkeypatch, {0: [unready(pod)], 50: [pod]}, {0: WELL})
    assert cluster.until_ready() is None
    assert not any(f"ready: {WELL}" in line for line in vars(cluster)["progress"])


def test_a_look_without_an_answer_is_no_finding(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    """Of an API server that is away nothing is known: neither that no pod is there, nor that one
    got well.
    """
    waiting = waits(pod, "CreateContainerConfigError", "x")
    cluster = Living(monkeypatch, {0: [waiting]}, silent=range(8, 16))
    assert ended(cluster.until_ready()).what.endswith("can't be started")
    assert cluster.now() < 30


def test_at_the_limit_the_cause_is_told_as_well(monkeypatch: pytest.MonkeyPatch, pod: Pod) -> None:
    error = ended(Living(monkeypatch, {0: [unready(pod)]}, {0: SILENT}).until_ready())
    assert error.what == "api is not ready after 300 s"
    assert error.why == f"{NAME} running: runs, but not ready: {SILENT}"
    assert error.next == "read why: `inv deploy.logs api`"


def test_what_only_explains_is_no_failure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubelet that is busy must not be what the user is told of."""

    def late(*_: object, **__: object) -> Output:
        raise processes.late(("kubectl", "logs"), 10)

    monkeypatch.setattr(Kubectl, "read", late)
    assert why.logs(Kubectl(Path("kubectl"), Path("kubeconfig"), "kubeup-dev"), "api") == ""


@pytest.mark.parametrize(
    ("body", "said"), [('{"detail": "x"}', "x"), ("plain\n", "plain"), ('"x"', '"x"'), ("", "")]
)
def test_an_answer_may_be_anything(body: str, said: str) -> None:
    assert why.words(body) == said


class Draining(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name is http.server's
        self.send_response(503)
        self.send_header("Retry-After", "2")
        self.end_headers()
        self.wfile.write(json.dumps({"detail": f"{self.path} says no"}).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.processes
def test_what_is_run_in_a_pod_asks_as_its_probe_does() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Draining) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = str(server.server_address[1])
        asked = shell.read(sys.executable, "-I", "-c", why.ASK, port, "/readyz")
        server.shutdown()
    assert asked.stdout == '503 {"detail": "/readyz says no"}\n'
