"""The main tasks."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task, open_project


@kubeup_task()
def up(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False,  # noqa: B006
       commands: bool = False, json: bool = False, force: bool = False) -> None:
    """Bring up the cluster with the database, API and UI on it, and prove that it works.

    Example: inv up --yes    or    inv up --dry --commands
    """
    from kubeup.converge import bring_up

    with change_project("up", profile, set, dry) as (project, out):
        bring_up(project, out, dry=dry, yes=yes, json=json, commands=commands, force=force)


@kubeup_task(help={"data": "also delete the volumes with the database's data, by name, after asking"})
def down(c: Any, profile: str = "", set: list[str] = [], data: bool = False, yes: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Remove the cluster. The database's data stays, and the next `inv up` finds it again.

    Example: inv down --yes    or    inv down --data
    """
    from kubeup import up as whole

    with change_project("down", profile, set, dry) as (project, out):
        carry_out(project, lambda: whole.down(project, data), out, "down", dry=dry, yes=yes, commands=commands)


@kubeup_task()
def plan(c: Any, profile: str = "", set: list[str] = [], json: bool = False, commands: bool = False,  # noqa: B006
         force: bool = False) -> None:
    """Show what `inv up` would do and why; nothing is changed.

    Example: inv plan --commands
    """
    from kubeup.converge import bring_up

    project, out = open_project(profile, set)
    bring_up(project, out, dry=True, json=json, commands=commands, force=force)


@kubeup_task()
def status(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Show machines, nodes, pods, images and addresses as they are now.

    Example: inv status --json
    """
    from kubeup import status as statuses

    project, out = open_project(profile, set)
    found = statuses.collect(project)
    out.data(found) if json else statuses.show(found, out)


@kubeup_task()
def verify(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Prove that the cluster and the application work, a line for each thing.

    Example: inv verify
    """
    from kubeup.converge import prove

    project, out = open_project(profile, set)
    prove(project, out, json=json)


@kubeup_task(help={"fix": "apply the fixes that are safe"})
def doctor(c: Any, profile: str = "", set: list[str] = [], fix: bool = False, yes: bool = False, json: bool = False) -> None:  # noqa: B006
    """Check this machine, the keys and the cluster: ok, or what is wrong and the fix.

    Example: inv doctor --fix
    """
    from kubeup import doctor as doctors

    with change_project("doctor", profile, set, dry=not fix, strict=False) as (project, out):
        doctors.examine(project, out, fix=fix, json=json, yes=yes)


@kubeup_task(help={"svg": "as an SVG picture on standard output", "mermaid": "as a Mermaid flowchart", "part": "all, db, api or ui"})
def diagram(c: Any, profile: str = "", set: list[str] = [], svg: bool = False, mermaid: bool = False, part: str = "all", json: bool = False) -> None:  # noqa: B006
    """Draw the running system: machines, pods, Services, volumes, and who talks to whom.

    Example: inv diagram --svg > system.svg
    """
    from kubeup.converge import draw

    project, out = open_project(profile, set)
    draw(project, out, "svg" if svg else "mermaid" if mermaid else "json" if json else "text", part)


@kubeup_task(help={"only": "names of figures, separated by commas", "long": "also the figures that take many minutes"})
def bench(c: Any, only: str = "", long: bool = False, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Measure what kubeup costs, each figure as a ratio within one run.

    Example: inv bench --only list,second-up
    """
    from kubeup import bench as benches

    project, out = open_project(profile, set)
    figures = benches.measure(project, out, only, long)
    out.data(figures) if json else benches.show(figures, out)


@kubeup_task(help={"long": "also the tests that take many minutes",
                   "only": "names of stages with commas between: unit, lint, api, ui, db, real, minikube, vagrant;"
                           " with --long also database, machines"})
def test(c: Any, long: bool = False, only: str = "") -> None:
    """Run all the tests that this machine can, the real ones included.

    Example: inv test    or    inv test --only unit
    """
    from kubeup.tasks.development import run_tests

    run_tests(long, only)
