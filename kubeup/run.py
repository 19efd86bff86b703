"""The runner: carries out a plan, independent steps side by side, and writes down what it did.

Each step is looked at again just before it acts. A failure lets running steps end (those that only wait, soon), starts
no further ones and is raised with the step's name; an interrupt ends the commands under way. The journal (one JSON object a line) lives
in the profile's state folder.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from kubeup import shell
from kubeup.errors import KubeupError
from kubeup.facts.pace import AS_MEANT, Pace
from kubeup.ids import StepId
from kubeup.plan import Action, Paced, Plan, Rechecked, Step, Waiting

SIDE_BY_SIDE = 8  # steps mostly wait for other processes
LATEST = 1.0  # seconds: Python sees a signal that came just before it began to wait only afterwards


class Progress(Protocol):
    """Who is told how a run goes (see `kubeup.report`)."""

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
    """Appends what happens to `journal.jsonl`; never holds a secret, as steps' titles and ids hold none."""

    def __init__(self, folder: Path, command: str) -> None:
        self._path = folder / "journal.jsonl"
        self._command = command

    def add(self, event: str, step: str = "", **more: object) -> None:
        row = {"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "command": self._command, "event": event, "step": step, **more}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def nobody(pace: Pace) -> None:
    """Keeps no pace."""


def run(
    plan: Plan, progress: Progress, journal: Journal, pace: Pace = AS_MEANT,
    keep: Callable[[Pace], None] = nobody,
) -> Result:
    """Carry out a plan. Raises the first failed step's error, with the step's title before its cause.

    Limits of time are at the `pace` given and at what steps measured since; `keep` is told of that.
    """
    result, began = Result(), time.monotonic()
    journal.add("plan", steps=list(map(str, plan.ids)))
    timing = Timing(pace, keep, progress, journal)
    timing.tell()
    try:
        _run_steps(plan, progress, journal, result, timing)
    except KeyboardInterrupt:
        shell.stop_all()
        journal.add("interrupted")
        raise
    result.seconds = time.monotonic() - began
    journal.add("end", seconds=round(result.seconds, 2))
    return result


@dataclass
class Timing:
    """How slow this machine is, by an earlier run and by this one's steps; says so once it is known."""

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
    plan: Plan, progress: Progress, journal: Journal, result: Result, timing: Timing,
) -> None:
    waiting, done = list(plan.steps), set(plan.held)
    running: dict[Future[Done], Step] = {}
    failure: KubeupError | None = None
    failed = threading.Event()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        try:
            while running or (waiting and failure is None):
                if failure is None:
                    ready = [step for step in waiting if done.issuperset(step.needs)]
                    begun = ready[: SIDE_BY_SIDE - len(running)]  # none may wait inside the pool: it would start after a failure
                    for step in begun:
                        action = _at(step.action, timing.pace)
                        running[pool.submit(_one, step, action, progress, journal, failed)] = step
                    waiting = [step for step in waiting if step not in begun]
                for future in wait(running, LATEST, FIRST_COMPLETED).done:
                    step = running.pop(future)
                    try:
                        result.done.append(future.result())
                        done.add(step.id)
                        timing.add(step, result.done[-1])
                    except KubeupError as error:
                        failure = failure or _named(step, error)
                        failed.set()
        except KeyboardInterrupt:
            shell.stop_all()
            raise
    if failure is not None:
        journal.add("end", failed=failure.what)
        raise failure


def _at(action: Action, pace: Pace) -> Action:
    return action.at(pace) if isinstance(action, Paced) else action


def _one(
    step: Step, action: Action, progress: Progress, journal: Journal, failed: threading.Event,
) -> Done:
    began = time.monotonic()
    outcome = "failed"
    try:
        if why_not := action.already() if isinstance(action, Rechecked) else "":
            outcome = f"already: {why_not}"
        else:
            progress.started(step)
            journal.add("start", str(step.id))
            log = partial(progress.line, step)
            if isinstance(action, Waiting):
                action.run_unless(failed.is_set, log)
            else:
                action.run(log)
            outcome = "changed"
    except KubeupError:
        raise
    except Exception as error:  # a mistake in kubeup: shown with its place, after the others have ended
        raise KubeupError(f"{type(error).__name__}: {error}", _place(), "report this: it is a mistake in kubeup") from error
    finally:
        seconds = time.monotonic() - began
        progress.ended(step, outcome, seconds)
        event, _, why = outcome.partition(": ")
        journal.add(event, str(step.id), seconds=round(seconds, 2), **({"why": why} if why else {}))
    return Done(step.id, outcome, seconds)


def _named(step: Step, error: KubeupError) -> KubeupError:
    if not error.what.startswith(step.title):
        error.what = f"{step.title}: {error.what}"
    return error


def _place() -> str:
    traceback = sys.exc_info()[2]
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
