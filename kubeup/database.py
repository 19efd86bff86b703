"""The database's own tasks: what each of them would do, as a plan made from the settings and from what is there."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kubeup import packages, secrets, shell
from kubeup.converge import carry_out
from kubeup.db import backups, move, passwords, restore, schema
from kubeup.db import machine as machines
from kubeup.db import server as servers
from kubeup.db.backups import Listed
from kubeup.db.machine import Machine
from kubeup.db.server import LEAVE, ROOT, SHELL, Server
from kubeup.deploy import apply, data
from kubeup.errors import KubeupError, Refused, UsageError
from kubeup.images import build as builds
from kubeup.kube import Kubectl
from kubeup.plan import Action, Log, Plan, Step, plan_of
from kubeup.project import CLUSTER, SIDES, VM, Project
from kubeup.report import Report
from kubeup.state import State, change_choices, choices
from kubeup.up import data_steps
from kubeup.verify import http


def where(project: Project) -> str:
    """Where the database runs and how it is, in words; what was cut off, and what a move has left behind."""
    known = choices(project.state)
    try:
        on = project.database_on
    except Refused as error:
        return f"{error.what}: {error.next}"
    words = [f"in {SIDES[CLUSTER]}" if on == CLUSTER else _on_machine(project.machine)]
    if copying := known.get("copying", ""):
        words.append(f"a move to {SIDES[copying]} was interrupted: `inv db.move {copying}` finishes it, `inv db.move {on}` takes it back")
    if kept := known.get("kept", ""):
        words.append(f"{SIDES[kept]} still has the data from before the move: `inv db.move --drop-old` removes them")
    if secrets.pending(project.state.secrets):
        words.append("a change of passwords was interrupted: `inv db.rotate` finishes it")
    return "; ".join(words)


def _on_machine(machine: Machine) -> str:
    try:
        return machine.told()
    except KubeupError as error:
        return f"on {machine.place.node}, where {error.what}"


def unfinished(project: Project) -> str:
    """What has to be finished, '' where nothing has."""
    if choices(project.state).get("copying", "") or secrets.pending(project.state.secrets):
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


def moving(project: Project, to: str) -> Plan:
    """The data to the other side. Where an earlier run was cut off, what is left of it; towards the side they are on, back."""
    if to not in SIDES:
        raise UsageError(f"there is no side {to}", f"the database runs in the {CLUSTER} or on a {VM}", "`inv db.move vm` or `inv db.move cluster`")
    known = choices(project.state)
    on, copying, kept = known.get("database", CLUSTER), known.get("copying", ""), known.get("kept", "")
    if to == on:
        return _taken_back(project, on) if copying else _switched(project, to, kept)
    if kept == to:
        raise Refused(f"{SIDES[to]} still has the data from before the last move", "they would be overwritten",
                      "`inv db.move --drop-old` removes them")
    source, target = project.server_on(on), project.server_on(to)
    servers.version(source)
    start = _start(project, to)
    needs = tuple(step.id for step in start)
    rows = servers.describe({table: rows for table, rows in servers.count(source, source.database).items() if table != backups.REVISIONS})
    return plan_of([
        *start,
        Step("db/move-admit", f"look whether {SIDES[to]} is free", "nothing is overwritten", move.Admit(target, bool(copying)), needs, 1),
        Step("db/move-freeze", "let the API read and not write", "no row may come after its copy", move.Freeze(source, project.state, to),
             ("db/move-admit",), 1),
        Step("db/move-copy", f"copy {rows}", f"from {source.door} to {target.door}", move.Copy(source, target), ("db/move-freeze",), 3),
        *_switch(project, to, on, ("db/move-copy",))])


def _start(project: Project, to: str) -> list[Step]:
    """The server on a side that is not in use yet."""
    if to == VM:
        return list(on_machine(project))
    deployment = project.deployment_on(CLUSTER)
    steps = data_steps(project, ())
    return [*steps, Step("db/cluster", "start the database in the cluster", "the data go there", move.StartInCluster(deployment),
                         tuple(step.id for step in steps), 20)]


def _switch(project: Project, to: str, left: str, needs: tuple[str, ...]) -> list[Step]:
    """The name leads to the new side, the API is seen to work there, the old side stops; its data stay."""
    deployment, see = project.deployment_on(to), SeeTheApi(project.server_on(to), _api(project))
    stop: Action = machines.Stop(project.machine) if left == VM else StopInCluster(project.kubectl)
    return [
        Step("db/move-switch", f"let the database's name lead to {SIDES[to]}", "it has all rows",
             move.Switch(project.server_on(left), deployment, project.state, to, left), needs, 1),
        Step("db/move-see", "see the API write there", "the proof of the move", see, ("db/move-switch",), 5),
        Step("db/move-tidy", "remove what copying has left there", "the API writes there", move.Tidy(project.server_on(to)), ("db/move-see",), 1),
        Step("db/move-stop", f"stop the database on the side that is left ({SIDES[left]})", "its data are kept", stop, ("db/move-see",), 5)]


def _switched(project: Project, to: str, kept: str) -> Plan:
    """What a run that was cut off after the switch has left to do; nothing where there was none."""
    if not kept or not _serves(project, kept):
        return plan_of()
    return plan_of(_switch(project, to, kept, ()))


def _serves(project: Project, side: str) -> bool:
    """Whether a side that was left is still up."""
    if side == VM:
        return project.machine.look().state == "running"
    answer = project.kubectl.read("get", "statefulset/mysql", "--ignore-not-found", "-o", "jsonpath={.spec.replicas}")
    return answer.stdout.strip() not in ("", "0")


def _taken_back(project: Project, on: str) -> Plan:
    return plan_of([Step("db/move-thaw", "let the API write again", f"the move is off, the data are on {SIDES[on]}",
                         move.Thaw(project.server_on(on), project.state), seconds=1)])


def dropping(project: Project) -> Plan:
    """Remove the side that a move has left behind."""
    kept = choices(project.state).get("kept", "")
    if not kept:
        raise UsageError("no move has left anything behind", "there is one side only", "nothing has to be removed")
    if kept == choices(project.state).get("database"):
        raise KubeupError("both sides are said to be in use", "the profile's choices.json contradicts itself",
                          "report this: it is a mistake in kubeup")
    action: Action = machines.Drop(project.machine) if kept == VM else data.DropData(project.place, project.kubectl)
    loses = f"the database's data from before the move, on {project.machine.place.node if kept == VM else project.place.node}"
    return plan_of([
        Step("db/drop-old", f"remove the database from {SIDES[kept]}", "asked for by name", action, seconds=10, loses=loses),
        Step("db/dropped", "forget that side", "it is gone", ForgetSide(project.state), ("db/drop-old",), 0)])


def _api(project: Project) -> str:
    return f"http://{project.provider.nodes()[-1].address}:{project.settings.ports.api}"


@dataclass(frozen=True)
class SeeTheApi:
    """Until the API writes, and its connections are seen on this side."""

    server: Server
    url: str
    wait: float = 90

    def run(self, log: Log) -> None:
        end, said = time.monotonic() + self.wait, "no answer"
        while time.monotonic() < end:
            name = f"kubeup-move-{uuid.uuid4().hex[:12]}"
            body = json.dumps({"name": name, "description": "Written by `inv db.move`, which removes it again.", "price": "1.00", "stock": 0})
            answer = http.ask(f"{self.url}/products", body.encode(), "application/json", seconds=5)
            if answer.status == 201:
                self._look(int(answer.json["id"]), name)
                return
            said = answer.words
            log(said)
            time.sleep(0.2)
        raise KubeupError("the API does not write on the new side", said, "`inv deploy.logs api`; then the same again goes on from here")

    def _look(self, number: int, name: str) -> None:
        query = f"SELECT COUNT(*) FROM products WHERE id = {number} AND name = {servers.literal(name)}"  # noqa: S608 - quoted
        found = self.server.sql(query, self.server.database).strip()
        http.ask(f"{self.url}/products/{number}", method="DELETE", seconds=5)
        if found != "1":
            raise KubeupError("the API writes elsewhere", f"{self.server} does not have the row it has just written", "`inv verify` tells more")


@dataclass(frozen=True)
class StopInCluster:
    """No pod of the database; its claim, its volume and its data stay."""

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        self.kubectl.write("scale", "statefulset/mysql", "--replicas=0", log=log)
        self.kubectl.write("wait", "pod", "-l", "app=db", "--for=delete", "--timeout=120s", log=log)


@dataclass(frozen=True)
class ForgetSide:
    state: State

    def run(self, log: Log) -> None:
        change_choices(self.state, {"kept": ""})


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
