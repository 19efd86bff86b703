"""`inv test`: every check of the project, stage by stage. The real runs go on beside the others: they mostly wait."""

from __future__ import annotations

import hashlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from kubeup import packages, shell
from kubeup.errors import KubeupError, UsageError
from kubeup.plan import Log, plan_of
from kubeup.report import Report, duration
from kubeup.state import PROJECT

API, UI = PROJECT / "apps" / "api", PROJECT / "apps" / "ui"
API_VENV = PROJECT / ".venv" / "api"
API_PYTHON = str(API_VENV / "bin" / "python")
PYTEST = (sys.executable, "-m", "pytest", "-q")
# of the database image's tests those of a first start and a restart, who may come in, and a kill in the middle
QUICK_DB = "own_schema or without_the_password or settings or as_little or init_files_once or (killed_while and mysql)"
QUIET = 60.0  # seconds after which a stage that goes on says so
LIMIT = 4 * 3600.0  # seconds for a stage: the longest, `real`, took 118 minutes on 2 cores with other clusters beside it

TOTALS = re.compile(r"\b(\d+) (passed|failed|errors?|skipped)\b")
CLOSING = re.compile(r"^=*\s?\d+ \w+.* in \d+\.\d+s\b")  # pytest's last line
NODE_TOTALS = re.compile(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)$")
MEANING = {"pass": "passed", "fail": "failed", "error": "failed", "errors": "failed"}


@dataclass(frozen=True)
class Stage:
    """Commands run one after another in `cwd`; `tools` with the Debian package of each, `ready` makes what they need."""

    name: str
    commands: tuple[tuple[str, ...], ...]
    cwd: Path = PROJECT
    tools: tuple[tuple[str, str], ...] = ()
    ready: Callable[[Log], None] | None = None
    release: bool = False  # needs the project's own kubectl
    beside: bool = False  # waits for clusters more than it computes: goes beside those that are not so


@dataclass
class Result:
    """How a stage ended; tests are counted by what pytest and node say at their end."""

    stage: str
    ok: bool = True
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("passed", "failed", "skipped"), 0))
    lines: list[str] = field(default_factory=list)

    @property
    def words(self) -> str:
        return ", ".join(f"{number} {word}" for word, number in self.counts.items() if number)


def stages(long: bool) -> tuple[Stage, ...]:
    """What there is, in order."""
    api = (API_PYTHON, "-m", "pytest", "-q"), (sys.executable, "-m", "mypy", "--python-executable", API_PYTHON)
    ui = tuple(("npm", "--no-update-notifier", *words) for words in (("test",), ("run", "--silent", "lint"), ("run", "--silent", "types")))
    db = (*PYTEST, "apps/db/tests") if long else (*PYTEST, "apps/db/tests", "-k", QUICK_DB)
    real = (*PYTEST, *(() if long else ("-m", "not long")))
    folders = ("minikube", "vagrant")  # providers with tests of their own
    containers = (("podman", "podman"), ("buildah", "buildah"), ("mmdebstrap", "mmdebstrap"))
    return (
        Stage("unit", ((*PYTEST, "tests/unit"),), release=True),
        Stage("lint", ((*PYTEST, "tests/lint"),), release=True),
        Stage("api", api, API, (("mysqld", "mariadb-server"), ("mysql", "mariadb-client")), make_api_environment),
        Stage("ui", ui, UI, (("node", "nodejs"), ("npm", "npm")), install_ui_packages),
        Stage("db", (db,), tools=containers),
        Stage("real", ((*real, "tests/real", *(f"--ignore=tests/real/{one}" for one in folders)),), release=True, beside=True),
        *(Stage(one, ((*real, f"tests/real/{one}"),), release=True, beside=True) for one in folders),
    )


def run_tests(long: bool, only: str) -> None:
    """Run the stages named in `only` (all without). Raises KubeupError at the end where one failed."""
    out, began = Report(), time.monotonic()
    chosen = choose(stages(long), only)
    prepare(chosen, out)
    beside = [stage for stage in chosen if stage.beside]
    others = [stage for stage in chosen if not stage.beside]
    results = run_side_by_side((others, beside), out, live=len(chosen) == 1)
    show(results, out, time.monotonic() - began)
    if failed := [one.stage for one in results if not one.ok]:
        raise KubeupError(f"tests failed: {', '.join(failed)}", "what they printed is above", f"inv test --only {failed[0]}")


def choose(table: tuple[Stage, ...], only: str) -> tuple[Stage, ...]:
    """The stages named in `only`, commas between. Raises UsageError for a name that is not there."""
    wanted, there = [name.strip() for name in only.split(",") if name.strip()], [stage.name for stage in table]
    if unknown := [name for name in wanted if name not in there]:
        raise UsageError(f"there are no tests named {', '.join(unknown)}", f"there are: {', '.join(there)}", "name some of them with commas between")
    return tuple(stage for stage in table if not wanted or stage.name in wanted)


def prepare(chosen: Sequence[Stage], out: Report) -> None:
    """Packages, and the release's binaries, before anything goes side by side. What can't be made is told; its stage then fails."""
    from kubeup import cluster
    from kubeup.project import load

    names = [package for stage in chosen for tool, package in stage.tools if not shell.which(tool)]
    needs_release = any(stage.release for stage in chosen)
    if not names and not needs_release:
        return
    try:
        project = load(strict=False)
        release = cluster.release_steps(project) if needs_release else []
        names += packages.missing(project.packages) if release else ()
        for step in plan_of(packages.plan(tuple(dict.fromkeys(names)), project.host), release):
            out.say(f"{step.title}: {step.reason}")
            step.action.run(Quiet(step.title, out))
    except KubeupError as error:
        out.say("\n".join(error.lines()))


def run_side_by_side(groups: Iterable[list[Stage]], out: Report, live: bool) -> list[Result]:
    """Each group in a thread, its stages one after another; an interrupt ends what runs and starts nothing more."""
    stopped = threading.Event()

    def one_after_another(group: list[Stage]) -> list[Result]:
        return [run_stage(stage, out, live) for stage in group if not stopped.is_set()]

    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(one_after_another, group) for group in groups]
        try:
            return [result for future in futures for result in future.result()]
        except KeyboardInterrupt:
            stopped.set()
            shell.stop_all()
            raise


def run_stage(stage: Stage, out: Report, live: bool) -> Result:
    """Run one stage. Its output is shown as it comes where it is the only one, else whole when it ends."""
    result, began = Result(stage.name), time.monotonic()
    out.say(f"=== {stage.name}: started")
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
    out.say("\n".join([*shown, f"=== {stage.name}: {'ok' if result.ok else 'FAILED'} after {duration(result.seconds)}"]))
    return result


def carry_out(stage: Stage, log: Log) -> bool:
    """Run all of a stage's commands, whether or not one before failed, and tell whether all ended well."""
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
    """Keeps a stage's lines to itself, but for one now and then: a log that stands still looks dead."""

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


def show(results: list[Result], out: Report, seconds: float) -> None:
    out.say()
    rows = [(one.stage, "ok" if one.ok else "FAILED", f"{one.seconds:.1f}", one.words) for one in results]
    out.table(("stage", "outcome", "seconds", "tests"), rows)
    total = {word: sum(one.counts[word] for one in results) for word in ("passed", "failed", "skipped")}
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
            shell.write(API_PYTHON, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--require-hashes", "--no-deps", "-r", str(lock),
                        log=log)


def install_ui_packages(log: Log) -> None:
    with stamped(UI / "package-lock.json", UI / "node_modules" / ".stamp") as fresh:
        if not fresh:
            shell.write("npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier", log=log, cwd=str(UI))


class stamped:
    """Whether `stamp` was left for this content of `lock`; leaves it when the block that makes things ends well."""

    def __init__(self, lock: Path, stamp: Path) -> None:
        self._stamp = stamp
        self._wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()

    def __enter__(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text(encoding="utf-8") == self._wanted

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._stamp.write_text(self._wanted, encoding="utf-8")
