"""What is on record of a profile, and who is at work on it."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import change_project, kubeup_task, open_project, report, settings_file


@kubeup_task()
def stop(c: Any, profile: str = "", set: list[str] = [], yes: bool = False) -> None:  # noqa: B006
    """End what a command that was killed has left at work on this profile; asks first.

    Example: inv state.stop
    """
    from kubeup import leftovers
    from kubeup.project import read_settings
    from kubeup.state import of

    leftovers.stop(of(read_settings(settings_file(), profile, set).require()), report(), yes)


@kubeup_task()
def show(c: Any, profile: str = "", set: list[str] = []) -> None:  # noqa: B006
    """Print the profile's record: where its data lie, and what was made for it on this machine and elsewhere.

    Example: inv state.show
    """
    from kubeup import repair as repairs

    repairs.show(*open_project(profile, set))


@kubeup_task(help={"node": "the node whose data are in use, where several have some"})
def repair(c: Any, profile: str = "", set: list[str] = [], file: str = "", node: str = "", yes: bool = False) -> None:  # noqa: B006
    """Make the profile's record anew from what is there, also from what a checkout that is gone has left.

    Example: inv state.repair
    """
    from kubeup import repair as repairs

    with change_project("state.repair", profile, set, strict=False, file=file, record=repairs.NONE) as (project, out):
        repairs.repair(project, out, node, yes)
