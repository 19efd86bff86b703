"""Runs checks side by side and times them.

A check never ends a run: what it raises becomes its line.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.inspect.verify.model import Line, Verdict, bad
from kubeup.inspect.verify.run import Check, Run

Tell = Callable[[Line], None]
INTERRUPTED = bad("not tried", "the run was interrupted", "run `inv verify` again")


def run_checks(checks: Sequence[Check], run: Run, tell: Tell | None = None) -> list[Line]:
    """Run all checks side by side; the list has their lines in the order of `checks`.

    `tell` gets each line as soon as it is there.
    """
    runner = _Runner(checks, run, tell)
    with ThreadPoolExecutor(len(checks)) as pool:
        futures = [pool.submit(runner.line, check) for check in checks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            runner.stop()
            raise


class _Runner:
    def __init__(self, checks: Sequence[Check], run: Run, tell: Tell | None) -> None:
        self._done = {check.name: threading.Event() for check in checks}
        self._run, self._tell, self._telling = run, tell, threading.Lock()

    def stop(self) -> None:
        """End what is under way: waits are given up, commands ended."""
        self._run.stop.set()
        for event in self._done.values():
            event.set()  # who waits for an earlier check goes on, and ends as interrupted
        shell.stop_all()

    def line(self, check: Check) -> Line:
        try:
            # each check has a thread of its own, so one that waits keeps nobody from running
            for name in check.after:
                self._done[name].wait()
            line = self._timed(check)
            if self._tell is not None:
                with self._telling:  # a line has several pieces
                    self._tell(line)
            return line
        finally:
            self._done[check.name].set()

    def _timed(self, check: Check) -> Line:
        began = time.monotonic()
        verdict = INTERRUPTED if self._run.stop.is_set() else self._verdict(check)
        seconds = round(time.monotonic() - began, 2)
        return Line(check.name, check.proves, seconds=seconds, **vars(verdict))

    def _verdict(self, check: Check) -> Verdict:
        try:
            return check.look(self._run)
        except KubeupError as error:
            return bad(error.what, error.said, error.next or "run `inv doctor`")
        except Exception as error:  # a mistake in kubeup must not hide the other lines
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return bad(
                f"{type(error).__name__}: {error}",
                f"{frame.filename}:{frame.lineno}",
                "report this: it is a mistake in kubeup",
            )
