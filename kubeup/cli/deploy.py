"""The application on the cluster."""

from __future__ import annotations

from typing import Any

from invoke import Collection

from kubeup.cli.base import change, kubeup_task, open_project
from kubeup.core.errors import labelled
from kubeup.core.options import Options
from kubeup.core.services import NAMES, SERVICES, Service


@kubeup_task("dry", "commands", "json", name="all")
def all_(given: Options) -> None:
    """Deploy the database, the API and the UI, and wait until they are ready.

    Example: inv deploy.all --dry
    """
    _deploy(given, *NAMES)


@kubeup_task()
def diff(given: Options) -> None:
    """Show what deploying would change, as a diff (Secrets' values masked).

    Example: inv deploy.diff
    """

    project, out = open_project(given)
    out.say(project.deployment.diff() or "Nothing to do.")


@kubeup_task("json")
def status(given: Options) -> None:
    """Show the application's pods, and what keeps one from being ready.

    Example: inv deploy.status
    """
    from kubeup.workflows import deployed

    project, out = open_project(given)
    found = deployed.status(project)
    if given.json:
        out.data([{**vars(pod), "why": cause} for pod, cause in found.pods])
        return
    out.table(("pod", "node", "state", "restarts", "image"), found.rows)
    for one in found.troubles:
        out.say("\n".join(("", one.what, *labelled(one.why, one.next))))


@kubeup_task(
    positional=["part"],
    help={"part": ", ".join(NAMES), "follow": "go on until interrupted", "tail": "how many lines"},
)
def logs(given: Options, part: str, follow: bool = False, tail: int = 50) -> None:
    """Print the log of one service of the application.

    Example: inv deploy.logs api --follow
    """
    from kubeup.core import shell
    from kubeup.workflows import rollout

    project, out = open_project(given)
    more = ["--follow"] if follow else []
    argv = project.kubectl.argv(
        "logs", "--selector", f"app={rollout.part(part)}", "--prefix", f"--tail={tail}", *more
    )
    # whoever asks the application for a page writes to its log: a terminal must not obey it
    # (https://github.com/kubernetes/kubernetes/issues/101695); a file or a program gets every byte
    if out.live:
        shell.show(*argv, each=out.say)
    else:
        shell.become(*argv)


@kubeup_task()
def url(given: Options) -> None:
    """Print where the UI and the API answer.

    Example: inv deploy.url
    """
    from kubeup.workflows.converge import show_urls

    project, out = open_project(given)
    show_urls(project, out)


@kubeup_task("yes", "dry", "commands")
def delete(given: Options) -> None:
    """Delete the application from the cluster; the database's claim and data are kept.

    Example: inv deploy.delete --yes
    """
    from kubeup.workflows import deployed

    change(given, lambda project: deployed.delete(project))


def _deploy(given: Options, *parts: str) -> None:
    from kubeup.workflows import rollout

    change(given, lambda project: rollout.plan(project, parts))


def _task_of(service: Service) -> Any:
    """The task that deploys one service."""

    def body(given: Options) -> None:
        _deploy(given, service.name)

    body.__doc__ = f"Deploy {service.title} alone.\n\nExample: inv deploy.{service.name}"
    return kubeup_task("dry", "commands", "json", name=service.name)(body)


namespace = Collection(all_, *map(_task_of, SERVICES), diff, status, logs, url, delete)
