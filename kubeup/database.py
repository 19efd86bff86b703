"""The database's own tasks: what each of them would do, as a plan made from the settings and from what is there."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeup import packages, secrets, shell
from kubeup.converge import carry_out
from kubeup.db import backups, passwords, restore, schema
from kubeup.db import machine as machines
from kubeup.db import server as servers
from kubeup.db.backups import Listed
from kubeup.db.machine import Machine
from kubeup.db.server import LEAVE, ROOT, SHELL
from kubeup.deploy import apply
from kubeup.errors import KubeupError, Refused
from kubeup.images import build as builds
from kubeup.plan import Log, Plan, Step, plan_of
from kubeup.project import VM, Project
from kubeup.report import Report


def backup(project: Project, to: str) -> Plan:
    """A backup in the profile's own folder, or where the user says."""
    server = project.server
    file = backups.target(project.state.backups, project.settings.slug, server.database, to)
    servers.version(server)  # it has to answer before anything is installed for it
    return plan_of(_tools(project), backups.plan(server, file, project.settings.slug))


def restored(project: Project, name: str) -> Plan:
    """A backup put in place of what is there. Raises Refused for one that is altered, cut off, or of a newer server."""
    file = found(project, name)
    about, server = backups.check(file), project.server
    restore.refuse_newer(about.server, servers.version(server))
    now = {table: rows for table, rows in servers.count(server, server.database).items() if table != backups.REVISIONS}
    migrate = Step("db/migrate", "bring the tables up to what the API wants", f"the backup's revision is {about.revision or 'unknown'}",
                   schema.Migrate(server, project.kubectl), ("db/restore",), 3)
    return plan_of(_tools(project), restore.plan(server, file, about, now), [migrate])


def migrated(project: Project) -> Plan:
    action = schema.Migrate(project.server, project.kubectl)
    return plan_of([Step("db/migrate", "bring the tables up to what the API wants", "asked for", action, seconds=3)])


def on_machine(project: Project) -> Plan:
    """The service on the machine with the role `db`, whether or not it is the one in use."""
    machine = project.machine
    generated = secrets.plan(project.state.secrets)
    image = tuple(one for one in project.images if one.part == "db")
    built = builds.plan(image, project.builder)
    steps = [*generated, *built, *machines.plan(machine, _seen(machine, bool(generated)))]
    return plan_of(steps)


def _seen(machine: Machine, generating: bool) -> machines.Found:
    """Without passwords its files can't be compared: then there is no service of ours, either."""
    found = machine.look()
    return replace(found, files={}) if generating else found


def rotation(project: Project) -> Plan:
    """New passwords, everywhere one after the other; what an interrupted run has done is not done again."""
    held, env = project.passwords, project.state.secrets
    held.root()
    reason = "an earlier run was cut off" if secrets.pending(env) else "asked for"
    change, forget = passwords.steps(held, reason, ("secrets/next",))
    return plan_of([
        Step("secrets/next", "choose new passwords", reason, secrets.AddNext(env), seconds=0.1),
        change,
        Step("secrets/take", f"put them into {env.name}", "the database takes them", secrets.TakeNext(env), (passwords.SET,), 0.1),
        *_deploy(project, ("secrets/take",)),
        forget])


def taking_back(project: Project, before: Mapping[str, str]) -> Plan:
    """The passwords that were there before a rotation that failed, everywhere."""
    held, env, why = project.passwords, project.state.secrets, "the new ones could not be put everywhere"
    return plan_of([
        Step(passwords.SET, "give the database its earlier passwords", why, passwords.SetPasswords(held, lambda: before), seconds=2),
        Step("secrets/take", f"put them back into {env.name}", why, PutBack(env, tuple(before.items())), (passwords.SET,), 0.1),
        *_deploy(project, ("secrets/take",)),
        Step(passwords.DISCARD, "let the database forget the new ones", why, passwords.DiscardOld(held), ("deploy/db", "deploy/api"), 2)])


def _deploy(project: Project, needs: tuple[str, ...]) -> list[Step]:
    steps = [Step(f"deploy/{part}", f"deploy {apply.TITLES[part]}", "the Secret changes", apply.ApplyPart(project.deployment, part), needs, 12)
             for part in ("db", "api")]
    if project.database_on == VM:
        node = project.machine.place.node
        steps.append(Step(machines.SERVICE, f"put them on {node}", "its .env changes", machines.Run(project.machine), needs, 3))
    return steps


def rotate(project: Project, out: Report, **how: bool) -> None:
    """Change the passwords; where that fails on the way, everything gets its earlier ones back."""
    before = {name: secrets.password(project.state.secrets, name) for name in secrets.PASSWORDS}
    try:
        carry_out(project, rotation(project), out, "db.rotate", **how)
    except Refused:
        raise
    except KubeupError as error:
        _take_back(project, out, before, error)
        raise


def _take_back(project: Project, out: Report, before: Mapping[str, str], error: KubeupError) -> None:
    out.say(f"{error.what}: taking it back")
    try:
        carry_out(project, taking_back(project, before), out, "db.rotate", yes=True)
    except KubeupError as second:
        error.why += f"\ntaking it back failed as well: {second.what}: {second.why}"
        error.next = "`inv db.rotate` goes on where this stopped; whoever is connected stays so"
    else:
        error.next = f"the earlier passwords are in use again; {error.next}"


@dataclass(frozen=True)
class PutBack:
    """Earlier passwords into `.env`."""

    env: Path
    values: tuple[tuple[str, str], ...] = field(repr=False)

    def run(self, log: Log) -> None:
        secrets.replace(self.env, dict(self.values))


def found(project: Project, name: str) -> Path:
    """A backup by its path, or by its name in the profile's folder."""
    path = Path(name).expanduser()
    inside = project.state.backups / path.name
    return inside if not path.exists() and path.parent == Path() and inside.exists() else path.absolute()


def listed(project: Project) -> list[Listed]:
    return backups.listed(project.state.backups)


def row(one: Listed) -> tuple[str, str, str, str, str]:
    if one.about is None:
        return one.file.name, "-", "-", "-", one.wrong
    about = one.about
    return one.file.name, about.made, f"{about.bytes / 2**20:.1f} MiB", str(about.server), one.wrong or servers.describe(about.rows)


def enter(project: Project, root: bool) -> None:
    """Become the database's own client, for a person or for SQL on standard input. Does not return."""
    server, place = project.server, f"/tmp/.kubeup-{uuid.uuid4().hex}"  # noqa: S108 - in the database's container, 0600, read once
    user = ROOT if root else server.user
    left = shell.read(*server.door.argv("sh", "-c", LEAVE, "leave", place), stdin=f"{server.password(user)}\n", ok=None)
    if not left.ok:
        raise KubeupError(f"{server} can't be reached", left.stderr.strip()[-500:], "`inv status` tells whether it runs")
    shell.become(*server.door.argv("sh", "-c", SHELL, "shell", place, user, server.database, terminal=sys.stdin.isatty()))


def _tools(project: Project) -> list[Step]:
    return packages.plan(packages.missing(backups.PACKAGES), project.host)
