"""The settings."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import after_dashes, kubeup_task, open_project, report


@kubeup_task()
def show(c: Any, profile: str = "", set: list[str] = [], file: str = "", json: bool = False) -> None:  # noqa: B006
    """Show every setting, its value and where that came from; secrets are hidden.

    Example: inv config.show --set nodes.workers.count=1
    """
    from kubeup import secrets
    from kubeup import settings as package
    from kubeup.report import HIDDEN

    project, out = open_project(profile, set, file, strict=False)
    values, origins = package.values(project.settings), package.origins(project.settings)
    sealed = [name for name in secrets.read(project.state.secrets) if "PASSWORD" in name]
    if json:
        shown = {key: {"value": value, "from": str(origins[key]), "secret": key in package.SECRET_KEYS} for key, value in values.items()}
        out.data(shown | {name: {"value": HIDDEN, "from": project.state.secrets.name, "secret": True} for name in sealed})
    else:
        rows = [(key, value, f"{origins[key]}{' (secret)' if key in package.SECRET_KEYS else ''}") for key, value in values.items()]
        out.table(("setting", "value", "from"), [*rows, *((name, HIDDEN, f"{project.state.secrets.name} (secret)") for name in sealed)])


@kubeup_task(help={"file": "the settings file (default: config/settings.yaml)"})
def check(c: Any, file: str = "", profile: str = "", set: list[str] = [], json: bool = False) -> None:  # noqa: B006
    """Check settings, also against this machine: every problem at once, with its place.

    Example: inv config.check -- my-settings.yaml
    """
    from pathlib import Path

    from kubeup.configuration import check_file

    file = file or next(iter(after_dashes()), "")
    check_file(Path(file) if file else None, profile, set, report(), json)


@kubeup_task(help={"file": "where to write it (default: config/settings.yaml)"})
def init(c: Any, file: str = "") -> None:
    """Write a settings file with the defaults explained; one that is there is left alone.

    Example: inv config.init -- my-settings.yaml
    """
    from pathlib import Path

    from kubeup.configuration import write_default

    file = file or next(iter(after_dashes()), "")
    report().say(write_default(Path(file) if file else None))
