"""Watches a rollout until it is ready, or shows what can't heal by itself."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kubeup.application import why
from kubeup.application.overlay import MANAGED
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.plan import Log
from kubeup.facts import trouble
from kubeup.facts.kubernetes import pods, reported_since_boot, workloads
from kubeup.facts.trouble import Trouble
from kubeup.system.kubectl import Kubectl

TICK = 0.5
LOOK_SECONDS = 4.0  # between two looks at why something is not ready, a kubectl or two each


@dataclass
class Watched:
    """The pods of one application, as events tell of them, and why they are not ready.

    `trouble`: what the last look has found, `since` when, and whether that makes it `hopeless`.
    """

    app: str
    pace: Pace = AS_MEANT
    now: Callable[[], float] = time.monotonic
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: Trouble | None = None
    hopeless: bool = False
    since: float = 0.0
    looked: float = 0.0

    def __post_init__(self) -> None:
        self.looked = self.now()

    def take(self, event: dict[str, Any]) -> None:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            self.pods.pop(name, None)
        else:
            self.pods[name] = event["object"]

    def look(self, kubectl: Kubectl) -> bool:
        """Look at why they are not ready, where it is time to; whether it was."""
        if self.now() - self.looked < self.pace.seconds(LOOK_SECONDS):
            return False
        with contextlib.suppress(CommandError):  # nothing new is known then
            self.found(trouble.of_app(self.app, why.look(kubectl, self.app)))
        self.looked = self.now()
        return True

    def found(self, one: Trouble | None) -> None:
        """Take in what a look has found: the same as before gets older."""
        if one is None or self.trouble is None or one.what != self.trouble.what:
            self.since = self.now()
        self.trouble, stood = one, self.now() - self.since
        self.hopeless = one is not None and stood >= self.pace.seconds(one.final)

    @property
    def states(self) -> list[str]:
        """The pods' states alone: pods that are made again and again are not progress."""
        return sorted(pod.state for pod in pods(self.pods.values()))

    @property
    def progress(self) -> str:
        """The pods in one line, and why they are not ready as far as it is known."""
        told = ", ".join(sorted(f"{pod.name} {pod.state}" for pod in pods(self.pods.values())))
        cause = self.trouble.why.splitlines()[0] if self.trouble else ""
        for state in self.states:  # each is told already
            cause = cause.removeprefix(state).lstrip(":, ")
        return ": ".join(filter(None, (told, cause)))


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
    watched, patience = Watched(app, pace), Patience(pace.seconds(seconds))
    if waiting := pace.waiting(seconds):
        log(waiting)
    if _follow(kubectl, watched, boots, log, stopped, patience):
        return
    first = watched.trouble
    if first and watched.hopeless:
        said = why.logs(kubectl, first.log) if first.log else ""
        raise KubeupError(first.what, f"{first.why}\n{said}".strip(), first.next)
    if stopped():
        raise KubeupError(
            f"no longer waited for {app}",
            "another step failed",
            "fix that, then run the same again",
        )
    raise KubeupError(
        f"{app} is not ready after {pace.seconds(seconds):.0f} s",
        "\n".join(filter(None, (watched.progress or "it has no pod", pace.why()))),
        first.next if first else f"`inv deploy.status`, `inv deploy.logs {app}`",
    )


def _follow(
    kubectl: Kubectl,
    watched: Watched,
    boots: Mapping[str, datetime],
    log: Log,
    stopped: Callable[[], bool],
    patience: Patience,
) -> bool:
    """Follow the pods' events until they are ready, or waiting is vain; whether they are."""
    own, complete = ("-l", f"app={watched.app}"), False

    def each(event: dict[str, Any] | None) -> bool:
        nonlocal complete
        if event:
            watched.take(event)
        if watched.look(kubectl) or event:
            log(watched.progress)
        if watched.hopeless or stopped():
            return True
        # events come one by one: what they have told so far may be half of it, so all is read at
        # once before it counts
        ready = pods_ready(watched.pods.values(), boots)
        complete = ready and all_ready(kubectl, own, boots)
        return complete or patience.ended(watched.states)

    while not (complete or watched.hopeless or stopped() or patience.over):
        # the API server ends a watch now and then
        kubectl.watch("pods", *own, each=each, tick=TICK)
    return complete


def all_ready(kubectl: Kubectl, where: tuple[str, ...], boots: Mapping[str, datetime]) -> bool:
    """Whether the workload's rollout is complete, and its pods are the new ones alone.

    They are listed after it. Not where the API server does not answer.
    """
    answer = kubectl.read("get", "deployments,statefulsets,pods", *where, "-o", "json", ok=None)
    items: list[dict[str, Any]] = json.loads(answer.stdout)["items"] if answer.ok else []
    rolled = workloads(items)
    return (
        bool(rolled)
        and all(one.standing for one in rolled)
        and pods_ready((item for item in items if item["kind"] == "Pod"), boots)
    )


def pods_ready(items: Iterable[dict[str, Any]], boots: Mapping[str, datetime]) -> bool:
    """Whether there are pods, each ready, staying, and started by its node as it runs now."""
    seen = pods(trouble.standing(list(items)))
    return bool(seen) and all(
        pod.ready and not pod.deleting and reported_since_boot(pod.began, pod.node, boots)
        for pod in seen
    )


def retry_pulls(kubectl: Kubectl, log: Log) -> None:
    """Replace pods that wait for their next try to get an image which is there by now.

    The waits between tries grow to minutes, and nothing of such a pod has run yet.
    """
    found = kubectl.items("pods", "-l", f"{MANAGED}=kubeup")
    if names := [pod["metadata"]["name"] for pod in found if trouble.image_missing(pod)]:
        kubectl.write("delete", "pod", *names, "--wait=false", log=log)
