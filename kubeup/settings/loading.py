"""From files, variables and options to settings, with everything that is wrong said at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.settings.checks import check_provider
from kubeup.settings.checks.networks import host_bits
from kubeup.settings.documents import Documents, choose
from kubeup.settings.model import Settings
from kubeup.settings.overrides import overrides
from kubeup.settings.problem import Problem
from kubeup.settings.reader import read_tree
from kubeup.settings.tree import Mapping as Tree
from kubeup.settings.tree import overlay
from kubeup.settings.validate import validate

_PROJECT = Path(__file__).parents[2]


def default_path() -> Path:
    """The project's own file, named from the working folder where that is the shorter name."""
    path = _PROJECT / "config" / "settings.yaml"
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, when every value could be read, and what is wrong with them: an error among it
    means stop.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "warning")

    def require(self) -> Settings:
        """The settings, or an error that lists everything wrong."""
        if self.settings is not None and not self.errors:
            return self.settings
        from kubeup.core.errors import SettingsError

        count = len(self.errors)
        raise SettingsError(
            what=f"the settings have {count} error{'s' if count > 1 else ''}",
            why="\n".join(str(problem) for problem in self.errors),
            next="correct these; warnings are in config.check",
            problems=self.errors,
        )


def load(
    path: Path | None = None,
    profile: str | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    ignored_variables: Collection[str] = (),
) -> Loaded:
    """Never raises for what is written in a file, a variable or an option.

    `ignored_variables` are KUBEUP_… names that belong to something other than settings.
    """
    variables = os.environ if environ is None else environ
    documents = choose(path or default_path(), profile, variables)
    top, problems = overrides(variables, sets, ignored_variables)
    documents.problems.extend(problems)
    settings, found = _settings(documents, top)
    return Loaded(settings, tuple(sorted(dict.fromkeys(found), key=_order)))


def _order(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _settings(documents: Documents, top: Tree) -> tuple[Settings | None, list[Problem]]:
    # Without a profile the variables and options are still read: what is wrong in them is said in
    # the same run.
    reading = read_tree(overlay(documents.tree or Tree({}, documents.origin), top))
    settings, refused = validate(documents.profile or "none", reading)
    settings._origins["profile"] = documents.origin
    unusable = documents.problems + reading.problems + refused
    crossed = [*host_bits(settings, reading.texts), *check_provider(settings, settings.provider)]
    keys = {problem.key for problem in unusable if problem.severity == "error"}
    problems = unusable + [problem for problem in crossed if not _touches(problem, keys)]
    broken = documents.tree is None or any(problem.severity == "error" for problem in unusable)
    return (None if broken else settings), problems


def _touches(problem: Problem, keys: set[str]) -> bool:
    """Whether a check took part in which a default stands for something unreadable."""
    parts = {problem.key, *problem.related}
    return any(_within(key, part) or _within(part, key) for key in keys for part in parts)


def _within(key: str, section: str) -> bool:
    return f"{key}.".startswith(f"{section}.")
