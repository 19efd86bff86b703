"""Check: a pod on each node reaches the pods on all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubeup.inspect.verify.lines import Verdict, bad, good, not_tried
from kubeup.inspect.verify.probes import Probe, Probes, missing, targets


def look(probes: Probes) -> Verdict:
    if not probes.ready:
        return not_tried("pods start")
    questions = {
        probe.node: {
            "connect": targets(other for other in probes.ready if other.node != probe.node)
        }
        for probe in probes.ready
    }
    return evaluate(probes.all, probes.ask(questions))


def evaluate(probes: Sequence[Probe], answers: Mapping[str, Mapping[str, Any]]) -> Verdict:
    """Judge the matrix of connections; `answers` is by the node that asked."""
    failed = _failed_pairs(probes, answers)
    problems = [f"{source} → {target}: {why}" for (source, target), why in failed.items()]
    problems += [
        f"{node}: could not be asked: {answer['error']}"
        for node, answer in answers.items()
        if "error" in answer
    ] + missing(probes)
    tried = sum(len(answer.get("connect", {})) for answer in answers.values())
    if not problems:
        return good(
            f"{tried} of {tried} connections between {len(probes)} nodes"
            if tried
            else "one node: there is no other to reach"
        )
    where = _pattern(probes, failed)
    return bad(
        f"{len(failed)} of {tried} connections failed",
        "\n".join([where, *problems] if where else problems),
        _next(problems),
    )


def _failed_pairs(
    probes: Sequence[Probe], answers: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], str]:
    address = {probe.node: probe.address for probe in probes}
    return {
        (source, f"{target} ({address.get(target, '?')})"): why
        for source, answer in answers.items()
        for target, why in answer.get("connect", {}).items()
        if why
    }


def _pattern(probes: Sequence[Probe], failed: Mapping[tuple[str, str], str]) -> str:
    """A word on failures that have one node in common, or on all failing."""
    ready = [probe.node for probe in probes if not probe.why]
    if len(ready) > 1 and len(failed) == len(ready) * (len(ready) - 1):
        return (
            "no pod reaches a pod of another node: the routes between the nodes are "
            "missing, or a firewall drops forwarded packets"
        )
    for node in ready:
        if len(failed) > 1 and all(
            node == source or target.startswith(f"{node} (") for source, target in failed
        ):
            return (
                f"every failing pair has {node} in it: look at its routes (`ip route`) "
                "and net.ipv4.ip_forward first"
            )
    return ""


def _next(problems: Sequence[str]) -> str:
    if any("no probe pod" in line for line in problems) and not any(
        "→" in line for line in problems
    ):
        return "mend `pods start` first, then `inv verify`"
    routes = (
        "run `inv ssh.run 'systemctl restart pod-network' --root`: it sets the routes "
        "on every node anew"
    )
    return f"{routes}; `inv doctor` looks whether this machine's packet filter drops what they send"
