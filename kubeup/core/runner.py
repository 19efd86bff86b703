"""The runner: carries out a plan, independent steps side by side, and writes down what it did.

Each step is looked at again just before it acts: what is refused by then has changed nothing. A
failure lets running steps end (those that only wait, soon), starts no further ones and is raised
with the step's name; an interrupt ends the commands under way. The journal (one JSON object a line)
lives in the profile's state folder.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused, after_changes
from kubeup.core.ids import StepId
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.plan import Action, Paced, Plan, Rechecked, Step, Waiting
from kubeup.core.things import Thing

SIDE_BY_SIDE = 8  # steps mostly wait for other processes
LATEST = 1.0  # seconds: Python sees a signal that came just before it began to wait only afterwards


class Progress(Protocol):
    """Who is told how a run goes (see `kubeup.core.report`)."""

    def started(self, step: Step) -> None: ...
    def line(self, step: Step, text: str) -> None: ...
    def ended(self, step: Step, outcome: str, seconds: float) -> None: ...
    def note(self, text: str) -> None: ...


@dataclass(frozen=True)
class Done:
    """One step's end: outcome is `changed`, `already: why`, or `failed`."""

    id: StepId
    outcome: str
    seconds: float


@dataclass
class Result:
    """What a run did."""

    done: list[Done] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changed(self) -> list[StepId]:
        return [one.id for one in self.done if one.outcome == "changed"]


class Journal:
    """Appends what happens to `journal.jsonl`; never holds a secret, as steps' titles and ids hold
    none.

    A write that fails is trouble for whoever runs a plan: it must not end a step, nor hide why one
    ended.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self._path = folder / "journal.jsonl"
        self._command = command
        self._trouble = ""

    def add(self, event: str, step: str = "", **more: object) -> None:
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "command": self._command,
            "event": event,
            "step": step,
            **more,
        }
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            self._trouble = self._trouble or str(error)

    def troubled(self) -> bool:
        return bool(self._trouble)

    def told(self) -> tuple[str, str, str]:
        """That trouble as an error's what, why and next."""
        return (
            f"{self._path} can't be written",
            self._trouble,
            "make room there, or let yourself write it; then run the same again",
        )


def keep_nothing(pace: Pace) -> None:
    """Keeps no pace."""


# writes down what is made, and what was removed
Ledger = Callable[[tuple[Thing, ...], tuple[Thing, ...]], None]


def write_nothing(made: tuple[Thing, ...], removed: tuple[Thing, ...]) -> None:
    """Writes nothing down."""


def run(
    plan: Plan,
    progress: Progress,
    journal: Journal,
    pace: Pace = AS_MEANT,
    keep: Callable[[Pace], None] = keep_nothing,
    ledger: Ledger = write_nothing,
) -> Result:
    """Carry out a plan. Raises the first failed step's error, with the step's title before its
    cause.

    What steps make and remove goes to the `ledger`: what is made before it is, so that nothing is
    there that was cut off and that nobody knows of.
    Limits of time are at the `pace` given and at what steps measured since; `keep` is told of that.
    """
    result, began = Result(), time.monotonic()
    journal.add("plan", steps=list(map(str, plan.ids)))
    if journal.troubled():
        raise Refused(*journal.told())
    timing = Timing(pace, keep, progress, journal)
    timing.tell()
    try:
        _run_steps(plan, progress, journal, result, timing, ledger)
    except KeyboardInterrupt:
        shell.stop_all()
        journal.add("interrupted")
        raise
    result.seconds = time.monotonic() - began
    journal.add("end", seconds=round(result.seconds, 2))
    if journal.troubled():
        progress.note(f"everything ran, but {': '.join(journal.told()[:2])}")
    return result


@dataclass
class Timing:
    """How slow this machine is, by an earlier run and by this one's steps; says so once it is
    known.
    """

    pace: Pace
    keep: Callable[[Pace], None]
    progress: Progress
    journal: Journal

    def add(self, step: Step, done: Done) -> None:
        if not step.measures or done.outcome != "changed":
            return
        before, self.pace = self.pace.times, self.pace.after(done.seconds, step.seconds)
        self.keep(self.pace)
        if self.pace.times != before:
            self.tell(str(step.id))

    def tell(self, step: str = "") -> None:
        if why := self.pace.why():
            self.journal.add("pace", step, times=self.pace.times)
            self.progress.note(f"{why}: they are {self.pace.times} times as long here")


def _run_steps(
    plan: Plan,
    progress: Progress,
    journal: Journal,
    result: Result,
    timing: Timing,
    ledger: Ledger,
) -> None:
    waiting, done = list(plan.steps), set(plan.held)
    running: dict[Future[Done], Step] = {}
    failure: KubeupError | None = None
    failed, acted = threading.Event(), threading.Event()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            while running or (waiting and failure is None):
                if waiting and failure is None and journal.troubled():
                    failure = KubeupError(*journal.told())
                    failed.set()
                if failure is None:
                    ready = [step for step in waiting if done.issuperset(step.needs)]
                    # none may wait inside the pool: it would start after a failure
                    begun = ready[: SIDE_BY_SIDE - len(running)]
                    for step in begun:
                        action = _at(step.action, timing.pace)
                        running[
                            pool.submit(
                                _one, step, action, progress, journal, failed, acted, ledger
                            )
                        ] = step
                    waiting = [step for step in waiting if step not in begun]
                for future in wait(running, LATEST, FIRST_COMPLETED).done:
                    step = running.pop(future)
                    try:
                        result.done.append(future.result())
                        done.add(step.id)
                        timing.add(step, result.done[-1])
                    except Exception as error:  # whatever it is, others still run
                        failure = failure or _named(step, as_error(error))
                        failed.set()
        except KeyboardInterrupt:
            shell.stop_all()
            raise
    if failure is not None:
        journal.add("end", failed=failure.what)
        with after_changes(acted.is_set()):
            raise failure


def _at(action: Action, pace: Pace) -> Action:
    return action.at(pace) if isinstance(action, Paced) else action


def _one(
    step: Step,
    action: Action,
    progress: Progress,
    journal: Journal,
    failed: threading.Event,
    acted: threading.Event,
    ledger: Ledger,
) -> Done:
    began = time.monotonic()
    outcome = "failed"
    try:
        if why_not := action.already() if isinstance(action, Rechecked) else "":
            outcome = f"already: {why_not}"
        else:
            if step.makes:
                ledger(step.makes, ())
            acted.set()
            progress.started(step)
            journal.add("start", str(step.id))
            log = partial(progress.line, step)
            if isinstance(action, Waiting):
                action.run_unless(failed.is_set, log)
            else:
                action.run(log)
            outcome = "changed"
        if step.removes:
            ledger((), step.removes)
    except Exception as error:
        raise as_error(error) from error
    finally:
        seconds = time.monotonic() - began
        with contextlib.suppress(*([OSError] if outcome == "failed" else [])):  # it would hide why
            progress.ended(step, outcome, seconds)
        event, _, why = outcome.partition(": ")
        journal.add(event, str(step.id), seconds=round(seconds, 2), **({"why": why} if why else {}))
    return Done(step.id, outcome, seconds)


def _named(step: Step, error: KubeupError) -> KubeupError:
    if not error.what.startswith(step.title):
        error.what = f"{step.title}: {error.what}"
    return error


def as_error(error: Exception) -> KubeupError:
    """What a step ended with, in three lines: a mistake in kubeup with its place."""
    if isinstance(error, KubeupError):
        return error
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        return KubeupError(what, _place(error), "see to that file or disk, then run the same again")
    return KubeupError(what, _place(error), "report this: it is a mistake in kubeup")


def _place(error: Exception) -> str:
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
