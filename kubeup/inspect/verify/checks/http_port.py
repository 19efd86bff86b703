"""Line: the UI's page is there at every node's address, without its NodePort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kubeup.application.external import PUBLISHED, Published
from kubeup.inspect.verify.checks import node_ports
from kubeup.inspect.verify.model import Verdict, bad, good
from kubeup.inspect.verify.run import Run
from kubeup.system.http import Answer


def look(run: Run) -> Verdict:
    context, published = run.context, run.context.published()
    urls = [published.url(address) for address in published.addresses]
    answers = node_ports.ask_all(urls, context.pace)
    verdict = evaluate(published, answers)
    # where another program has the port, the Service is as it should be
    if verdict.ok or published.refused:
        return verdict
    services = {item["metadata"]["name"]: item for item in context.items("services")}
    explained = explain(published, services.get(PUBLISHED, {}).get("spec", {}), verdict)
    if explained != verdict:
        return explained
    return node_ports.explain(context, PUBLISHED, context.settings.ports.ui, verdict)


def evaluate(published: Published, answers: Sequence[Answer]) -> Verdict:
    """Judge the answers, one an address; a node whose port something else has is reported."""
    taken = "; ".join(published.left_out)
    if published.refused:
        return bad("not on every node", taken, "free the port, or set ports.http")
    if taken and not answers:
        return good(taken)
    verdict = node_ports.evaluate(PUBLISHED, answers)
    if verdict.ok and taken:
        return replace(verdict, detail=f"{verdict.detail}; {taken}")
    return verdict


def explain(published: Published, spec: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """Put before the cause what the Service lacks of the port and the addresses, if anything."""
    addresses = spec.get("externalIPs", [])
    ports = [row["port"] for row in spec.get("ports", [])]
    if published.port in ports and set(published.addresses) <= set(addresses):
        return verdict
    actual = f"the port {', '.join(map(str, ports))} and the externalIPs"
    cause = f"the Service ui has {actual} {', '.join(addresses) or 'none'}"
    return verdict.because(cause, node_ports.PLAN)
