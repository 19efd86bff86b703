"""The application's images."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task, open_project


@kubeup_task()
def build(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Build the images whose content has changed.

    Example: inv images.build --dry
    """
    from kubeup import artifacts

    with change_project("images.build", profile, set, dry) as (project, out):
        carry_out(project, lambda: artifacts.build(project), out, "images.build", dry=dry, yes=True, commands=commands)


@kubeup_task(help={"login": "log in to the registry first, with KUBEUP_REGISTRY_USER and KUBEUP_REGISTRY_PASSWORD from the environment"})
def push(c: Any, profile: str = "", set: list[str] = [], login: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Push the images to Docker Hub or the registry in the settings; what it holds already is not pushed.

    Example: inv images.push --set images.prefix=myaccount
    """
    from kubeup import artifacts

    with change_project("images.push", profile, [*set, "images.via=registry"], dry) as (project, out):
        if login and not dry:
            artifacts.login(project)
        carry_out(project, lambda: artifacts.push(project), out, "images.push", dry=dry, yes=True, commands=commands)


@kubeup_task()
def load(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Bring the images to every node that lacks them.

    Example: inv images.load
    """
    from kubeup import artifacts

    with change_project("images.load", profile, [*set, "images.via=load"], dry) as (project, out):
        carry_out(project, lambda: artifacts.load(project), out, "images.load", dry=dry, yes=True, commands=commands)


@kubeup_task(name="list")
def list_(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """List the images: what each is, whether it is built, and which nodes hold it.

    Example: inv images.list --json
    """
    from kubeup import artifacts

    project, out = open_project(profile, set)
    rows = artifacts.listed(project)
    if json:
        out.data(rows)
    else:
        out.table(("part", "image", "built", "on nodes"),
                  [(row.part, row.image, "yes" if row.built else "no", ", ".join(row.nodes) or "-") for row in rows])
