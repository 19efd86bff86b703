"""New passwords for everybody who has one: chosen, set, and taken back where that fails on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeup import secrets
from kubeup.converge import carry_out
from kubeup.db import machine as machines
from kubeup.db import passwords
from kubeup.deploy import apply
from kubeup.errors import KubeupError, Refused
from kubeup.plan import Log, Plan, Step, plan_of
from kubeup.project import Project
from kubeup.record import VM
from kubeup.report import Report


def plan(project: Project) -> Plan:
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
    wanted = plan(project)  # what fails here has changed nothing that could be taken back
    try:
        carry_out(project, wanted, out, "db.rotate", **how)
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
