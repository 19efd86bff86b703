"""What a profile knows of itself."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import kubeup_task, report, settings_file


@kubeup_task()
def stop(c: Any, profile: str = "", set: list[str] = [], yes: bool = False) -> None:  # noqa: B006
    """End what a command that was killed has left at work on this profile; asks first.

    Example: inv state.stop
    """
    from kubeup import leftovers
    from kubeup.project import read_settings
    from kubeup.state import of

    leftovers.stop(of(read_settings(settings_file(), profile, set).require()), report(), yes)
