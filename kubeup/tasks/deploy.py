"""The application on the cluster."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task, open_project


@kubeup_task(name="all")
def all_(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False, json: bool = False) -> None:  # noqa: B006
    """Deploy the database, the API and the UI, and wait until they stand.

    Example: inv deploy.all --dry
    """
    _deploy(profile, set, ("db", "api", "ui"), dry, commands, json)


@kubeup_task()
def db(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False, json: bool = False) -> None:  # noqa: B006
    """Deploy the database alone.

    Example: inv deploy.db
    """
    _deploy(profile, set, ("db",), dry, commands, json)


@kubeup_task()
def api(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False, json: bool = False) -> None:  # noqa: B006
    """Deploy the API alone.

    Example: inv deploy.api
    """
    _deploy(profile, set, ("api",), dry, commands, json)


@kubeup_task()
def ui(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False, json: bool = False) -> None:  # noqa: B006
    """Deploy the UI alone.

    Example: inv deploy.ui
    """
    _deploy(profile, set, ("ui",), dry, commands, json)


@kubeup_task()
def diff(c: Any, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Show what deploying would change, as a diff (Secrets' values masked).

    Example: inv deploy.diff
    """

    project, out = open_project(profile, set)
    out.say(project.deployment.diff() or "Nothing to do.")


@kubeup_task()
def status(c: Any, profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Show the application's pods, and what keeps one from running.

    Example: inv deploy.status
    """
    from kubeup import rollout

    project, out = open_project(profile, set)
    pods = rollout.pods(project)
    if json:
        out.data(pods)
    else:
        out.table(("pod", "node", "state", "restarts", "image"), [rollout.row(pod) for pod in pods])


@kubeup_task(positional=["part"], help={"part": "db, api or ui", "follow": "go on until interrupted", "tail": "how many lines"})
def logs(c: Any, part: str, follow: bool = False, tail: int = 50, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Print the log of one part of the application.

    Example: inv deploy.logs api --follow
    """
    from kubeup import rollout, shell

    project, _ = open_project(profile, set)
    more = ["--follow"] if follow else []
    shell.become(*project.kubectl.argv("logs", "--selector", f"app={rollout.part(part)}", "--prefix", f"--tail={tail}", *more))


@kubeup_task()
def url(c: Any, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Print where the UI and the API answer.

    Example: inv deploy.url
    """
    from kubeup.converge import show_urls

    project, out = open_project(profile, set)
    show_urls(project, out)


@kubeup_task()
def delete(c: Any, profile: str = "", set: list[str] = [], yes: bool = False, dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Take the application off the cluster; the database's claim, volume and data stay.

    Example: inv deploy.delete --yes
    """
    from kubeup import rollout

    with change_project("deploy.delete", profile, set, dry) as (project, out):
        carry_out(project, lambda: rollout.delete(project), out, "deploy.delete", dry=dry, yes=yes, commands=commands)


def _deploy(profile: str, set: list[str], parts: tuple[str, ...], dry: bool, commands: bool, json: bool) -> None:
    from kubeup import rollout

    name = f"deploy.{parts[0] if len(parts) == 1 else 'all'}"
    with change_project(name, profile, set, dry) as (project, out):
        carry_out(project, lambda: rollout.plan(project, parts), out, name, dry=dry, yes=True, json=json, commands=commands)
