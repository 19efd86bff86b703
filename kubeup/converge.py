"""Look, show, ask, act, look again: what `up` does with a plan, and what it shows at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubeup import secrets, up
from kubeup.errors import KubeupError, NotConverged
from kubeup.project import Project
from kubeup.report import Report
from kubeup.tasks.base import carry_out

if TYPE_CHECKING:
    from kubeup.verify import Context, Line

ROUNDS = 2  # a second one only where stopped machines hid what is on them


def bring_up(project: Project, out: Report, dry: bool = False, yes: bool = False, json: bool = False, commands: bool = False,
             application: bool = True) -> None:
    """Bring everything to where the settings want it. Raises NotConverged where a plan is left afterwards."""
    name, why = project.provider.name, project.chosen[1]
    if not json:
        out.say(f"profile {project.settings.profile} on {name} ({why}); Kubernetes {project.release.source}: {project.release.why}")
        if application:
            out.say(f"database: {project.images[0].what}")
    for _ in range(ROUNDS):
        whole = up.plan(project, application)
        if not carry_out(project, whole.plan, out, "up", dry=dry, yes=yes, json=json, commands=commands):
            break
        if not whole.blind:
            break
    if dry:
        return
    if whole.plan:
        left = up.plan(project, application).plan
        if left:
            out.plan(left)
            raise NotConverged("everything ran, yet something is left to do", ", ".join(f"{step.title} ({step.reason})" for step in left),
                               "run the same again; when it repeats, `inv doctor` and `inv status` tell more")
        if application:
            prove(project, out)
    if application and not json:
        show_urls(project, out)


def show_urls(project: Project, out: Report) -> None:
    address = project.provider.nodes()[-1].address
    ports = project.settings.ports
    out.say(f"UI  http://{address}:{ports.ui}/\nAPI http://{address}:{ports.api}/docs")


def context(project: Project) -> Context:
    from kubeup.verify import Context

    image = next(image.reference for image in project.images if image.part == "api")
    return Context(project.settings, project.kubectl, project.provider.nodes(), project.settings.nodes_list(), image,
                   tuple(node.address for node in project.provider.nodes()), lambda: secret_values(project))


def secret_values(project: Project) -> dict[str, str]:
    database = project.settings.database
    return {"MYSQL_DATABASE": database.name, "MYSQL_USER": database.user, **secrets.read(project.state.secrets)}


def prove(project: Project, out: Report, json: bool = False) -> None:
    """Run every check; raises KubeupError where one fails."""
    from kubeup import verify

    lines: list[Line] = verify.run(context(project), None if json else lambda line: _print(line, out))
    if json:
        out.data(lines)
    wrong = [line for line in lines if not line.ok]
    if wrong:
        raise KubeupError(f"{len(wrong)} of {len(lines)} checks failed: {', '.join(line.name for line in wrong)}", wrong[0].cause, wrong[0].next)


def _print(line: Line, out: Report) -> None:
    out.say(f" {'✔' if line.ok else '✘'} {line.name.ljust(14)} {line.seconds:6.2f} s  {line.detail or line.proves}")
    if not line.ok:
        out.say(f"     cause: {line.cause}\n     next:  {line.next}")


def draw(project: Project, out: Report, how: str, part: str) -> None:
    from kubeup import diagram

    picture = diagram.collect(project.kubectl, project.provider.observe().nodes)
    if how == "json":
        out.data(diagram.as_dict(picture))
    else:
        out.say({"text": diagram.text, "svg": diagram.svg, "mermaid": diagram.mermaid}[how](picture, part=part))  # type: ignore[operator]
