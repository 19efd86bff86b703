"""The cluster itself: its machines and what the play makes of them.

Facts, and the plan that follows from them.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kubeup.application import apply
from kubeup.application.network import WaitForNetwork
from kubeup.cluster.providers.base import Machines, Needed
from kubeup.cluster.provision import cni, play
from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.release import go
from kubeup.cluster.release import images as system_images
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.download import DownloadBinary
from kubeup.core import ids
from kubeup.core.errors import CommandError, KubeupError, Refused, UsageError
from kubeup.core.ids import Kind, StepId
from kubeup.core.pace import Patience
from kubeup.core.plan import Holds, Log, Paced, Planned, Room, Step, after, todo
from kubeup.core.record import CLUSTER, VM, Location
from kubeup.facts.kubernetes import (
    STAMP_FILE,
    KubeNode,
    KubeWorkload,
    nodes,
    reported_since_boot,
    workloads,
)
from kubeup.images import rootfs
from kubeup.system import keys, ssh
from kubeup.system import packages as hosts
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget
from kubeup.workflows.project import Project

BINARY = Room(cache=75)
DRAIN_SECONDS = 120.0  # for the pods of a node to end
# of a volume: the node that has it
VOLUME_NODE = "{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}"
METRICS = "metrics-server"  # its Deployment; the role of that name installs it
# what a node that is there brings along
INSIDE = (
    Holds(ids.KUBERNETES, "nodes were made with it"),
    Holds(ids.SYSTEM_IMAGES, "nodes were made with them"),
)


@dataclass(frozen=True)
class ClusterFacts:
    """What was found: machines, the stamp and images on each that runs, and the API server's
    nodes ('' stamp: none).
    """

    machines: Machines
    stamps: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[KubeNode, ...] = ()
    answers: bool = False
    workloads: tuple[KubeWorkload, ...] = ()  # the application's
    system: frozenset[str] = frozenset()  # names of what runs beside it, in kube-system


def observe(project: Project, wanted: Collection[str] = (), on_nodes: bool = False) -> ClusterFacts:
    """Look at machines and the API server side by side; ask a node itself only where the API
    server's word does not do.

    A kubelet reports its images, and each node carries the stamp of its provisioning: where all
    `wanted` images are there, that is enough. It reports late, so a node that seems to lack
    something is asked over SSH; `on_nodes` asks all, where the question is about the images
    themselves.
    """
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(_ask, project.kubectl)
        looked = pool.submit(
            project.provider.observe, lambda boots: ready_since_boot(asked.result(), boots)
        )
        machines, items = looked.result(), asked.result()
    found = None if items is None else _nodes(items)
    running = {node.name for node in machines.nodes if node.state == "running" and not node.closed}
    # what is known of a machine that was made or started anew since is about the one before
    boots = machines.boots
    told = {
        node.name: node
        for node in found or ()
        if not on_nodes
        and node.name in running
        and (node.stamp or not project.provider.uses_kubeadm)
        and node.images >= set(wanted)
        and reported_since_boot(node.reported, node.name, boots)
    }
    # a machine that somebody else made is admitted by the plan first
    ssh_targets = (
        [
            reach
            for reach in project.provider.ssh_targets()
            if reach.name in running - set(told)
            and (project.provider.uses_kubeadm or ssh.known(project.state, reach))
        ]
        if running - set(told)
        else []
    )
    stamps, images, unreachable = _visit(ssh_targets, project.provider.list_images)
    known = workloads(items or ())
    return ClusterFacts(
        machines,
        stamps | {name: node.stamp for name, node in told.items()},
        images | {name: node.images for name, node in told.items()},
        unreachable,
        found or (),
        found is not None,
        tuple(one for one in known if one.namespace == "default"),
        frozenset(one.name for one in known if one.namespace == "kube-system"),
    )


def _nodes(items: Sequence[dict[str, Any]]) -> tuple[KubeNode, ...]:
    return nodes(item for item in items if item["kind"] == "Node")


def ready_since_boot(items: Sequence[dict[str, Any]] | None, boots: Mapping[str, datetime]) -> bool:
    """Whether the API server calls every machine ready that runs since then.

    See `kubeup.cluster.providers.base.Vouching`.
    """
    return boots.keys() <= {node.name for node in _nodes(items or ()) if _stands(node, boots)}


def _ask(kubectl: Kubectl) -> list[dict[str, Any]] | None:
    """The API server's nodes and workloads; None where it does not answer."""
    if not kubectl.has_access() or not kubectl.path.exists():
        return None
    kinds = "nodes,deployments.apps,statefulsets.apps"
    try:
        answer = kubectl.look("get", kinds, "--all-namespaces", "-o", "json")
    except CommandError:  # nothing at all is at its address, not even a refusal
        return None
    items: list[dict[str, Any]] | None = json.loads(answer.stdout)["items"] if answer.ok else None
    return items


def _visit(
    ssh_targets: Sequence[SshTarget], list_images: Sequence[str]
) -> tuple[dict[str, str], dict[str, frozenset[str]], dict[str, str]]:
    """Stamp and images of nodes, from the nodes themselves, and why one could not be asked."""
    if not ssh_targets:
        return {}, {}, {}
    script = f"cat {STAMP_FILE} 2>/dev/null || echo; {shlex.join(list_images)}"
    outputs = ssh.run_all(ssh_targets, "sh", "-c", script, root=True)
    rows = {name: output.stdout.splitlines() for name, output in outputs.items() if output.ok}
    return (
        {name: lines[0] if lines else "" for name, lines in rows.items()},
        {name: frozenset(lines[1:]) for name, lines in rows.items()},
        {name: output.stderr for name, output in outputs.items() if not output.ok},
    )


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


def release_steps(project: Project) -> list[Planned]:
    """What brings Kubernetes' own binaries: downloads, or builds one after another (each takes
    all processors).
    """
    release, steps, before = project.release, list[Planned](), ids.PACKAGES
    for name in release.missing_downloads():
        steps.append(
            Step(
                ids.release(name),
                f"download {name}",
                release.why,
                DownloadBinary(name, release.base_url, release.arch, release.downloads),
                seconds=10,
                room=BINARY,
            )
        )
    if release.lacks_kubectl:
        what = DownloadBinary(
            "kubectl", release.base_url, release.arch, release.own_downloads, release.system.lower()
        )
        steps.append(
            Step(
                ids.OWN_KUBECTL,
                f"download kubectl for {project.host.system_name}",
                "this machine runs it",
                what,
                seconds=10,
                room=BINARY,
            )
        )
    if steps:
        return [*steps, _joined(ids.KUBERNETES, [step.id for step in steps])]
    builds = release.missing_builds()
    if ids.KUBERNETES not in [ids.release(build.name) for build in builds]:
        steps.append(Holds(ids.KUBERNETES, "in the cache"))
    if builds and not go.go_tool():
        root = go.debian_root(project.root_origin)
        rootfs.require(root, "Go")
        steps.append(
            Step(
                ids.GO,
                "unpack Go 1.19 of Debian 12",
                "Kubernetes is compiled with it",
                go.UnpackGo(root),
                (before,),
                root.seconds,
                room=Room(cache=500),
            )
        )
        before = ids.GO
    for build in builds:
        reason = "not in the cache" if build != builds[0] else f"{release.why}; not in the cache"
        step = Step(
            ids.release(build.name),
            f"compile {', '.join(build.binaries)}",
            reason,
            GoCompile(build, release.folder(build)),
            (before,),
            build.seconds,
            room=build.room,
            measures=True,
        )
        steps.append(step)
        before = step.id
    return steps


@dataclass(frozen=True)
class Barrier:
    """Only a place where several steps meet."""

    def run(self, log: Log) -> None:
        log("all there")


def _joined(id_: StepId, needs: Sequence[StepId]) -> Step:
    return Step(id_, "have all of the release", "several downloads", Barrier(), tuple(needs), 0)


def image_steps(project: Project) -> list[Planned]:
    """What makes the archive of system images."""
    root = system_images.proxy_rootfs(project.root_origin)
    if project.system_archive.exists():
        return [Holds(ids.SYSTEM_IMAGES, "in the cache")]
    make = system_images.MakeSystemImages(project.engine, project.release, root)
    steps = [] if project.release.source == "download" else [rootfs.plan(root)]
    builds = (ids.release(build.name) for build in project.release.missing_builds())
    needs = (ids.PACKAGES, *(one.id for one in steps), *builds, ids.KUBERNETES)
    how = "pull" if project.release.source == "download" else "build"
    return [
        *steps,
        Step(
            ids.SYSTEM_IMAGES,
            f"{how} Kubernetes' own images",
            "not in the cache",
            make,
            needs,
            20,
            room=system_images.ROOM,
        ),
    ]


def plan(project: Project, facts: ClusterFacts, needed: Needed) -> list[Planned]:
    """What makes machines and cluster as the settings want them."""
    if facts.unreachable:
        name, why = next(iter(facts.unreachable.items()))
        raise KubeupError(
            f"{name} runs but can't be reached by SSH",
            why,
            "`inv doctor` looks at keys and host keys",
        )
    machines = list(project.provider.plan(facts.machines, needed))
    # kubelet starts anew after both
    made = [step.id for step in todo(machines) if step.id.kind in (Kind.NODE, Kind.RESIZE)]
    uses_kubeadm = project.provider.uses_kubeadm
    steps = [
        *(keys.plan(project.state.private_key, project.state.public_key) if uses_kubeadm else ()),
        *machines,
    ]
    reason = _why_provision(project, facts) if uses_kubeadm else ""
    if reason:
        steps += cni.steps(project.settings, project.state)
        steps.append(
            Step(
                ids.PROVISION,
                "make Kubernetes of the nodes",
                reason,
                play.Provision(project.state, _inventory(project, facts)),
                (*made, ids.KUBERNETES, ids.SYSTEM_IMAGES, ids.CNI, ids.KEY),
                45,
            )
        )
    else:
        why = (
            "nodes are provisioned as the settings are"
            if uses_kubeadm
            else f"{project.provider.name} makes Kubernetes itself"
        )
        steps.append(Holds(ids.PROVISION, why))
    told = after(made, project.provider.trust(facts.stamps, bool(made)))
    steps += told
    settled = (*made, *(step.id for step in todo(told)))
    standing = all(_stands(node, facts.machines.boots) for node in facts.nodes)
    if reason or told or made or not facts.answers or not standing:
        needs = (*settled, ids.PROVISION)
        steps.append(
            Step(
                ids.ANSWERS,
                "wait for every node to be ready",
                "the application needs them",
                wait_for_nodes(project),
                needs,
                10,
            )
        )
    else:
        steps.append(Holds(ids.ANSWERS, "every node is ready"))
    if (
        not uses_kubeadm
        and METRICS not in facts.system
        and (facts.answers or not facts.machines.any_there)
    ):
        steps += after(settled, project.provider.metrics())
    there = {step.id for step in steps}
    more = [step for step in project.provider.after_start() if step.id not in there] if made else ()
    return [*steps, *after(settled, more)]


def _stands(node: KubeNode, boots: Mapping[str, datetime]) -> bool:
    """Ready by the word of the kubelet that runs now: for 40 s Kubernetes still calls a node
    ready whose machine went away.
    """
    return node.ready and reported_since_boot(node.reported, node.name, boots)


def _why_provision(project: Project, facts: ClusterFacts) -> str:
    """Why the play has to run, or ''.

    A stopped node is taken as provisioned: it is looked at once it runs.
    """
    missing = [
        node.name
        for node in facts.machines.nodes
        if node.role != "db" and (node.state == "missing" or node.closed)
    ]
    if missing:
        return f"{', '.join(missing)} new"
    wanted = inventories.digest(inventory_inputs(project, facts))
    outdated = [name for name, stamp in facts.stamps.items() if stamp != wanted]
    if outdated:
        return f"{', '.join(outdated)} not provisioned as the settings and roles are now"
    if not facts.answers:
        return (
            ""
            if project.kubectl.has_access()
            else f"{project.state.kubeconfig} is missing, or names no cluster"
        )
    return f"{METRICS} is not in the cluster" if METRICS not in facts.system else ""


@dataclass(frozen=True)
class WaitForNodes(Paced):
    """Until the API server answers and every node is Ready, by a report of a kubelet that runs now.

    For `seconds` at this machine's pace after what was last heard and not heard before.
    """

    kubectl: Kubectl
    names: tuple[str, ...]
    boots: Callable[[], Mapping[str, datetime]]
    seconds: float = 180

    def run(self, log: Log) -> None:
        if waiting := self.pace.waiting(self.seconds):
            log(waiting)
        self._until_answered(log)
        not_ready, boots = dict.fromkeys(self.names, "not registered yet"), self.boots()
        patience = Patience(self.pace.seconds(self.seconds))

        def each(event: dict[str, Any] | None) -> bool:
            for node in nodes([event["object"]] if event else []):
                not_ready.pop(node.name, None) if _stands(node, boots) else not_ready.update(
                    {node.name: node.why or "not heard of since it started"}
                )
            log(", ".join(sorted(not_ready)) or "all ready")
            return not not_ready or patience.ended(_kinds(not_ready))

        while not_ready and not patience.over:
            self.kubectl.watch("nodes", each=each)
        if not_ready:
            found = [f"{name}: {why}" for name, why in sorted(not_ready.items())]
            raise KubeupError(
                "not every node became ready",
                "\n".join([*found, *self._waited()]),
                "`inv doctor`, or `inv ssh.run 'journalctl -u kubelet -n 30'`",
            )

    def _until_answered(self, log: Log) -> None:
        kubectl = self.kubectl.at(self.pace)
        end = time.monotonic() + self.pace.seconds(self.seconds)
        while not kubectl.answers():
            if time.monotonic() > end:
                found = [f"nothing at the address in {kubectl.kubeconfig}", *self._waited()]
                look = "`inv ssh.control -- journalctl -u kubelet -n 50`"
                raise KubeupError(
                    "the API server does not answer",
                    "\n".join(found),
                    f"look at the control plane: {look}",
                )
            log("the API server is not up yet")
            time.sleep(0.5)

    def _waited(self) -> list[str]:
        why = self.pace.why()
        return [f"waited for {self.pace.seconds(self.seconds):.0f} s: {why}"] if why else []


def _kinds(not_ready: Mapping[str, str]) -> list[tuple[str, str]]:
    """Why nodes are not ready; what comes after a colon may count seconds."""
    return sorted((name, why.partition(":")[0]) for name, why in not_ready.items())


def wait_for_nodes(project: Project) -> WaitForNodes:
    return WaitForNodes(
        project.kubectl, tuple(spec.name for spec in project.provider.node_specs()), project.boots
    )


def start(project: Project) -> list[Planned]:
    """Start what is stopped and wait until Kubernetes is back."""
    steps = list(project.provider.start())
    if not steps:
        return []
    network = Step(
        ids.NETWORK,
        "wait for Services and names to work",
        "nodes are ready before their network is",
        WaitForNetwork(project.kubectl, project.boots),
        (ids.ANSWERS,),
        15,
    )
    started = tuple(step.id for step in todo(steps))
    return [
        *steps,
        Step(
            ids.ANSWERS,
            "wait for every node to be ready",
            "they were stopped",
            wait_for_nodes(project),
            started,
            20,
        ),
        network,
        *after(started, project.provider.after_start()),
    ]


def located(project: Project) -> Location:
    """Where the database's files lie in the cluster, or would.

    An older kubeup did not write it down, so the volume is asked. Raises Refused where nobody can
    tell.
    """
    known = project.record.on(CLUSTER)
    if known is None or known.node or known.saved:
        return project.location(CLUSTER)
    asked = project.kubectl.look(
        "get",
        "persistentvolume",
        "data-mysql-0",
        "--ignore-not-found",
        "-o",
        f"jsonpath={VOLUME_NODE}",
    )
    if not asked.ok:
        raise Refused(
            "it is not on record which node has the database's data",
            f"the cluster does not tell: {asked.stderr.strip()[-300:]}",
            "`inv cluster.start`, then run this again",
        )
    return (
        Location(CLUSTER, asked.stdout.strip())
        if asked.stdout.strip()
        else project.location(CLUSTER)
    )


def remove(project: Project, name: str) -> list[Planned]:
    """Take a worker out of the cluster, and its machine away.

    Raises Refused for the control plane and for the database's node.
    """
    found = {node.name: node for node in project.provider.observe().nodes}
    if name not in found or found[name].state in ("missing", "foreign"):
        raise Refused(
            f"there is no node {name} of this profile",
            f"there are: {', '.join(found)}",
            "name one of them",
        )
    if found[name].role == "control":
        raise Refused(
            f"{name} is the control plane",
            "the cluster would be gone with it",
            "`inv cluster.destroy` removes the whole cluster, data is kept",
        )
    spared = [_no_volume_on(project, name), _no_service_on(project, name)]
    if found[name].role == "db":
        return [
            *spared,
            Holds(ids.LEAVE, "it is no node of the cluster"),
            project.provider.remove(name),
        ]
    uses_kubeadm, unpublish = project.provider.uses_kubeadm, _unpublish(project, name)
    leave = Step(
        ids.LEAVE,
        f"move pods away from {name}{' and forget it' if uses_kubeadm else ''}",
        "asked for",
        LeaveCluster(project.kubectl, name, uses_kubeadm),
        tuple(one.id for one in unpublish),
        20,
    )
    return [*spared, *unpublish, leave, replace(project.provider.remove(name), needs=(leave.id,))]


def _no_volume_on(project: Project, name: str) -> Holds:
    """That a node may go with its disk. Raises Refused for the one with the database's volume."""
    if name == located(project).node:
        raise Refused(
            f"the database's volume lies on {name}",
            "its data would be out of reach",
            "keep this node, or remove another one",
        )
    return Holds(ids.SAVE_CLUSTER, f"the database's volume is not on {name}")


def _no_service_on(project: Project, name: str) -> Holds:
    """That a machine may go with its disk. Raises Refused for the one with the database's data."""
    on_machine = project.record.on(VM)
    if on_machine and on_machine.node == name:
        raise Refused(
            f"the database's data lie on {name}",
            "they would be out of reach",
            "`inv db.move cluster`, where it runs there, and `inv db.move cluster --drop-old` "
            "bring them away; or remove another one",
        )
    return Holds(ids.SAVE_MACHINE, f"no database was ever on {name}, or it was brought away")


def _unpublish(project: Project, name: str) -> list[Step]:
    """The UI's Service gives a node's address back before that may become another machine's."""
    # by the API server's word: the settings may do without that node already
    found = nodes(project.kubectl.items("nodes"))
    address = next((node.address for node in found if node.name == name), "")
    if not project.external.has(address):
        return []
    action = apply.ApplyService(project.deployment_without(name))
    title, reason = f"take {address} off the UI's Service", f"it is {name}'s"
    return [Step(ids.UNPUBLISH, title, reason, action, seconds=1)]


@dataclass(frozen=True)
class LeaveCluster(Paced):
    """Move a node's pods away; `forget` takes its object, too, unless the provider's own tool
    does (minikube's fails without it).
    """

    kubectl: Kubectl
    name: str
    forget: bool

    def run(self, log: Log) -> None:
        if self.name not in {node.name for node in nodes(self.kubectl.items("nodes"))}:
            return
        limit = self.pace.seconds(DRAIN_SECONDS)
        self.kubectl.write(
            "drain",
            self.name,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--force",
            f"--timeout={limit:.0f}s",
            log=log,
            timeout=limit + 60,
        )
        if self.forget:
            self.kubectl.write("delete", "node", self.name, log=log)


def provision(
    project: Project, check: bool = False, limit: str = "", tags: str = "", verbosity: int = 0
) -> list[Planned]:
    """The play as asked for by hand: before it what it brings to the nodes, where that is not
    here yet, after it what it restarts.
    """
    facts = _provisionable(project)
    made = (
        list(INSIDE)
        if facts.machines.release_inside
        else [*release_steps(project), *image_steps(project)]
    )
    manifest = cni.steps(project.settings, project.state)
    missing = hosts.missing(project.packages) if todo(made) else ()
    what = play.Provision(project.state, _inventory(project, facts), limit, tags, verbosity, check)
    title = "look what the play would change" if check else "run the play"
    needs = (ids.KUBERNETES, ids.SYSTEM_IMAGES, ids.CNI)
    steps = [
        *hosts.plan(missing, project.host),
        *made,
        *manifest,
        Step(ids.PROVISION, title, "asked for", what, needs, 20),
    ]
    # a part of the play alone makes no cluster of new nodes
    if check or ((limit or tags) and not facts.answers):
        return steps
    why = "the play restarts what it changes"
    standing = [one.app for one in facts.workloads if one.standing]
    loaded = [Holds(ids.load(app), "it stands with it") for app in standing]
    return [
        *steps,
        Step(
            ids.ANSWERS,
            "wait for every node to be ready",
            why,
            wait_for_nodes(project),
            (ids.PROVISION,),
            5,
        ),
        *loaded,
        *apply.wait(project.deployment, standing, (ids.ANSWERS,), why),
    ]


def ping(project: Project, limit: str = "") -> str:
    """What Ansible's ping says of each node. Raises KubeupError where one does not answer."""
    return play.Ping(_inventory(project, _provisionable(project)), limit).ask()


def _provisionable(project: Project) -> ClusterFacts:
    """Facts of a cluster whose machines all run and are the play's business.

    Raises KubeupError for others.
    """
    if not project.provider.uses_kubeadm:
        raise UsageError(
            f"{project.provider.name} makes Kubernetes itself",
            "Ansible has nothing to do there",
            "`inv up`",
        )
    facts = observe(project)
    if not facts.machines.running:
        raise KubeupError(
            "not every machine runs",
            ", ".join(f"{node.name} {node.state}" for node in facts.machines.nodes),
            "`inv cluster.start`, or `inv up`",
        )
    return facts


def _inventory(project: Project, facts: ClusterFacts) -> str:
    return play.text(inventories.inventory(inventory_inputs(project, facts)))


def snapshots(project: Project, save: str, restore: str, delete: str) -> list[Step]:
    """What was asked for of snapshots, restoring last; nothing where nothing was."""
    asked = [
        ("delete", delete, "forget"),
        ("save", save, "keep all machines as"),
        ("restore", restore, "bring all machines back to"),
    ]
    if sum(bool(name) for _, name, _ in asked) > 1:
        raise UsageError(
            "more than one thing to do with snapshots",
            "--save, --restore and --delete are one each",
            "do them one after another",
        )
    more = {"restore": ("--no-provision",)}
    command = project.provider.tool_command
    steps = [
        Step(
            ids.snapshot(verb),
            f"{words} {name}",
            "asked for",
            command("snapshot", verb, *more.get(verb, ()), name),
            seconds=60,
            loses="what happened on the machines since" if verb == "restore" else "",
        )
        for verb, name, words in asked
        if name
    ]
    if restore:
        steps.append(
            Step(
                ids.ANSWERS,
                "wait for every node to be ready",
                "they were restored",
                wait_for_nodes(project),
                (ids.snapshot("restore"),),
                20,
            )
        )
    return steps
