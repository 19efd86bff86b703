"""Closing a database that an older kubeup left open: what its next rollout does besides.

The server offers TLS first, then the API demands it, then the server does: whoever is cut off in
between reaches it, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Collection

from kubeup.application import apply
from kubeup.core import ids
from kubeup.core.errors import Refused
from kubeup.core.plan import Action, Step
from kubeup.core.record import VM
from kubeup.core.services import API, DATABASE, WITH_PASSWORDS
from kubeup.database import access, machine_service
from kubeup.workflows.project import Project

WHY = "an older kubeup left the database open to all"


def wanted(project: Project, parts: Collection[str]) -> bool:
    """Whether a rollout of these parts closes it.

    Raises Refused for the API alone while the server may have no certificate to show it.
    """
    if project.guarded:
        return False
    if API.name in parts and DATABASE.name not in parts:
        raise Refused(
            "the API takes no database without a certificate, and this one may have none yet",
            "an older kubeup deployed it",
            "deploy both: `inv deploy.all`, or `inv up`",
        )
    return set(WITH_PASSWORDS) <= set(parts)


def steps(project: Project) -> list[Step]:
    """What comes once the database and the API were deployed."""
    again: Action = apply.ApplyPart(project.deployment, DATABASE.name)
    if project.database_on == VM:
        again = machine_service.Run(project.machine)
    return [
        Step(
            ids.ROOT_LOCAL,
            "let root in from the database's own machine alone",
            WHY,
            access.KeepRootLocal(project.server),
            (ids.DEPLOY_DATABASE,),
        ),
        Step(
            ids.REQUIRE_TLS,
            "have the database refuse plain text",
            WHY,
            access.RequireTls(project.state, again),
            (ids.ROOT_LOCAL, ids.DEPLOY_API),
            12,
        ),
    ]
