"""What all tasks share: their declaration, their project, and how errors end them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from invoke import Exit, task

from kubeup.cli.process import complain, drop_output, nobody_reads
from kubeup.core.options import Options

if TYPE_CHECKING:
    from kubeup.core.errors import KubeupError
    from kubeup.core.plan import Plan
    from kubeup.core.report import Report
    from kubeup.core.state import State
    from kubeup.workflows.project import Project

HELP_FLAGS = ("-h", "--help")
HELP = {
    "profile": "profile in the settings (default: settings.env)",
    "set": "a setting for this call, as key=value; may be given more than once",
    "file": "another settings file",
    "yes": "go ahead without asking",
    "dry": "show what would be done, and do nothing",
    "json": "print data for programs",
    "force": "continue where this machine is too small by an estimate",
    "commands": "show each step's command lines too",
}

DEFAULTS: dict[str, Any] = {"profile": "", "set": [], "file": ""}  # of the others: off


def kubeup_task(
    *offers: str, settings: bool = True, **how: Any
) -> Callable[[Callable[..., None]], Any]:
    """A task of ours: a function of `Options` and of arguments of its own.

    Errors get their three lines and exit code. It `offers` those of HELP; all that read `settings`
    have --profile and --set. `how`: as for invoke's own `task`.
    """

    def declare(body: Callable[..., None]) -> Any:
        names = (*(("profile", "set") if settings else ()), *offers)
        texts = {name: HELP[name] for name in names} | how.pop("help", {})
        name = how.get("name", body.__name__)
        run = _as_invoke_has_it(
            body, _full_name(body.__module__, name), names, how.get("positional", ())
        )
        return task(run, help=texts, iterable=["set"] if settings else [], **how)

    return declare


def _full_name(module: str, name: str) -> str:
    """As `inv --list` has it."""
    collection = module.rpartition(".")[2]
    return name if collection == "main" else f"{collection}.{name}"


def _as_invoke_has_it(
    body: Callable[..., None],
    command: str,
    names: Sequence[str],
    words: Sequence[str],
) -> Callable[..., None]:
    """A function with a parameter for each option and each flag.

    `words` are those that are given without a flag.
    """
    import inspect

    @functools.wraps(body)
    def run(context: object, **values: Any) -> None:
        # invoke's parser takes any word as an argument that is still missing, --help as well
        if any(values.get(word) in HELP_FLAGS for word in words):
            _show_help(command)
        common = {name: values.pop(name) for name in names if name in values}
        common["set"] = tuple(common.get("set", ()))
        with _ending():
            body(Options(command, **{"yes": "yes" not in names} | common), **values)

    given, *own = inspect.signature(body).parameters.values()
    options = [
        given.replace(name=name, default=DEFAULTS.get(name, False), annotation=given.empty)
        for name in names
    ]
    first = given.replace(name="context", annotation=given.empty)
    rest = sorted([*own, *options], key=lambda one: one.default is not given.empty)
    run.__signature__ = inspect.Signature([first, *rest])  # type: ignore[attr-defined]
    return run


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Ends a task by our conventions."""
    from kubeup.core.errors import Exit as Code
    from kubeup.core.errors import KubeupError

    try:
        _refuse_windows()
        _end_on_signals()
        yield
    except KubeupError as error:
        raise Exit(code=_told(error)) from None
    except OSError as error:
        from kubeup.core.runner import as_error

        if isinstance(error, BrokenPipeError) and nobody_reads():
            raise
        raise Exit(code=_told(as_error(error))) from None
    except KeyboardInterrupt as interrupt:
        how = str(interrupt) or "interrupted: what was under way has been ended"
        complain(_reporter().redacted(f"{how}; run the same again to go on"))
        raise Exit(code=int(Code.INTERRUPTED)) from None


def _told(error: KubeupError) -> int:
    """The exit code of an error, once it is printed."""
    from kubeup.core.report import Unwritable

    if isinstance(error, Unwritable):
        drop_output()
    complain(_reporter().redacted("\n".join(error.lines())))
    return int(error.code)


def _refuse_windows() -> None:
    """Before anything is imported that Windows has not: fcntl, resource, signals."""
    import platform

    from kubeup.core.errors import UsageError

    if platform.system() == "Windows":
        raise UsageError(
            "kubeup does not run on Windows itself",
            "it needs a Unix: locks, process groups and ssh as Linux and macOS have them",
            "run it in WSL 2 (https://learn.microsoft.com/windows/wsl/install), from a folder "
            "inside it",
        )


def _show_help(command: str) -> NoReturn:
    """Print a task's help as `inv --help TASK` does, and end."""
    from invoke.main import program

    program.run(["inv", "--help", command])
    raise Exit


def _end_on_signals() -> None:
    from kubeup.cli import interrupts  # Windows has not what it needs

    interrupts.end_on_signals()


def _reporter() -> Report:
    from kubeup.core.errors import KubeupError
    from kubeup.core.report import Report
    from kubeup.core.state import PROJECT
    from kubeup.system import secrets

    try:
        return Report(secrets=secrets.to_hide(PROJECT / ".env"))
    except KubeupError:  # told by whoever needs it
        return Report()


def open_project(
    given: Options,
    strict: bool = True,
    first: Callable[[State], object] | None = None,
    record: str = "",
) -> tuple[Project, Report]:
    """The project as the options name it, and where to print.

    `first` and `record` as for `kubeup.workflows.loading.load`.

    From here on this process' programs are told of proxies, authorities and mirrors.
    """
    import os

    from kubeup.workflows.loading import load

    project = load(
        settings_file(given.file),
        given.profile,
        given.set,
        strict=strict,
        first=first,
        record=record,
        tell=lambda text: complain(f"note: {text}"),
    )
    project.write_environment()
    os.environ.update(project.environment)
    return project, _reporter()


def settings_file(file: str = "") -> Path | None:
    """The settings file that an option or the environment names; None for the project's own."""
    import os

    file = file or os.environ.get("KUBEUP_SETTINGS", "")
    return Path(file) if file else None


@contextlib.contextmanager
def change_project(
    given: Options, changes: bool = True, strict: bool = True, record: str = ""
) -> Iterator[tuple[Project, Report]]:
    """The same for a command that changes something.

    It holds the profile from before anything is read until it ends.

    Not so for --dry.
    """
    with contextlib.ExitStack() as held:

        def first(state: State) -> None:
            from kubeup.core import lock
            from kubeup.system import cache

            held.enter_context(lock.profile(state.folder, given.command))
            held.enter_context(lock.beside_others(cache.folder(cache.LOCK)))

        yield open_project(given, strict, first if changes and not given.dry else None, record)


def report() -> Report:
    return _reporter()


def change(given: Options, make: Callable[[Project], Plan]) -> None:
    """Carry out the plan that is made of the project, under the profile's lock."""
    with change_project(given) as (project, out):
        carry_out(project, lambda: make(project), out, given)


def carry_out(
    project: Project, make: Callable[[], Plan], out: Report, given: Options, whole: bool = False
) -> Plan:
    """See `kubeup.workflows.converge.carry_out`, which is imported when a task runs."""
    from kubeup.workflows import converge

    return converge.carry_out(project, make, out, given, whole)


def after_dashes() -> list[str]:
    """The words after `--` on the command line, which invoke keeps from tasks."""
    import sys

    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
