"""Checks of this machine, the keys and the cluster; each says ok, or what is wrong and the fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError
from kubeup.core.options import Options
from kubeup.core.plan import Holds, Planned, plan_of, todo
from kubeup.core.report import Report
from kubeup.facts import proxies, software
from kubeup.system import keys, packages, secrets
from kubeup.workflows import cluster, database, requirements, up
from kubeup.workflows.converge import carry_out, confirm
from kubeup.workflows.loading import problems
from kubeup.workflows.project import Project


@dataclass(frozen=True)
class Finding:
    """One check's outcome.

    `steps` mend it and are safe: nothing of the user's is changed by them; `ask` comes before some.
    """

    name: str
    ok: bool
    what: str
    fix: str = ""
    steps: tuple[Planned, ...] = ()
    ask: str = ""

    @property
    def safe(self) -> bool:
        """Whether there is a step that mends it."""
        return bool(todo(self.steps))


Check = Callable[[Project], Finding | list[Finding]]


def examine(project: Project, out: Report, given: Options, fix: bool) -> None:
    """Run every check side by side; with `fix` apply the safe fixes and look again.

    Raises KubeupError for what is left.
    """
    found = findings(project)
    steps = [one for finding in found for one in finding.steps]
    if fix and todo(steps):
        if all(one.id != ids.PACKAGES for one in steps):
            steps.append(Holds(ids.PACKAGES, "those that are missing can't be installed from here"))
        for finding in found:
            confirm(finding.ask, given.yes)
        carry_out(project, lambda: plan_of(steps), out, replace(given, yes=True))
        found = findings(project)
    if given.json:
        out.data(
            [
                {"name": one.name, "ok": one.ok, "what": one.what, "fix": one.fix, "safe": one.safe}
                for one in found
            ]
        )
    for one in () if given.json else found:
        out.say(
            f" {'✔' if one.ok else '✘'} {one.name.ljust(12)} {one.what}"
            + ("" if one.ok else f"\n     fix: {one.fix}")
        )
    wrong = [one for one in found if not one.ok]
    if wrong:
        raise KubeupError(
            f"{len(wrong)} of {len(found)} checks found something wrong",
            ", ".join(one.name for one in wrong),
            "`inv doctor --fix` applies what is safe"
            if any(one.safe for one in wrong)
            else wrong[0].fix,
        )


def findings(project: Project) -> list[Finding]:
    checks: tuple[tuple[str, Check], ...] = (
        ("settings", _settings),
        ("provider", _provider),
        ("packages", _packages),
        ("requirements", _requirements),
        ("proxy", _proxy),
        ("keys", _keys),
        ("passwords", _passwords),
        ("machines", _machines),
        ("nodes", _nodes),
        ("database", _database),
        ("http port", _http_port),
    )
    with ThreadPoolExecutor(len(checks)) as pool:
        found = pool.map(lambda check: _safe(check[0], check[1], project), checks)
        return [one for several in found for one in several]


def _safe(name: str, check: Check, project: Project) -> list[Finding]:
    try:
        found = check(project)
    except KubeupError as error:
        found = Finding(name, False, f"{error.what}: {error.why}", error.next)
    return found if isinstance(found, list) else [found]


def _settings(project: Project) -> Finding:
    wrong = [str(one) for one in problems(project) if one.severity == "error"]
    return Finding(
        "settings", not wrong, "; ".join(wrong) or "fit this machine", "mend what is named"
    )


def _provider(project: Project) -> Finding:
    usable = project.provider.probe()
    steps = tuple(project.provider.install()) if usable.ok else ()
    ask = "; ".join(f"{step.title}?" for step in todo(steps))
    return Finding(
        "provider",
        usable.ok and not usable.fetched,
        f"{project.provider.name}: {usable.why}",
        usable.fix,
        steps,
        ask,
    )


def _packages(project: Project) -> Finding:
    missing = packages.missing(project.packages)
    steps = tuple(packages.plan(missing, project.host))
    found = f"missing: {', '.join(missing)}" if missing else "all there"
    return Finding(
        "packages",
        not missing,
        found,
        software.manager(project.host.distribution).command(missing),
        steps,
    )


def _requirements(project: Project) -> list[Finding]:
    """What the plan of `up` would refuse as well, where nodes are made on this machine."""
    if not project.provider.creates_machines:
        return []
    found = requirements.check(up.outstanding(project))
    return [Finding(one.name, one.ok, one.found, one.fix) for one in found]


def _proxy(project: Project) -> Finding:
    """Whether nodes can use the proxy that this machine goes through."""
    known, near = project.host.proxies, proxies.on_loopback(project.host.proxies)
    names = ", ".join(name for name in proxies.PROXIES if name in known)
    gateway = next(iter(project.settings.node_network.hosts()))
    what = (
        f"{', '.join(near)} names this machine's loopback, where a node finds nobody"
        if near
        else f"{names}; the nodes' own networks go past it"
    )
    return Finding(
        "proxy",
        not near,
        what if names else "none is set",
        f"name it by an address of this machine that nodes reach, as {gateway}, and let it "
        "listen there",
    )


def _keys(project: Project) -> Finding:
    if not project.provider.uses_kubeadm:
        return Finding("keys", True, f"{project.provider.name} has its own")
    planned = tuple(keys.plan(project.state.private_key, project.state.public_key))
    steps = todo(planned)
    return Finding(
        "keys",
        not steps,
        steps[0].reason if steps else str(project.state.private_key),
        "`inv ssh.keys`",
        planned,
    )


def _passwords(project: Project) -> Finding:
    path = project.state.secrets
    missing = secrets.missing(path)
    steps = tuple(secrets.plan(path))
    if path.exists() and path.stat().st_mode & 0o077:
        return Finding(
            "passwords",
            False,
            f"{path} can be read by others",
            shell.shown(("chmod", "600", str(path))),
        )
    found = f"{', '.join(missing)} missing" if missing else f"{path.name} has them"
    return Finding("passwords", not missing, found, "`inv up` generates them", steps)


def _machines(project: Project) -> Finding:
    machines = project.provider.observe()
    rows = [f"{node.name} {node.state}" for node in machines.nodes if node.state != "running"]
    rows += [machines.blocked.why] if machines.blocked else []
    rows += [
        f"{node.name}: {text}"
        for node in machines.nodes
        for text in (*node.differs, *([node.detail] if node.detail else []))
    ]
    fix = machines.blocked.fix if machines.blocked else ""
    return Finding(
        "machines",
        not rows,
        "; ".join(rows) or f"{len(machines.nodes)} running as the settings want them",
        fix or "`inv up`",
    )


def _database(project: Project) -> Finding:
    wrong = database.unfinished(project)
    fix = "`inv db.vm` brings up a service that is down; what is named finishes the rest"
    return Finding("database", not wrong, wrong or database.where(project), fix)


def _http_port(project: Project) -> Finding:
    """Whether the UI has its port of every node's address, and nobody waits there in vain."""
    external, fix = project.external, "stop that, or set ports.http to another port, or to 0"
    if not external.port:
        return Finding("http port", True, "the settings want none")
    if not project.kubectl.answers():
        return Finding("http port", True, f"{external.port}, once the API server answers")
    if shadowed := external.shadowed():
        what = f"{external.port} is the UI's, in vain it is listened on by {'; '.join(shadowed)}"
        return Finding("http port", False, what, fix)
    published = external.found()
    where = ", ".join(map(published.url, published.addresses))
    what = "; ".join(filter(None, (where, *published.left_out)))
    return Finding("http port", not published.refused, what, fix)


def _nodes(project: Project) -> Finding:
    facts = cluster.observe(project)
    rows = list(_wrong_nodes(facts))
    return Finding(
        "nodes",
        not rows,
        "; ".join(rows) or "all ready",
        "`inv up`; where a node stays so: `inv ssh.run 'journalctl -u kubelet -n 30'`",
    )


def _wrong_nodes(facts: cluster.ClusterFacts) -> Iterator[str]:
    yield from (
        f"{name} can't be reached: {why.splitlines()[0]}" for name, why in facts.unreachable.items()
    )
    if not facts.answers:
        yield "the API server does not answer"
    yield from (f"{node.name} not ready: {node.why}" for node in facts.nodes if not node.ready)
