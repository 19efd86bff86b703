"""Figures against what a person types into the provider's own tool."""

from __future__ import annotations

import shlex
import time

from development.bench.timing import HOUR, Times, from_nothing, in_turn, task, timed
from kubeup.core import ids, lock
from kubeup.core.errors import UsageError
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Explained, todo
from kubeup.core.shell import write
from kubeup.system.kubectl import APPLY
from kubeup.workflows import rollout, up
from kubeup.workflows.project import Project

# minikube's answers within a second, Vagrant's takes five
STATUS_AIMS = {"minikube": 1.3, "vagrant": 1.2}


def has_status(project: Project) -> bool:
    """Whether the provider brings a tool of its own that can be asked the same."""
    try:
        return bool(project.provider.tool_command("status").argv)
    except UsageError:
        return False


def second_up(project: Project) -> Times:
    status = project.provider.tool_command("status")
    return in_turn(
        lambda: timed(*task(project, "up")),
        lambda: timed(*status.argv, env=dict(status.env)),
        5,
    )


def cluster(project: Project) -> Times:
    name = f"cluster.{project.provider.name}"
    return from_nothing(project, name, lambda: _typed(project, _lines(project, Kind.NODE)[0]))


def warm_up(project: Project) -> Times:
    return from_nothing(project, "up", lambda: _all_typed(project))


def _all_typed(project: Project) -> float:
    """Each command when the one before has ended."""
    kubectl = project.kubectl
    seconds = _typed(
        project, _lines(project, Kind.NODE)[0], *_lines(project, Kind.LOAD, ids.METRICS)
    )
    began = time.monotonic()
    with lock.profile(project.state.folder, "bench"):
        for step in todo(rollout.data_steps(project, ())):  # the volume's folder
            step.action.run(lambda line: None)
    with project.deployment.overlay.written() as folder:
        kubectl.write(*APPLY, "-k", str(folder))
    for workload in ("statefulset/mysql", "deployment/api", "deployment/ui"):
        kubectl.write("rollout", "status", workload)
    return seconds + time.monotonic() - began


def _lines(project: Project, *wanted: Kind | StepId) -> list[str]:
    """The command lines of some steps, as the plan prints them."""
    steps = [step for step in up.plan(project).plan if step.id in wanted or step.id.kind in wanted]
    return [
        line
        for step in steps
        if isinstance(step.action, Explained)
        for line in step.action.commands()
    ]


def _typed(project: Project, *lines: str) -> float:
    """Command lines of the provider's own tool, one after another."""
    env, began = dict(project.provider.tool_command("version").env), time.monotonic()
    for line in lines:
        write(*shlex.split(line), env=env, timeout=HOUR)
    return time.monotonic() - began
