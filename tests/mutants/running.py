"""Each mutation against the tests that cover it: a pytest process of its own, some side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutants.covering import Covering
from tests.mutants.derive import Mutation
from tests.mutants.plugin import VARIABLE
from tests.mutants.sources import Module

FIRST = 30  # tests that are tried before all others: most are found by few
# what pytest ends with: a test failed; or they could not be collected, which is as clear
PASSED, FAILED, BROKEN, UNUSABLE = 0, 1, 2, 4
START, TIMES = 60.0, 10.0  # seconds for pytest's start, and times what its tests took


@dataclass(frozen=True)
class Outcome:
    """How a mutation came out: `by` says what found it, and is '' where it survived."""

    of: Mutation
    by: str = ""
    tests: int = 0  # that cover it
    seconds: float = 0.0


@dataclass(frozen=True)
class Running:
    """Runs mutations of these modules, at `root`, with the tests that cover them."""

    root: Path
    modules: Sequence[Module]
    covering: Covering
    folder: Path
    side_by_side: int = field(default_factory=lambda: os.cpu_count() or 1)

    def all(self, them: Iterable[Mutation], told: Callable[[Outcome], None]) -> list[Outcome]:
        """In their order; each is told of as soon as it is known."""
        with ThreadPoolExecutor(self.side_by_side) as pool:
            futures = [pool.submit(self._told, one, told) for one in them]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _told(self, one: Mutation, told: Callable[[Outcome], None]) -> Outcome:
        outcome = self.one(one)
        told(outcome)
        return outcome

    def one(self, of: Mutation) -> Outcome:
        began, tests = time.monotonic(), self.covering.tests(of)
        rounds = filter(None, (tests[:FIRST], tests[FIRST:], self.covering.beside(tests)))
        found = (self._found(of, some) for some in rounds)
        by = next(filter(None, found), "")
        return Outcome(of, by, len(tests), time.monotonic() - began)

    def _found(self, of: Mutation, tests: Sequence[str]) -> str:
        """What some tests say of it: '' where all pass. Raises RuntimeError where none ran."""
        text = next(one.text for one in self.modules if one.name == of.module)
        with TemporaryDirectory(dir=self.folder) as folder:
            told, temporary = Path(folder, "mutant.json"), Path(folder, "tests")
            said = {"module": of.module, "text": of.of(text), "tests": tests}
            told.write_text(json.dumps(said), encoding="utf-8")
            files = dict.fromkeys(test.partition("::")[0] for test in tests)
            options = ("-q", "-x", "-p", "no:cacheprovider", "-p", "tests.mutants.plugin")
            argv = (sys.executable, "-m", "pytest", *options, f"--basetemp={temporary}", *files)
            env = {VARIABLE: str(told), **self._compiled_once()}
            code, output = run(argv, self.root, env, self._limit(tests))
        return verdict(code, output)

    def _compiled_once(self) -> dict[str, str]:
        """Half of a short run would be compiling what has not changed."""
        return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode")}

    def _limit(self, tests: Sequence[str]) -> float:
        return START + TIMES * sum(self.covering.seconds.get(test, 0) for test in tests)


def verdict(code: int | None, output: str) -> str:
    """What found a mutation, by pytest's status (none for a time-out): '' where all tests
    passed.
    """
    if code is None:
        return "a time-out"
    unusable = code == UNUSABLE and "while loading conftest" in output
    if code not in (PASSED, FAILED, BROKEN) and not unusable:
        raise RuntimeError(f"pytest ended with {code}\n{output[-3000:]}")
    return _last(output) if code else ""


def run(
    argv: Sequence[str],
    cwd: Path,
    env: dict[str, str],
    limit: float,
) -> tuple[int | None, str]:
    """A command's status and what it printed; no status where it took longer than `limit` s."""
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        return process.returncode, output


def _last(output: str) -> str:
    """The test that failed, as pytest's summary names it."""
    names = [
        line.split()[1] for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))
    ]
    return names[-1] if names else "an error"
