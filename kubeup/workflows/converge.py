"""Look, show, ask, act, look again: what `up` does with a plan, and what it shows at the end.

All under the profile's lock.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from functools import partial

from kubeup.application import apply, network, serving, watch
from kubeup.application.external import PUBLISHED, Published
from kubeup.core import ids, lock, shell
from kubeup.core import record as records
from kubeup.core.errors import NotConverged, Refused, after_changes
from kubeup.core.ids import Kind, any_of
from kubeup.core.options import Options
from kubeup.core.pace import Pace
from kubeup.core.plan import Plan, plan_of
from kubeup.core.report import Report, duration, plan_data, progress, visible
from kubeup.core.runner import Journal, run
from kubeup.core.services import NAMES, SERVICES
from kubeup.system import machine
from kubeup.workflows import choices, up, uses
from kubeup.workflows.project import Project

REMOVE = ("down", "cluster.destroy")
ROUNDS = 2  # a second one only where stopped machines hid what is on them
MORE = (
    "That is not all: what is on a cluster that does not answer, or on machines that don't run or "
    "are not finished, is looked at once they do. `inv up` plans the rest then."
)
ASKED_FROM = 60.0  # seconds: a plan that takes longer is asked about
LOOK_AGAIN = 5.0  # seconds: after a question that stood longer the plan is made again


def carry_out(
    project: Project, make: Callable[[], Plan], out: Report, given: Options, whole: bool = False
) -> Plan:
    """Make a plan, show it, ask where something would be lost or it takes long, and run it.

    `whole` prints every line of its steps. Where the answer took its time the plan is made again,
    and what is no longer the same is shown and asked about anew. Whoever calls it holds the
    profile's lock, unless it is dry. Returns what was run, an empty plan where nothing was.
    """
    if not given.dry:
        lock.require(project.state.folder)
    choices.refuse_unreachable(project)
    if not given.dry and given.command not in REMOVE:  # which shows what it has found
        choices.refuse_unrecorded(project)
    if not given.dry and given.command not in REMOVE:
        uses.note(project)
    plan = make()
    if given.json and (given.dry or not plan):
        out.data(plan_data(plan))
        return plan_of()
    _show(project, plan, out, given.commands)
    while not given.dry and plan and _took_long(partial(_ask, project, plan, given.yes)):
        before, plan = plan, make()
        if same(before, plan):
            break
        out.say("The cluster or the settings changed meanwhile. The plan is now:")
        _show(project, plan, out, given.commands)
    if given.dry or not plan:
        return plan_of()
    choices.remember(project, plan.ids)
    with progress(out, whole) as shown:
        journal = Journal(project.state.folder, given.command)
        keep = partial(machine.keep_pace, project.host)
        run(plan, shown, journal, project.host.pace, keep, partial(records.account, project.state))
    return plan


def _show(project: Project, plan: Plan, out: Report, commands: bool) -> None:
    out.plan(plan, commands)
    if rooted := plan and _by_sudo(project, plan):
        out.say(f"sudo is used for {' and '.join(rooted)} only")
    if plan and (why := project.host.pace.why()):
        out.say(
            f"{why}: expect about {duration(plan.critical_seconds() * project.host.pace.times)}"
        )


def _took_long(ask: Callable[[], None]) -> bool:
    """Whether so much time passes that something may have changed.

    By the clock: a laptop sleeps over a question.
    """
    began = time.time()
    ask()
    return abs(time.time() - began) >= LOOK_AGAIN


def same(one: object, other: object) -> bool:
    """Whether two plans, or what they are made of, are equal as data.

    What they would only ask when they run counts by its name.
    """
    return _data(one) == _data(other)


def _data(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return type(value), [
            _data(getattr(value, one.name)) for one in fields(value) if one.compare
        ]
    if isinstance(value, Mapping):
        return {key: _data(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_data(one) for one in value]
    return getattr(value, "__qualname__", value)


def _by_sudo(project: Project, plan: Plan) -> list[str]:
    """The programs that a plan needs root for, where this user has to become root for it."""
    if project.host.root:
        return []
    engine = [project.engine.name] if project.engine.by_sudo else []
    return [*engine, *(["apt-get"] if ids.PACKAGES in plan.ids else [])]


def _ask(project: Project, plan: Plan, yes: bool) -> None:
    """Have what a plan takes before it runs: a yes, and root's permission."""
    if plan.losses or plan.critical_seconds() >= ASKED_FROM:
        confirm(
            f"This loses {'; '.join(plan.losses)}. Go ahead?" if plan.losses else "Go ahead?", yes
        )
    if _by_sudo(project, plan):
        shell.authorize()


def confirm(question: str, yes: bool = False) -> None:
    """Ask, where there is a question and nobody said yes beforehand.

    Raises Refused for a no, and where nobody can answer.
    """
    if yes or not question:
        return
    if not sys.stdin.isatty():
        raise Refused(
            "confirmation needed, but standard input is not a terminal",
            question,
            "run the same again with --yes",
        )
    try:
        answer = input(f"{visible(question)} [y/N] ").strip().lower()
    except EOFError:  # Ctrl-D
        answer = ""
    if answer not in ("y", "yes", "s", "si", "sí"):
        raise Refused(
            "cancelled",
            "the answer was not yes",
            "nothing was changed",
        )


def bring_up(
    project: Project,
    out: Report,
    given: Options,
    prove: Callable[[Project, Report], None] | None = None,
) -> None:
    """Bring everything to where the settings want it.

    The cluster, and the application where something is to `prove` that it works. Raises
    NotConverged where a plan is left afterwards.
    """
    application = prove is not None
    if not given.json:
        _introduce(project, out, application)
    changed = disrupted = False
    for _ in range(ROUNDS):
        found: list[up.UpPlan] = []
        make = partial(_look, project, application, given.force, found)
        with after_changes(changed):
            ran = carry_out(project, make, out, given)
        changed, disrupted = changed or bool(ran), disrupted or disrupts_nodes(ran)
        if not ran or not found[-1].incomplete:
            break
    if given.dry:
        if found[-1].incomplete and not given.json:
            out.say(MORE)
        return
    with after_changes(changed):
        if changed:
            _require_converged(project, out, application, disrupted, given.force)
            if prove is not None:
                prove(project, out)
        if not given.json:
            for fault in found[-1].unmended:
                out.say(f"! {fault}: no step mends that, see docs/reliability.md")
        if application and not given.json:
            show_urls(project, out)


def _introduce(project: Project, out: Report, application: bool) -> None:
    name, why = project.provider.name, project.chosen[1]
    out.say(
        f"profile {project.settings.profile} on {name} ({why}); Kubernetes {project.kubernetes}"
    )
    if application:
        out.say(f"database: {project.images[0].what}")


def _require_converged(
    project: Project, out: Report, application: bool, disrupted: bool, force: bool
) -> None:
    left = _left_once_healthy(project, application, disrupted, force)
    if left:
        out.plan(left)
        raise NotConverged(
            "all steps ran, but the plan is not empty",
            ", ".join(f"{step.title} ({step.reason})" for step in left),
            "run the same again; when it repeats, `inv doctor` and `inv status` tell more",
        )


def _look(project: Project, application: bool, force: bool, found: list[up.UpPlan]) -> Plan:
    """The plan of what is there now, which is `found` as well."""
    found.append(up.plan(project, application, force))
    return found[-1].plan


def disrupts_nodes(plan: Plan) -> bool:
    """Whether a plan does something to nodes under parts that it does not deploy itself.

    What Kubernetes says of their pods is about what was before, for some seconds. A kubelet that
    was restarted calls its pods not ready until it has asked them (UpdatePodStatus in
    kubernetes/pkg/kubelet/prober/prober_manager.go), and a pod on a machine that went away stays an
    address of its Service until the kubelet there tells otherwise.
    """
    watched = {*map(ids.deploy, NAMES), *map(ids.wait_for, NAMES)}
    nodes = any_of(plan.ids, Kind.NODE, Kind.CLUSTER)
    return nodes and len(watched.intersection(plan.ids)) < len(NAMES)


def _left_once_healthy(project: Project, application: bool, disrupted: bool, force: bool) -> Plan:
    """What is left to do once everything stands.

    Where nothing but waiting is left, pods have fallen meanwhile: one more look. Parts of
    Kubernetes that have just been made may take longer than the application.
    """
    if application:
        wait_until_healthy(project, disrupted)
    left = up.plan(project, application, force).plan
    if left and all(step.id.kind in (Kind.WAIT, Kind.SETTLE) for step in left):
        wait_until_healthy(project, True)
        left = up.plan(project, application, force).plan
    return replace(left, steps=tuple(one for one in left if one.id.kind is not Kind.SETTLE))


def wait_until_healthy(project: Project, disrupted: bool) -> None:
    """Wait until all parts are ready and serve.

    What a run did to nodes may have moved pods that it did not deploy itself. Where it has
    `disrupted` them, the cluster's network has to work as well, and that all do at first says
    little: the API has to serve for a while, and whoever fell meanwhile has to be ready again.
    """
    watch.retry_pulls(project.kubectl, _silent)
    pace = machine.pace(project.host)  # as the run before measured it
    stands = network.WaitForNetwork(project.kubectl, project.boots, pace=pace)
    if disrupted:
        stands.run(_silent)
    _wait_for_parts(project, pace)
    serving.until_serving(project.kubectl, pace.seconds(serving.SECONDS), doubted=disrupted)
    if disrupted:
        stands.run(_silent)
        _wait_for_parts(project, pace)


def _silent(line: str) -> None:
    """No step of a plan: nobody is shown what it says."""


def _wait_for_parts(project: Project, pace: Pace) -> None:
    waits = [apply.WaitForPart(project.deployment, part, pace=pace) for part in NAMES]
    with ThreadPoolExecutor(len(waits)) as pool:
        list(pool.map(lambda wait: wait.run(_silent), waits))


def urls(project: Project, published: Published) -> tuple[tuple[str, str], ...]:
    """Where the application answers; nowhere without nodes: minikube's get addresses late."""
    addresses = [node.address for node in project.provider.ssh_targets()]
    if not addresses:
        return ()
    ports = project.settings.ports.node_ports
    best = next((url for address in reversed(addresses) if (url := published.url(address))), "")
    first = ((PUBLISHED, best),) if best else ()
    own = (
        (one.name, f"http://{addresses[-1]}:{ports[one.name]}{one.page}")
        for one in reversed(SERVICES)
        if one.page and one.name in ports
    )
    return (*first, *own)


def show_urls(project: Project, out: Report) -> None:
    for name, url in urls(project, project.external.found()):
        out.say(f"{name.upper():3} {url}")
