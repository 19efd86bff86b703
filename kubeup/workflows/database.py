"""The database's own tasks: what each of them would do, as a plan."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Plan, Planned, Step, after, plan_of, step_ids, todo, without_unused
from kubeup.core.record import CLUSTER, VM
from kubeup.core.services import DATABASE
from kubeup.database import backups, compression, restore, schema, scripts
from kubeup.database import server as servers
from kubeup.database.backups import Listed
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import ROOT
from kubeup.images import build as builds
from kubeup.system import packages, secrets, tls
from kubeup.workflows import lost_passwords, rollout, scheduled, up
from kubeup.workflows.placement import SIDES
from kubeup.workflows.project import Project


def where(project: Project) -> str:
    """Where the database runs and how it is, in words.

    What was cut off, and what a move has left behind, is part of that.
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
        return machine.status()
    except KubeupError as error:
        return f"on {machine.place.node}, where {error.what}"


def unfinished(project: Project) -> str:
    """What has to be finished, '' where nothing has."""
    if project.record.target or project.changing_passwords:
        return where(project)
    if project.database_on == VM:
        try:
            project.machine.status()
        except KubeupError as error:
            return error.what
    return ""


def backup(project: Project, to: str) -> Plan:
    """A backup in the profile's own folder, or where the user says."""
    server, profile = project.server, project.settings.slug
    file = backups.target(project.state.backups, profile, server.database, to)
    servers.version(server)  # it has to answer before anything is installed for it
    return plan_of(_tools(project, file), backups.plan(server, file, profile))


def restored(project: Project, name: str) -> Plan:
    """A backup put in place of what is there.

    Raises Refused for one that is altered, cut off, or of a newer server.
    """
    file, server, fetched = backup_file(project, name), project.server, None
    if not file.exists() and Path(name).parent == Path():
        file = project.state.backups / name
        fetched = scheduled.fetch(project, file)
    about = fetched.about if fetched else backups.check(file)
    backups.refuse_failed(about)
    restore.refuse_newer(about.server, servers.version(server))
    now = backups.without_revision(servers.count(server, server.database))
    reason = f"the backup's revision is {about.revision or 'unknown'}"
    migrate = _migrate(project, reason, (ids.RESTORE_BACKUP,))
    first = [fetched.step] if fetched else []
    replaced = after(step_ids(first), restore.plan(server, file, about, now))
    return plan_of(first, _tools(project, file), replaced, [migrate])


def migrated(project: Project) -> Plan:
    return plan_of([_migrate(project, "asked for")])


def _migrate(project: Project, reason: str, needs: tuple[StepId, ...] = ()) -> Step:
    action = schema.Migrate(project.server, project.kubectl)
    title = "migrate the tables to the schema of the API"
    return Step(ids.MIGRATE, title, reason, action, needs, seconds=3)


def on_machine(project: Project) -> Plan:
    """The service on the machine with the role `db`, whether or not it is the one in use."""
    machine = project.machine
    lost_passwords.refuse(project)
    generated = secrets.plan(project.state.secrets)
    certificate = tls.plan(project.state.tls)
    images = tuple(image for image in project.images if image.part == DATABASE.name)
    built = builds.plan(images, project.builder)
    try:
        state = machine.look()
    except KubeupError:
        made = up.machines(project)
        if not made:
            raise
        nodes = tuple(id_ for id_ in made.ids if id_.kind is Kind.NODE)
        service = rollout.service_steps(project, None, nodes)
        return plan_of(made.planned, generated, certificate, built, service)
    if todo(generated):
        # without passwords its files can't be compared: then there is no service of ours, either
        state = replace(state, files={})
    state = rollout.without_certificate(state, certificate)
    steps = without_unused([*built, *rollout.service_steps(project, state, ())])
    packages_ = rollout.host_packages(project, [one for one in built if one in steps])
    return plan_of(packages_, generated, certificate, steps)


def backup_file(project: Project, name: str) -> Path:
    """A backup by its path, or by its name in the profile's folder."""
    path = Path(name).expanduser()
    inside = project.state.backups / path.name
    if not path.exists() and path.parent == Path() and inside.exists():
        return inside
    return path.absolute()


def listed(project: Project) -> list[Listed]:
    """Those in the profile's own folder, then those that machines have."""
    return [*backups.listed(project.state.backups), *scheduled.listed(project)]


def row(backup: Listed) -> tuple[str, ...]:
    name, about, node = backup.file.name, backup.about, backup.node or "here"
    if about is None:
        return name, node, "-", "-", "-", "-", backup.wrong
    size, restored = f"{about.bytes / 2**20:.1f} MiB", about.restored or "never"
    rows = backup.wrong or servers.describe(about.rows)
    return name, node, about.made, size, restored, str(about.server), rows


def enter(project: Project, root: bool) -> None:
    """Become the database's own client, for a person or for SQL on standard input.

    Does not return.
    """
    server, user = project.server, ROOT if root else project.server.user
    place = f"/tmp/.kubeup-{uuid.uuid4().hex}"  # noqa: S108 - in the database's container, 0600, read once
    leave = server.transport.argv("sh", "-c", scripts.LEAVE, "leave", place)
    left = shell.read(*leave, stdin=f"{server.password(user)}\n", ok=None)
    if not left.ok:
        raise KubeupError(
            f"{server} can't be reached",
            left.stderr.strip()[-500:],
            "`inv status` shows whether it runs",
        )
    words = ("sh", "-c", scripts.SHELL, "shell", place, user, server.database)
    shell.become(*server.transport.argv(*words, terminal=sys.stdin.isatty()))


def _tools(project: Project, file: Path) -> list[Planned]:
    """The packages that a backup's compression needs."""
    needed = packages.missing(compression.of(file).needed_packages)
    return packages.plan(needed, project.host)
