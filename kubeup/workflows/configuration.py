"""Checking and writing settings files, for the tasks `config.*`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kubeup import settings as package
from kubeup.core import state
from kubeup.core.errors import KubeupError, Refused, SettingsError
from kubeup.core.report import Report
from kubeup.system import machine
from kubeup.workflows.loading import problems
from kubeup.workflows.project import Project

SETTINGS = state.PROJECT / "config" / "settings.yaml"
HEADER = """\
---
# kubeup's settings. Every key has a default: `inv config.show` lists them all with their values.
settings:
  env: {profile}  # the profile in use
  users:
    {profile}:
      provider: auto
      nodes:
        control: {{cpu: 2, memory: 4096}}
        workers: {{count: 2, cpu: 2, memory: 4096}}
"""


def check_file(
    file: Path | None, profile: str, sets: Sequence[str], out: Report, json: bool
) -> None:
    """Print every problem of a settings file on this machine.

    Raises SettingsError where one is an error.
    """
    # as every other task takes it
    file = file or Path(os.environ.get("KUBEUP_SETTINGS") or SETTINGS)
    loaded = package.load(file, profile or None, tuple(sets), os.environ, ("KUBEUP_SETTINGS",))
    found = list(loaded.problems)
    if loaded.settings is not None:
        # what was said for any provider gives way to what holds for this machine's
        every = (*found, *_on_this_machine(loaded.settings))
        found = list({(one.file, one.line, one.key, one.found): one for one in every}.values())
    if json:
        out.data([_as_data(one) for one in found])
    else:
        for one in found:
            out.say(str(one))
    errors = [one for one in found if one.severity == "error"]
    if errors:
        raise SettingsError(
            f"{len(errors)} errors and {len(found) - len(errors)} warnings in {file}",
            "each is named above",
            "fix them, then check again",
        )
    if not json:
        verdict = f"{len(found)} warnings, no errors" if found else "nothing wrong"
        out.say(f"{file}: {verdict}")


def _as_data(problem: package.Problem) -> dict[str, object]:
    return {
        "severity": problem.severity,
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "text": str(problem),
    }


def _on_this_machine(settings: package.Settings) -> list[package.Problem]:
    place = state.of(settings)
    state.require_own(place, settings.profile)
    try:
        return problems(Project(settings, place, machine.observe()))
    except KubeupError:  # no provider works here: that is `doctor`'s to tell
        return []


def write_default(file: Path | None) -> str:
    target = file or SETTINGS
    if target.exists():
        raise Refused(
            f"{target} is there already", "it is yours", "name another file, or edit that one"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(HEADER.format(profile="dev"), encoding="utf-8")
    return f"{target} written"
