"""Checks: API and UI answer at their NodePort on every node, the UI at the nodes' addresses too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kubeup.application.external import Published
from kubeup.inspect.verify import reasons
from kubeup.inspect.verify.lines import Context, Verdict, bad, good
from kubeup.system import http
from kubeup.system.http import Answer

PATHS = {"api": "/readyz", "ui": "/"}


def look(context: Context, app: str) -> Verdict:
    port = getattr(context.settings.ports, app)
    answers = ask_all([f"http://{address}:{port}{PATHS[app]}" for address in context.addresses])
    verdict = evaluate(app, answers)
    return verdict if verdict.ok else explain(context, app, port, verdict)


def look_published(context: Context) -> Verdict:
    published = context.published()
    answers = ask_all([published.url(address) for address in published.addresses])
    verdict = evaluate_published(published, answers)
    if verdict.ok or published.refused:
        return verdict
    services = context.kubectl.items("-n", context.kubectl.namespace, "services")
    specs: dict[str, dict[str, Any]] = {item["metadata"]["name"]: item["spec"] for item in services}
    told = without(published, specs.get("ui", {}), verdict)
    return told if told != verdict else explain(context, "ui", context.settings.ports.ui, verdict)


def evaluate_published(published: Published, answers: Sequence[Answer]) -> Verdict:
    """Judge the answers, one an address; a node whose port is somebody else's is told of."""
    if published.refused:
        return bad(
            "not on every node", "; ".join(published.left_out), "free the port, or set ports.http"
        )
    if not answers and published.left_out:
        return good("; ".join(published.left_out))
    verdict = evaluate("ui", answers)
    return good("; ".join((verdict.detail, *published.left_out))) if verdict.ok else verdict


def without(published: Published, spec: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """Put before the cause what the Service lacks, where that is it."""
    has, ports = spec.get("externalIPs", []), [row["port"] for row in spec.get("ports", [])]
    lacks = [address for address in published.addresses if address not in has]
    if not lacks and published.port in ports:
        return verdict
    numbers, addresses = ", ".join(map(str, ports)), ", ".join(has)
    told = f"the Service ui has the port {numbers} and the externalIPs {addresses or 'none'}"
    fix = "run `inv plan` to see what differs, then `inv up`"
    return bad(verdict.detail, f"{told}\n{verdict.cause}", fix)


def ask_all(urls: Sequence[str]) -> tuple[Answer, ...]:
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        return tuple(pool.map(http.ask, urls))


def evaluate(app: str, answers: Sequence[Answer]) -> Verdict:
    """Judge the answers, one a node."""
    failed = [answer for answer in answers if not right(app, answer)]
    if not answers:
        return bad(
            "there is no address to ask",
            "the provider names no node that is reached from here",
            "run `inv status`",
        )
    if not failed:
        return good("answers at " + " ".join(answer.url for answer in answers))
    cause = "\n".join(f"{answer.url}: {_why(answer)}" for answer in failed)
    return bad(
        f"{len(failed)} of {len(answers)} nodes do not answer as they should",
        cause,
        _next(app, failed, len(answers)),
    )


def right(app: str, answer: Answer) -> bool:
    return answer.status == 200 and (app != "ui" or answer.content_type.startswith("text/html"))


def explain(context: Context, app: str, port: int, verdict: Verdict) -> Verdict:
    """Put before the cause what is wrong with the Service or its pods, where something is."""
    items = context.kubectl.items("-n", context.kubectl.namespace, "services,pods")
    services = {item["metadata"]["name"]: item for item in items if item["kind"] == "Service"}
    pods = [
        item
        for item in items
        if item["kind"] == "Pod" and item["metadata"].get("labels", {}).get("app") == app
    ]
    text = behind(app, port, services, pods)
    return (
        bad(verdict.detail, f"{text}\n{verdict.cause}", _mend(app, services, pods))
        if text
        else verdict
    )


def behind(
    app: str, port: int, services: Mapping[str, dict[str, Any]], pods: Sequence[dict[str, Any]]
) -> str:
    """What is wrong behind a NodePort: the Service, its port, or the pods; '' where nothing is."""
    if app not in services:
        return f"there is no Service {app}: it is not deployed"
    ports = [row.get("nodePort") for row in services[app]["spec"].get("ports", [])]
    if port not in ports:
        return (
            f"the Service {app} has the NodePort {', '.join(map(str, ports))}, the "
            f"settings say {port}"
        )
    return reasons.workload_trouble(app, pods)


def _why(answer: Answer) -> str:
    if answer.problem == http.REFUSED:
        return "refused: no ready pod behind the port, or kube-proxy does not run on that node"
    if answer.problem.startswith(http.NO_ANSWER):
        return (
            f"{answer.problem}: the node is off, a firewall drops the packets, or the "
            "node has no route to the pod's node"
        )
    if answer.status == 200:
        return f"HTTP 200, but {answer.content_type or 'no type'} instead of a page"
    return answer.words


def _next(app: str, failed: Sequence[Answer], tried: int) -> str:
    if any(answer.status >= 500 for answer in failed):
        return f"run `inv deploy.logs {app}`"
    if len(failed) < tried:
        return (
            "run `inv status`: only some nodes fail, so look at those; `inv "
            "cluster.start` where one is stopped"
        )
    return f"run `inv status`, then `inv deploy.logs {app}`"


def _mend(app: str, services: Mapping[str, dict[str, Any]], pods: Sequence[dict[str, Any]]) -> str:
    return (
        f"run `inv deploy.logs {app}`"
        if app in services and pods
        else "run `inv plan` to see what differs, then `inv up`"
    )
