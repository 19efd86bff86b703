"""What all tasks share: how they are declared, how they find their project, and how errors end them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit, task

if TYPE_CHECKING:
    from kubeup.plan import Plan
    from kubeup.project import Project
    from kubeup.report import Report

HELP = {
    "profile": "profile in the settings (default: settings.env)",
    "set": "a setting for this call, as key=value; may be given more than once",
    "file": "another settings file",
    "yes": "go ahead without asking",
    "dry": "show what would be done, and do nothing",
    "json": "print data for programs",
    "commands": "show each step's command lines too",
}


def kubeup_task(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """A task of ours: the common options get their help, and errors their three lines and exit code."""

    def declare(body: Callable[..., None]) -> Any:
        import inspect

        names = list(inspect.signature(body).parameters)
        texts = {name: text for name, text in HELP.items() if name in names} | options.pop("help", {})
        iterable = [*(["set"] if "set" in names else []), *options.pop("iterable", [])]
        return task(_guarded(body), help=texts, iterable=iterable, **options)

    return declare


def _guarded(body: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(body)
    def run(*args: Any, **kwargs: Any) -> None:
        from kubeup.errors import Exit as Code
        from kubeup.errors import KubeupError

        _take_as_interrupts()
        try:
            body(*args, **kwargs)
        except KubeupError as error:
            import sys

            print(_reporter().redacted("\n".join(error.lines())), file=sys.stderr)
            raise Exit(code=int(error.code)) from None
        except KeyboardInterrupt:
            raise Exit("interrupted: what was under way has been ended; run the same again to go on", code=int(Code.INTERRUPTED)) from None
        except BrokenPipeError:
            raise Exit(code=1) from None

    return run


def _take_as_interrupts() -> None:
    """A terminal that is closed, and kill(1), end what was started as Ctrl-C does: it would go on beside the next command."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup(1) has one ignored
            signal.signal(number, signal.default_int_handler)


def _reporter() -> Report:
    from kubeup import secrets
    from kubeup.report import Report
    from kubeup.state import PROJECT

    try:
        return Report(secrets=[value for name, value in secrets.read(PROJECT / ".env").items() if "PASSWORD" in name])
    except Exception:  # a broken .env is told by whoever needs it
        return Report()


def open_project(profile: str = "", set: Sequence[str] = (), file: str = "", strict: bool = True) -> tuple[Project, Report]:
    """The project as the options name it, and where to print.

    From here on this process' programs are told of proxies, authorities and mirrors.
    """
    import os

    from kubeup.project import load

    file = file or os.environ.get("KUBEUP_SETTINGS", "")
    project = load(Path(file) if file else None, profile, tuple(set), strict=strict)
    project.write_environment()
    os.environ.update(project.environment)
    return project, _reporter()


def report() -> Report:
    return _reporter()


def carry_out(project: Project, plan: Plan, out: Report, command: str, **how: bool) -> bool:
    """See `kubeup.converge.carry_out`, which is imported when a task runs."""
    from kubeup import converge

    return converge.carry_out(project, plan, out, command, **how)


def after_dashes() -> list[str]:
    """The words after `--` on the command line, which invoke keeps from tasks."""
    import sys

    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
