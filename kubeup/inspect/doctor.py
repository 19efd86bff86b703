"""Checks of this machine, the keys and the cluster; each says ok, or what is wrong and the fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError
from kubeup.core.options import Options
from kubeup.core.plan import Holds, Planned, plan_of, todo
from kubeup.core.report import Report
from kubeup.facts import manifests, proxies, software
from kubeup.facts.faults import Repair
from kubeup.system import keys, packages, secrets, tls
from kubeup.workflows import (
    cluster,
    database,
    deployed,
    guarding,
    health,
    lost_passwords,
    requirements,
    scheduled,
    up,
)
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.converge import carry_out, confirm
from kubeup.workflows.health import Health
from kubeup.workflows.loading import problems
from kubeup.workflows.project import Project

READ_SECONDS = 4.0  # of a check's question to a cluster
SEE = "docs/reliability.md says what it may be and what helps"


@dataclass(frozen=True)
class Finding:
    """One check's outcome.

    `steps` fix it and are safe: nothing of the user's is changed by them; `ask` comes before some.
    """

    name: str
    ok: bool
    what: str
    fix: str = ""
    steps: tuple[Planned, ...] = ()
    ask: str = ""

    @property
    def safe(self) -> bool:
        """Whether there is a step that fixes it."""
        return bool(todo(self.steps))


def examine(project: Project, out: Report, given: Options, fix: bool) -> None:
    """Run every check side by side; with `fix` apply the safe fixes and look again.

    Raises KubeupError for what is left.
    """
    results = findings(project)
    # again afterwards: what a fix did not mend is still reported
    if fix and any(finding.safe for finding in results):
        _apply(project, results, out, given)
        results = findings(project)
    _show(results, out, given.json)
    wrong = [finding for finding in results if not finding.ok]
    if wrong:
        safe = any(finding.safe for finding in wrong)
        raise KubeupError(
            f"{len(wrong)} of {len(results)} checks found something wrong",
            ", ".join(finding.name for finding in wrong),
            "`inv doctor --fix` applies what is safe" if safe else wrong[0].fix,
        )


def _apply(project: Project, results: Sequence[Finding], out: Report, given: Options) -> None:
    steps = [step for finding in results for step in finding.steps]
    if ids.PACKAGES not in {step.id for step in steps}:
        # other steps may need packages: a plan has to know that nobody brings them
        steps.append(Holds(ids.PACKAGES, "what is missing can't be installed from here"))
    for finding in results:
        confirm(finding.ask, given.yes)
    # asked already, for each that asks
    carry_out(project, lambda: plan_of(steps), out, replace(given, yes=True))


def _show(results: Sequence[Finding], out: Report, json: bool) -> None:
    if json:
        fields = ("name", "ok", "what", "fix", "safe")
        out.data([{field: getattr(finding, field) for field in fields} for finding in results])
        return
    for finding in results:
        mark = "✔" if finding.ok else "✘"
        out.say(f" {mark} {finding.name.ljust(12)} {finding.what}")
        if not finding.ok:
            out.say(f"     fix: {finding.fix}")


def findings(project: Project) -> list[Finding]:
    """What every check says, in their order.

    One that a broken cluster keeps waiting has found something wrong, too.
    """
    project = replace(project, reads=project.host.pace.seconds(READ_SECONDS))
    with ThreadPoolExecutor(len(CHECKS) + len(OF_CLUSTER) + 1) as pool:
        observed = pool.submit(cluster.observe, project)
        checks = {name: partial(check, project) for name, check in CHECKS.items()}
        for name, of_cluster in OF_CLUSTER.items():
            checks[name] = partial(_once_observed, of_cluster, project, observed)
        results = pool.map(_findings, checks, checks.values())
        return [finding for several in results for finding in several]


def _once_observed(
    check: OfCluster, project: Project, observed: Future[ClusterFacts]
) -> Finding | list[Finding]:
    return check(project, observed.result())


def _findings(name: str, check: Callable[[], Finding | list[Finding]]) -> Sequence[Finding]:
    try:
        results = check()
    except KubeupError as error:  # a check that can't look has found something wrong, too
        return [Finding(name, False, f"{error.what}: {error.why}", error.next)]
    return [results] if isinstance(results, Finding) else results


def _judged(name: str, wrong: str, well: str, fix: str, steps: Sequence[Planned] = ()) -> Finding:
    """A finding: what is wrong, or how it is where nothing is."""
    return Finding(name, not wrong, wrong or well, fix, tuple(steps))


def _settings(project: Project) -> Finding:
    errors = [str(problem) for problem in problems(project) if problem.severity == "error"]
    return _judged("settings", "; ".join(errors), "fit this machine", "correct what is named")


def _provider(project: Project) -> Finding:
    usable = project.provider.probe()
    # one that can't be used here is not helped by its tool
    steps = tuple(project.provider.install()) if usable.ok else ()
    return Finding(
        name="provider",
        ok=usable.ok and not usable.fetched,
        what=f"{project.provider.name}: {usable.why}",
        fix=usable.fix,
        steps=steps,
        ask="; ".join(f"{step.title}?" for step in todo(steps)),
    )


def _packages(project: Project) -> Finding:
    missing = packages.missing(project.packages)
    fix = software.manager(project.host.distribution).command(missing)
    steps = packages.plan(missing, project.host)
    wrong = f"missing: {', '.join(missing)}" if missing else ""
    return _judged("packages", wrong, "all installed", fix, steps)


def _requirements(project: Project) -> list[Finding]:
    """What the plan of `up` would refuse as well, where nodes are made on this machine."""
    if not project.provider.creates_machines:
        return []
    checks = requirements.check(up.outstanding(project))
    return [Finding(check.name, check.ok, check.found, check.fix) for check in checks]


def _proxy(project: Project) -> Finding:
    """Whether nodes can use the proxy that this machine goes through."""
    known = project.host.proxies
    names = [name for name in proxies.PROXIES if name in known]
    loopback = proxies.on_loopback(known)
    gateway = next(iter(project.settings.node_network.hosts()))
    wrong = f"{', '.join(loopback)}: a loopback address, which nodes can't reach"
    well = f"{', '.join(names)}; not used between the nodes"
    return _judged(
        "proxy",
        wrong if loopback else "",
        well if names else "none is set",
        f"use an address of this machine that nodes reach, such as {gateway}, and let the proxy "
        "listen there",
    )


def _keys(project: Project) -> Finding:
    # a provider that brings its own Kubernetes has keys of its own, too
    if not project.provider.uses_kubeadm:
        return Finding("keys", True, f"{project.provider.name} has its own")
    private = project.state.private_key
    planned = keys.plan(private, project.state.public_key)
    wrong = "; ".join(step.reason for step in todo(planned))
    return _judged("keys", wrong, str(private), "`inv ssh.keys`", planned)


def _passwords(project: Project) -> Finding:
    path = project.state.secrets
    # not fixed without being asked: whoever shares the file may have meant to
    if path.exists() and path.stat().st_mode & 0o077:
        wrong, fix = f"{path} can be read by others", shell.shown(("chmod", "600", str(path)))
        return Finding("passwords", False, wrong, fix)
    missing = secrets.missing(path)
    if missing:
        lost_passwords.refuse(project, cluster.observe(project))
    wrong = f"{', '.join(missing)} missing" if missing else ""
    fix = "`inv up` generates them"
    return _judged("passwords", wrong, f"{path.name} has them", fix, secrets.plan(path))


def _certificate(project: Project) -> Finding:
    """Whether the database is closed to others, and its certificate good for a while."""
    if not project.guarded:
        wrong = f"{guarding.WHY}: it takes plain text, and root from everywhere"
        return Finding("certificate", False, wrong, "`inv up` closes it")
    folder = project.state.tls
    wrong = f"the database's: {tls.due(folder)}" if folder.exists() and tls.due(folder) else ""
    well = "good for a while" if folder.exists() else "made with the database"
    return _judged("certificate", wrong, well, "`inv up` makes it anew")


def _machines(_: Project, facts: ClusterFacts) -> Finding:
    machines = facts.machines
    stopped = [node for node in machines.nodes if node.state != "running"]
    wrong = [f"{node.name} {node.state}" for node in stopped]
    wrong += [machines.blocked.why] if machines.blocked else []
    for node in machines.nodes:
        wrong += [f"{node.name}: {text}" for text in (*node.differs, node.detail) if text]
    return _judged(
        "machines",
        "; ".join(wrong),
        f"{len(machines.nodes)} running as the settings want them",
        (machines.blocked and machines.blocked.fix) or "`inv up`",
    )


def _cluster(project: Project, facts: ClusterFacts) -> list[Finding]:
    """Whether its nodes are ready, and what of it is not as it was made."""
    wrong = [
        f"{name} can't be reached: {why.splitlines()[0]}" for name, why in facts.unreachable.items()
    ]
    if not facts.answers:
        wrong.append(f"the API server does not answer: {facts.unanswered}")
    wrong += [f"{node.name} not ready: {node.why}" for node in facts.nodes if not node.ready]
    fix = "`inv up`; where a node stays so: `inv ssh.run 'journalctl -u kubelet -n 30'`"
    found = health.look(project, facts)
    return [
        _judged("nodes", "; ".join(wrong), "all ready", fix),
        *_parts(found, health.on_nodes(project, facts, found)),
    ]


def _parts(found: Health, steps: Sequence[Planned]) -> list[Finding]:
    """A finding for each fault; what somebody may have wanted is not mended unasked."""
    if not found.faults:
        well = "Kubernetes' own parts, and what the nodes have of it, are as they were made"
        return [Finding("kubernetes", True, well)]
    safe = tuple(step for step in todo(steps) if not step.loses)
    return [
        Finding(
            fault.part,
            False,
            str(fault),
            f"`inv up`: {fault.repair.value}" if fault.repair is not Repair.NONE else SEE,
            safe if number == 0 else (),
        )
        for number, fault in enumerate(found.faults)
    ]


def _application(project: Project, facts: ClusterFacts) -> Finding:
    """Whether the application is on the cluster as the settings want it, and ready."""
    name = "application"
    if project.record.database is None:
        return Finding(name, True, "not deployed")
    if secrets.missing(project.state.secrets) or not facts.answers:
        return Finding(name, True, "compared once the API server answers")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(deployed.status, project)
        changed = manifests.changed(project.deployment.diff())
    differing = [f"{', '.join(changed)} not as the settings want it"] if changed else []
    troubles = asked.result().troubles
    wrong = [*differing, *(f"{one.what}: {one.why}" for one in troubles)]
    fix = "`inv up`" if changed or not troubles else troubles[0].next
    return _judged(name, "; ".join(wrong), "as the settings want it", fix)


def _database(project: Project) -> Finding:
    wrong = database.unfinished(project)
    return _judged(
        "database",
        wrong,
        wrong or database.where(project),
        "`inv db.vm` starts a service that is down; the commands that are named finish the rest",
    )


def _backups(project: Project) -> Finding:
    """Whether those that run by themselves do, and can be restored."""
    found = scheduled.health(project)
    fix = "mend what is named; `inv db.schedule` sets them up anew, `inv db.backup` makes one now"
    return _judged("backups", found.wrong, found.words, fix)


def _http_port(project: Project, facts: ClusterFacts) -> Finding:
    """Whether the UI has its port of every node's address, and no other program needs it."""
    running = [node.name for node in facts.machines.nodes if node.state == "running"]
    external, name = project.external.on(running), "http port"
    # nothing to look at yet is no fault
    if not external.port:
        return Finding(name, True, "not wanted by the settings")
    if not facts.answers:
        return Finding(name, True, f"{external.port}, once the API server answers")
    fix = "stop what has it, or set ports.http to another port, or to 0"
    if shadowed := external.shadowed():
        what = f"connections to port {external.port} go to the UI, not to {'; '.join(shadowed)}"
        return Finding(name, False, what, fix)
    published = external.found()
    urls = ", ".join(map(published.url, published.addresses))
    what = "; ".join(filter(None, (urls, *published.left_out)))
    return Finding(name, not published.refused, what, fix)


OfCluster = Callable[[Project, ClusterFacts], Finding | list[Finding]]
# of this machine, and of what is on record
CHECKS: dict[str, Callable[[Project], Finding | list[Finding]]] = {
    "settings": _settings,
    "provider": _provider,
    "packages": _packages,
    "requirements": _requirements,
    "proxy": _proxy,
    "keys": _keys,
    "passwords": _passwords,
    "certificate": _certificate,
    "database": _database,
    "backups": _backups,
}
# of what was found of the cluster, which is looked at once for all of them
OF_CLUSTER: dict[str, OfCluster] = {
    "machines": _machines,
    "nodes": _cluster,
    "application": _application,
    "http port": _http_port,
}
