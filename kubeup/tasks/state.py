"""What is on record of a profile."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import kubeup_task, open_project


@kubeup_task(help={"node": "the node whose data are in use, where several have some"})
def repair(c: Any, profile: str = "", set: list[str] = [], file: str = "", node: str = "", yes: bool = False) -> None:  # noqa: B006
    """Make the profile's record anew from what is there, also from what a checkout that is gone has left.

    Example: inv state.repair
    """
    from kubeup import repair as repairs

    project, out = open_project(profile, set, file, strict=False, record=repairs.NONE)
    repairs.repair(project, out, node, yes)
