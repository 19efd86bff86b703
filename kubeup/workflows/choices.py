"""What was decided goes on record; settings that contradict the record are refused."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from kubeup.core import ids
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import Refused
from kubeup.core.ids import Kind, StepId, any_of
from kubeup.core.record import Made, Record
from kubeup.workflows.project import Project

# steps that make what keeps what it was made of
IMAGES = (Kind.IMAGE, Kind.ROOTFS, Kind.LOAD, Kind.PUSH, Kind.DEPLOY)
NODES = (Kind.LOCAL, Kind.NODE)
KUBERNETES = (*NODES, Kind.RELEASE, Kind.SYSTEM_IMAGES, Kind.CLUSTER)
PLACED = (*NODES, Kind.CLUSTER, Kind.LOAD, Kind.DEPLOY)  # on machines of the provider


def remember(project: Project, steps: Collection[StepId] = ()) -> None:
    """Record what decides how `steps` make things, just before they do.

    A site that answers later, or no more, must not turn what is there into something else. What is
    merely planned is decided anew.
    """
    decided: dict[str, Any] = {"made": _made_by(project, steps)}
    if any_of(steps, *PLACED) or ids.MACHINE_SERVICE in steps:
        decided["guarded"] = project.guarded
    if any_of(steps, *PLACED):
        decided["provider"] = project.provider.name
    if ids.DEPLOY_DATABASE in steps:
        decided["database"] = project.location(project.database_on)
    states.claim(project.state, project.settings.profile)
    records.change(project.state, **decided)


def refuse_unrecorded(project: Project) -> None:
    """Raises Refused where things of this profile exist without a record of what they hold."""
    traces = project.provider.traces() if project.record == Record() else ()
    if traces:
        raise Refused(
            f"there is no record of the profile {project.settings.profile}, but things of it "
            "are there",
            ", ".join(map(str, traces)),
            f"put {project.state.folder / project.state.record} back, or make it anew from what "
            "is there: `inv state.repair`",
        )


def refuse_unreachable(project: Project) -> None:
    """Raises Refused where the settings don't lead to what is on record.

    A second one would be made beside it.
    """
    for thing in project.record.things:
        if not project.provider.leads_to(thing):
            raise Refused(
                f"the {thing} is on record, and the settings name another one",
                "it would stay behind, with what it holds",
                "restore the setting that named it, or `inv down` with it first (data is kept)",
            )


def _made_by(project: Project, steps: Collection[StepId]) -> Made:
    """What is on record, and what is made now.

    An older kubeup did not write down which engine has the nodes.
    """
    made = project.made
    if any_of(steps, *IMAGES):
        made = _kept(made, bases=project.bases.source, bases_why=project.bases.why)
    if any_of(steps, *NODES) or (project.stands_on and not made.engine):
        made = _kept(made, engine=project.provider.made_by() or made.engine)
    if project.provider.uses_kubeadm and any_of(steps, *KUBERNETES):
        made = _kept(made, source=project.release.source, source_why=project.release.why)
    database = {ids.DEPLOY_DATABASE, ids.MACHINE_SERVICE}.intersection(steps)
    if database and project.check_origin is None:
        made = _kept(made, server=project.server_version)
    return made


def _kept(made: Made, **decided: Any) -> Made:
    """The reason that is on record stays with what was decided by it."""
    same = all(
        getattr(made, name) == value for name, value in decided.items() if not name.endswith("_why")
    )
    return made if same else replace(made, **decided)
