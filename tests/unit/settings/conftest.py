from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest

from kubeup.settings import Loaded, Problem, load

HEAD = "settings:\n  env: dev\n  users:\n    dev:\n"
FIRST_LINE = 5  # of a profile's own text, below HEAD


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., Loaded]:
    """Loads a whole settings file given as text or bytes."""

    def _load(text: str | bytes, sets: tuple[str, ...] = (), **more: object) -> Loaded:
        path = tmp_path / "settings.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, sets=sets, **{"environ": {}, **more})  # type: ignore[arg-type]

    return _load


@pytest.fixture
def load_profile(load_text: Callable[..., Loaded]) -> Callable[..., Loaded]:
    """Loads a file with one profile, `dev`, whose keys are given; they begin in line 5, column
    7.
    """

    def _load(keys: str, sets: tuple[str, ...] = (), **more: object) -> Loaded:
        return load_text(HEAD + indent(dedent(keys).lstrip("\n"), " " * 6), sets, **more)

    return _load


@pytest.fixture
def one_problem(load_profile: Callable[..., Loaded]) -> Callable[..., Problem]:
    """The only problem there is with a profile."""

    def _one(keys: str, sets: tuple[str, ...] = ()) -> Problem:
        problems = load_profile(keys, sets).problems
        assert len(problems) == 1, [str(problem) for problem in problems]
        return problems[0]

    return _one
