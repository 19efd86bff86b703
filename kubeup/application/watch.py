"""Watches a rollout until it is ready, or shows what can't heal by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubeup.application.overlay import MANAGED
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.plan import Log
from kubeup.core.services import service
from kubeup.facts.kubernetes import (
    KubePod,
    left_alone,
    newest,
    own_end,
    pods,
    reported_since_boot,
    workloads,
)
from kubeup.system.kubectl import Kubectl

IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
UNSCHEDULED_SECONDS = 15.0  # nodes become ready, volumes get bound and Secrets come within
TICK = 0.5


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from running, and what to do about it."""

    what: str
    why: str
    next: str


@dataclass
class Watched:
    """The pods of one application, and of the one that it needs, as events tell of them."""

    app: str
    since: float
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            self.pods.pop(name, None)
        else:
            self.pods[name] = event["object"]

    def trouble(self, now: float) -> Trouble | None:
        return first_trouble(self.app, self.pods.values(), now - self.since)

    def of_app(self) -> list[dict[str, Any]]:
        return [raw for raw, pod in _with_facts(self.pods.values()) if pod.app == self.app]


def first_trouble(app: str, items: Iterable[dict[str, Any]], waited: float) -> Trouble | None:
    """What is wrong with the first of some pods, where waiting for `app` won't mend it.

    `waited` in seconds. Of pods that it needs only that their node has gone: whoever waits for them
    tells of the rest.
    """
    found = (
        (trouble if pod.app == app else gone)(pod, raw, waited)
        for raw, pod in _with_facts(items)
        if not pod.deleting
    )
    return next(filter(None, found), None)


def _with_facts(items: Iterable[dict[str, Any]]) -> list[tuple[dict[str, Any], KubePod]]:
    items = list(items)
    return list(zip(items, pods(items), strict=True))


def trouble(pod: KubePod, raw: dict[str, Any], waited: float) -> Trouble | None:
    """The first thing wrong with a pod that waiting won't mend; `waited` in seconds.

    From the pod's own status alone.
    """
    for reason, message in pod.waiting:
        if reason in IMAGE:
            return Trouble(
                f"{pod.name} can't get its image {', '.join(pod.images)}",
                f"{reason}: {message}",
                "bring it to the nodes: `inv images.load`, or `inv images.push` with "
                "images.via: registry",
            )
        # a Secret may be a moment behind its pod
        if reason in CONFIG and waited > UNSCHEDULED_SECONDS:
            return Trouble(
                f"{pod.name} can't be started",
                f"{reason}: {message}",
                "`inv deploy.all` renews its Secret and settings",
            )
        if reason == "CrashLoopBackOff" and own_end(_end(raw), pod.restarts):
            return Trouble(
                f"{pod.name} keeps ending",
                f"{_last_end(raw)} ({pod.restarts} restarts)",
                f"read why: `inv deploy.logs {pod.app}`",
            )
    if waited > UNSCHEDULED_SECONDS and (why := unscheduled(raw)):
        return Trouble(
            f"{pod.name} can't be scheduled",
            why,
            "see the nodes and the volume: `inv status`, `inv doctor`",
        )
    return gone(pod, raw, waited)


def gone(pod: KubePod, raw: dict[str, Any], waited: float) -> Trouble | None:
    """Whether a pod's node has gone; `waited` in seconds."""
    # a node that has just come back has told of its pods by then
    if waited > UNSCHEDULED_SECONDS and left_alone(raw.get("status", {})):
        return Trouble(
            f"{pod.name} is on {pod.node}, which is down",
            "no kubelet heartbeat from that node",
            "bring it back: `inv cluster.start`; then run the same again",
        )
    return None


def unscheduled(raw: dict[str, Any]) -> str:
    for row in raw.get("status", {}).get("conditions", []):
        if row["type"] == "PodScheduled" and row["status"] == "False":
            return str(row.get("message", row.get("reason", "")))
    return ""


def _end(raw: dict[str, Any]) -> dict[str, Any]:
    """How a pod's container ended last; {} where none did."""
    rows = raw.get("status", {}).get("containerStatuses", [])
    ends = [
        row.get("lastState", {}).get("terminated") or row.get("state", {}).get("terminated")
        for row in rows
    ]
    return next((end for end in ends if end), {})


def _last_end(raw: dict[str, Any]) -> str:
    ended = _end(raw)
    if not ended:
        return "its container ends again and again"
    said = f": {ended['message'].strip()[:300]}" if ended.get("message") else ""
    return f"{ended.get('reason', 'ended')} with status {ended.get('exitCode')}{said}"


@dataclass
class Outcome:
    """How waiting has ended: all is `complete`, `trouble` keeps it from that, or neither."""

    complete: bool = False
    trouble: Trouble | None = None


def until_ready(
    kubectl: Kubectl,
    app: str,
    boots: Mapping[str, datetime],
    seconds: float,
    log: Log,
    stopped: Callable[[], bool],
    pace: Pace = AS_MEANT,
) -> None:
    """Wait until the workload of `app` is ready.

    Raises KubeupError with cause and next step where it is not, and its pods were in no new state
    for `seconds` at this machine's `pace`. `boots`: since when the nodes' machines run, see
    `kubeup.facts.kubernetes`. `stopped`: whether waiting has become vain.
    """
    watched, patience = Watched(app, time.monotonic()), Patience(pace.seconds(seconds))
    if waiting := pace.waiting(seconds):
        log(waiting)
    outcome = _follow(kubectl, watched, boots, log, stopped, patience)
    if outcome.trouble:
        first = outcome.trouble
        raise KubeupError(first.what, f"{first.why}\n{logs(kubectl, app)}".strip(), first.next)
    if outcome.complete:
        return
    if stopped():
        raise KubeupError(
            f"no longer waited for {app}",
            "another step failed",
            "fix that, then run the same again",
        )
    where = "\n".join(filter(None, (progress(watched) or "it has no pod", pace.why())))
    raise KubeupError(
        f"{app} is not ready after {pace.seconds(seconds):.0f} s",
        where,
        f"`inv deploy.status`, `inv deploy.logs {app}`",
    )


def _follow(
    kubectl: Kubectl,
    watched: Watched,
    boots: Mapping[str, datetime],
    log: Log,
    stopped: Callable[[], bool],
    patience: Patience,
) -> Outcome:
    """Follow the pods' events until they are ready, or waiting is vain."""
    outcome, app = Outcome(), watched.app
    own, needed = ("-l", f"app={app}"), ("-l", f"app in ({','.join(_with_needed(app))})")

    def each(event: dict[str, Any] | None) -> bool:
        if event:
            watched.take(event)
            log(progress(watched))
        now = time.monotonic()
        if watched.trouble(now):
            outcome.trouble = newest_trouble(kubectl, app, needed, now - watched.since)
        if outcome.trouble or stopped():
            return True
        # events come one by one: what they have told so far may be half of it, so all is read at
        # once before it counts
        ready = pods_ready(watched.of_app(), boots)
        outcome.complete = ready and all_ready(kubectl, own, boots)
        return outcome.complete or patience.ended(states(watched))

    while not (outcome.complete or outcome.trouble or stopped() or patience.over):
        # the API server ends a watch now and then
        kubectl.watch("pods", *needed, each=each, tick=TICK)
    return outcome


def _with_needed(app: str) -> tuple[str, ...]:
    """The service and the one that its pods are not ready without."""
    row = service(app)
    return (app, row.needs) if row.needs and not row.ready_alone else (app,)


def all_ready(kubectl: Kubectl, where: tuple[str, ...], boots: Mapping[str, datetime]) -> bool:
    """Whether the workload's rollout is complete, and its pods are the new ones alone.

    They are listed after it.
    """
    items = _read(kubectl, where)
    rolled = workloads(items)
    return (
        bool(rolled)
        and all(one.standing for one in rolled)
        and pods_ready((item for item in items if item["kind"] == "Pod"), boots)
    )


def newest_trouble(
    kubectl: Kubectl, app: str, where: tuple[str, ...], waited: float
) -> Trouble | None:
    """What is wrong with a pod of the newest template.

    An older one's trouble is what the rollout may be about to mend.
    """
    return first_trouble(app, newest(_read(kubectl, where)), waited)


def _read(kubectl: Kubectl, where: tuple[str, ...]) -> list[dict[str, Any]]:
    """The workload, its ReplicaSets and its pods, in this order.

    Nothing where the API server does not answer.
    """
    answer = kubectl.read(
        "get", "deployments,statefulsets,replicasets,pods", *where, "-o", "json", ok=None
    )
    items: list[dict[str, Any]] = json.loads(answer.stdout)["items"] if answer.ok else []
    return items


def pods_ready(items: Iterable[dict[str, Any]], boots: Mapping[str, datetime]) -> bool:
    """Whether there are pods, each ready, staying, and started by its node as it runs now."""
    seen = pods(items)
    return bool(seen) and all(
        pod.ready and not pod.deleting and reported_since_boot(pod.began, pod.node, boots)
        for pod in seen
    )


def progress(watched: Watched) -> str:
    """The pods in one line, for progress."""
    return ", ".join(sorted(f"{pod.name} {_state(pod)}" for pod in pods(watched.of_app())))


def states(watched: Watched) -> list[str]:
    """The pods' states alone: pods that are made again and again are not progress."""
    return sorted(map(_state, pods(watched.of_app())))


def _state(pod: KubePod) -> str:
    if pod.deleting:
        return "terminating"
    return "ready" if pod.ready else next((reason for reason, _ in pod.waiting), pod.phase.lower())


def logs(kubectl: Kubectl, app: str) -> str:
    """The last lines of an application that ended, or what it prints now."""
    for more in (["--previous"], []):
        try:
            answer = kubectl.read(
                "logs", "-l", f"app={app}", "--tail=8", *more, ok=None, timeout=10
            )
        except CommandError:  # a kubelet that is busy: what it is asked for only explains
            return ""
        if answer.ok and answer.stdout.strip():
            return answer.stdout.strip()
    return ""


def retry_pulls(kubectl: Kubectl, log: Log) -> None:
    """Replace pods that wait for their next try to get an image which is there by now.

    The waits between tries grow to minutes, and nothing of such a pod has run yet.
    """
    found = pods(kubectl.items("pods", "-l", f"{MANAGED}=kubeup"))
    if names := [pod.name for pod in found if any(reason in IMAGE for reason, _ in pod.waiting)]:
        kubectl.write("delete", "pod", *names, "--wait=false", log=log)
