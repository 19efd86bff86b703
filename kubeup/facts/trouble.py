"""What keeps a pod or a workload from being ready, why, and what to do: the one place for it.

Pure functions over what `kubeup.facts.pods` reads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kubeup.core.services import NAMES, service
from kubeup.facts import kubernetes
from kubeup.facts.kubernetes import (
    CONTROL_LABEL,
    START_TRIES,
    app_of,
    condition,
    left_alone,
    newest,
    own_end,
)
from kubeup.facts.nested import value
from kubeup.facts.pods import (
    Item,
    Seen,
    containers,
    event_words,
    last_end,
    leaves,
    name_of,
    phase,
    pod_ready,
    waiting,
)

# kubelet's reason is the same for what follows from it ("Error: ImagePullBackOff")
PULLING = "Failed to pull image"
IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
STARTING = {"", "ContainerCreating", "PodInitializing"}
WORKLOADS = ("Deployment", "StatefulSet")
# kubelets try again after 10 s (backOffPeriod and MaxContainerBackOff's base in
# kubernetes/pkg/kubelet/kubelet.go); nodes become ready, volumes bound and Secrets come within
RETRIED = 20.0
# a controller waits 15 s for the lease of one that has gone, and ends while no API server answers
ELECTED = 60.0
SLOW = 90.0  # CoreDNS keeps a database's old address for 30 s, and a kubelet may be busy
NEVER = math.inf
# a runtime under load, still at work on an earlier try
PASSING = re.compile(r"deadline exceeded|is reserved for")
# a registry, or who hands out its tokens, that is not reached, whatever was asked of it
AWAY = re.compile(r"dial tcp|time-?out|timed out|EOF|connection reset|too many requests", re.I)
# how one refuses who asks, see docs/spec/auth in distribution/distribution
DENIED = re.compile(r"unauthorized|forbidden|denied|authentication required|basic auth", re.I)
ABSENT = re.compile(r"not ?found|does not exist|manifest unknown", re.I)
TAINT = re.compile(r"untolerated taint \{([^:}]+)")
# in the API's own words (apps/api/products/db.py): what no waiting mends, and what is not reached
REFUSED = {
    "(error 1045)": "`inv up` where the Secret was changed; else `inv db.rotate`: all get new ones",
    "(error 1044)": "`inv db.shell --root` shows the user's grants",
    "(error 1049)": "`inv db.shell --root` shows the schemas; database.name is to be one of them",
    "no certificate that": "`inv up` renews the database's certificate",
    "a migration failed": "read why: `inv deploy.logs api`",
}
UNREACHED = re.compile(r"\(error (20\d\d|3159)\)")
PARTS = "`inv doctor` tells what is wrong with it, and `inv up` mends that"
NODE = "`inv doctor` tells what is wrong with the node, and `inv up` mends most of that"
NOTHING = Seen()


@dataclass(frozen=True)
class Trouble:
    """What keeps something from being ready, and what to do about it.

    After `final` seconds without a change it is not to be waited for any longer. `log`: the pod
    whose log tells more.
    """

    what: str
    why: str
    next: str
    final: float = 0.0
    log: str = ""


def of_app(app: str, seen: Seen) -> Trouble | None:
    """What keeps the newest pods of an application from being ready, the most certain first.

    An older template's trouble is what a rollout may be about to mend. Of the service that it needs
    only that its node has gone: whoever waits for that one tells of the rest.
    """
    items = [item for item in seen.of(*WORKLOADS, "ReplicaSet", "Pod") if app_of(item) == app]
    leaving = [pod for pod in seen.pods(app) if leaves(pod)]
    made = [pod for pod in newest(items) if not leaves(pod)]
    found = [of_pod(pod, seen) for pod in (*standing(made), *leaving)]
    if not leaving:
        found.append(_unmade(items, len(made), seen))
    if app in NAMES and (row := service(app)).needs and not row.ready_alone:
        found += [_lost(pod, seen) for pod in seen.pods(row.needs) if not leaves(pod)]
    return min(filter(None, found), key=lambda one: one.final, default=None)


def standing(pods: Sequence[Item]) -> Sequence[Item]:
    """Those pods that count: one that was evicted stays as Failed, with another in its place."""
    return [pod for pod in pods if phase(pod) != "Failed"] or pods


def of_pods(what: str, pods: Iterable[Item], seen: Seen = NOTHING) -> str:
    """Why none of some pods is ready, '' where one is."""
    items = list(pods)
    if any(map(pod_ready, items)):
        return ""
    listed = "; ".join(f"{name_of(item)}: {why(item, seen)}" for item in items)
    return f"no pod of {what} is ready: {listed}" if items else f"{what} has no pod"


def why(pod: Item, seen: Seen = NOTHING) -> str:
    """Why a pod is not ready; '' where it is, or has done its work."""
    found = of_pod(pod, seen)
    return found.why if found else ""


def of_pod(pod: Item, seen: Seen = NOTHING) -> Trouble | None:
    """What keeps a pod from being ready; None where it is, or has done its work."""
    if not leaves(pod) and (pod_ready(pod) or phase(pod) == "Succeeded"):
        return None
    looks = (_leaving, _failed, _unscheduled, _lost, _container, _unready)
    return next(filter(None, (look(pod, seen) for look in looks)))


def image_missing(pod: Item) -> bool:
    return any(waiting(row)[0] in IMAGE for _, row in containers(pod))


def _unmade(items: Sequence[Item], made: int, seen: Seen) -> Trouble | None:
    """Why a workload among `items` has fewer pods than it wants."""
    workload = next((item for item in items if item["kind"] in WORKLOADS), None)
    if workload is None or made >= workload["spec"].get("replicas", 1):
        return None
    title = f"{workload['kind']} {name_of(workload)}"
    if refused := _refused(workload, seen):
        next_ = "`kubectl describe quota` shows it" if "quota" in refused else "it is named above"
        next_ = f"{next_}: change or remove what refuses the pods; they come by themselves then"
        return Trouble(f"{title} can't make its pods", refused, next_, RETRIED)
    cause = "nobody has made one: does kube-controller-manager run, and reach the API server?"
    return None if made else Trouble(f"{title} has no pod", cause, PARTS, ELECTED)


def _refused(workload: Item, seen: Seen) -> str:
    """Why the API server takes no pod of a workload; '' where it does.

    A Deployment has its ReplicaSet's condition, of a StatefulSet only events tell.
    """
    event, row = seen.event(workload), condition(workload, "ReplicaFailure")
    failure = row if row.get("status") == "True" else event
    return (
        str(failure.get("message", "")).strip() if failure.get("reason") == "FailedCreate" else ""
    )


def _leaving(pod: Item, seen: Seen) -> Trouble | None:
    if not leaves(pod):
        return None
    lost = _lost(pod, seen)
    cause = f"Terminating: {lost.why}" if lost else "Terminating"
    grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
    next_ = lost.next if lost else NODE
    return Trouble(f"{name_of(pod)} does not end", cause, next_, grace + RETRIED)


def _failed(pod: Item, _: Seen) -> Trouble | None:
    if phase(pod) != "Failed":
        return None
    ends = [_end(container, row) for container, row in containers(pod)]
    status = pod["status"]
    cause = _joined(status.get("reason", "Failed"), status.get("message", ""), *ends)
    # a controller makes another in its place
    final = RETRIED if "ownerReferences" in pod["metadata"] else 0.0
    return Trouble(f"{name_of(pod)} has failed", cause, NODE, final)


def _unscheduled(pod: Item, seen: Seen) -> Trouble | None:
    if pod["spec"].get("nodeName"):
        return None
    what, row = f"{name_of(pod)} can't be scheduled", condition(pod, "PodScheduled")
    if not row:
        cause = "not scheduled yet: does kube-scheduler run, and reach the API server?"
        return Trouble(what, cause, PARTS, ELECTED)
    message = row.get("message", "")
    asks = [_asked(pod)] if "Insufficient" in message else []
    lines = (_joined(row.get("reason") or "Unschedulable", message), *asks, *_claims(pod, seen))
    return Trouble(what, "\n".join(lines), _to_schedule(message), RETRIED)


def _asked(pod: Item) -> str:
    """What its containers ask for."""
    rows = [value(one, "resources", "requests", default={}) for one in pod["spec"]["containers"]]
    return "it asks for " + ", ".join(
        f"{what} {much}" for row in rows for what, much in row.items()
    )


def _claims(pod: Item, seen: Seen) -> Iterator[str]:
    """Those of its claims that are not bound, and why."""
    volumes = pod["spec"].get("volumes", [])
    used = [value(volume, "persistentVolumeClaim", "claimName") for volume in volumes]
    for claim in seen.of("PersistentVolumeClaim"):
        if name_of(claim) in used and phase(claim) != "Bound":
            last = event_words(seen.event(claim))
            yield f"claim {name_of(claim)} is {phase(claim)}{last and f', last event: {last}'}"


def _to_schedule(message: str) -> str:
    """What to do for a scheduler's message.

    What somebody did on purpose comes first: the rest may be there because of that.
    """
    if "were unschedulable" in message or {*TAINT.findall(message)} - {CONTROL_LABEL}:
        return "`inv doctor` names the nodes, and `inv up` lets them take pods again"
    if "Insufficient" in message or "Too many pods" in message:
        return "set nodes.workers.memory, .cpu or .count, then `inv up`; or free some: `inv status`"
    return "see the nodes and the volume: `inv status`, `inv doctor`"


def _lost(pod: Item, seen: Seen) -> Trouble | None:
    """Whether a pod's node has gone, or says that it is not well."""
    name, gone = pod["spec"].get("nodeName"), left_alone(pod.get("status", {}))
    cause = "no kubelet heartbeat from that node" if gone else ""
    for node in kubernetes.nodes(seen.of("Node")):
        if node.name == name and not node.ready:
            cause = node.why
            gone = gone or "stopped posting" in cause
    if not cause:
        return None
    state = "down" if gone else "not ready"
    start = "bring it back: `inv cluster.start`; then run the same again"
    what = f"{name_of(pod)} is on {name}, which is {state}"
    return Trouble(what, cause, *((start, RETRIED) if gone else (NODE, SLOW)))


def _container(pod: Item, seen: Seen) -> Trouble | None:
    """What keeps one of a pod's containers from running."""
    rows = containers(pod)
    if not rows:
        cause = f"the kubelet of {pod['spec']['nodeName']} has not taken it up"
        return Trouble(f"{name_of(pod)} is not started", cause, NODE, SLOW)
    for container, row in rows:
        reason, message = waiting(row)
        if reason in IMAGE:
            return _no_image(pod, container, reason, message, seen)
        if reason in CONFIG:
            return _not_started(pod, row)
        if reason == "CrashLoopBackOff" or value(row, "state", "terminated", "exitCode"):
            return _ended(pod, container, row)
        if reason not in STARTING:
            return _starting(pod, _joined(reason, message), seen)
    still = any("waiting" in row.get("state", {}) for _, row in rows)
    return _starting(pod, "ContainerCreating", seen) if still else None


def _no_image(pod: Item, container: Item, reason: str, message: str, seen: Seen) -> Trouble:
    # while kubelet waits for its next try, only the event of the last one tells why
    if reason == "ImagePullBackOff":
        message = seen.event(pod, "Failed", begins=PULLING).get("message") or message
    image = container.get("image", "")
    next_, final = _to_pull(image, message)
    if reason not in ("ErrImagePull", "ImagePullBackOff"):  # nothing is asked again
        final = 0.0
    what = f"{name_of(pod)} can't get its image {image}"
    return Trouble(what, f"{reason}: {message}", next_, final)


def _to_pull(image: str, message: str) -> tuple[str, float]:
    """What to do about an image that can't be pulled, and after how many seconds it is final."""
    if image.startswith("localhost/"):
        return "it is not on that node: `inv images.load` brings it to all", 0.0
    if AWAY.search(message):
        return (
            "the nodes don't reach the registry: mend the way to it, or bring the image with "
            "`inv images.load`"
        ), RETRIED
    if DENIED.search(message):
        return (
            "the registry refuses the nodes, which have no account there: make the repository "
            "public, or set images.via: load; where it is just missing, `inv images.push`"
        ), 0.0
    if ABSENT.search(message):
        return "the registry does not have it: `inv images.push`, or `inv images.load`", 0.0
    return "mend what the registry says, or bring the image with `inv images.load`", RETRIED


def _not_started(pod: Item, row: Item) -> Trouble:
    """One that the runtime did not start: kubelet tries again, and it may well do then."""
    reason, message = waiting(row)
    final = NEVER if PASSING.search(message) else RETRIED
    if reason == "RunContainerError":  # each try counts as a start
        final = 0.0 if row.get("restartCount", 0) >= START_TRIES else NEVER
    next_ = "`inv deploy.all` renews its Secret and settings"
    return Trouble(f"{name_of(pod)} can't be started", f"{reason}: {message}", next_, final)


def _ended(pod: Item, container: Item, row: Item) -> Trouble:
    """One that ended, and is or will be started again."""
    (reason, message), end, restarts = waiting(row), last_end(row), row.get("restartCount", 0)
    detail = _end(container, row) or message
    count = f" ({restarts} restarts)" if restarts else ""
    final = 0.0 if reason and own_end(end, restarts) else NEVER
    next_, app = f"read why: {_to_read(pod)}", app_of(pod)
    if end.get("reason") == "OOMKilled" and app in NAMES:
        next_ = f"raise limits.memory in manifests/base/{app}, then `inv deploy.{app}`"
    what = f"{name_of(pod)} keeps ending"
    return Trouble(what, _joined(reason, detail + count), next_, final, name_of(pod))


def _end(container: Item, row: Item) -> str:
    """How a container ended last, '' where it did not fail."""
    end = last_end(row)
    limit = value(container, "resources", "limits", "memory")
    texts = (
        end.get("reason", "Error"),
        f"exit status {end.get('exitCode')}",
        f"its limit is {limit}" if limit and end.get("reason") == "OOMKilled" else "",
        end.get("message", "").strip()[:300],
    )
    return ", ".join(filter(None, texts)) if end.get("exitCode") else ""


def _starting(pod: Item, state: str, seen: Seen) -> Trouble:
    event = seen.event(pod)
    last, final = event_words(event), NEVER
    if event.get("type") == "Warning":
        final = RETRIED if ABSENT.search(last) else SLOW
    cause = f"{state}, last event: {last}" if last else state
    return Trouble(f"{name_of(pod)} is not started", cause, NODE, final)


def _unready(pod: Item, seen: Seen) -> Trouble:
    """One that runs, and whose probe fails."""
    answer = seen.answers.get(name_of(pod), "")
    message = seen.event(pod, "Unhealthy").get("message") or condition(pod, "Ready").get("message")
    detail = answer or message
    ends = [_end(container, row) for container, row in containers(pod)]
    before = [f"it ended before: {end}" for end in filter(None, ends)]
    cause = "; ".join((f"runs, but not ready: {detail}" if detail else "not ready yet", *before))
    # one that answers something else by now has got on
    what = f"{name_of(pod)} is not ready{answer and f': {answer}'}"
    next_, final = _to_answer(pod, answer, seen)
    return Trouble(what, cause, next_, final, name_of(pod))


def _to_answer(pod: Item, answer: str, seen: Seen) -> tuple[str, float]:
    """What to do for a service's own word, and after how many seconds it is final."""
    for words, next_ in REFUSED.items():
        if words in answer:
            return next_, RETRIED
    needs = service(app_of(pod)).needs if app_of(pod) in NAMES else ""
    if needs and UNREACHED.search(answer) and any(map(pod_ready, seen.pods(needs))):
        return "`inv verify` tests names, routes and network policies one by one", SLOW
    return f"read why: {_to_read(pod)}", NEVER


def _to_read(pod: Item) -> str:
    if app_of(pod) in NAMES:
        return f"`inv deploy.logs {app_of(pod)}`"
    return f"`kubectl -n {pod['metadata'].get('namespace', 'default')} logs {name_of(pod)}`"


def _joined(*texts: str) -> str:
    return ": ".join(filter(None, texts))
