"""Lines: each service with a NodePort answers there on every node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from kubeup.application import why
from kubeup.core.pace import Pace
from kubeup.core.services import Service, service
from kubeup.facts import trouble
from kubeup.facts.pods import Seen, pod_ready
from kubeup.inspect.verify.model import Context, Verdict, bad, good
from kubeup.inspect.verify.run import Check, Run
from kubeup.system import http
from kubeup.system.http import Answer

# a service gives up waiting for the one it needs after some seconds; a busy machine needs more
SERVICE_SECONDS = 10.0
PLAN = "run `inv plan` to see what differs, then `inv up`"


def check(of: Service) -> Check:
    """The row of one service."""
    proves = f"{of.title}'s page is there on every node"
    if of.check != of.page:
        proves = f"{of.title} answers on every node and reaches {service(of.needs).title}"
    return Check(f"NodePort {of.name}", proves, partial(look, of))


def look(of: Service, run: Run) -> Verdict:
    context, port = run.context, run.context.settings.ports.node_ports[of.name]
    urls = [f"http://{address}:{port}{of.check}" for address in context.addresses]
    answers = ask_all(urls, context.pace)
    return explain(context, of.name, port, evaluate(of.name, answers))


def ask_all(urls: Sequence[str], pace: Pace) -> tuple[Answer, ...]:
    """Ask each address, with as much patience as a slow machine needs."""
    ask = partial(
        http.ask, seconds=pace.seconds(http.SECONDS), patience=pace.surplus(SERVICE_SECONDS)
    )
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        return tuple(pool.map(ask, urls))


def evaluate(app: str, answers: Sequence[Answer]) -> Verdict:
    """Judge the answers, one a node."""
    if not answers:
        return bad(
            "there is no address to ask",
            "the provider names no node that is reached from here",
            "run `inv status`",
        )
    # kube-proxy answers on every node, whichever has the pod: each node's own is tried
    failed = [answer for answer in answers if not right(app, answer)]
    if not failed:
        return good("answers at " + " ".join(answer.url for answer in answers))
    return bad(
        f"{len(failed)} of {len(answers)} nodes do not answer as they should",
        "\n".join(f"{answer.url}: {_why(answer)}" for answer in failed),
        _next(app, failed, len(answers)),
    )


def right(app: str, answer: Answer) -> bool:
    """Whether a service answered as it should; where people open the same path, with a page."""
    asked = service(app)
    page = asked.check == asked.page
    return answer.status == 200 and (not page or answer.content_type.startswith("text/html"))


def explain(context: Context, app: str, port: int, verdict: Verdict) -> Verdict:
    """Put before the cause what is wrong with the Service or its pods, where something is."""
    if verdict.ok:
        return verdict
    services = {item["metadata"]["name"]: item for item in context.items("services")}
    return verdict.because(*behind(app, port, services, why.look(context.kubectl, app)))


def behind(
    app: str, port: int, services: Mapping[str, dict[str, Any]], seen: Seen
) -> tuple[str, str]:
    """What is wrong behind a NodePort, and what to do: the Service, its port, or the pods.

    Both are '' where nothing is.
    """
    if app not in services:
        return f"there is no Service {app}: it is not deployed", PLAN
    ports = [row.get("nodePort") for row in services[app]["spec"].get("ports", [])]
    if port not in ports:
        actual = ", ".join(map(str, ports))
        return f"the Service {app} has the NodePort {actual}, the settings say {port}", PLAN
    pods = seen.pods(app)
    found = None if any(map(pod_ready, pods)) else trouble.of_app(app, seen)
    if found:
        return f"{found.what}: {found.why}", found.next
    return trouble.of_pods(app, pods, seen), PLAN


def _why(answer: Answer) -> str:
    if answer.problem == http.REFUSED:
        return "refused: no ready pod behind the port, or kube-proxy does not run on that node"
    if answer.problem.startswith(http.NO_ANSWER):
        return (
            f"{answer.problem}: the node is off, a firewall drops the packets, or the node has no "
            "route to the pod's node"
        )
    if answer.status == 200:  # somebody else's server, or an API where the UI should be
        return f"HTTP 200, but {answer.content_type or 'no type'} instead of a page"
    return answer.words


def _next(app: str, failed: Sequence[Answer], tried: int) -> str:
    logs = f"`inv deploy.logs {app}`"
    if any(answer.status >= 500 for answer in failed):
        return f"run {logs}"
    if len(failed) < tried:
        return (
            "run `inv status`: only some nodes fail, so look at those; `inv cluster.start` where "
            "one is stopped"
        )
    return f"run `inv status`, then {logs}"
