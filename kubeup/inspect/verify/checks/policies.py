"""Line: no pod but those that need it reaches the database and the API.

Probe pods try. The API server takes a NetworkPolicy whether or not something enforces it:
https://kubernetes.io/docs/concepts/services-networking/network-policies/#prerequisites.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from kubeup.core.services import API, DATABASE
from kubeup.inspect.verify.model import Problem, Verdict, bad, failed, good
from kubeup.inspect.verify.probes import Answers, unasked
from kubeup.inspect.verify.run import Run

CLOSED = (DATABASE, API)
ENFORCE = "run `inv up`: it brings what enforces NetworkPolicies, and those of the application"
# a program that has just started, or a pod, is known to every node's packet filter a moment later
LAG_SECONDS = 20.0
Targets = Mapping[str, tuple[str, int]]  # address and port, by what is shown for it


def look(run: Run) -> Verdict:
    targets = closed(run.context.items("pods"))
    if not targets:
        return bad("nothing to try", "neither the database nor the API has a pod", ENFORCE)
    question = {probe.node: {"reach": targets} for probe in run.probes.ready}
    end = time.monotonic() + run.context.pace.seconds(LAG_SECONDS)
    verdict = evaluate(targets, run.probes.ask(question))
    while not verdict.ok and time.monotonic() < end:
        run.probes.pause(1)
        verdict = evaluate(targets, run.probes.ask(question))
    return verdict


def closed(pods: list[dict[str, Any]]) -> Targets:
    """Where the probes must not come through: each port of those pods that have an address."""
    return dict(_ports(pods))


def _ports(pods: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[str, int]]]:
    names = {service.name for service in CLOSED}
    for pod in pods:
        address = pod.get("status", {}).get("podIP", "")
        if not address or pod["metadata"].get("labels", {}).get("app") not in names:
            continue
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []):
                number = port["containerPort"]
                yield f"{pod['metadata']['name']}:{number}", (address, number)


def evaluate(targets: Targets, answers: Answers) -> Verdict:
    """Judge who came through; `answers` is by the node that asked."""
    problems = [
        Problem(f"a stranger's pod on {node} reaches {target}", ENFORCE)
        for node, answer in answers.items()
        for target, reached in answer.get("reach", {}).items()
        if reached
    ]
    if problems or (problems := unasked(answers)):
        return failed("NetworkPolicies are not enforced", problems)
    return good(f"no other pod reaches {', '.join(targets)}")
