"""New passwords for everybody who has one: chosen, set, and taken back where that fails on the
way.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeup.application import apply
from kubeup.core import ids, lock
from kubeup.core.errors import UNCHANGED, KubeupError
from kubeup.core.ids import StepId
from kubeup.core.options import Options
from kubeup.core.plan import Holds, Log, Plan, Step, plan_of
from kubeup.core.record import VM
from kubeup.core.report import Report
from kubeup.core.runner import as_error
from kubeup.core.services import service
from kubeup.database import machine as machines
from kubeup.database import passwords
from kubeup.system import secrets
from kubeup.workflows import rollout
from kubeup.workflows.converge import carry_out
from kubeup.workflows.project import Project

# it was asked for its password before anything is planned
RUNS = tuple(
    Holds(one, "the database runs on its data") for one in (ids.LOOK_AT_DATA, ids.RESTORE_DATA)
)


def plan(project: Project) -> Plan:
    """New passwords, everywhere one after the other; what an interrupted run has done is not
    done again.
    """
    held, env, begun = project.passwords, project.state.secrets, project.changing_passwords
    rollout.refuse_other_server(project)
    held.root()
    reason = "an earlier run was cut off" if begun else "asked for"
    change, forget = passwords.steps(held, reason, (ids.NEXT_PASSWORDS,))
    if begun and not secrets.pending(env):
        chosen = Holds(ids.NEXT_PASSWORDS, f"an earlier run did, and put them into {env.name}")
        return plan_of([chosen, change, *_deploy(project, (ids.SET_PASSWORDS,)), forget, *RUNS])
    return plan_of(
        [
            Step(
                ids.NEXT_PASSWORDS,
                "choose new passwords",
                reason,
                secrets.StagePasswords(env),
                seconds=0.1,
            ),
            change,
            Step(
                ids.TAKE_PASSWORDS,
                f"put them into {env.name}",
                "the database takes them",
                secrets.PromotePasswords(env),
                (ids.SET_PASSWORDS,),
                0.1,
            ),
            *_deploy(project, (ids.TAKE_PASSWORDS,)),
            forget,
            *RUNS,
        ]
    )


def taking_back(project: Project, before: Mapping[str, str]) -> Plan:
    """The passwords that were there before a rotation that failed, everywhere."""
    held, env, why = (
        project.passwords,
        project.state.secrets,
        "the new ones could not be put everywhere",
    )
    return plan_of(
        [
            Step(
                ids.SET_PASSWORDS,
                "give the database its earlier passwords",
                why,
                passwords.SetPasswords(held, lambda: before),
                seconds=2,
            ),
            Step(
                ids.TAKE_PASSWORDS,
                f"put them back into {env.name}",
                why,
                PutBack(env, tuple(before.items())),
                (ids.SET_PASSWORDS,),
                0.1,
            ),
            *_deploy(project, (ids.TAKE_PASSWORDS,)),
            Step(
                ids.DISCARD_PASSWORDS,
                "let the database forget the new ones",
                why,
                passwords.DiscardOld(held),
                (ids.deploy("db"), ids.deploy("api")),
                2,
            ),
            *RUNS,
        ]
    )


def _deploy(project: Project, needs: tuple[StepId, ...]) -> list[Step]:
    steps = list[Step]()
    if project.database_on == VM:
        node = project.machine.place.node
        steps.append(
            Step(
                ids.MACHINE_SERVICE,
                f"put them on {node}",
                "its .env changes",
                machines.Run(project.machine),
                needs,
                3,
            )
        )
        needs = (ids.MACHINE_SERVICE,)
    return [
        *steps,
        *(
            Step(
                ids.deploy(part),
                f"deploy {service(part).title}",
                "the Secret changes",
                apply.ApplyPart(project.deployment, part),
                needs,
                12,
            )
            for part in ("db", "api")
        ),
    ]


def rotate(project: Project, out: Report, given: Options) -> None:
    """Change the passwords; where that fails on the way, everything gets its earlier ones back.

    Raises Refused where another profile's command is changing those in `.env`.
    """
    env = project.state.secrets
    with (
        contextlib.nullcontext()
        if given.dry
        else lock.env(env, f"db.rotate on the profile {project.settings.profile}")
    ):
        before = {name: secrets.password(env, name) for name in secrets.PASSWORDS}
        wanted = plan(project)  # what fails here has changed nothing that could be taken back
        _change(project, out, wanted, before, given)


def _change(
    project: Project, out: Report, wanted: Plan, before: Mapping[str, str], given: Options
) -> None:
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
    except OSError:  # nobody reads it any more
        out = Report(io.StringIO())
    try:
        carry_out(project, lambda: taking_back(project, before), out, given)
    except Exception as failure:
        second = as_error(failure)
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
