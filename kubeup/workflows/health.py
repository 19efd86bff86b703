"""What of a cluster is not as it was made, and the steps that put it right."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kubeup.application import network
from kubeup.cluster import baseline, repair
from kubeup.cluster.provision import play
from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.core import ids
from kubeup.core.errors import CommandError
from kubeup.core.plan import Action, Planned, Step, step_ids
from kubeup.facts import node_health, parts
from kubeup.facts.faults import Fault, Repair
from kubeup.system import cache, ssh
from kubeup.workflows import cluster
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

# before the API server can be expected to answer; the others are asked of it
ON_NODES = (
    Repair.UNITS,
    Repair.POD_NETWORK,
    Repair.CNI,
    Repair.NAMES,
    Repair.STATIC_PODS,
    Repair.CERTIFICATES,
    Repair.REGISTER,
)
BY_API = (Repair.SCHEDULING, Repair.OBJECTS, Repair.WAIT)


@dataclass(frozen=True)
class Health:
    """`faults` of a cluster. `known`: it is written down how its own parts were made."""

    faults: tuple[Fault, ...] = ()
    known: bool = True

    def of(self, *kinds: Repair) -> list[Fault]:
        return [fault for fault in self.faults if fault.repair in kinds]


def look(project: Project, facts: ClusterFacts) -> Health:
    """Ask the nodes that run, and compare Kubernetes' own parts, side by side."""
    with ThreadPoolExecutor(2) as pool:
        on_nodes = pool.submit(_nodes, project, facts)
        made = baseline.read(project.state.baseline, made_by(project))
        changed = _changed(project, made) if made is not None and facts.answers else ()
        # applied as a whole by a step of its own
        whole = cluster.lacking(project, facts)
        rest = [fault for fault in changed if fault.part not in whole]
        found = (*facts.faults, *rest, *on_nodes.result())
    return Health(found, known=made is not None)


def made_by(project: Project) -> str:
    """Changes when what makes Kubernetes' own parts does: another play may make others."""
    software, cni = project.settings.software, project.settings.network.cni
    own = cache.tree_digest(ANSIBLE) if project.provider.uses_kubeadm else ""
    return cache.digest(project.provider.name, own, str(software.kubernetes), str(cni))


def _changed(project: Project, made: Sequence[baseline.Item]) -> Sequence[Fault]:
    try:
        return parts.changed(made, baseline.now(project.kubectl))
    except CommandError as error:
        return [Fault("API server", "Kubernetes' own parts could not be read", error.why)]


def _nodes(project: Project, facts: ClusterFacts) -> list[Fault]:
    """What nodes that the play has made tell of themselves."""
    provider = project.provider
    if not provider.uses_kubeadm:
        return []
    running = {
        node.name
        for node in facts.machines.nodes
        if node.state == "running" and not node.closed and facts.stamps.get(node.name)
    }
    targets = [target for target in provider.ssh_targets() if target.name in running]
    certificates = node_health.SOME if facts.answers else node_health.ALL
    words = ("env", f"CERTIFICATES={certificates}", "sh", "-c", node_health.SCRIPT)
    outputs = ssh.run_all(targets, *words, root=True) if targets else {}
    now = time.time()
    found = [
        fault
        for name, output in outputs.items()
        for fault in node_health.faults(name, output.stdout or output.stderr, now)
    ]
    without = {fault.target for fault in found if fault.repair is Repair.NAMES}
    giver = min(running - without, default="")
    if facts.answers:
        found += parts.removed((node.name for node in facts.nodes), running)
    return [_given_names(one, giver) if one.repair is Repair.NAMES else one for one in found]


def _given_names(fault: Fault, giver: str) -> Fault:
    """With the node that has name servers to give, if there is one."""
    if not giver:
        return replace(fault, repair=Repair.NONE)
    return replace(fault, details=(giver,))


def on_nodes(project: Project, facts: ClusterFacts, health: Health) -> list[Step]:
    """The steps that put nodes right, before the API server is asked."""
    return [
        _step(group, _node_action(project, facts, group), ()) for group in _groups(health, ON_NODES)
    ]


def by_api(project: Project, health: Health, before: Iterable[Planned]) -> list[Step]:
    """The steps that put right what the API server has.

    What does not run is waited for where no step `before` makes it start anew.
    """
    kinds = BY_API[:-1] if step_ids(before) else BY_API
    put_back = {fault.part for fault in health.of(Repair.OBJECTS)}  # and waited for by that
    left = [
        fault
        for fault in health.faults
        if fault.repair is not Repair.WAIT or fault.part not in put_back
    ]
    groups = _groups(replace(health, faults=tuple(left)), kinds)
    return [_step(group, _action(project, group), (ids.ANSWERS,)) for group in groups]


def keep_baseline(project: Project, health: Health, before: Iterable[Planned]) -> list[Step]:
    """What writes down how the parts are made, after the steps `before`; not as they are ill."""
    if health.known or health.of(Repair.WAIT):
        return []
    return [
        Step(
            ids.BASELINE,
            "write down how Kubernetes' own parts are made",
            "what makes them is new",
            baseline.KeepBaseline(project.kubectl, project.state.baseline, made_by(project)),
            (ids.ANSWERS, *step_ids(before)),
            0.5,
        )
    ]


Group = list[Fault]  # of one repair of one target


def _groups(health: Health, kinds: Sequence[Repair]) -> list[Group]:
    groups = defaultdict[tuple[Repair, str], Group](list)
    for fault in health.of(*kinds):
        # objects are put back together
        target = "" if fault.repair is Repair.OBJECTS else fault.target
        groups[fault.repair, target].append(fault)
    return [groups[key] for key in sorted(groups, key=lambda key: (kinds.index(key[0]), key[1]))]


def _details(group: Group) -> tuple[str, ...]:
    return tuple(detail for fault in group for detail in fault.details)


def _step(group: Group, action: Action, needs: tuple[ids.StepId, ...]) -> Step:
    first = group[0]
    what = first.repair.name.lower().replace("_", "-")
    target = "" if first.repair is Repair.OBJECTS else first.target.rpartition("/")[2]
    theirs = [fault.what for fault in group if fault.users]
    name = "-".join(filter(None, (what, target)))
    return Step(
        ids.settle(target) if first.repair is Repair.WAIT else ids.repair(name),
        f"{target}: {first.repair.value}" if target else first.repair.value,
        "; ".join(map(str, group)),
        action,
        needs,
        seconds=SECONDS.get(first.repair, 1.0),
        loses=f"what somebody has set by hand: {'; '.join(theirs)}" if theirs else "",
    )


SECONDS = {
    Repair.OBJECTS: 10.0,
    Repair.CNI: 15.0,
    Repair.STATIC_PODS: 5.0,
    Repair.CERTIFICATES: 40.0,
    Repair.REGISTER: 10.0,
    Repair.WAIT: 10.0,
}


def _node_action(project: Project, facts: ClusterFacts, group: Group) -> Action:
    first = group[0]
    if first.repair is Repair.CNI:
        inventory = cluster.inventory(project, facts)
        return play.Provision(project.state, inventory, limit=first.target, tags="network")
    targets = {one.name: one for one in project.provider.ssh_targets()}
    target = targets[first.target]
    made: dict[Repair, Callable[[], Action]] = {
        Repair.UNITS: lambda: repair.start_units(target, _details(group)),
        Repair.POD_NETWORK: lambda: repair.set_pod_network(target),
        Repair.NAMES: lambda: repair.CopyNameServers(targets[first.details[0]], target),
        Repair.STATIC_PODS: lambda: repair.write_manifests(target, _details(group)),
        Repair.CERTIFICATES: lambda: repair.renew_certificates(target),
        Repair.REGISTER: lambda: repair.register(target),
    }
    return made[first.repair]()


def _action(project: Project, group: Group) -> Action:
    first, kubectl = group[0], project.kubectl
    if first.repair is Repair.SCHEDULING:
        return repair.LetTakePods(kubectl, first.target, _details(group))
    if first.repair is Repair.OBJECTS:
        names = tuple(fault.target for fault in group)
        return baseline.PutBack(kubectl, project.state.baseline, made_by(project), names)
    return network.WaitForWorkload(kubectl, first.target)
