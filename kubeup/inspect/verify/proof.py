"""Proves that a profile's cluster and application work, by every check that there is."""

from __future__ import annotations

from kubeup.core.errors import KubeupError
from kubeup.core.record import CLUSTER
from kubeup.core.report import Report
from kubeup.core.services import API
from kubeup.inspect.verify.model import Context, ExternalDatabase, Line
from kubeup.inspect.verify.run import Run
from kubeup.inspect.verify.runner import Tell, run_checks
from kubeup.inspect.verify.table import CHECKS
from kubeup.system import machine, secrets
from kubeup.workflows.project import Project


def prove(project: Project, out: Report, json: bool = False) -> None:
    """Run every check; raises KubeupError where one fails, or where there is no cluster."""
    # one error instead of sixteen lines that all say it
    project.kubectl.require_access()
    lines = run(context(project), None if json else lambda line: _print(line, out))
    if json:
        out.data(lines)
    if failed := [line for line in lines if not line.ok]:
        names = ", ".join(line.name for line in failed)
        raise KubeupError(
            f"{len(failed)} of {len(lines)} checks failed: {names}",
            failed[0].cause,
            failed[0].next,
        )


def run(context: Context, tell: Tell | None = None) -> list[Line]:
    """Verify a cluster; `tell` gets each line when it is done, the list has them in a fixed order.

    What the checks make, pods and a product, is gone afterwards, also after an interrupt.
    """
    verification = Run(context)
    checks = [check for check in CHECKS if check.applies(context.settings)]
    try:
        return run_checks(checks, verification, tell)
    finally:
        verification.clean()


def context(project: Project) -> Context:
    nodes = project.provider.ssh_targets()
    return Context(
        settings=project.settings,
        kubectl=project.kubectl,
        nodes=nodes,
        expected=project.provider.node_specs(),
        api_image=next(image.reference for image in project.images if image.part == API.name),
        addresses=tuple(node.address for node in nodes),
        secrets=lambda: secret_values(project),  # read when they are needed, and kept nowhere
        database=_external_database(project),
        published=project.external.found,
        pace=machine.pace(project.host),
    )


def _external_database(project: Project) -> ExternalDatabase | None:
    if project.database_on == CLUSTER:
        return None
    server = project.server
    return ExternalDatabase(
        project.machine.address,
        lambda sql: server.sql(sql, server.database, user=server.user),
        project.machine.status,
    )


def secret_values(project: Project) -> dict[str, str]:
    database = project.settings.database
    password = secrets.password(project.state.secrets, "MYSQL_PASSWORD")
    names = {"MYSQL_DATABASE": database.name, "MYSQL_USER": database.user}
    return {**names, "MYSQL_PASSWORD": password}


def _print(line: Line, out: Report) -> None:
    mark = "✘"
    if line.ok:
        mark = "!" if line.cause else "✔"
    out.say(f" {mark} {line.name.ljust(23)} {line.seconds:6.2f} s  {line.detail or line.proves}")
    if line.cause:
        out.say(f"     cause: {line.cause}\n     next:  {line.next}")
