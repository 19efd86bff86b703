"""What is on record of a profile, and who is at work on it."""

from __future__ import annotations

from kubeup.cli.base import change_project, kubeup_task, open_project, report, settings_file
from kubeup.core.options import Options


@kubeup_task("yes")
def stop(given: Options) -> None:
    """End what a command that was killed has left at work on this profile; asks first.

    Example: inv state.stop
    """
    from kubeup.core.state import of
    from kubeup.workflows import leftovers
    from kubeup.workflows.loading import read_settings

    leftovers.stop(
        of(read_settings(settings_file(), given.profile, given.set).require()), report(), given.yes
    )


@kubeup_task()
def show(given: Options) -> None:
    """Print the profile's record: where its data lie, and what was made for it on this machine and
    elsewhere.

    Example: inv state.show
    """
    from kubeup.workflows import repair as repairs

    repairs.show(*open_project(given))


@kubeup_task(
    "file", "yes", help={"node": "the node whose data are in use, where several have some"}
)
def repair(given: Options, node: str = "") -> None:
    """Make the profile's record anew from what is there, also from what a checkout that is gone has
    left.

    Example: inv state.repair
    """
    from kubeup.workflows import repair as repairs

    with change_project(given, strict=False, record=repairs.NONE) as (project, out):
        repairs.repair(project, out, node, given.yes)
