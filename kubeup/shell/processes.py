"""One process: started, on record so that an interrupt ends it, in time or ended."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeup.errors import CommandError
from kubeup.shell.lines import Lines

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
KILL_SECONDS = 5.0  # between asking a command that took too long to end, and ending it
KEPT_LINES = 15  # of a failed command's output, shown in the error


@dataclass(eq=False)
class Started:
    """A command from just before its start to its end: its process, once there is one, and whether it was asked to end."""

    process: Any = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def begun(self, process: Any) -> None:
        """Who was asked to end while still starting ends now."""
        self.process = process
        if self.stopped.is_set():
            signal_group(process)

    def stop(self) -> None:
        self.stopped.set()
        if self.process is not None:
            signal_group(self.process)


running: set[Started] = set()
running_lock = threading.Lock()


def which(name: str) -> str | None:
    """The path of a tool, also of one in this environment that was not activated, or in the sbin folders that a user's PATH often lacks."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), *SBIN)))


def run(
    argv: tuple[str, ...], out: Any, err: Any, stdin: str | bytes | int | None,  # files, but io's classes are no typing.IO
    env: Mapping[str, str] | None, cwd: str | None, timeout: float, started: Callable[[Any], None] | None = None,
) -> int:
    with on_record() as command:
        process = launch(argv, out, err, b"" if stdin is None else stdin, env, cwd)
        command.begun(process)
        with time_limit(process, timeout) as late:
            if started is not None:
                started(process)
            process.wait()
    if command.stopped.is_set():  # whatever it ended with: `podman volume rm` calls it a success to be stopped halfway
        raise CommandError(f"{argv[0]} was stopped", f"`{shown(argv)}` was interrupted", "run the same again", code=130)
    if late.is_set():
        raise CommandError(f"{argv[0]} took longer than {timeout:g} s", f"`{shown(argv)}` was stopped",
                           "run the same again; see `inv doctor` when it repeats", code=124)
    return int(process.exit_code)


def launch(argv: tuple[str, ...], out: Any, err: Any, stdin: Any, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Any:
    """Start a command. `out` and `stdin` may be handles of open files."""
    import sh

    path = which(argv[0])
    if path is None:
        raise missing(argv[0])
    more: dict[str, Any] = {} if isinstance(out, int) else {"_out_bufsize": _bufsize(out)}
    # sh's own time-out and its callbacks poll every 0.1 s, a timer and file-like sinks do not
    return sh.Command(path)(
        *argv[1:], _out=out, _err=err, _in=stdin, _env={**os.environ, **(env or {})}, _cwd=cwd,
        _bg=True, _bg_exc=False, _return_cmd=True, _new_session=True, _tty_out=False,
        _err_bufsize=_bufsize(err), **more,
        _no_out=True, _no_err=True, _ok_code=list(range(-64, 256)),
    )


@contextlib.contextmanager
def on_record() -> Iterator[Started]:
    """While it lasts `stop_all` ends this command, too, were it only about to start."""
    command = Started()
    with running_lock:
        running.add(command)
    try:
        yield command
    finally:
        with running_lock:
            running.discard(command)


@contextlib.contextmanager
def time_limit(process: Any, seconds: float) -> Iterator[threading.Event]:
    """End a process that takes longer. The event tells that it did."""
    late, ended = threading.Event(), threading.Event()

    def too_late() -> None:
        late.set()
        signal_group(process)
        if not ended.wait(KILL_SECONDS):
            signal_group(process, signal.SIGKILL)

    timer = threading.Timer(seconds, too_late)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        ended.set()
        timer.cancel()


def _bufsize(sink: io.IOBase) -> int:
    """Lines are handed on as they come (1 is sh's word for that); what is kept whole is read in large pieces."""
    return 1 if isinstance(sink, Lines) else 65536


def signal_group(process: Any, number: signal.Signals = signal.SIGTERM) -> None:
    """End a command and whatever it started itself."""
    try:
        process.signal_group(number)
    except (OSError, ProcessLookupError):
        return


def stop_all() -> None:
    """Ask every process started here and still running to end (used on an interrupt). Whoever waits for one gets a CommandError."""
    with running_lock:
        commands = list(running)
    for command in commands:
        command.stop()


def failed(argv: Iterable[str], code: int, text: str) -> CommandError:
    """The error of a command that ended with `code`, with its last lines as the cause."""
    words = list(argv)
    lines = [row for row in text.strip().splitlines() if row.strip()][-KEPT_LINES:]
    why = "\n".join([f"`{shown(words)}` ended with status {code}", *lines])
    return CommandError(f"{Path(words[0]).name} failed", why, "mend what the lines above name, then run the same again",
                        code=code, stderr=text)


def missing(tool: str) -> CommandError:
    return CommandError(f"{tool} is not installed", f"no `{tool}` on PATH", "run `inv doctor --fix`, or install it", code=127)


def shown(argv: Iterable[str], limit: int = 160) -> str:
    import shlex

    text = shlex.join(argv)
    return text if len(text) <= limit else text[: limit - 1] + "…"
