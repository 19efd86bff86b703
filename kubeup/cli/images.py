"""The application's images."""

from __future__ import annotations

from kubeup.cli.base import carry_out, change, change_project, kubeup_task, open_project
from kubeup.core.options import Options


@kubeup_task("dry", "commands")
def build(given: Options) -> None:
    """Build the images whose content has changed.

    Example: inv images.build --dry
    """
    from kubeup.workflows import images as artifacts

    change(given, lambda project: artifacts.build(project))


@kubeup_task(
    "dry",
    "commands",
    help={
        "login": "log in to the registry first, with KUBEUP_REGISTRY_USER and "
        "KUBEUP_REGISTRY_PASSWORD from the environment"
    },
)
def push(given: Options, login: bool = False) -> None:
    """Push the images that the registry in the settings lacks (default: Docker Hub).

    Example: inv images.push --set images.prefix=myaccount
    """
    from kubeup.workflows import images as artifacts

    with change_project(given.also("images.via=registry")) as (project, out):
        if login and not given.dry:
            artifacts.login(project)
        carry_out(project, lambda: artifacts.push(project), out, given)


@kubeup_task("dry", "commands")
def load(given: Options) -> None:
    """Load the images into every node that lacks them.

    Example: inv images.load
    """
    from kubeup.workflows import images as artifacts

    change(given.also("images.via=load"), artifacts.load)


@kubeup_task("json", name="list")
def list_(given: Options) -> None:
    """List the images: what each is, whether it is built, and which nodes have it.

    Example: inv images.list --json
    """
    from kubeup.workflows import images as artifacts

    project, out = open_project(given)
    rows = artifacts.listed(project)
    if given.json:
        out.data(rows)
    else:
        out.table(
            ("part", "image", "built", "on nodes"),
            [
                (row.part, row.image, "yes" if row.built else "no", ", ".join(row.nodes) or "-")
                for row in rows
            ],
        )
