"""The database's own tasks: what each of them would do, as a plan made from the settings and
from what is there.
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import Kind
from kubeup.core.plan import Plan, Planned, Step, plan_of, todo
from kubeup.core.record import CLUSTER, VM
from kubeup.database import backups, restore, schema
from kubeup.database import server as servers
from kubeup.database.backups import Listed
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import LEAVE, ROOT, SHELL
from kubeup.images import build as builds
from kubeup.system import packages, secrets
from kubeup.workflows import rollout, up
from kubeup.workflows.project import SIDES, Project


def where(project: Project) -> str:
    """Where the database runs and how it is, in words; what was cut off, and what a move has
    left behind.
    """
    known = project.record
    try:
        on, changing = project.database_on, project.changing_passwords
    except Refused as error:
        return f"{error.what}: {error.next}"
    words = [f"in {SIDES[CLUSTER]}" if on == CLUSTER else _on_machine(project.machine)]
    if known.target:
        to = known.target.side
        words.append(
            f"a move to {SIDES[to]} was interrupted: `inv db.move {to}` finishes it, `inv "
            f"db.move {on}` takes it back"
        )
    if known.left:
        words.append(
            f"{SIDES[known.left.side]} still has the data from before the move: `inv db.move "
            f"{on} --drop-old` removes them"
        )
    if changing:
        words.append("a change of passwords was interrupted: `inv db.rotate` finishes it")
    return "; ".join(words)


def _on_machine(machine: DatabaseVm) -> str:
    try:
        return machine.told()
    except KubeupError as error:
        return f"on {machine.place.node}, where {error.what}"


def unfinished(project: Project) -> str:
    """What has to be finished, '' where nothing has."""
    if project.record.target or project.changing_passwords:
        return where(project)
    if project.database_on == VM:
        try:
            project.machine.told()
        except KubeupError as error:
            return error.what
    return ""


def backup(project: Project, to: str) -> Plan:
    """A backup in the profile's own folder, or where the user says."""
    server = project.server
    file = backups.target(project.state.backups, project.settings.slug, server.database, to)
    servers.version(server)  # it has to answer before anything is installed for it
    return plan_of(_tools(project), backups.plan(server, file, project.settings.slug))


def restored(project: Project, name: str) -> Plan:
    """A backup put in place of what is there.

    Raises Refused for one that is altered, cut off, or of a newer server.
    """
    file = found(project, name)
    about, server = backups.check(file), project.server
    restore.refuse_newer(about.server, servers.version(server))
    now = {
        table: rows
        for table, rows in servers.count(server, server.database).items()
        if table != backups.REVISIONS
    }
    migrate = Step(
        ids.MIGRATE,
        "bring the tables up to what the API wants",
        f"the backup's revision is {about.revision or 'unknown'}",
        schema.Migrate(server, project.kubectl),
        (ids.RESTORE_BACKUP,),
        3,
    )
    return plan_of(_tools(project), restore.plan(server, file, about, now), [migrate])


def migrated(project: Project) -> Plan:
    action = schema.Migrate(project.server, project.kubectl)
    return plan_of(
        [
            Step(
                ids.MIGRATE,
                "bring the tables up to what the API wants",
                "asked for",
                action,
                seconds=3,
            )
        ]
    )


def on_machine(project: Project) -> Plan:
    """The service on the machine with the role `db`, whether or not it is the one in use."""
    machine = project.machine
    generated = secrets.plan(project.state.secrets)
    image = tuple(one for one in project.images if one.part == "db")
    built = builds.plan(image, project.builder)
    try:
        found = machine.look()
    except KubeupError:
        made = up.machines(project)
        if not made:
            raise
        nodes = tuple(one for one in made.ids if one.kind is Kind.NODE)
        return plan_of(made.planned, generated, built, rollout.service_steps(project, None, nodes))
    # without passwords its files can't be compared: then there is no service of ours, either
    seen = replace(found, files={}) if todo(generated) else found
    return plan_of(
        rollout.host_packages(project, built),
        generated,
        built,
        rollout.service_steps(project, seen, ()),
    )


def found(project: Project, name: str) -> Path:
    """A backup by its path, or by its name in the profile's folder."""
    path = Path(name).expanduser()
    inside = project.state.backups / path.name
    return (
        inside
        if not path.exists() and path.parent == Path() and inside.exists()
        else path.absolute()
    )


def listed(project: Project) -> list[Listed]:
    return backups.listed(project.state.backups)


def row(one: Listed) -> tuple[str, str, str, str, str]:
    if one.about is None:
        return one.file.name, "-", "-", "-", one.wrong
    about = one.about
    return (
        one.file.name,
        about.made,
        f"{about.bytes / 2**20:.1f} MiB",
        str(about.server),
        one.wrong or servers.describe(about.rows),
    )


def enter(project: Project, root: bool) -> None:
    """Become the database's own client, for a person or for SQL on standard input.

    Does not return.
    """
    server, place = project.server, f"/tmp/.kubeup-{uuid.uuid4().hex}"  # noqa: S108 - in the database's container, 0600, read once
    user = ROOT if root else server.user
    left = shell.read(
        *server.door.argv("sh", "-c", LEAVE, "leave", place),
        stdin=f"{server.password(user)}\n",
        ok=None,
    )
    if not left.ok:
        raise KubeupError(
            f"{server} can't be reached",
            left.stderr.strip()[-500:],
            "`inv status` tells whether it runs",
        )
    shell.become(
        *server.door.argv(
            "sh", "-c", SHELL, "shell", place, user, server.database, terminal=sys.stdin.isatty()
        )
    )


def _tools(project: Project) -> list[Planned]:
    return packages.plan(packages.missing(backups.PACKAGES), project.host)
