"""What is there now: machines, nodes, pods, images, addresses. Reading only, side by side."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Status:
    """Everything `inv status` tells. `release` and `database` say where each comes from and why."""

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
    left_out: tuple[str, ...] = ()  # nodes at whose address the UI does not answer, and why


def collect(project: Project) -> Status:
    with ThreadPoolExecutor(3) as pool:
        place = pool.submit(database.where, project)
        asked = pool.submit(_ask, project)
        machines = pool.submit(
            project.provider.observe, lambda boots: cluster.ready_since_boot(asked.result(), boots)
        )
    found = asked.result()
    published = project.external.found() if found is not None else Published()
    by_kind = {
        kind: [item for item in found or () if item["kind"] == kind]
        for kind in ("Node", "Pod", "PersistentVolumeClaim")
    }
    return Status(
        project.settings.profile,
        project.provider.name,
        f"Kubernetes {project.settings.software.kubernetes}, {project.kubernetes}",
        f"{project.images[0].what}; {place.result()}",
        machines.result().nodes,
        found is not None,
        nodes(by_kind["Node"]),
        pods(by_kind["Pod"]),
        claims(by_kind["PersistentVolumeClaim"]),
        urls(project, published),
        published.left_out,
    )


def _ask(project: Project) -> list[dict[str, Any]] | None:
    """What the API server has; None where it does not answer."""
    return (
        project.kubectl.items("nodes,pods,persistentvolumeclaims", "--all-namespaces")
        if project.kubectl.answers()
        else None
    )


def show(status: Status, out: Report) -> None:
    out.say(
        f"profile {status.profile} on {status.provider}\n{status.release}\ndatabase: "
        f"{status.database}\n"
    )
    kube = {node.name: node for node in status.nodes}
    rows = []
    for machine in status.machines:
        node = kube.get(machine.name)
        ready = "-" if node is None else "Ready" if node.ready else f"not ready: {node.why}"
        rows.append(
            (
                machine.name,
                machine.role,
                machine.address,
                machine.state,
                ready,
                node.version if node else "-",
                "; ".join(machine.differs) or machine.detail,
            )
        )
    out.table(("node", "role", "address", "machine", "kubernetes", "version", "differs"), rows)
    if not status.answers:
        out.say(
            "\nKubernetes does not answer. `inv cluster.start` starts what is stopped, `inv up` "
            "makes what is missing."
        )
        return
    out.say()
    out.table(
        ("pod", "node", "state", "restarts"),
        [_pod(pod) for pod in sorted(status.pods, key=lambda pod: (pod.namespace, pod.name))],
    )
    for claim in status.claims:
        out.say(
            f"\nclaim {claim.name}: {claim.phase}, {claim.size or 'no size yet'} on volume "
            f"{claim.volume or '-'}"
        )
    for name, url in status.urls:
        out.say(f"{name:4} {url}")
    for words in status.left_out:
        out.say(words)


def _pod(pod: KubePod) -> tuple[str, str, str, int]:
    state = (
        "ready"
        if pod.ready
        else ", ".join(f"{reason}: {message}"[:80] for reason, message in pod.waiting) or pod.phase
    )
    return (
        f"{pod.namespace}/{pod.name}",
        pod.node or "-",
        "ending" if pod.deleting else state,
        pod.restarts,
    )
