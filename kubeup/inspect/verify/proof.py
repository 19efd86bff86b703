"""Proves that a profile's cluster and application work, by every check that there is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kubeup.core.errors import KubeupError
from kubeup.core.record import CLUSTER
from kubeup.core.report import Report
from kubeup.inspect.verify.checks import run
from kubeup.inspect.verify.lines import Context, Line
from kubeup.system import machine, secrets
from kubeup.workflows.project import Project


def context(project: Project) -> Context:
    image = next(image.reference for image in project.images if image.part == "api")
    nodes = project.provider.ssh_targets()
    found = Context(
        project.settings,
        project.kubectl,
        nodes,
        project.provider.node_specs(),
        image,
        tuple(node.address for node in nodes),
        lambda: secret_values(project),
        *_outside(project),
    )
    return replace(found, published=project.external.found, pace=machine.pace(project.host))


def _outside(project: Project) -> tuple[Callable[[str], str], str, Callable[[], str]] | tuple[()]:
    """How a database outside the cluster is asked, where it is, and how it is."""
    if project.database_on == CLUSTER:
        return ()
    server, outside = project.server, project.machine
    return (
        lambda sql: server.sql(sql, server.database, user=server.user),
        outside.address,
        outside.status,
    )


def secret_values(project: Project) -> dict[str, str]:
    database = project.settings.database
    return {
        "MYSQL_DATABASE": database.name,
        "MYSQL_USER": database.user,
        **secrets.read(project.state.secrets),
    }


def prove(project: Project, out: Report, json: bool = False) -> None:
    """Run every check; raises KubeupError where one fails, or where there is no cluster to
    check.
    """
    project.kubectl.require_access()
    lines: list[Line] = run(context(project), None if json else lambda line: _print(line, out))
    if json:
        out.data(lines)
    wrong = [line for line in lines if not line.ok]
    if wrong:
        raise KubeupError(
            f"{len(wrong)} of {len(lines)} checks failed: {', '.join(line.name for line in wrong)}",
            wrong[0].cause,
            wrong[0].next,
        )


def _print(line: Line, out: Report) -> None:
    mark = ("!" if line.cause else "✔") if line.ok else "✘"
    out.say(f" {mark} {line.name.ljust(23)} {line.seconds:6.2f} s  {line.detail or line.proves}")
    if line.cause:
        out.say(f"     cause: {line.cause}\n     next:  {line.next}")
