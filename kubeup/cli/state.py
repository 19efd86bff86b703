"""What is on record of a profile, and who is at work on it."""

from __future__ import annotations

from kubeup.cli.base import change_project, kubeup_task, open_project, report, settings_file
from kubeup.core.options import Options


@kubeup_task("yes")
def stop(given: Options) -> None:
    """End the processes that a killed command has left running on this profile, after asking.

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
    """Print the profile's record: where its data is and what was made for it.

    Example: inv state.show
    """
    from kubeup.workflows import repair as repairs

    repairs.show(*open_project(given))


@kubeup_task(
    "file", "yes", help={"node": "the node whose data are in use, where several have some"}
)
def repair(given: Options, node: str = "") -> None:
    """Rebuild the profile's record from what exists, or take over a deleted checkout's things.

    Example: inv state.repair
    """
    from kubeup.workflows import repair as repairs

    with change_project(given, strict=False, record=repairs.NONE) as (project, out):
        repairs.repair(project, out, node, given.yes)
