"""The main tasks."""

from __future__ import annotations

from dataclasses import replace

from kubeup.cli.base import change, change_project, kubeup_task, open_project
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
    from kubeup.workflows import down as workflow

    change(given, lambda project: workflow.down(project, data))


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


@kubeup_task(
    "json",
    help={
        "only": "names of figures, separated by commas",
        "long": "also the figures that take many minutes",
    },
)
def bench(given: Options, only: str = "", long: bool = False) -> None:
    """Measure what kubeup costs, each figure as a ratio within one run.

    Example: inv bench --only list,second-up
    """
    from kubeup.inspect import bench as benches

    project, out = open_project(given)
    figures = benches.measure(project, out, only, long)
    out.data(figures) if given.json else benches.show(figures, out)


@kubeup_task(
    settings=False,
    help={
        "long": "also the tests that take many minutes",
        "only": "names of stages with commas between: unit, lint, api, ui, db, real, minikube, "
        "vagrant;"
        " with --long also database, machines",
    },
)
def test(given: Options, long: bool = False, only: str = "") -> None:
    """Run all the tests that this machine can, the real ones included.

    Example: inv test    or    inv test --only unit
    """
    from kubeup.cli.development import run_tests

    run_tests(long, only)
