"""What is there now: machines, nodes, pods, images, addresses. Reading only, side by side."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from kubeup.application.external import Published
from kubeup.cluster.providers.base import NodeState
from kubeup.core.report import Report
from kubeup.facts.kubernetes import KubeClaim, KubeNode, KubePod, claims, nodes, pods
from kubeup.workflows import cluster, database
from kubeup.workflows.converge import urls
from kubeup.workflows.project import Project

KINDS = "nodes,pods,persistentvolumeclaims"


@dataclass(frozen=True)
class Status:
    """Everything that `inv status` prints.

    `release` and `database` say where each comes from and why.
    """

    profile: str
    provider: str
    release: str
    database: str
    machines: tuple[NodeState, ...]
    answers: bool
    nodes: tuple[KubeNode, ...]
    pods: tuple[KubePod, ...]
    claims: tuple[KubeClaim, ...]
    urls: tuple[tuple[str, str], ...]
    unanswered: str = ""  # why the API server did not answer
    left_out: tuple[str, ...] = ()  # nodes at whose address the UI does not answer, and why


def collect(project: Project) -> Status:
    # each asks another program, and takes up to some seconds
    with ThreadPoolExecutor(3) as pool:
        place = pool.submit(database.where, project)
        asked = pool.submit(cluster.ask, project.kubectl, KINDS)
        machines = pool.submit(
            project.provider.observe,
            lambda boots: cluster.ready_since_boot(asked.result().items, boots),
        )
    answer = asked.result()
    answers = answer.unanswered is None
    published = project.external.found() if answers else Published()
    by_kind = defaultdict[str, list[dict[str, Any]]](list)
    for item in answer.items:
        by_kind[item["kind"]].append(item)
    return Status(
        profile=project.settings.profile,
        provider=project.provider.name,
        release=f"Kubernetes {project.settings.software.kubernetes}, {project.kubernetes}",
        database=f"{project.images[0].what}; {place.result()}",
        machines=machines.result().nodes,
        answers=answers,
        unanswered=str(answer.unanswered or ""),
        nodes=nodes(by_kind["Node"]),
        pods=pods(by_kind["Pod"]),
        claims=claims(by_kind["PersistentVolumeClaim"]),
        urls=urls(project, published),
        left_out=published.left_out,
    )


def show(status: Status, out: Report) -> None:
    out.say(f"profile {status.profile} on {status.provider}")
    out.say(status.release)
    out.say(f"database: {status.database}\n")
    by_name = {node.name: node for node in status.nodes}
    out.table(
        ("node", "role", "address", "machine", "kubernetes", "version", "differs"),
        [_machine(machine, by_name.get(machine.name)) for machine in status.machines],
    )
    # nodes and pods are not empty then, they are unknown
    if not status.answers:
        out.say(
            f"\nThe API server does not answer: {status.unanswered}. `inv cluster.start` starts "
            "what is stopped, `inv up` makes what is missing."
        )
        return
    out.say()
    ordered = sorted(status.pods, key=lambda pod: (pod.namespace, pod.name))
    out.table(("pod", "node", "state", "restarts"), map(_pod, ordered))
    for claim in status.claims:
        size, volume = claim.size or "no size yet", claim.volume or "-"
        out.say(f"\nclaim {claim.name}: {claim.phase}, {size} on volume {volume}")
    for name, url in status.urls:
        out.say(f"{name:4} {url}")
    for reason in status.left_out:
        out.say(reason)


def _machine(machine: NodeState, node: KubeNode | None) -> tuple[str, ...]:
    ready, version = "-", "-"
    if node:
        ready = "Ready" if node.ready else f"not ready: {node.why}"
        version = node.version
    differs = "; ".join(machine.differs) or machine.detail
    return machine.name, machine.role, machine.address, machine.state, ready, version, differs


def _pod(pod: KubePod) -> tuple[str, str, str, int]:
    waiting = ", ".join(f"{reason}: {message}"[:80] for reason, message in pod.waiting)
    state = "ready" if pod.ready else waiting or pod.phase
    if pod.deleting:  # its containers may still be ready
        state = "terminating"
    return f"{pod.namespace}/{pod.name}", pod.node or "-", state, pod.restarts
