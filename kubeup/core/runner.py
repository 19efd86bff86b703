"""The runner: carries out a plan, independent steps side by side, and writes down what it did.

Each step is looked at again just before it acts: what is refused by then has changed nothing. A
failure lets running steps end (those that only wait, soon), starts no further ones and is raised
with the step's name. So does a first Ctrl-C, which tells what is left; the second ends the commands
under way. The journal (one JSON object a line) lives in the profile's state folder.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kubeup.core import private, shell
from kubeup.core.errors import Interrupted, KubeupError, Mistake, Refused, after_changes
from kubeup.core.ids import StepId
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.plan import Action, Done, Outcome, Paced, Plan, Rechecked, Step, Waiting
from kubeup.core.state import JOURNAL
from kubeup.core.things import Thing

if TYPE_CHECKING:
    from kubeup.core.report import LineProgress

SIDE_BY_SIDE = 8  # steps mostly wait for other processes
# Seconds: where another thread than the one that waits takes a signal, Python sees it only
# afterwards, and two of them as one
LATEST = 0.1


class Journal:
    """Appends what happens to `journal.jsonl`; holds no secret, as steps' titles and ids hold none.

    A write that fails is a problem for whoever runs a plan: it must not end a step, nor hide why
    one ended.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self._path = folder / JOURNAL
        self._command = command
        self._problem = ""

    def add(self, event: str, step: str = "", **more: object) -> None:
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": self._command,
            "event": event,
            "step": step,
            **more,
        }
        # opened each time: a row is there even if this process is killed
        try:
            with private.opened(self._path) as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            self._problem = self._problem or str(error)

    def is_broken(self) -> bool:
        return bool(self._problem)

    def error(self, kind: type[KubeupError]) -> KubeupError:
        return kind(
            f"{self._path} can't be written",
            self._problem,
            "free disk space there, or give yourself write permission; then run the same again",
        )


# writes down what is made, and what was removed
Ledger = Callable[[tuple[Thing, ...], tuple[Thing, ...]], None]


def ignore(*_: object) -> None:
    """Writes nothing down."""


def run(
    plan: Plan,
    progress: LineProgress,
    journal: Journal,
    pace: Pace = AS_MEANT,
    keep: Callable[[Pace], None] = ignore,
    ledger: Ledger = ignore,
) -> Run:
    """Carry out a plan. Raises the first failed step's error, with its title before the cause.

    What steps make and remove goes to the `ledger`: what is made before it is, so that nothing is
    there that was cut off and is on no record.
    Limits of time are at the `pace` given and at what steps measured since; `keep` gets each new
    one.
    """
    began = time.monotonic()
    journal.add("plan", steps=list(map(str, plan.ids)))
    if journal.is_broken():
        raise journal.error(Refused)
    result = Run(plan, progress, journal, pace, keep, ledger)
    result.show_pace()
    try:
        with first_interrupt(result.interrupted):
            result.carry_out()
    except KeyboardInterrupt:
        shell.stop_all()
        journal.add("interrupted")
        raise
    journal.add("end", seconds=round(time.monotonic() - began, 2))
    if journal.is_broken():
        error = journal.error(KubeupError)
        progress.note(f"everything ran, but {error.what}: {error.why}")
    return result


@contextlib.contextmanager
def first_interrupt(noted: threading.Event) -> Iterator[None]:
    """Only note the first Ctrl-C of this block; the next one does what it did before."""
    before = signal.getsignal(signal.SIGINT)
    # where it is ignored, as in a shell's background, it stays so
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        noted.set()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Run:
    """A plan that is being carried out, and what it did."""

    plan: Plan
    progress: LineProgress
    journal: Journal
    pace: Pace
    keep: Callable[[Pace], None]
    ledger: Ledger
    done: list[Done] = field(default_factory=list)
    running: dict[Future[Done], Step] = field(default_factory=dict)
    failure: KubeupError | None = None
    failed: threading.Event = field(default_factory=threading.Event)
    acted: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    announced: bool = False  # that it was interrupted

    @property
    def changed(self) -> list[StepId]:
        return [done.id for done in self.done if done.outcome == "changed"]

    def carry_out(self) -> None:
        waiting = list(self.plan.steps)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                while self.running or (waiting and not self._ends()):
                    if waiting and self.journal.is_broken():
                        self._fail(self.journal.error(KubeupError))
                    self._tell_interrupted()
                    for step in self._startable(waiting):
                        waiting.remove(step)
                        action = step.action
                        if isinstance(action, Paced):
                            action = action.at(self.pace)
                        self.running[pool.submit(self._do, step, action)] = step
                    for future in wait(self.running, LATEST, FIRST_COMPLETED).done:
                        self._ended(self.running.pop(future), future)
            except KeyboardInterrupt:
                # the pool waits for its steps, and they for their commands
                shell.stop_all()
                raise
        if self.failure is not None:
            self.journal.add("end", failed=self.failure.what)
            with after_changes(self.acted.is_set()):
                raise self.failure
        if self.interrupted.is_set():
            raise Interrupted(self._left())

    def _ends(self) -> bool:
        """Whether no further step is to be started."""
        return self.failure is not None or self.interrupted.is_set()

    def _tell_interrupted(self) -> None:
        # not by the handler of the signal: it would wait for whoever is just printing
        if self.running and self.interrupted.is_set() and not self.announced:
            self.announced = True
            under_way = ", ".join(step.title for step in self.running.values())
            self.progress.note(
                f"interrupted: waiting for the end of: {under_way}; Ctrl-C again ends it now"
            )

    def _left(self) -> str:
        done = {done.id for done in self.done}
        left = [step.title for step in self.plan if step.id not in done]
        steps = f"interrupted: {len(done)} of {len(self.plan)} steps are done"
        return f"{steps}; left: {', '.join(left)}" if left else steps

    def _startable(self, waiting: list[Step]) -> list[Step]:
        if self._ends():
            return []
        met = self.plan.held.union(done.id for done in self.done)
        ready = [step for step in waiting if met.issuperset(step.needs)]
        # none may wait inside the pool: it would start after a failure
        return ready[: SIDE_BY_SIDE - len(self.running)]

    def _ended(self, step: Step, future: Future[Done]) -> None:
        try:
            done = future.result()
        except Exception as failure:  # whatever it is, others still run
            error = as_error(failure)
            if not error.what.startswith(step.title):
                error.what = f"{step.title}: {error.what}"
            self._fail(error)
            return
        self.done.append(done)
        if step.measures and done.outcome == "changed":
            self._measure(step, done.seconds)

    def _fail(self, error: KubeupError) -> None:
        self.failure = self.failure or error
        self.failed.set()

    def _measure(self, step: Step, seconds: float) -> None:
        before = self.pace.times
        self.pace = self.pace.after(seconds, step.seconds)
        self.keep(self.pace)
        if self.pace.times != before:
            self.show_pace(str(step.id))

    def show_pace(self, step: str = "") -> None:
        """Say how slow this machine is, where it is."""
        if why := self.pace.why():
            self.journal.add("pace", step, times=self.pace.times)
            self.progress.note(f"{why}: they are {self.pace.times} times as long here")

    def _do(self, step: Step, action: Action) -> Done:
        began = time.monotonic()
        outcome: Outcome = "failed"
        why = ""
        try:
            if isinstance(action, Rechecked):
                why = action.already()
            if not why:
                self._act(step, action)
            if step.removes:
                self.ledger((), step.removes)
            outcome = "already" if why else "changed"
        except Exception as error:
            raise as_error(error) from error
        finally:
            done = Done(step.id, outcome, time.monotonic() - began, why)
            self._report(step, done)
        return done

    def _act(self, step: Step, action: Action) -> None:
        if step.makes:
            self.ledger(step.makes, ())
        # whatever ends the step from here on may have changed something
        self.acted.set()
        self.progress.started(step)
        self.journal.add("start", str(step.id))
        log = partial(self.progress.line, step)
        if isinstance(action, Waiting):
            action.run_unless(self.failed.is_set, log)
        else:
            action.run(log)

    def _report(self, step: Step, done: Done) -> None:
        more: dict[str, object] = {"why": done.why} if done.why else {}
        self.journal.add(done.outcome, str(step.id), seconds=round(done.seconds, 2), **more)
        self.progress.ended(step, done)


def as_error(error: Exception) -> KubeupError:
    """What a step ended with, in three lines: a mistake in kubeup with its place."""
    if isinstance(error, KubeupError):
        return error
    what = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, OSError):
        return KubeupError(what, place, "fix that file or disk, then run the same again")
    return Mistake(what, place)
