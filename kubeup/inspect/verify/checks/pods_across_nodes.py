"""Line: a pod on each node reaches the pods on all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kubeup.inspect.verify.model import Problem, Verdict, failed, good
from kubeup.inspect.verify.probes import PORT, Answers, Probe, missing, unasked
from kubeup.inspect.verify.run import Run

NO_ROUTES = (
    "no pod reaches a pod of another node: the routes between the nodes are missing, or a "
    "firewall drops forwarded packets"
)
SET_ROUTES = (
    "run `inv ssh.run 'systemctl restart pod-network' --root`: it sets the routes on every node "
    "anew; `inv doctor` checks whether this machine's packet filter drops what they send"
)


@dataclass(frozen=True)
class Failure:
    """A connection that failed: from the pod of one node to that of another, and why."""

    source: str
    target: str
    why: str


def look(run: Run) -> Verdict:
    pods = {probe.node: (probe.address, PORT) for probe in run.probes.ready}
    questions = {
        node: {"connect": {other: pods[other] for other in pods if other != node}} for node in pods
    }
    return evaluate(run.probes.all, run.probes.ask(questions))


def evaluate(probes: Sequence[Probe], answers: Answers) -> Verdict:
    """Judge the matrix of connections; `answers` is by the node that asked."""
    failures = _failures(answers)
    problems = [*_pairs(probes, failures), *unasked(answers), *missing(probes)]
    tried = sum(len(answer.get("connect", {})) for answer in answers.values())
    if problems:
        detail = f"{len(failures)} of {tried} connections failed"
        if not failures:
            detail = f"{len(problems)} of {len(probes)} nodes could not be tried"
        verdict = failed(detail, problems)
        ready = [probe.node for probe in probes if not probe.why]
        return verdict.because(_pattern(ready, failures))
    if not tried:
        return good("one node: there is no other to reach")
    return good(f"{tried} of {tried} connections between {len(probes)} nodes")


def _pairs(probes: Sequence[Probe], failures: Sequence[Failure]) -> Iterator[Problem]:
    address = {probe.node: probe.address for probe in probes}
    for failure in failures:
        target = f"{failure.target} ({address.get(failure.target, '?')})"
        yield Problem(f"{failure.source} → {target}: {failure.why}", SET_ROUTES)


def _failures(answers: Answers) -> list[Failure]:
    return [
        Failure(source, target, why)
        for source, answer in answers.items()
        for target, why in answer.get("connect", {}).items()
        if why
    ]


def _pattern(nodes: Sequence[str], failures: Sequence[Failure]) -> str:
    """What the failures have in common: all pairs failed, or all have one node in them."""
    if len(failures) < 2:
        return ""
    if len(failures) == len(nodes) * (len(nodes) - 1):
        return NO_ROUTES
    # a single pair says nothing about which of its two nodes it is
    for node in nodes:
        if all(node in (failure.source, failure.target) for failure in failures):
            return (
                f"every failing pair has {node} in it: look at its routes (`ip route`) and "
                "net.ipv4.ip_forward first"
            )
    return ""
