"""One process: started, on record so that an interrupt ends it, in time or ended."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeup.core.errors import CommandError
from kubeup.core.shell.inherited import beside, handing_on, held
from kubeup.core.shell.lines import Lines

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# of a command that was ended from here: as timeout(1), SIGHUP and SIGINT have it
LATE, LOST, STOPPED = 124, 129, 130
SILENCE = 15.0  # seconds without a sign of life until somebody is asked for one
# sudo asks the program in SUDO_ASKPASS, or ends: what is started here has no terminal (sudo(8))
BY_PROGRAM = "-A"
KILL_SECONDS = 5.0  # between asking a command that took too long to end, and ending it
KEPT_LINES = 15  # of a failed command's output, shown in the error


# whether what a command talks to is still there; asked only when nothing was heard for a while
Alive = Callable[[], bool]


@dataclass(eq=False)
class Started:
    """A command from just before its start to its end: its process, once there is one, and
    whether it was asked to end.
    """

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
    """The path of a tool, also of one in this environment that was not activated, or in the sbin
    folders that a user's PATH often lacks.
    """
    return shutil.which(name) or shutil.which(
        name, path=os.pathsep.join((str(Path(sys.executable).parent), *SBIN))
    )


def run(
    # files, but io's classes are no typing.IO
    argv: tuple[str, ...],
    out: Any,
    err: Any,
    stdin: str | bytes | int | None,
    env: Mapping[str, str] | None,
    cwd: str | None,
    timeout: float,
    started: Callable[[Any], None] | None = None,
    alive: Alive | None = None,
) -> int:
    with on_record() as command:
        process = launch(argv, out, err, b"" if stdin is None else stdin, env, cwd)
        command.begun(process)
        with ended_with(process), limited(process, timeout=timeout, alive=alive) as limit:
            if started is not None:
                started(process)
            process.wait()
    # whatever it ended with: `podman volume rm` calls it a success to be stopped halfway
    if command.stopped.is_set():
        raise stopped(argv)
    limit.require(argv)
    return status(process)


def status(process: Any) -> int:
    """What a command ended with; by a signal as a shell has it, 128 more than its number."""
    code = int(process.exit_code)
    return code if code >= 0 else 128 - code


def launch(
    argv: tuple[str, ...],
    out: Any,
    err: Any,
    stdin: Any,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> Any:
    """Start a command. `out` and `stdin` may be handles of open files."""
    import sh

    path = which(argv[0])
    if path is None:
        raise missing(argv[0])
    more: dict[str, Any] = {} if isinstance(out, int) else {"_out_bufsize": _bufsize(out)}
    words = [*beside(), path, *argv[1:]]
    # sh's own time-out and its callbacks poll every 0.1 s, a timer and file-like sinks do not
    return sh.Command(words[0])(
        *words[1:],
        **handing_on(),
        _out=out,
        _err=err,
        _in=stdin,
        _env={**os.environ, **(env or {})},
        _cwd=cwd,
        _bg=True,
        _bg_exc=False,
        _return_cmd=True,
        _new_session=True,
        _tty_out=False,
        _err_bufsize=_bufsize(err),
        **more,
        _no_out=True,
        _no_err=True,
        _ok_code=list(range(-64, 256)),
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


@dataclass(eq=False)
class Limit:
    """What commands are held to: their time, and that there is somebody left for them to talk
    to.
    """

    seconds: float
    alive: Alive | None = None
    moved: Callable[[], int] = int  # a number that grows with whatever goes through them
    late: bool = False
    lost: bool = False

    def broken(self, ended: threading.Event) -> bool:
        """Waits for the end of the commands; True once they have to be ended before it."""
        end, seen = time.monotonic() + self.seconds, self.moved()
        while (left := end - time.monotonic()) > 0:
            if ended.wait(left if self.alive is None else min(left, SILENCE)):
                return False
            now = self.moved()
            # asking takes its time
            self.lost = (
                now == seen and self.alive is not None and not self.alive() and not ended.is_set()
            )
            if self.lost:
                return True
            seen = now
        self.late = True
        return True

    def require(self, argv: Iterable[str]) -> None:
        """Raises CommandError for commands that were ended."""
        if self.lost:
            raise lost(argv)
        if self.late:
            raise late(argv, self.seconds)


@contextlib.contextmanager
def limited(
    *processes: Any, timeout: float, alive: Alive | None = None, moved: Callable[[], int] = int
) -> Iterator[Limit]:
    """End processes that take longer, or whose other side has gone.

    The limit tells that they were.
    """
    limit, ended = Limit(timeout, alive, moved), threading.Event()

    def watch() -> None:
        if not limit.broken(ended):
            return
        for process in processes:
            signal_group(process)
        if not ended.wait(KILL_SECONDS):
            for process in processes:
                signal_group(process, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield limit
    finally:
        ended.set()


@contextlib.contextmanager
def ended_with(*processes: Any) -> Iterator[None]:
    """Whatever goes wrong inside ends the commands, too."""
    try:
        yield
    except BaseException:
        for process in processes:
            signal_group(process)
        raise


def stopped(argv: Iterable[str]) -> CommandError:
    words = list(argv)
    return CommandError(
        f"{program(words)} was stopped",
        f"`{short(words)}` was interrupted",
        "run the same again",
        code=STOPPED,
    )


def late(argv: Iterable[str], seconds: float) -> CommandError:
    words = list(argv)
    return CommandError(
        f"{program(words)} took longer than {seconds:g} s",
        f"`{short(words)}` was stopped",
        "run the same again; see `inv doctor` when it repeats",
        code=LATE,
    )


def lost(argv: Iterable[str]) -> CommandError:
    words = list(argv)
    return CommandError(
        f"{program(words)} hears nothing any more",
        f"what `{short(words)}` talked to has gone",
        "run the same again once that is back: `inv status`",
        code=LOST,
    )


def _bufsize(sink: io.IOBase) -> int:
    """Lines are handed on as they come (1 is sh's word for that); what is kept whole is read in
    large pieces.
    """
    return 1 if isinstance(sink, Lines) else 65536


def signal_group(process: Any, number: signal.Signals = signal.SIGTERM) -> None:
    """End a command and whatever it started itself."""
    try:
        process.signal_group(number)
        of_root = bool(held) and has_others(process.pgid)  # beside a shell of ours
    except PermissionError:  # it is root's, by sudo, which hands on no signal of its own group
        of_root = True
    except OSError:
        return
    if of_root:
        signal_as_root(process.pgid, number)


def end_group(group: int, at_once: bool = False) -> None:
    """The same for a group that another process has started."""
    number = signal.SIGKILL if at_once else signal.SIGTERM
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.killpg(group, number)
    if has_others(group):
        signal_as_root(group, number)


def has_others(group: int) -> bool:
    """Whether a process of a group is another user's, which takes no signal from this one."""
    if os.geteuid() == 0:
        return False
    import psutil

    return any(_of_others(one) for one in psutil.process_iter() if _group(one.pid) == group)


def _group(number: int) -> int | None:
    """A process' group; None where it has ended."""
    with contextlib.suppress(OSError):
        return os.getpgid(number)
    return None


def _of_others(process: Any) -> bool:
    import psutil

    try:
        return bool(process.uids().real != os.getuid())
    except (OSError, psutil.Error):  # it has ended
        return False


def signal_as_root(group: int, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    launch(
        ("sudo", BY_PROGRAM, "kill", "-s", name, "--", f"-{group}"), io.BytesIO(), io.BytesIO(), b""
    ).wait()


def stop_all() -> None:
    """Ask every process started here and still running to end (used on an interrupt).

    Whoever waits for one gets a CommandError.
    """
    with running_lock:
        commands = list(running)
    for command in commands:
        command.stop()


def failed(argv: Iterable[str], code: int, text: str) -> CommandError:
    """The error of a command that ended with `code`, with its last lines as the cause."""
    words = list(argv)
    lines = [row for row in text.strip().splitlines() if row.strip()][-KEPT_LINES:]
    why = "\n".join([f"`{short(words)}` ended with status {code}", *lines])
    return CommandError(
        f"{program(words)} failed",
        why,
        "mend what the lines above name, then run the same again",
        code=code,
        stderr=text,
    )


def program(argv: Iterable[str]) -> str:
    """The name of what a command line is about: apt-get of `sudo env LANG=C apt-get update`."""
    before = {"sudo", "env"}
    words = (
        word for word in argv if word not in before and not word.startswith("-") and "=" not in word
    )
    return Path(next(words, "the command")).name


def missing(tool: str) -> CommandError:
    return CommandError(
        f"{tool} is not installed",
        f"no `{tool}` on PATH",
        "run `inv doctor --fix`, or install it",
        code=127,
    )


def shown(argv: Iterable[str]) -> str:
    """A command line, ready to be pasted into a shell: on a terminal sudo asks by itself."""
    import shlex

    first, *rest = argv
    asking = first == "sudo" and rest[:1] == [BY_PROGRAM]
    return shlex.join([first, *(rest[1:] if asking else rest)])


def short(argv: Iterable[str], limit: int = 160) -> str:
    """As much of a command line as an error has room for."""
    text = shown(argv)
    return text if len(text) <= limit else text[: limit - 1] + "…"
