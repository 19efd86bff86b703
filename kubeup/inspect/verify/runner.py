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
from kubeup.inspect.verify.lines import Check, Line, Verdict, bad

Tell = Callable[[Line], None]


def run_checks(
    checks: Sequence[Check], tell: Tell | None = None, stop: threading.Event | None = None
) -> list[Line]:
    """Run all checks; `tell` gets each line when it is done, the list has them in the order of
    `checks`.
    """
    runner = _Runner(checks, tell, stop or threading.Event())
    with ThreadPoolExecutor(max(1, len(checks))) as pool:
        futures = [pool.submit(runner.one, check) for check in checks]
        try:
            return [future.result() for future in futures]
        except BaseException:
            runner.stop()
            raise


class _Runner:
    def __init__(self, checks: Sequence[Check], tell: Tell | None, stop: threading.Event) -> None:
        self._done = {check.name: threading.Event() for check in checks}
        self._tell, self._stop, self._telling = tell, stop, threading.Lock()

    def stop(self) -> None:
        """End what is under way: waits are given up, commands ended."""
        self._stop.set()
        for event in self._done.values():
            event.set()
        shell.stop_all()

    def one(self, check: Check) -> Line:
        try:
            for name in check.after:
                self._done[name].wait()
            line = _stopped(check) if self._stop.is_set() else timed(check)
            if self._tell is not None:
                with self._telling:
                    self._tell(line)
            return line
        finally:
            self._done[check.name].set()


def timed(check: Check) -> Line:
    """One check's line, with its time."""
    began = time.monotonic()
    verdict = _judged(check)
    return Line(
        check.name,
        check.proves,
        verdict.ok,
        round(time.monotonic() - began, 2),
        verdict.detail,
        verdict.cause,
        verdict.next,
    )


def _judged(check: Check) -> Verdict:
    try:
        return check.look()
    except KubeupError as error:
        return bad(error.what, error.why or error.what, error.next or "run `inv doctor`")
    except Exception as error:  # a mistake in kubeup must not hide the other lines
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return bad(
            f"{type(error).__name__}: {error}",
            f"{frame.filename}:{frame.lineno}",
            "report this: it is a mistake in kubeup",
        )


def _stopped(check: Check) -> Line:
    return Line(
        check.name,
        check.proves,
        False,
        0.0,
        "not tried",
        "the run was interrupted",
        "run `inv verify` again",
    )
