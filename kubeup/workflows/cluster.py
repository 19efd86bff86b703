"""The cluster itself: its machines and what the play makes of them.

Facts, and the plan that follows from them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kubeup.application.network import WaitForNetwork
from kubeup.application.overlay import MANAGED
from kubeup.cluster.providers.base import Machines, Needed
from kubeup.cluster.provision import cni, play
from kubeup.cluster.provision import inventory as inventories
from kubeup.core import ids
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Holds, Planned, Step, after, step_ids
from kubeup.core.record import CLUSTER, Location
from kubeup.core.shell import Output
from kubeup.facts import parts
from kubeup.facts.connection import FOREIGN, Cause, Unanswered, unanswered
from kubeup.facts.faults import Fault
from kubeup.facts.kubernetes import (
    STAMP_FILE,
    KubeNode,
    KubeWorkload,
    nodes,
    reported_since_boot,
    workloads,
)
from kubeup.facts.nested import value
from kubeup.system import keys, ssh
from kubeup.system.kubectl import Kubectl
from kubeup.workflows.nodes import is_ready, ready_step
from kubeup.workflows.project import Project

KINDS = "nodes,deployments.apps,statefulsets.apps,daemonsets.apps,cronjobs.batch,pods"
# the play fetches the kubeconfig anew, and renews certificates that have ended
MENDED = FOREIGN | {Cause.EXPIRED}
# of a volume: the node that has it
VOLUME_NODE = "{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}"


@dataclass(frozen=True)
class ClusterFacts:
    """What was found: machines, what each that runs has, and what the API server says."""

    machines: Machines
    stamps: Mapping[str, str] = field(default_factory=dict)  # by node, '' for none
    images: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[KubeNode, ...] = ()
    answers: bool = False
    unanswered: Unanswered | None = None  # why not, where it was asked
    workloads: tuple[KubeWorkload, ...] = ()  # the application's
    system: frozenset[str] = frozenset()  # workloads' names in kube-system
    faults: tuple[Fault, ...] = ()  # that the API server tells of
    schedules: bool = False  # whether it backs the database up by itself


def observe(project: Project, wanted: Collection[str] = (), on_nodes: bool = False) -> ClusterFacts:
    """Look at machines and the API server; `on_nodes` asks each node for its images itself."""
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(ask, project.kubectl, KINDS)
        observed = pool.submit(
            project.provider.observe, lambda boots: ready_since_boot(asked.result().items, boots)
        )
        machines, answer = observed.result(), asked.result()
    items = answer.items
    facts = ClusterFacts(
        machines,
        nodes=_nodes(items),
        answers=answer.unanswered is None,
        unanswered=answer.unanswered,
        workloads=tuple(row for row in workloads(items) if row.namespace == "default"),
        system=_system(items),
        faults=_faults(project, items),
        schedules=any(item["kind"] == "CronJob" and _is_ours(item) for item in items),
    )
    return _with_images(project, facts, set() if on_nodes else _reported(project, facts, wanted))


def _reported(project: Project, facts: ClusterFacts, wanted: Collection[str]) -> set[str]:
    """The nodes whose kubelet's word is enough."""
    # A kubelet reports its images, and each node carries the stamp of its provisioning: where all
    # wanted images are there, that is enough. It reports late, so a node that seems to lack
    # something is asked over SSH.
    uses_kubeadm, boots = project.provider.uses_kubeadm, facts.machines.boots
    return {
        node.name
        for node in facts.nodes
        if (node.stamp or not uses_kubeadm)
        and node.images >= set(wanted)
        # what is known of a machine that was made or started anew since is about the one before
        and reported_since_boot(node.reported, node.name, boots)
    }


def _with_images(project: Project, facts: ClusterFacts, reported: set[str]) -> ClusterFacts:
    """The same with stamps and images of all that run, by those that are `reported` or asked."""
    machines = facts.machines.nodes
    running = {node.name for node in machines if node.state == "running" and not node.closed}
    known = [node for node in facts.nodes if node.name in reported & running]
    stamps = {node.name: node.stamp for node in known}
    images = {node.name: node.images for node in known}
    unreachable = {}
    for name, output in _ask_nodes(project, running - reported).items():
        if output.ok:
            stamp, *listed = output.stdout.splitlines() or [""]
            stamps[name], images[name] = stamp, frozenset(listed)
        else:
            unreachable[name] = output.stderr
    return replace(facts, stamps=stamps, images=images, unreachable=unreachable)


def _nodes(items: Sequence[dict[str, Any]]) -> tuple[KubeNode, ...]:
    return nodes(item for item in items if item["kind"] == "Node")


def _faults(project: Project, items: Sequence[dict[str, Any]]) -> tuple[Fault, ...]:
    if not items:
        return ()
    expected = ("coredns", "kube-proxy", *project.provider.system_workloads)
    return (*parts.of_nodes(items), *parts.not_running(items, expected))


def _system(items: Sequence[dict[str, Any]]) -> frozenset[str]:
    metas = [item["metadata"] for item in items]
    return frozenset(meta["name"] for meta in metas if meta.get("namespace") == "kube-system")


def ready_since_boot(items: Sequence[dict[str, Any]], boots: Mapping[str, datetime]) -> bool:
    """Whether the API server calls every machine ready that runs since then.

    See `kubeup.cluster.providers.base.Vouching`.
    """
    return boots.keys() <= {node.name for node in _nodes(items) if is_ready(node, boots)}


@dataclass(frozen=True)
class Answer:
    """What the API server has; nothing where it did not answer, and why."""

    items: tuple[dict[str, Any], ...] = ()
    unanswered: Unanswered | None = None


def ask(kubectl: Kubectl, kinds: str) -> Answer:
    """All objects of these kinds."""
    # first: kubectl itself asks a server that is silent six times what kinds it has
    if why := kubectl.unanswered():
        return Answer(unanswered=why)
    try:
        answer = kubectl.look("get", kinds, "--all-namespaces", "-o", "json")
    except CommandError as error:
        return Answer(unanswered=Unanswered(Cause.SILENT, error.why))
    if not answer.ok:
        return Answer(unanswered=unanswered(answer.stderr))
    return Answer(tuple(json.loads(answer.stdout)["items"]))


def _is_ours(item: Mapping[str, Any]) -> bool:
    return bool(value(item, "metadata", "labels", MANAGED) == "kubeup")


def _ask_nodes(project: Project, names: Collection[str]) -> dict[str, Output]:
    """What nodes themselves print: the stamp of their provisioning, then their images."""
    if not names:
        return {}
    provider = project.provider
    # a machine that somebody else made is admitted by the plan first
    targets = [
        target
        for target in provider.ssh_targets()
        if target.name in names and (provider.uses_kubeadm or ssh.known(project.state, target))
    ]
    script = f"cat {STAMP_FILE} 2>/dev/null || echo; {shlex.join(provider.list_images)}"
    return ssh.run_all(targets, "sh", "-c", script, root=True)


def inventory_inputs(project: Project, facts: ClusterFacts) -> inventories.InventoryInputs:
    return inventories.InventoryInputs(
        project.settings,
        project.state,
        project.host,
        facts.machines,
        project.release,
        project.provider.ssh_targets(),
        project.system_archive,
        project.authorities.pems,
    )


def inventory(project: Project, facts: ClusterFacts) -> str:
    return play.text(inventories.inventory(inventory_inputs(project, facts)))


def plan(
    project: Project, facts: ClusterFacts, needed: Needed, repairs: Sequence[Step] = ()
) -> list[Planned]:
    """What makes machines and cluster as the settings want them, `repairs` of nodes among it."""
    if facts.unreachable:
        name, why = next(iter(facts.unreachable.items()))
        what = f"{name} runs but can't be reached by SSH"
        raise KubeupError(what, why, "`inv doctor` checks keys and host keys")
    provider, state = project.provider, project.state
    machines = list(provider.plan(facts.machines, needed))
    # kubelet starts anew after both
    made = [id_ for id_ in step_ids(machines) if id_.kind in (Kind.NODE, Kind.RESIZE)]
    # what running nodes stand on may be put back, too
    below = [*made, *(id_ for id_ in step_ids(machines) if id_.kind is Kind.LOCAL)]
    key = keys.plan(state.private_key, state.public_key) if provider.uses_kubeadm else ()
    mended = step_ids(repairs)
    steps = [*key, *machines, *repairs, *after(mended, _provision(project, facts, below))]
    trusted = after(made, provider.trust(facts.stamps, bool(made)))
    settled = (*below, *step_ids(trusted))
    provisions = ids.PROVISION in step_ids(steps)
    ready = facts.answers and all(is_ready(node, facts.machines.boots) for node in facts.nodes)
    if provisions or trusted or made or mended or not ready:
        own_kubectl = (ids.KUBERNETES,) if provider.uses_kubeadm else ()
        needs = (*settled, *mended, ids.PROVISION, *own_kubectl)
        # one that is stopped may never have joined: once it runs, the next plan has the play do it
        joined = facts.machines.hidden and not provisions
        waiting: Planned = ready_step(project, "the application needs them", needs, 10, joined)
    else:
        waiting = Holds(ids.ANSWERS, "every node is ready")
    steps += [*trusted, waiting, *after(settled, _put_back(project, facts, provisions))]
    planned = {step.id for step in steps}
    started = provider.after_start() if made else ()
    return [*steps, *after(settled, [step for step in started if step.id not in planned])]


def _provision(project: Project, facts: ClusterFacts, below: Sequence[StepId]) -> Iterator[Planned]:
    """The play, where it has to run."""
    if not project.provider.uses_kubeadm:
        yield Holds(ids.PROVISION, f"{project.provider.name} makes Kubernetes itself")
        return
    reason = _why_provision(project, facts)
    if not reason:
        yield Holds(ids.PROVISION, "nodes are provisioned as the settings are")
        return
    yield from cni.steps(project.settings, project.state)
    yield Step(
        ids.PROVISION,
        "make Kubernetes of the nodes",
        reason,
        play.Provision(project.state, inventory(project, facts)),
        (*below, ids.KUBERNETES, ids.SYSTEM_IMAGES, ids.CNI, ids.KEY),
        seconds=45,
    )


def _why_provision(project: Project, facts: ClusterFacts) -> str:
    """Why the play has to run, or ''."""
    # a stopped node is taken as provisioned: it is looked at once it runs
    new = [
        node.name
        for node in facts.machines.nodes
        if node.role != "db" and (node.state == "missing" or node.closed)
    ]
    if new:
        return f"{', '.join(new)} new"
    wanted = inventories.digest(inventory_inputs(project, facts))
    if outdated := [name for name, stamp in facts.stamps.items() if stamp != wanted]:
        return f"{', '.join(outdated)} not provisioned as the settings and roles are now"
    if not facts.answers and not project.kubectl.has_access():
        return f"{project.state.kubeconfig} is missing, or names no cluster"
    if facts.unanswered and facts.unanswered.cause in MENDED:
        return f"the API server does not answer: {facts.unanswered}"
    return ""


def _put_back(project: Project, facts: ClusterFacts, provisions: bool) -> Sequence[Planned]:
    """What brings metrics and the enforcement of policies, where the play does not."""
    new = not project.provider.uses_kubeadm and not facts.machines.any_there
    if provisions or not (facts.answers or new):
        return ()
    return project.provider.put_back(lacking(project, facts), project.kubectl)


def lacking(project: Project, facts: ClusterFacts) -> list[str]:
    """The workloads that kube-system has to have and that are not in the cluster."""
    return [name for name in project.provider.system_workloads if name not in facts.system]


def start(project: Project) -> list[Planned]:
    """Start what is stopped and wait until Kubernetes is back."""
    steps = list(project.provider.start())
    if not steps:
        return []
    started = step_ids(steps)
    network = Step(
        ids.NETWORK,
        "wait for Services and names to work",
        "nodes are ready before their network is",
        WaitForNetwork(project.kubectl, project.boots),
        (ids.ANSWERS,),
        seconds=15,
    )
    # a machine that never joined keeps no cluster from being back: `up` has the play do it
    ready = ready_step(project, "they were stopped", started, 20, joined=True)
    return [*steps, ready, network, *after(started, project.provider.after_start())]


def located(project: Project) -> Location:
    """Where the database's files lie in the cluster, or would; raises Refused where unknown."""
    known = project.record.on(CLUSTER)
    if known is None or known.node or known.saved:
        return project.location(CLUSTER)
    # an older kubeup did not write it down, so the volume is asked
    volume = ("persistentvolume", "data-mysql-0", "--ignore-not-found")
    answer = project.kubectl.look("get", *volume, "-o", f"jsonpath={VOLUME_NODE}")
    if not answer.ok:
        raise Refused(
            "it is not on record which node has the database's data",
            f"the cluster does not answer: {answer.stderr.strip()[-300:]}",
            "`inv cluster.start`, then run this again",
        )
    node = answer.stdout.strip()
    if node:
        return Location(CLUSTER, node)
    return project.location(CLUSTER)
