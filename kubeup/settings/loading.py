"""From files, variables and options to settings, with everything that is wrong said at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.core.errors import SettingsError
from kubeup.settings.checks import check_provider
from kubeup.settings.checks.networks import host_bits
from kubeup.settings.documents import choose
from kubeup.settings.model import Keys, Settings
from kubeup.settings.overrides import overrides
from kubeup.settings.problem import Problem, Problems
from kubeup.settings.reading import read
from kubeup.settings.tree import Node, overlay


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, where every value could be read, and what is wrong with them.

    An error among the problems means stop.
    """

    settings: Settings | None
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def require(self) -> Settings:
        """The settings, or an error that lists everything wrong."""
        if self.settings is not None and not self.errors:
            return self.settings
        count = len(self.errors)
        raise SettingsError(
            what=f"the settings have {count} error{'s' if count > 1 else ''}",
            why="\n".join(map(str, self.errors)),
            next="correct these; warnings are in config.check",
            problems=self.errors,
        )


def load(
    path: Path,
    profile: str | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    ignored_variables: Collection[str] = (),
) -> Loaded:
    """Never raises for what is written in a file, a variable or an option.

    `ignored_variables` are KUBEUP_… names that belong to something other than settings.
    """
    variables, problems = os.environ if environ is None else environ, Problems()
    chosen = choose(path, profile, variables, problems)
    top = overrides(variables, sets, ignored_variables, problems)
    # Without a profile the variables and options are still read: what is wrong in them is said in
    # the same run.
    reading = read(Keys, overlay(chosen.tree or Node("map", chosen.origin), top), problems)
    # `profile` is no key of a file, and all others have been validated.
    settings = Settings.model_construct(**dict(reading.value), profile=chosen.name)
    settings._origins.update({key: node.origin for key, node in reading.nodes.items()})
    settings._origins["profile"] = chosen.origin
    refused = problems.refused
    crossed = [*host_bits(settings, reading.nodes), *check_provider(settings, settings.provider)]
    problems += [problem for problem in crossed if not _touches(problem, refused)]
    usable = chosen.tree is not None and not refused
    return Loaded(settings if usable else None, tuple(sorted(dict.fromkeys(problems), key=_place)))


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _touches(problem: Problem, refused: Collection[str]) -> bool:
    """Whether a check took part in which a default stands for something unreadable."""
    keys = {problem.key, *problem.related}
    return any(_within(bad, key) or _within(key, bad) for bad in refused for key in keys)


def _within(key: str, section: str) -> bool:
    return f"{key}.".startswith(f"{section}.")
