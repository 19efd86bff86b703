"""Runs the stages of `inv test` and reports what they found."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from development.testing.schedule import Phase, Result, Schedule, about, in_phases
from development.testing.stages import ROOT, SUDO, Stage, choose
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log, plan_of, todo
from kubeup.core.report import Report, duration
from kubeup.system import packages

QUIET = 60.0  # seconds after which a stage that goes on says so
LIMIT = 4 * 3600.0  # seconds for a stage: one is made for at most 100 minutes on 2 cores

TOTALS = re.compile(r"\b(\d+) (passed|failed|errors?|skipped)\b")
CLOSING = re.compile(r"^=*\s?\d+ \w+.* in \d+\.\d+s\b")  # pytest's last line
NODE_TOTALS = re.compile(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)$")
MEANING = {"pass": "passed", "fail": "failed", "error": "failed", "errors": "failed"}


def run_tests(long: bool, only: str) -> None:
    """Run the stages named in `only` (all without).

    Raises KubeupError at the end where one failed.
    """
    out, began = Report(), time.monotonic()
    chosen = possible(choose(long, only), users(), out)
    phases = in_phases(chosen)
    schedule = Schedule(phases, out, long)
    schedule.announce()
    results: list[Result] = []
    for phase in phases:
        prepare([stage for group in phase for stage in group], out)
        results += run_side_by_side(phase, out, schedule, live=len(chosen) == 1)
    show(results, out, time.monotonic() - began)
    if failed := [result.stage for result in results if not result.ok]:
        option = " --long" if long else ""
        again = f"inv test{option} --only {failed[0]}"
        raise KubeupError(f"tests failed: {', '.join(failed)}", "their output is above", again)


def users() -> tuple[str, ...]:
    """Whose tests this user can run, as `Stage.needs_user` names them."""
    if os.geteuid() == 0:
        return "", ROOT, SUDO
    can_sudo = shell.which("sudo") and shell.read("sudo", "-n", "true", ok=None).ok
    return ("", SUDO) if can_sudo else ("",)


def possible(chosen: Sequence[Stage], acting: Sequence[str], out: Report) -> tuple[Stage, ...]:
    """Those that this user can run; the others are reported.

    Raises KubeupError where none is left.
    """
    for stage in chosen:
        if stage.needs_user not in acting:
            out.say(f"{stage.name} is left out: its tests need {stage.needs_user}")
    left = tuple(stage for stage in chosen if stage.needs_user in acting)
    if not left:
        raise KubeupError(
            "this user can run none of these tests",
            "what they make belongs to root",
            "run them as root",
        )
    return left


def prepare(chosen: Sequence[Stage], out: Report) -> None:
    """Packages, and the release's binaries, before anything goes side by side.

    What can't be made is reported; its stage then fails.
    """
    from kubeup.workflows import release
    from kubeup.workflows.loading import load

    names = [
        package for stage in chosen for tool, package in stage.packages if not shell.which(tool)
    ]
    needs_release = any(stage.needs_release for stage in chosen)
    if not names and not needs_release:
        return
    try:
        project = load(strict=False)
        built = release.release_steps(project) if needs_release else []
        names += packages.missing(project.packages) if todo(built) else ()
        plan = plan_of(packages.plan(tuple(dict.fromkeys(names)), project.host), built)
        if plan:
            out.say(f"installing what they need, about {about(plan.critical_seconds())}")
        for step in plan:
            out.say(f"{step.title}: {step.reason}")
            step.action.run(Heartbeat(step.title, out))
    except KubeupError as error:
        out.say("\n".join(error.lines()))


def run_side_by_side(groups: Phase, out: Report, schedule: Schedule, live: bool) -> list[Result]:
    """Each group in a thread, its stages one after another.

    An interrupt ends what runs and starts nothing more.
    """
    stopped = threading.Event()

    def run_group(group: Sequence[Stage]) -> list[Result]:
        return [run_stage(stage, out, schedule, live) for stage in group if not stopped.is_set()]

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(run_group, group) for group in groups]
        try:
            return [result for future in futures for result in future.result()]
        except KeyboardInterrupt:
            stopped.set()
            shell.stop_all()
            raise


def run_stage(stage: Stage, out: Report, schedule: Schedule, live: bool) -> Result:
    """Run one stage.

    Its output is shown as it comes where it is the only one, else whole when it ends.
    """
    result, began = Result(stage.name), time.monotonic()
    schedule.started(stage)
    log = out.say if live else Heartbeat(stage.name, out)

    def line(text: str) -> None:
        result.lines.append(text)
        count(text, result.counts)
        log(text)

    result.ok = run_commands(stage, line)
    if not result.ok and not result.counts["failed"]:
        result.counts["failed"] = 1  # a type error is no test, but it counts
    result.seconds = time.monotonic() - began
    schedule.ended(stage, result, [] if live else result.lines)
    return result


def run_commands(stage: Stage, log: Log) -> bool:
    """Run all of a stage's commands, also after one failed; whether all ended well."""
    try:
        if stage.setup is not None:
            stage.setup(log)
    except KubeupError as error:
        log("\n".join(error.lines()))
        return False
    outcomes = [_run_command(command, stage, log) for command in stage.commands]
    return all(outcomes)


def _run_command(command: Sequence[str], stage: Stage, log: Log) -> bool:
    try:
        shell.write(*command, log=log, cwd=str(stage.cwd), timeout=LIMIT)
    except KubeupError as error:
        log(error.lines()[0])  # its cause is the output that was just shown
        return False
    return True


class Heartbeat:
    """A log that prints a line now and then alone: one that stands still looks dead."""

    def __init__(self, name: str, out: Report) -> None:
        self._name, self._out, self._began = name, out, time.monotonic()
        self._last = self._began

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._last >= QUIET:
            self._last = now
            self._out.say(f"... {self._name}, {duration(now - self._began)}: {text[:120]}")


def count(line: str, counts: dict[str, int]) -> None:
    """Add what pytest's closing line, or one of node's, says."""
    totals = NODE_TOTALS.findall(line)
    if CLOSING.match(line):
        totals += [(word, number) for number, word in TOTALS.findall(line)]
    for word, number in totals:
        counts[MEANING.get(word, word)] += int(number)


def show(results: Sequence[Result], out: Report, seconds: float) -> None:
    out.say()
    rows = [
        (result.stage, result.outcome, f"{result.seconds:.1f}", result.summary)
        for result in results
    ]
    out.table(("stage", "outcome", "seconds", "tests"), rows)
    skipped = sum(result.counts["skipped"] for result in results)
    passed = sum(result.counts["passed"] for result in results)
    failed = sum(result.counts["failed"] for result in results)
    if skipped:
        out.say(f"{skipped} skipped: pytest says why above")
    out.say(f"in {duration(seconds)}")
    out.say(f"{passed} passed, {failed} failed")
