"""Passwords that `.env` lacks and a database has: never made anew, put back from the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.application.deployment import Deployment
from kubeup.core import ids
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Log, Plan, Step, plan_of
from kubeup.core.services import DATABASE
from kubeup.database import passwords
from kubeup.system import secrets
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

RESTORE = "`inv secrets.restore` writes those of the cluster's Secret back"


def refuse(project: Project, facts: ClusterFacts | None = None) -> None:
    """Raises Refused where a database has passwords that are in `.env` no more.

    On record is that there are data, also while no cluster runs; a cluster that an older kubeup
    made may have a database that is not on record, which its `facts` tell.
    """
    known, begun = project.record, project.begun_passwords
    workloads = facts.workloads if facts else ()
    deployed = any(one.app == DATABASE.name for one in workloads)
    missing = secrets.missing(project.state.secrets)
    if missing and (known.database or known.left or begun or deployed):
        restore = RESTORE if facts and facts.answers else f"`inv cluster.start`, then {RESTORE}"
        raise Refused(
            f"{project.state.secrets.name} lacks passwords of a database that is there",
            f"{', '.join(missing)} not in {project.state.secrets}; with others it lets nobody in",
            f"put the file back; or {restore}; or, to lose the data: `inv down --data`",
        )


def restore(project: Project) -> Plan:
    """What puts them back. Raises Refused where a rotation is not finished."""
    path = project.state.secrets
    if not (names := secrets.missing(path)):
        return plan_of()
    if project.changing_passwords:
        raise Refused(
            "a change of passwords was interrupted",
            "the Secret may hold those that were to be replaced",
            f"put {path} back as it was; `inv db.rotate` then finishes the change",
        )
    step = Step(
        ids.PASSWORDS,
        f"write the passwords of the cluster's Secret to {path.name}",
        f"{', '.join(names)} not in {path.name}",
        RestorePasswords(path, names, project.deployment),
    )
    return plan_of([step])


@dataclass(frozen=True)
class RestorePasswords:
    """Append the values that the Secret has of `names`. Raises KubeupError where it lacks one."""

    path: Path
    names: tuple[str, ...]
    deployment: Deployment

    def run(self, log: Log) -> None:
        deployed = passwords.deployed(self.deployment)
        if lacking := [name for name in self.names if not deployed.get(name)]:
            raise KubeupError(
                f"the cluster's Secret has no {', '.join(lacking)}",
                "it was deleted, or the application was never deployed",
                f"put {self.path} back",
            )
        with secrets.changing(self.path, "putting passwords back"):
            missing = secrets.missing(self.path)
            secrets.replace(self.path, {name: deployed[name] for name in missing})
        log(f"{', '.join(missing)} written to {self.path.name}")
