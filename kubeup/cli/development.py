"""`inv test`: every check of the project, stage by stage.

What a change to Python needs comes first. The real runs then go on beside the others: they mostly
wait.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from kubeup.core import shell
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.plan import Log, plan_of, todo
from kubeup.core.report import Report, duration
from kubeup.core.state import PROJECT, write_private
from kubeup.system import cache, packages

API, UI = PROJECT / "apps" / "api", PROJECT / "apps" / "ui"
API_VENV = PROJECT / ".venv" / "api"
API_PYTHON = str(API_VENV / "bin" / "python")
PYTEST = (sys.executable, "-m", "pytest", "-q")
MUTANTS = (sys.executable, "-m", "tests.mutants")
# of the database image's tests those of a first start and a restart, who may come in, and a kill in
# the middle
QUICK_DB = (
    "own_schema or without_the_password or settings or as_little or init_files_once "
    "or (killed_while and mysql)"
)
QUIET = 60.0  # seconds after which a stage that goes on says so
LIMIT = 4 * 3600.0  # seconds for a stage: one is made for at most 100 minutes on 2 cores
# of the tests in tests/real those of the database, which take as long as all others; `farewell` is
# the end of both
DATABASE = ("db_backup", "db_rotate", "db_move", "db_killed", "db_own", "data", "mariadb")
# the folders below tests/real, with the minutes of the quick tests there (0: there are none) and of
# all
FOLDERS = (("minikube", 12, 45), ("vagrant", 15, 60), ("machines", 0, 40))
FOLDER_NAMES = tuple(name for name, *_ in FOLDERS)
ROOT, SUDO = "root", "root, or a user whose sudo asks for no password"

TOTALS = re.compile(r"\b(\d+) (passed|failed|errors?|skipped)\b")
CLOSING = re.compile(r"^=*\s?\d+ \w+.* in \d+\.\d+s\b")  # pytest's last line
NODE_TOTALS = re.compile(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)$")
MEANING = {"pass": "passed", "fail": "failed", "error": "failed", "errors": "failed"}


@dataclass(frozen=True)
class Stage:
    """Commands run one after another in `cwd`; `tools` with the Debian package of each, `ready`
    makes what they need. `minutes` is what it took on a machine with 2 cores, other stages beside
    it.
    """

    name: str
    minutes: float
    commands: tuple[tuple[str, ...], ...]
    cwd: Path = PROJECT
    tools: tuple[tuple[str, str], ...] = ()
    ready: Callable[[Log], None] | None = None
    release: bool = False  # needs the project's own kubectl
    first: bool = False  # before all others, with nothing slow beside it
    # waits for clusters more than it computes: goes beside those that are not so
    beside: bool = False
    acts_as: str = ""  # ROOT, or SUDO: its tests do so themselves; '' where they need neither


Phase = tuple[tuple[Stage, ...], ...]


@dataclass
class Result:
    """How a stage ended; tests are counted by what pytest and node say at their end."""

    stage: str
    ok: bool = True
    seconds: float = 0.0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("passed", "failed", "skipped"), 0)
    )
    lines: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        return ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)


def stages(long: bool) -> tuple[Stage, ...]:
    """What there is, in order."""
    api = (
        (API_PYTHON, "-m", "pytest", "-q"),
        (sys.executable, "-m", "mypy", "--python-executable", API_PYTHON),
    )
    ui = tuple(
        ("npm", "--no-update-notifier", *words)
        for words in (("test",), ("run", "--silent", "lint"), ("run", "--silent", "types"))
    )
    db = (*PYTEST, "apps/db/tests") if long else (*PYTEST, "apps/db/tests", "-k", QUICK_DB)
    containers = (("podman", "podman"), ("buildah", "buildah"), ("mmdebstrap", "mmdebstrap"))
    return (
        Stage("unit", 1, ((*PYTEST, "tests/unit"),), release=True, first=True),
        Stage("lint", 1, ((*PYTEST, "tests/lint"),), release=True, first=True),
        Stage(
            "api",
            1,
            api,
            API,
            (("mysqld", "mariadb-server"), ("mysql", "mariadb-client")),
            make_api_environment,
        ),
        Stage("ui", 0.5, ui, UI, (("node", "nodejs"), ("npm", "npm")), install_ui_packages),
        Stage("db", 12 if long else 4, (db,), tools=containers, acts_as=ROOT),
        *((Stage("mutants", 50, (MUTANTS,), release=True),) if long else ()),
        *real_stages(long),
    )


def real_stages(long: bool) -> tuple[Stage, ...]:
    """Those with clusters. Where all tests run, the database's have a stage of their own."""
    pytest = (*PYTEST, *(() if long else ("-m", "not long")))
    others = (*pytest, "tests/real", *(f"--ignore=tests/real/{name}" for name, *_ in FOLDERS))
    database = tuple(f"tests/real/test_real_{name}.py" for name in DATABASE)
    farewell = "tests/real/test_real_farewell.py"
    rows = (
        [
            ("real", 60.0, (*others, *(f"--ignore={file}" for file in database))),
            ("database", 60.0, (*pytest, *database, farewell)),
        ]
        if long
        else [("real", 20.0, others)]
    )
    rows += [
        (name, whole if long else quick, (*pytest, f"tests/real/{name}"))
        for name, quick, whole in FOLDERS
        if long or quick
    ]
    return tuple(
        Stage(
            name,
            minutes,
            (command,),
            release=True,
            beside=True,
            acts_as=ROOT if name in FOLDER_NAMES else SUDO,
        )
        for name, minutes, command in rows
    )


def run_tests(long: bool, only: str) -> None:
    """Run the stages named in `only` (all without).

    Raises KubeupError at the end where one failed.
    """
    out, began = Report(), time.monotonic()
    chosen = possible(choose(long, only), may_act(), out)
    phases = in_phases(chosen)
    schedule = Schedule(phases, out, long)
    schedule.announce()
    results: list[Result] = []
    for phase in phases:
        prepare([stage for group in phase for stage in group], out)
        results += run_side_by_side(phase, out, schedule, live=len(chosen) == 1)
    show(results, out, time.monotonic() - began)
    if failed := [one.stage for one in results if not one.ok]:
        again = f"inv test{' --long' if long else ''} --only {failed[0]}"
        raise KubeupError(f"tests failed: {', '.join(failed)}", "what they printed is above", again)


def choose(long: bool, only: str) -> tuple[Stage, ...]:
    """The stages named in `only`, commas between.

    Raises UsageError for a name that is not there.
    """
    table = stages(long)
    wanted, there = (
        [name.strip() for name in only.split(",") if name.strip()],
        [stage.name for stage in table],
    )
    if unknown := [name for name in wanted if name not in there]:
        slow = {stage.name for stage in stages(long=True)} >= set(unknown)
        then = "run it with --long" if slow else "name some of them with commas between"
        raise UsageError(
            f"there are no tests named {', '.join(unknown)}", f"there are: {', '.join(there)}", then
        )
    return tuple(stage for stage in table if not wanted or stage.name in wanted)


def may_act() -> tuple[str, ...]:
    """What this user's tests may act as."""
    if os.geteuid() == 0:
        return "", ROOT, SUDO
    asked = shell.which("sudo") and shell.read("sudo", "-n", "true", ok=None).ok
    return ("", SUDO) if asked else ("",)


def possible(chosen: Sequence[Stage], acting: Sequence[str], out: Report) -> tuple[Stage, ...]:
    """Those that this user can run; the others are told. Raises KubeupError where none is left."""
    left = [stage for stage in chosen if stage.acts_as not in acting]
    for stage in left:
        out.say(f"{stage.name} is left out: its tests act as {stage.acts_as}")
    if len(left) == len(chosen):
        raise KubeupError(
            "this user can run none of these tests",
            "what they make belongs to root",
            "run them as root",
        )
    return tuple(stage for stage in chosen if stage not in left)


def in_phases(chosen: Sequence[Stage]) -> tuple[Phase, ...]:
    """Phases come one after another.

    The groups of one go side by side, a group's stages in order.
    """
    first = tuple((stage,) for stage in chosen if stage.first)
    others = tuple(stage for stage in chosen if not stage.first and not stage.beside)
    beside = tuple(stage for stage in chosen if not stage.first and stage.beside)
    second = tuple(group for group in (others, beside) if group)
    return tuple(phase for phase in (first, second) if phase)


def prepare(chosen: Sequence[Stage], out: Report) -> None:
    """Packages, and the release's binaries, before anything goes side by side.

    What can't be made is told; its stage then fails.
    """
    from kubeup.workflows import release
    from kubeup.workflows.loading import load

    names = [package for stage in chosen for tool, package in stage.tools if not shell.which(tool)]
    needs_release = any(stage.release for stage in chosen)
    if not names and not needs_release:
        return
    try:
        project = load(strict=False)
        brought = release.release_steps(project) if needs_release else []
        names += packages.missing(project.packages) if todo(brought) else ()
        plan = plan_of(packages.plan(tuple(dict.fromkeys(names)), project.host), brought)
        if plan:
            out.say(f"what they need is brought first, about {about(plan.critical_seconds())}")
        for step in plan:
            out.say(f"{step.title}: {step.reason}")
            step.action.run(Quiet(step.title, out))
    except KubeupError as error:
        out.say("\n".join(error.lines()))


def run_side_by_side(groups: Phase, out: Report, schedule: Schedule, live: bool) -> list[Result]:
    """Each group in a thread, its stages one after another; an interrupt ends what runs and
    starts nothing more.
    """
    stopped = threading.Event()

    def one_after_another(group: Sequence[Stage]) -> list[Result]:
        return [run_stage(stage, out, schedule, live) for stage in group if not stopped.is_set()]

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(one_after_another, group) for group in groups]
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
    log = out.say if live else Quiet(stage.name, out)

    def line(text: str) -> None:
        result.lines.append(text)
        count(text, result.counts)
        log(text)

    result.ok = carry_out(stage, line)
    if not result.ok and not result.counts["failed"]:
        result.counts["failed"] = 1  # a type error is no test, but it counts
    result.seconds = time.monotonic() - began
    shown = [] if live else result.lines
    schedule.ended(stage, result, shown)
    return result


def carry_out(stage: Stage, log: Log) -> bool:
    """Run all of a stage's commands, whether or not one before failed, and tell whether all
    ended well.
    """
    try:
        if stage.ready is not None:
            stage.ready(log)
    except KubeupError as error:
        log("\n".join(error.lines()))
        return False
    failed = 0
    for argv in stage.commands:
        try:
            shell.write(*argv, log=log, cwd=str(stage.cwd), timeout=LIMIT)
        except KubeupError as error:
            failed += 1
            log(error.lines()[0])  # its cause is the output that was just shown
    return not failed


class Quiet:
    """Keeps a stage's lines to itself, but for one now and then: a log that stands still looks
    dead.
    """

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
    found = [(word, number) for number, word in TOTALS.findall(line)] if CLOSING.match(line) else []
    for word, number in [*found, *NODE_TOTALS.findall(line)]:
        counts[MEANING.get(word, word)] += int(number)


class Schedule:
    """Tells which stages run, how many are left and about how long: by what they took here before,
    else by the table's minutes.
    """

    def __init__(self, phases: Sequence[Phase], out: Report, long: bool) -> None:
        self._phases, self._out, self._long = phases, out, long
        self._stages = [stage for phase in phases for group in phase for stage in group]
        self._known = {stage.name: self._took(stage) for stage in self._stages}
        self._began: dict[str, float] = {}
        self._ended: set[str] = set()

    def announce(self) -> None:
        rows = [
            (stage.name, about(self._estimate(stage)), self._origin(stage))
            for stage in self._stages
        ]
        self._out.table(("stage", "takes about", "as seen"), rows)
        self._out.say(f"about {about(self.left())} in all, once what they need is there\n")

    def started(self, stage: Stage) -> None:
        self._began[stage.name] = time.monotonic()
        number = f"{len(self._began)} of {len(self._stages)}"
        self._out.say(f"=== {stage.name}: started, {number}, {self._rest()}")

    def ended(self, stage: Stage, result: Result, shown: Sequence[str]) -> None:
        self._ended.add(stage.name)
        if result.ok:  # one that failed may have ended early
            write_private(self._record(stage), f"{result.seconds:.1f}\n", 0o644)
        outcome = "ok" if result.ok else "FAILED"
        last = f"=== {stage.name}: {outcome} after {duration(result.seconds)}, {self._rest()}"
        self._out.say("\n".join([*shown, last]))

    def left(self) -> float:
        """Seconds until all are through: of the groups that go side by side the longest counts."""
        return sum(
            max(sum(map(self._remaining, group)) for group in phase) for phase in self._phases
        )

    def _rest(self) -> str:
        waiting = len(self._stages) - len(self._ended)
        return f"{waiting} to go, about {about(self.left())}" if waiting else "the last"

    def _remaining(self, stage: Stage) -> float:
        if stage.name in self._ended:
            return 0
        began = self._began.get(stage.name)
        gone = time.monotonic() - began if began is not None else 0
        return max(0, self._estimate(stage) - gone)

    def _estimate(self, stage: Stage) -> float:
        return self._known[stage.name] or stage.minutes * 60

    def _origin(self, stage: Stage) -> str:
        return "here" if self._known[stage.name] else "on 2 cores"

    def _took(self, stage: Stage) -> float:
        """Seconds that it took on this machine the last time all went well, 0 where that is not
        known.
        """
        try:
            return max(0.0, float(self._record(stage).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return 0

    def _record(self, stage: Stage) -> Path:
        return cache.folder("tests", f"{stage.name}{'-long' if self._long else ''}.seconds")


def about(seconds: float) -> str:
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{max(10, round(seconds, -1)):.0f} s"


def show(results: list[Result], out: Report, seconds: float) -> None:
    out.say()
    rows = [
        (one.stage, "ok" if one.ok else "FAILED", f"{one.seconds:.1f}", one.words)
        for one in results
    ]
    out.table(("stage", "outcome", "seconds", "tests"), rows)
    total = {
        word: sum(one.counts[word] for one in results) for word in ("passed", "failed", "skipped")
    }
    if total["skipped"]:
        out.say(f"{total['skipped']} skipped: pytest says why above")
    out.say(f"in {duration(seconds)}")
    out.say(f"{total['passed']} passed, {total['failed']} failed")


def make_api_environment(log: Log) -> None:
    """The API's own virtual environment, from its lock file with hashes."""
    lock = API / "requirements-test.lock"
    with stamped(lock, API_VENV / ".stamp") as fresh:
        if not fresh:
            shell.write(sys.executable, "-m", "venv", "--clear", str(API_VENV), log=log)
            shell.write(
                API_PYTHON,
                "-m",
                "pip",
                "--disable-pip-version-check",
                "-q",
                "install",
                "--require-hashes",
                "--no-deps",
                "-r",
                str(lock),
                log=log,
            )


def install_ui_packages(log: Log) -> None:
    with stamped(UI / "package-lock.json", UI / "node_modules" / ".stamp") as fresh:
        if not fresh:
            shell.write(
                "npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier", log=log, cwd=str(UI)
            )


class stamped:
    """Whether `stamp` was left for this content of `lock`; leaves it when the block that makes
    things ends well.
    """

    def __init__(self, lock: Path, stamp: Path) -> None:
        self._stamp = stamp
        self._wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()

    def __enter__(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text(encoding="utf-8") == self._wanted

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._stamp.write_text(self._wanted, encoding="utf-8")
