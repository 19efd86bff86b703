"""Which tests run which line: one run of all of them under `coverage`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from coverage import CoverageData

from tests.mutants.derive import Mutation
from tests.mutants.recording import SECONDS

Lines = Mapping[int, frozenset[str]]
NEAR = 10  # tests that are tried first for being about a module


@dataclass(frozen=True)
class Covering:
    """The tests that run each line of a file, by its path, and the seconds that a test takes."""

    lines: Mapping[str, Lines]
    seconds: Mapping[str, float]

    def tests(self, of: Mutation) -> tuple[str, ...]:
        """Those that run what is changed: some that are about its module first, then the quickest.

        What takes effect when a module is imported, is run by whoever runs anything of it.
        """
        there = self.lines.get(of.path, {})
        wanted = there if of.lines is None else [line for line in of.lines if line in there]
        names = set().union(*(there[line] for line in wanted))
        quick = sorted(names, key=lambda name: (self.seconds.get(name, 0), name))
        near = sorted(quick, key=lambda name: -self._share(name, of.path))[:NEAR]
        return tuple(dict.fromkeys((*near, *quick)))

    def _share(self, test: str, path: str) -> float:
        """How much of what a test runs is in that file."""
        return self._numbers[path][test] / sum(lines[test] for lines in self._numbers.values())

    @cached_property
    def _numbers(self) -> Mapping[str, Counter[str]]:
        """Of lines that each test runs in each file."""
        return {path: Counter(chain(*lines.values())) for path, lines in self.lines.items()}

    def beside(self, tests: Collection[str]) -> tuple[str, ...]:
        """The others of their files: what several share is made by the first one alone."""
        files, known = {_file(test) for test in tests}, set(tests)
        return tuple(test for test in self.seconds if _file(test) in files and test not in known)


def _file(test: str) -> str:
    return test.partition("::")[0]


def measured(root: Path, package: str, tests: str, folder: Path) -> Covering:
    """From one run of all tests, or from one that has left its results in that folder.

    Raises SystemExit, with what the tests printed, where one fails.
    """
    data, seconds = folder / "coverage", folder / "seconds.json"
    if not seconds.exists():
        _measure(root, package, tests, data, seconds)
    return read(root, data, seconds)


def _measure(root: Path, package: str, tests: str, data: Path, seconds: Path) -> None:
    run = ("coverage", "run", f"--data-file={data}", f"--source={package}", "-m")
    pytest = ("pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.mutants.recording", tests)
    env = {**os.environ, SECONDS: str(seconds)}
    done = subprocess.run(
        [sys.executable, "-m", *run, *pytest],
        cwd=root,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        seconds.unlink(missing_ok=True)
        raise SystemExit(f"{done.stdout}\nthe tests fail as the code is: mend them first")


def read(root: Path, data: Path, seconds: Path) -> Covering:
    """What such a run has left."""
    kept = CoverageData(str(data))
    kept.read()
    lines = {
        str(Path(file).relative_to(root)): _named(kept.contexts_by_lineno(file))
        for file in kept.measured_files()
    }
    return Covering(lines, json.loads(seconds.read_text(encoding="utf-8")))


def _named(lines: Mapping[int, list[str]]) -> Lines:
    """Without the context that no test has: what is run when files are imported."""
    return {line: frozenset(filter(None, names)) for line, names in lines.items()}
