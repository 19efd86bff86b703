"""New passwords for all who have one: chosen, set, and taken back where that fails on the way."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kubeup.application import apply
from kubeup.core import ids, lock
from kubeup.core.errors import UNCHANGED, KubeupError
from kubeup.core.ids import StepId
from kubeup.core.options import Options
from kubeup.core.plan import Action, Holds, Log, Plan, Planned, Step, plan_of, step_ids
from kubeup.core.record import VM
from kubeup.core.report import Report, Unwritable
from kubeup.core.runner import as_error
from kubeup.core.services import WITH_PASSWORDS, service
from kubeup.database import machine_service, passwords
from kubeup.system import secrets, tls
from kubeup.workflows import rollout, scheduling
from kubeup.workflows.converge import carry_out
from kubeup.workflows.project import Project

# it was asked for its password before anything is planned
RUNS = (
    Holds(ids.LOOK_AT_DATA, "the database runs on its data"),
    Holds(ids.RESTORE_DATA, "the database runs on its data"),
)


def plan(project: Project) -> Plan:
    """New passwords, everywhere one after the other.

    What an interrupted run has done is not done again.
    """
    env, begun = project.state.secrets, project.changing_passwords
    rollout.refuse_other_server(project)
    project.passwords.root()
    reason = "an earlier run was cut off" if begun else "asked for"
    if begun and not secrets.pending(env):
        chosen = Holds(ids.NEXT_PASSWORDS, f"an earlier run did, and put them into {env.name}")
        return _everywhere(project, reason, [chosen])
    choose = Step(
        ids.NEXT_PASSWORDS, "choose new passwords", reason, secrets.StagePasswords(env), seconds=0.1
    )
    promote = secrets.PromotePasswords(env)
    return _everywhere(
        project, reason, [choose], [_into_env(env, "the database has them", promote)]
    )


def taking_back(project: Project, before: Mapping[str, str]) -> Plan:
    """The passwords that were there before a rotation that failed, everywhere."""
    env, why = project.state.secrets, "the new ones could not be put everywhere"
    put_back = _into_env(env, why, PutBack(env, tuple(before.items())))
    return _everywhere(project, why, [], [put_back], lambda: before)


def _into_env(env: Path, reason: str, action: Action) -> Step:
    title, needs = f"put them into {env.name}", (ids.SET_PASSWORDS,)
    return Step(ids.TAKE_PASSWORDS, title, reason, action, needs, seconds=0.1)


def _everywhere(
    project: Project,
    reason: str,
    chosen: Sequence[Planned],
    into_env: Sequence[Step] = (),
    wanted: Callable[[], Mapping[str, str]] | None = None,
) -> Plan:
    """The database takes them first, then `.env`, then all who use them."""
    # the server first: what it refuses is not written down anywhere else
    needs = tuple(planned.id for planned in chosen)
    change, discard = passwords.steps(project.passwords, reason, needs, wanted)
    before = step_ids(into_env) or (change.id,)
    certificate = tls.plan(project.state.tls)
    deployed = _deploy(project, (*before, ids.CERTIFICATE))
    done = step_ids(deployed)
    again = [scheduling.begin(project, reason, done)] if project.schedule else []
    return plan_of(certificate, chosen, [change], into_env, deployed, [discard], again, RUNS)


def _deploy(project: Project, needs: tuple[StepId, ...]) -> list[Step]:
    steps = list[Step]()
    if project.database_on == VM:
        title, run = (
            f"put them on {project.machine.place.node}",
            machine_service.Run(project.machine),
        )
        steps.append(Step(ids.MACHINE_SERVICE, title, "its .env changes", run, needs, seconds=3))
        needs = (ids.MACHINE_SERVICE,)
    for part in WITH_PASSWORDS:  # the database first: the API demands what it has to offer
        title, action = f"deploy {service(part).title}", apply.ApplyPart(project.deployment, part)
        steps.append(Step(ids.deploy(part), title, "the Secret changes", action, needs, seconds=12))
        needs = (*needs, ids.deploy(part))
    return steps


def rotate(project: Project, out: Report, given: Options) -> None:
    """Change the passwords; where that fails on the way, everything gets its earlier ones back.

    Raises Refused where another profile's command is changing those in `.env`.
    """
    env = project.state.secrets
    # one at a time: what is read there has to stay so until it was taken, or put back
    held = lock.env(env, f"db.rotate on the profile {project.settings.profile}")
    with contextlib.nullcontext() if given.dry else held:
        before = {name: secrets.password(env, name) for name in secrets.PASSWORDS}
        wanted = plan(project)  # what fails here has changed nothing that could be taken back
        try:
            carry_out(project, lambda: wanted, out, given)
        except Exception as first:
            error = as_error(first)
            if error.code not in UNCHANGED:
                _take_back(project, out, before, error, given)
            raise error from None


def _take_back(
    project: Project, out: Report, before: Mapping[str, str], error: KubeupError, given: Options
) -> None:
    try:
        out.say(f"{error.what}: taking it back")
    except (OSError, Unwritable):  # nobody reads it any more
        out = Report(io.StringIO())
    try:
        carry_out(project, lambda: taking_back(project, before), out, given)
    except Exception as failure:
        second = as_error(failure)
        error.why += f"\ntaking it back failed as well: {second.what}: {second.why}"
        error.next = "`inv db.rotate` goes on where this stopped; open connections stay open"
    else:
        error.next = f"the earlier passwords are in use again; {error.next}"


@dataclass(frozen=True)
class PutBack:
    """Earlier passwords into `.env`."""

    env: Path
    values: tuple[tuple[str, str], ...] = field(repr=False)

    def run(self, log: Log) -> None:
        secrets.replace(self.env, dict(self.values))
