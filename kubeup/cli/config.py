"""The settings."""

from __future__ import annotations

from kubeup.cli.base import after_dashes, kubeup_task, open_project, report
from kubeup.core.options import Options


@kubeup_task("file", "json")
def show(given: Options) -> None:
    """Show every setting, its value and its origin; secrets are hidden.

    Example: inv config.show --set nodes.workers.count=1
    """
    from kubeup import settings as package
    from kubeup.core.report import HIDDEN
    from kubeup.system import secrets

    project, out = open_project(given, strict=False)
    values, origins = package.values(project.settings), package.origins(project.settings)
    sealed = [name for name in secrets.read(project.state.secrets) if "PASSWORD" in name]
    if given.json:
        shown = {
            key: {"value": value, "from": str(origins[key]), "secret": key in package.SECRET_KEYS}
            for key, value in values.items()
        }
        out.data(
            shown
            | {
                name: {"value": HIDDEN, "from": project.state.secrets.name, "secret": True}
                for name in sealed
            }
        )
    else:
        rows = [
            (key, value, f"{origins[key]}{' (secret)' if key in package.SECRET_KEYS else ''}")
            for key, value in values.items()
        ]
        out.table(
            ("setting", "value", "from"),
            [*rows, *((name, HIDDEN, f"{project.state.secrets.name} (secret)") for name in sealed)],
        )


@kubeup_task("file", "json", help={"file": "the settings file (default: config/settings.yaml)"})
def check(given: Options) -> None:
    """Check the settings, also against this machine: every problem at once, with its place.

    Example: inv config.check -- my-settings.yaml
    """
    from pathlib import Path

    from kubeup.workflows.configuration import check_file

    file = given.file or next(iter(after_dashes()), "")
    check_file(Path(file) if file else None, given.profile, given.set, report(), given.json)


@kubeup_task(
    "file", settings=False, help={"file": "where to write it (default: config/settings.yaml)"}
)
def init(given: Options) -> None:
    """Write a commented settings file with the defaults; an existing one is kept.

    Example: inv config.init -- my-settings.yaml
    """
    from pathlib import Path

    from kubeup.workflows.configuration import write_default

    file = given.file or next(iter(after_dashes()), "")
    report().say(write_default(Path(file) if file else None))
