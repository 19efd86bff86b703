"""Why pods and workloads are not ready: recorded ones, with the states that a kubelet 1.26 writes
and the messages of Kubernetes 1.26's own sources.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from builders import recorded
from hypothesis import given
from hypothesis import strategies as st

from kubeup.facts import trouble
from kubeup.facts.pods import Seen, last_event, pod_ready, probe
from kubeup.facts.trouble import ELECTED, NEVER, RETRIED, SLOW, Trouble

Item = dict[str, Any]
PODS, NODES = (
    json.loads(recorded(f"facts/kubectl_{kind}.json"))["items"] for kind in ("pods", "nodes")
)
IMAGE = "docker.io/ana/fast-api-products:84cd8e436066"
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed"}}
RUNNING = {"running": {"startedAt": "2026-11-23T21:31:42Z"}}


def the_pod(app: str) -> Item:
    """One that runs and is ready."""
    found = next(item for item in PODS if item["metadata"]["labels"]["app"] == app)
    return {**copy.deepcopy(found), "kind": "Pod"}


@pytest.fixture
def pod() -> Item:
    return the_pod("api")


@pytest.fixture
def database() -> Item:
    return the_pod("db")


def nodes() -> list[Item]:
    return [{**copy.deepcopy(item), "kind": "Node"} for item in NODES]


def not_ready(
    pod: Item, state: Item | None = None, restarts: int = 0, last: Item | None = None
) -> Item:
    """Its container is in that state; None: as it was, and its node has gone."""
    for row in pod["status"]["conditions"]:
        if row["type"] == "Ready" or (state and row["type"] == "ContainersReady"):
            row["status"] = "False"
    if state:
        pod["status"]["containerStatuses"][0] |= {
            "ready": False,
            "started": "running" in state,
            "restartCount": restarts,
            "state": state,
            "lastState": {"terminated": last} if last else {},
        }
    return pod


def waits(
    pod: Item, reason: str, message: str = "", restarts: int = 0, last: Item | None = None
) -> Item:
    return not_ready(pod, {"waiting": {"reason": reason, "message": message}}, restarts, last)


def event(about: Item, reason: str, message: str, type: str = "Warning", at: int = 0) -> Item:
    return {
        "kind": "Event",
        "metadata": {"name": "x"},
        "involvedObject": {"uid": about["metadata"]["uid"]},
        "reason": reason,
        "message": message,
        "type": type,
        "lastTimestamp": f"2026-11-23T21:31:{at:02}Z",
    }


def of(pod: Item, *others: Item, **answers: str) -> Trouble:
    names = {f"{pod['metadata']['name']}": answers["answer"]} if answers else {}
    found = trouble.of_pod(pod, Seen([pod, *others], names))
    assert found is not None and found.what and found.why and found.next
    return found


def deployment(app: str = "api", **status: Any) -> Item:
    rolled = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1}
    meta = {"name": app, "labels": {"app": app}, "generation": 2, "uid": "d1"}
    annotations = {"deployment.kubernetes.io/revision": "2"}
    return {
        "kind": "Deployment",
        "metadata": {**meta, "annotations": annotations},
        "spec": {"replicas": 1},
        "status": rolled | status,
    }


def replica_set(name: str, revision: str = "2") -> Item:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "labels": {"app": "api"},
            "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"kind": "Deployment", "name": "api"}],
        },
        "status": {"observedGeneration": 1},
    }


def stateful_set(**status: Any) -> Item:
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "mysql", "labels": {"app": "db"}, "generation": 3, "uid": "s1"},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 3, "updateRevision": "mysql-9cc89b76"} | status,
    }


def rollout(pod: Item, *others: Item, **status: Any) -> Seen:
    """The Deployment and its newest ReplicaSet, which made the pod."""
    owner = pod["metadata"]["ownerReferences"][0]["name"]
    return Seen([deployment(**status), replica_set(owner), pod, *others])


def test_a_ready_pod_has_none(pod: Item) -> None:
    assert trouble.of_pod(pod) is None and trouble.of_app("api", rollout(pod)) is None
    assert trouble.why(pod) == trouble.of_pods("api", [pod]) == ""


# images


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"])
def test_an_image_that_was_not_loaded(pod: Item, reason: str) -> None:
    message = 'Back-off pulling image "localhost/fast-api-products:84cd8e436066"'
    found = of(waits(pod, reason, message))
    name = pod["metadata"]["name"]
    assert found.what == f"{name} can't get its image localhost/fast-api-products:84cd8e436066"
    assert (found.why, found.final) == (f"{reason}: {message}", 0.0)
    assert "inv images.load" in found.next


def test_a_real_pull_error() -> None:
    found = of(json.loads(recorded("deploy/pod_pull_error.json")) | {"kind": "Pod"})
    assert "connection refused" in found.why and not found.final


PULL = f'rpc error: code = {{}} desc = failed to pull and unpack image "{IMAGE}": {{}}'
NOT_FOUND = PULL.format("NotFound", f'failed to resolve reference "{IMAGE}": {IMAGE}: not found')
UNAUTHORIZED = PULL.format(
    "Unknown",
    f'failed to resolve reference "{IMAGE}": failed to authorize: failed to fetch anonymous token: '
    "unexpected status: 401 Unauthorized",
)
AWAY = PULL.format(
    "Unknown", f'failed to do request: Head "https://{IMAGE}": dial tcp: i/o timeout'
)

NO_TOKEN = PULL.format(
    "Unknown",
    "failed to authorize: failed to fetch anonymous token: Get "
    '"https://auth.docker.io/token": dial tcp 10.0.0.1:443: connect: no route to host',
)


@pytest.mark.parametrize(
    ("message", "next", "final"),
    [
        (NOT_FOUND, "does not have it: `inv images.push`", 0.0),
        (UNAUTHORIZED, "refuses the nodes", 0.0),
        (AWAY, "don't reach", RETRIED),
        (NO_TOKEN, "don't reach", RETRIED),
        (PULL.format("Unknown", "x509: unknown authority"), "what the registry says", RETRIED),
    ],
)
def test_what_a_registry_says(pod: Item, message: str, next: str, final: float) -> None:
    """While kubelet waits for its next try, only the event of the last one tells why."""
    pod["spec"]["containers"][0]["image"] = IMAGE
    now = of(waits(copy.deepcopy(pod), "ErrImagePull", message))
    back_off = waits(pod, "ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')
    told = (
        event(pod, "Failed", f'Failed to pull image "{IMAGE}": {message}', at=1),
        event(pod, "BackOff", f'Back-off pulling image "{IMAGE}"', "Normal", at=2),
        event(pod, "Failed", "Error: ImagePullBackOff", at=3),
    )
    later = of(back_off, *told)
    for found in (now, later):
        assert next in found.next and message in found.why and found.final == final


def test_a_name_that_is_none_is_not_asked_for_again(pod: Item) -> None:
    pod["spec"]["containers"][0]["image"] = "docker.io/Ana/x"
    assert of(waits(pod, "InvalidImageName", "couldn't parse image reference")).final == 0.0


# containers that do not start, or end


def test_a_secret_that_is_missing(pod: Item) -> None:
    found = of(waits(pod, "CreateContainerConfigError", 'secret "mysecret" not found'))
    assert found.what.endswith("can't be started")
    assert found.why == 'CreateContainerConfigError: secret "mysecret" not found'
    assert found.final == RETRIED, "it may be a moment behind"


def test_a_container_that_could_not_be_started_is_tried_again(pod: Item) -> None:
    """Seen once on a machine under load: the second try, seconds later, succeeded."""
    message = "failed to create containerd task: timed out"
    assert of(waits(pod, "RunContainerError", message)).final == NEVER
    assert of(waits(pod, "RunContainerError", message, 3)).final == 0.0
    assert of(waits(pod, "CreateContainerError", "context deadline exceeded")).final == NEVER
    assert of(waits(pod, "CreateContainerError", "no command specified")).final == RETRIED
    end = {"exitCode": 128, "reason": "StartError", "message": message}
    assert of(not_ready(pod, BACK_OFF, 1, end)).final == NEVER
    found = of(not_ready(pod, BACK_OFF, 3, end))
    assert found.final == 0.0
    assert found.why == f"CrashLoopBackOff: StartError, exit status 128, {message} (3 restarts)"


def test_a_container_whose_machine_went_away_is_no_failure(pod: Item) -> None:
    unknown = {"exitCode": 255, "reason": "Unknown"}
    assert of(not_ready(pod, BACK_OFF, 7, unknown)).final == NEVER
    found = of(not_ready(pod, BACK_OFF, 7, unknown | {"reason": "Error"}))
    assert (found.why, found.final) == ("CrashLoopBackOff: Error, exit status 255 (7 restarts)", 0)


def test_a_crash_loop_tells_how_it_ended_and_whose_log_tells_more(pod: Item) -> None:
    found = of(not_ready(pod, BACK_OFF, 2, {"exitCode": 1, "reason": "Error"}))
    assert found.what == f"{pod['metadata']['name']} keeps ending"
    assert found.why == "CrashLoopBackOff: Error, exit status 1 (2 restarts)"
    assert (found.next, found.log) == ("read why: `inv deploy.logs api`", pod["metadata"]["name"])


def test_out_of_memory_has_its_limit(pod: Item) -> None:
    found = of(not_ready(pod, BACK_OFF, 2, {"exitCode": 137, "reason": "OOMKilled"}))
    assert "OOMKilled, exit status 137, its limit is 512Mi" in found.why
    assert "manifests/base/api" in found.next and "inv deploy.api" in found.next


def test_one_crash_is_not_yet_a_loop(pod: Item) -> None:
    end = {"exitCode": 1, "reason": "Error"}
    found = of(not_ready(pod, RUNNING, 1, end))
    assert found.final == NEVER and found.why.endswith("it ended before: Error, exit status 1")
    assert of(not_ready(pod, {"terminated": end}, 0)).final == NEVER


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_a_start_is_waited_for(pod: Item, reason: str) -> None:
    pulling = event(pod, "Pulling", 'Pulling image "x"', "Normal")
    assert of(waits(pod, reason)).final == of(waits(pod, reason), pulling).final == NEVER


def test_what_a_container_waits_for_before_it_is_made(pod: Item) -> None:
    made = waits(pod, "ContainerCreating")
    message = 'MountVolume.SetUp failed for volume "tls" : secret "mysql-tls" not found'
    missing = of(
        made, event(pod, "Scheduled", "", "Normal"), event(pod, "FailedMount", message, at=9)
    )
    assert missing.why == f"ContainerCreating, last event: FailedMount: {message}"
    assert missing.final == RETRIED
    again = of(made, event(pod, "FailedMount", message), event(pod, "Pulling", "x", "Normal"))
    assert again.final == NEVER, "the later of the same second"
    network = event(pod, "NetworkNotReady", "network is not ready: cni plugin not initialized")
    assert of(made, network).final == SLOW, "nodes get theirs within"


def test_a_kubelet_that_does_not_take_it_up(pod: Item) -> None:
    pod["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    found = of(pod)
    assert pod["spec"]["nodeName"] in found.why and found.final == SLOW


# scheduling


def pending(pod: Item, message: str = "") -> Item:
    """`message`: the scheduler's; none has looked at it where there is none."""
    del pod["spec"]["nodeName"]
    row = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pod["status"] = {"phase": "Pending"} | ({"conditions": [row]} if message else {})
    return pod


SHORT = (
    "0/3 nodes are available: 1 node(s) had untolerated taint "
    "{node-role.kubernetes.io/control-plane: }, 2 Insufficient memory."
)
TAINTED = (
    "0/3 nodes are available: 1 node(s) had untolerated taint {example.com/gpu: only}, 2 node(s) "
    "had untolerated taint {node-role.kubernetes.io/control-plane: }."
)
GONE = (
    "0/3 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/unreachable: }."
)
CORDONED = "0/3 nodes are available: 1 Insufficient memory, 2 node(s) were unschedulable."


def test_what_nodes_are_short_of(pod: Item) -> None:
    found = of(pending(pod, SHORT))
    assert found.what.endswith("can't be scheduled") and found.final == RETRIED
    assert found.why == f"Unschedulable: {SHORT}\nit asks for cpu 50m, memory 128Mi"
    assert "nodes.workers.memory" in found.next


@pytest.mark.parametrize("message", [CORDONED, TAINTED, GONE])
def test_nodes_that_take_no_pods(pod: Item, message: str) -> None:
    found = of(pending(pod, message))
    assert message in found.why and "`inv up` lets them take pods again" in found.next


def test_a_claim_that_is_pending_and_why(database: Item) -> None:
    claim = {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data-mysql-0", "uid": "c1"},
        "status": {"phase": "Pending"},
    }
    why = "waiting for a volume to be created, either by external provisioner or manually"
    message = "0/3 nodes are available: 3 node(s) didn't find available persistent volumes to bind."
    found = of(pending(database, message), claim, event(claim, "ExternalProvisioning", why))
    last = f"claim data-mysql-0 is Pending, last event: ExternalProvisioning: {why}"
    assert found.why == f"Unschedulable: {message}\n{last}"


def test_no_scheduler_has_looked_at_it(pod: Item) -> None:
    found = of(pending(pod))
    assert "does kube-scheduler run" in found.why and found.final == ELECTED


# nodes


def test_a_node_that_has_gone(pod: Item) -> None:
    """As the control plane tells of it forty seconds after the node's last word: the pod is not
    ready, its containers still are.
    """
    found = of(not_ready(pod))
    assert found.what.endswith(f"is on {pod['spec']['nodeName']}, which is down")
    assert "inv cluster.start" in found.next and found.final == RETRIED


@pytest.mark.parametrize(
    ("message", "state", "final"),
    [
        ("Kubelet stopped posting node status.", "down", RETRIED),
        ("container runtime network not ready: cni plugin not initialized", "not ready", SLOW),
    ],
)
def test_a_node_that_is_not_ready_under_what_has_not_started(
    pod: Item, message: str, state: str, final: float
) -> None:
    known = nodes()
    node = next(one for one in known if one["metadata"]["name"] == pod["spec"]["nodeName"])
    ready = next(row for row in node["status"]["conditions"] if row["type"] == "Ready")
    ready |= {"status": "Unknown", "message": message}
    found = of(waits(pod, "ContainerCreating"), *known)
    assert found.what.endswith(f"which is {state}") and found.why == message
    assert found.final == final


def test_a_pod_that_does_not_go(pod: Item) -> None:
    pod["metadata"] |= {
        "deletionTimestamp": "2026-11-23T21:40:00Z",
        "deletionGracePeriodSeconds": 60,
    }
    found = trouble.of_app("api", rollout(pod))
    assert found is not None
    assert found.what.endswith("does not end") and found.final == 60 + RETRIED
    assert trouble.why(pod) == "Terminating"


# probes


def test_a_probe_is_asked_where_it_fails(pod: Item, database: Item) -> None:
    assert probe(pod) is None
    assert probe(not_ready(pod, RUNNING)) == ("api-backend-fastapi", "8000", "/readyz")
    assert probe(not_ready(database, RUNNING)) is None, "by TCP there is no answer to read"
    pod["status"]["containerStatuses"][0]["started"] = False
    assert probe(pod) is None, "its server may not be there yet"


@pytest.mark.parametrize(
    ("said", "next", "final"),
    [
        ("the database refuses this user or password (error 1045)", "inv db.rotate", RETRIED),
        ("the database has no such schema (error 1049)", "inv db.shell", RETRIED),
        ("the database has no certificate that this service trusts (error 2003)", "up", RETRIED),
        ("not migrated yet: a migration failed, see the log", "inv deploy.logs api", RETRIED),
        ("the database does not answer (error 2003)", "inv verify", SLOW),
        ("the migrations have not run yet", "inv deploy.logs api", NEVER),
    ],
)
def test_what_a_service_says_of_itself(
    pod: Item, database: Item, said: str, next: str, final: float
) -> None:
    failing = event(
        pod, "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"
    )
    found = of(not_ready(pod, RUNNING), failing, database, answer=said)
    assert found.what.endswith(f"is not ready: {said}") and next in found.next
    assert (found.why, found.final) == (f"runs, but not ready: {said}", final)


def test_a_database_that_is_starting_makes_the_api_wait(pod: Item, database: Item) -> None:
    said = "the database does not answer (error 2003)"
    starting = not_ready(database, RUNNING)
    assert of(not_ready(pod, RUNNING), starting, answer=said).final == NEVER
    assert of(not_ready(pod, RUNNING), answer=said).final == NEVER, "it is on another machine"
    somebodys = the_pod("ui")
    pod["metadata"]["labels"] = somebodys["metadata"]["labels"] = {}
    assert of(not_ready(pod, RUNNING), somebodys, answer=said).final == NEVER


def test_without_an_answer_kubelets_own_words_count(pod: Item) -> None:
    failing = event(pod, "Unhealthy", "Startup probe failed: dial tcp: connection refused")
    found = of(not_ready(pod, RUNNING), failing)
    assert found.why == "runs, but not ready: Startup probe failed: dial tcp: connection refused"
    assert found.final == NEVER


# workloads


QUOTA = (
    'pods "api-79d64858f6-x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, '
    "limited: pods=0"
)
POD_SECURITY = 'pods "api-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot'


@pytest.mark.parametrize(("message", "next"), [(QUOTA, "describe quota"), (POD_SECURITY, "above")])
def test_pods_that_are_refused(message: str, next: str) -> None:
    row = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    found = trouble.of_app("api", Seen([deployment(conditions=[row]), replica_set("api-new")]))
    assert found is not None and found.what == "Deployment api can't make its pods"
    assert found.why == message and next in found.next and found.final == RETRIED


def test_of_a_stateful_set_only_events_tell() -> None:
    owner = stateful_set()
    why = f"create Pod mysql-0 in StatefulSet mysql failed error: {QUOTA}"
    refused = event(owner, "FailedCreate", why, at=1)
    found = trouble.of_app("db", Seen([owner, refused]))
    assert found is not None and found.why == why
    made = event(owner, "SuccessfulCreate", "create Pod mysql-0 successful", "Normal", at=2)
    found = trouble.of_app("db", Seen([owner, refused, made]))
    assert found is not None and "kube-controller-manager" in found.why


@pytest.mark.parametrize("status", [{}, {"observedGeneration": 1}])
def test_nobody_makes_pods(status: Item) -> None:
    found = trouble.of_app("api", Seen([deployment(**status), replica_set("api-new")]))
    assert found is not None and found.what == "Deployment api has no pod"
    assert "kube-controller-manager" in found.why and found.final == ELECTED


def test_none_are_missed_while_an_earlier_one_goes(pod: Item) -> None:
    """A StatefulSet makes the next pod once the one before has ended."""
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z"
    found = trouble.of_app("api", Seen([deployment(observedGeneration=1), pod]))
    assert found is not None and found.what.endswith("does not end")


def test_one_of_several_is_still_being_made(pod: Item) -> None:
    seen = rollout(pod)
    seen.of("Deployment")[0]["spec"]["replicas"] = 2
    assert trouble.of_app("api", seen) is None


def test_none_is_wanted_where_none_was_deployed() -> None:
    nobody = deployment()
    nobody["spec"]["replicas"] = 0
    assert trouble.of_app("api", Seen([nobody])) is trouble.of_app("api", Seen()) is None


def test_trouble_of_an_older_template_may_be_what_the_rollout_mends(pod: Item) -> None:
    first = pod["metadata"]["ownerReferences"][0]["name"]
    newer = copy.deepcopy(pod)
    newer["metadata"]["ownerReferences"][0]["name"] = "api-new"
    sets = (replica_set(first, "1"), replica_set("api-new"))
    older = waits(pod, "ErrImagePull", "not found")
    assert trouble.of_app("api", Seen([deployment(), *sets, older, newer])) is None
    broken = waits(newer, "ErrImagePull", "not found")
    found = trouble.of_app("api", Seen([deployment(), *sets, broken]))
    assert found is not None and found.why == "ErrImagePull: not found"


@pytest.mark.parametrize(("revision", "wrong"), [("mysql-1", False), ("mysql-2", True)])
def test_a_stateful_sets_pods_carry_their_revision(
    database: Item, revision: str, wrong: bool
) -> None:
    database["metadata"]["labels"]["controller-revision-hash"] = revision
    broken = waits(database, "ErrImagePull", "not found")
    found = trouble.of_app("db", Seen([stateful_set(updateRevision="mysql-2"), broken]))
    assert found is not None and ("get its image" in found.what) is wrong


def test_an_evicted_pod_that_was_replaced_does_not_count(pod: Item) -> None:
    evicted = copy.deepcopy(pod)
    evicted["status"] = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    assert trouble.of_app("api", rollout(pod, evicted)) is None
    found = trouble.of_app("api", rollout(evicted))
    assert found is not None and found.why == "Evicted: low on memory" and found.final == RETRIED
    del evicted["metadata"]["ownerReferences"]
    assert of(evicted).final == 0.0, "nobody makes another"


def test_of_what_a_service_needs_only_that_its_node_has_gone(pod: Item, database: Item) -> None:
    """The API is not ready without its database, which stays on the node that holds its data."""
    api = not_ready(pod, RUNNING)
    broken = waits(copy.deepcopy(database), "ErrImagePull", "not found")
    found = trouble.of_app("api", rollout(api, broken))
    assert found is not None and found.final == NEVER
    found = trouble.of_app("api", rollout(api, not_ready(database)))
    assert found is not None and found.what.startswith("mysql-0 is on")


REASONS = st.sampled_from([*trouble.IMAGE, *trouble.CONFIG, *trouble.STARTING, "CrashLoopBackOff"])
ENDS = st.fixed_dictionaries(
    {"exitCode": st.integers(0, 255)}, optional={"reason": st.text(), "message": st.text()}
)
STATES = st.one_of(
    st.fixed_dictionaries({"waiting": st.fixed_dictionaries({}, optional={"reason": REASONS})}),
    st.fixed_dictionaries({"terminated": ENDS}),
    st.just({"running": {}}),
    st.just({}),
)
ROWS = st.fixed_dictionaries(
    {"name": st.sampled_from(["api-backend-fastapi", "another"]), "ready": st.booleans()},
    optional={
        "state": STATES,
        "lastState": STATES,
        "restartCount": st.integers(0, 9),
        "started": st.booleans(),
    },
)
CONDITIONS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Ready", "PodScheduled"]),
        "status": st.sampled_from(["True", "False"]),
    },
    optional={"message": st.text(), "reason": st.text()},
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(["Pending", "Running", "Failed", "Unknown"]),
        "conditions": st.lists(CONDITIONS, max_size=3),
        "containerStatuses": st.lists(ROWS, max_size=2),
    },
)


@given(STATUSES, st.booleans(), st.booleans(), st.text())
def test_whatever_is_not_ready_has_a_cause(
    status: Item, placed: bool, leaves: bool, answer: str
) -> None:
    pod = the_pod("api") | {"status": status}
    pod["spec"] = {key: of for key, of in pod["spec"].items() if placed or key != "nodeName"}
    if leaves:
        pod["metadata"]["deletionTimestamp"] = "2026-11-23T21:40:00Z"
    found = trouble.of_pod(pod, Seen([pod, *nodes()], {pod["metadata"]["name"]: answer}))
    assert (found is None) is pod_ready(pod)
    assert probe(pod) in (None, ("api-backend-fastapi", "8000", "/readyz"))
    assert found is None or (found.what and found.why and found.next and found.final >= 0)


def test_the_newest_event_counts() -> None:
    stamps = ("2026-02", "B"), ("2026-01", "A")
    events = [
        {"metadata": {}, "lastTimestamp": stamp, "reason": reason, "message": "text "}
        for stamp, reason in stamps
    ]
    assert last_event(events) == "B: text" and last_event([]) == ""
