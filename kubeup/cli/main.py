"""The main tasks."""

from __future__ import annotations

from dataclasses import replace

from kubeup.cli.base import change_project, kubeup_task, open_project, settings_file
from kubeup.core.options import Options


@kubeup_task("yes", "dry", "commands", "json", "force")
def up(given: Options) -> None:
    """Bring up the cluster with the database, API and UI on it, and prove that it works.

    Example: inv up --yes    or    inv up --dry --commands
    """
    from kubeup.inspect.verify.proof import prove
    from kubeup.workflows.converge import bring_up

    with change_project(given) as (project, out):
        bring_up(project, out, given, prove)


@kubeup_task(
    "yes",
    "dry",
    "commands",
    help={"data": "also delete the volumes with the database's data, by name, after asking"},
)
def down(given: Options, data: bool = False) -> None:
    """Remove the cluster; the database's data is kept, and the next `inv up` finds it.

    Example: inv down --yes    or    inv down --data
    """
    from kubeup.workflows.down import take_down

    with change_project(given) as (project, out):
        take_down(project, out, given, data)


@kubeup_task("json", "commands", "force")
def plan(given: Options) -> None:
    """Show what `inv up` would do and why, without changing anything.

    Example: inv plan --commands
    """
    from kubeup.inspect.verify.proof import prove
    from kubeup.workflows.converge import bring_up

    project, out = open_project(given)
    bring_up(project, out, replace(given, dry=True), prove)


@kubeup_task("json")
def status(given: Options) -> None:
    """Show machines, nodes, pods, images and addresses as they are now.

    Example: inv status --json
    """
    from kubeup.inspect import status as statuses

    project, out = open_project(given)
    found = statuses.collect(project)
    out.data(found) if given.json else statuses.show(found, out)


@kubeup_task("json")
def profiles(given: Options) -> None:
    """List the profiles of this machine: their machines, memory and disk, and whose they are.

    Example: inv profiles
    """
    from kubeup.workflows import profiles as workflow
    from kubeup.workflows.loading import read_settings

    project, out = open_project(given, strict=False)
    found = workflow.find(project)
    if given.json:
        out.data(workflow.data(found))
        return
    workflow.show(
        found, out, lambda name: read_settings(settings_file(given.file), name).settings is not None
    )


@kubeup_task("json")
def verify(given: Options) -> None:
    """Prove that the cluster and the application work, a line for each check.

    Example: inv verify
    """
    from kubeup.inspect.verify.proof import prove

    project, out = open_project(given)
    prove(project, out, given.json)


@kubeup_task("yes", "json", help={"fix": "apply the fixes that are safe"})
def doctor(given: Options, fix: bool = False) -> None:
    """Check this machine, the keys and the cluster, with a fix for each problem.

    Example: inv doctor --fix
    """
    from kubeup.inspect import doctor as doctors

    with change_project(given, changes=fix, strict=False) as (project, out):
        doctors.examine(project, out, given, fix)


@kubeup_task("yes", "dry", help={"to": "the file (default: one in the profile's folder)"})
def support(given: Options, to: str = "") -> None:
    """Pack what helps somebody help: versions, plan, journal, events, logs; no secret is in it.

    Example: inv support --to help.tar.gz
    """
    from kubeup.core.errors import Refused
    from kubeup.inspect import support as supports
    from kubeup.workflows.repair import NONE

    try:
        opened = open_project(given, strict=False)
    except Refused:  # such as a record that can't be understood, which is packed as it is
        opened = open_project(given, strict=False, record=NONE)
    supports.pack(*opened, given, to)


@kubeup_task(
    "json",
    help={
        "svg": "as an SVG picture on standard output",
        "mermaid": "as a Mermaid flowchart",
        "part": "all, db, api or ui",
    },
)
def diagram(given: Options, svg: bool = False, mermaid: bool = False, part: str = "all") -> None:
    """Draw the running system: machines, pods, Services, volumes and their connections.

    Example: inv diagram --svg > system.svg
    """
    from kubeup.inspect.diagram.drawing import draw

    project, out = open_project(given)
    draw(
        project,
        out,
        "svg" if svg else "mermaid" if mermaid else "json" if given.json else "text",
        part,
    )
