"""One process: started, registered so that an interrupt ends it, ended in time."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeup.core.errors import CommandError
from kubeup.core.shell import inherited
from kubeup.core.shell.sinks import KEPT_LINES, Buffer, Sink

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# of a command that was ended from here: as timeout(1), SIGHUP and SIGINT have it
LATE, LOST, STOPPED = 124, 129, 130
SILENCE = 15.0  # seconds without output until `alive` is asked
# sudo asks the program in SUDO_ASKPASS, or ends: what is started here has no terminal (sudo(8))
BY_PROGRAM = "-A"
KILL_SECONDS = 5.0  # between SIGTERM and SIGKILL
POLL = 0.02  # seconds
SHORT = 160  # characters of a command line that an error has room for
# options of sh: return at once, raise nothing, keep nothing that goes to a sink anyway. In a
# session of its own a command gets no Ctrl-C of the terminal's, and ends with all that it started
DETACHED = {
    **dict.fromkeys(("_bg", "_return_cmd", "_new_session", "_no_out", "_no_err"), True),
    **dict.fromkeys(("_bg_exc", "_tty_out"), False),
}

# whether what a command talks to is still there; asked only when nothing was heard for a while
Alive = Callable[[], bool]


@dataclass(eq=False)
class Command:
    """A command; as a context manager from its start to its end.

    `out` and `stdin` may be descriptors of open files. From just before its start on `stop_all`
    ends it; so does whatever goes wrong in the block.
    """

    argv: Sequence[str]
    out: Sink | int
    err: Sink
    stdin: str | bytes | int | None = None
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    process: Any = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Command:
        with running_lock:
            running.add(self)
        try:
            self.attach(self._launch())
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None:
            self.signal()
        with running_lock:
            running.discard(self)

    def attach(self, process: Any) -> None:
        """One that was asked to end while it was starting ends now."""
        self.process = process
        if self.stopped.is_set():
            self.signal()

    def is_alive(self) -> bool:
        return self.process is None or bool(self.process.is_alive())

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to the command and whatever it started itself."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                signal_group(os.getpgid(self.process.pid), number, bool(inherited.held))

    def wait(self) -> int:
        """Its exit status; by a signal as a shell has it, 128 more than its number."""
        self.process.wait()
        for sink in (self.out, self.err):
            if not isinstance(sink, int):
                sink.finish()
        self.require_not_stopped()
        # sh has a signal's number as a negative one
        code = int(self.process.exit_code)
        return code if code >= 0 else 128 - code

    def require_not_stopped(self) -> None:
        """Raises CommandError for one that was interrupted, whatever its exit status.

        `podman volume rm` calls it a success to be stopped halfway.
        """
        if self.stopped.is_set():
            raise interrupted(self.argv)

    def _launch(self) -> Any:
        import sh

        path = which(self.argv[0])
        if path is None:
            raise missing(self.argv[0])
        words = [*inherited.wrapper(), path, *self.argv[1:]]
        # sh's own time-out and its callbacks poll every 0.1 s, a timer and file-like sinks do not
        options: dict[str, Any] = {
            "_out": self.out,
            "_err": self.err,
            "_err_bufsize": self.err.bufsize,
            "_in": b"" if self.stdin is None else self.stdin,
            "_env": {**os.environ, **(self.env or {})},
            "_cwd": self.cwd,
            "_ok_code": range(-64, 256),
            **DETACHED,
            **inherited.options(),
        }
        if not isinstance(self.out, int):
            options["_out_bufsize"] = self.out.bufsize
        return sh.Command(words[0])(*words[1:], **options)


@dataclass(eq=False)
class Connection:
    """What was opened to a machine, and ends by being closed."""

    close: Callable[[], object]
    stopped: threading.Event = field(default_factory=threading.Event)

    def signal(self, number: signal.Signals) -> None:
        self.close()

    def is_alive(self) -> bool:
        return False


running: set[Command | Connection] = set()
running_lock = threading.Lock()


def which(name: str) -> str | None:
    """The path of a tool: on PATH, in this environment, or in sbin.

    The environment may not have been activated, and a user's PATH often lacks sbin.
    """
    more = os.pathsep.join((str(Path(sys.executable).parent), *SBIN))
    return shutil.which(name) or shutil.which(name, path=more)


def run(command: Command, timeout: float = 60, alive: Alive | None = None) -> int:
    """The exit status of a command."""
    with command, limited(command, timeout=timeout, alive=alive):
        return command.wait()


@contextlib.contextmanager
def limited(
    *commands: Command,
    timeout: float,
    alive: Alive | None = None,
    moved: Callable[[], int] = int,
) -> Iterator[None]:
    """End commands that take longer, or whose other end is gone.

    `moved` is a number that grows with whatever goes through them. Raises CommandError once they
    have ended.
    """
    # a thread, as Python runs signal handlers in the main one alone, and steps run in others
    ended = threading.Event()
    errors: list[CommandError] = []

    def watch() -> None:
        error = _broken_limit(commands[0].argv, timeout, alive, moved, ended)
        if error is None:
            return
        errors.append(error)
        _end(commands, ended.wait)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    for error in errors:
        raise error


def _end(commands: Sequence[Command | Connection], gone: Callable[[float], bool]) -> None:
    """By force what has not gone within some seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for command in commands:
            command.signal(number)
        if gone(KILL_SECONDS):
            break


def _broken_limit(
    argv: Sequence[str],
    timeout: float,
    alive: Alive | None,
    moved: Callable[[], int],
    ended: threading.Event,
) -> CommandError | None:
    """Why commands have to be ended; None once they have ended by themselves."""
    end = time.monotonic() + timeout
    pause = timeout if alive is None else SILENCE
    now = moved()
    while (left := end - time.monotonic()) > 0:
        if ended.wait(min(left, pause)):
            return None
        before, now = now, moved()
        # asking takes its time
        if alive is not None and now == before and not alive() and not ended.is_set():
            return lost(argv)
    return late(argv, timeout)


def signal_group(group: int, number: signal.Signals, wrapped: bool = True) -> None:
    """Send a signal to all processes of a group, root's included.

    In one that is `wrapped` a shell of ours takes the signal, whoever the command itself is.
    """
    by_root = False
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
    except PermissionError:  # sudo hands on no signal of its own group
        by_root = True
    if by_root or (wrapped and has_others(group)):
        signal_as_root(group, number)


def has_others(group: int) -> bool:
    """Whether a process of a group is another user's, which takes no signal from this one."""
    # root may signal everybody, and looking at all processes takes its time
    if os.geteuid() == 0:
        return False
    import psutil

    return any(
        process.info["uids"] and process.info["uids"].real != os.getuid()
        for process in psutil.process_iter(["uids"])
        if _group(process.pid) == group
    )


def _group(process: int) -> int | None:
    """A process' group; None where it has ended."""
    with contextlib.suppress(OSError):
        return os.getpgid(process)
    return None


def signal_as_root(group: int, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    argv = ("sudo", BY_PROGRAM, "kill", "-s", name, "--", f"-{group}")
    with Command(argv, Buffer(), Buffer()) as kill:
        kill.process.wait()


@contextlib.contextmanager
def closed_when_stopped(argv: Sequence[str], close: Callable[[], object]) -> Iterator[None]:
    """`stop_all` closes what this block works with, which then ends with a CommandError."""
    connection = Connection(close)
    with running_lock:
        running.add(connection)
    try:
        yield
    except Exception:
        if not connection.stopped.is_set():
            raise
    finally:
        with running_lock:
            running.discard(connection)
    if connection.stopped.is_set():
        raise interrupted(argv)


def stop_all() -> None:
    """Ask every process started here and still running to end (used on an interrupt).

    Whoever waits for one gets a CommandError. What is started from then on, to tidy up, is left
    alone. For the handler of a signal: it waits for nobody, this process' end does.
    """
    # a copy without the lock, which this very thread may hold
    commands = [command for command in list(running) if not command.stopped.is_set()]
    for command in commands:
        command.stopped.set()

    def gone(seconds: float) -> bool:
        end = time.monotonic() + seconds
        while (left := any(command.is_alive() for command in commands)) and time.monotonic() < end:
            time.sleep(POLL)
        return not left

    if commands:
        threading.Thread(target=_end, args=(commands, gone)).start()


def late(argv: Sequence[str], seconds: float) -> CommandError:
    what, next_ = (
        f"took longer than {seconds:g} s",
        "run it again; see `inv doctor` when it repeats",
    )
    return _ended_early(argv, LATE, what, "the command was stopped", next_)


def interrupted(argv: Sequence[str]) -> CommandError:
    why = "the command was interrupted"
    return _ended_early(argv, STOPPED, "was stopped", why, "run it again")


def lost(argv: Sequence[str]) -> CommandError:
    next_ = "run it again once that is back: `inv status`"
    return _ended_early(argv, LOST, "lost its connection", "what it talked to is gone", next_)


def _ended_early(argv: Sequence[str], code: int, what: str, why: str, next: str) -> CommandError:
    """The error of a command that was ended from here."""
    return CommandError(f"{program(argv)} {what}", f"{why}: `{short(argv)}`", next, code)


def failed(argv: Sequence[str], code: int, text: str) -> CommandError:
    """The error of a command that ended with `code`, with its last lines as the cause."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    why = "\n".join([f"`{short(argv)}` ended with status {code}", *lines[-KEPT_LINES:]])
    next_ = "fix what the lines above name, then run the same again"
    return CommandError(f"{program(argv)} failed", why, next_, code, text)


def program(argv: Sequence[str]) -> str:
    """The name of what a command line is about: apt-get of `sudo env LANG=C apt-get update`.

    A module of Python's by its own.
    """
    first = 2 if list(argv[1:2]) == ["-m"] else 0
    for word in argv[first:]:
        if word not in ("sudo", "env") and not word.startswith("-") and "=" not in word:
            return Path(word).name
    return "the command"


def missing(tool: str) -> CommandError:
    return CommandError(
        f"{tool} is not installed",
        f"no `{tool}` on PATH",
        "run `inv doctor --fix`, or install it",
        code=127,
    )


def shown(argv: Sequence[str]) -> str:
    """A command line, ready to be pasted into a shell: on a terminal sudo asks by itself."""
    first, *rest = argv
    if first == "sudo" and rest[:1] == [BY_PROGRAM]:
        rest = rest[1:]
    return shlex.join([first, *rest])


def short(argv: Sequence[str]) -> str:
    """As much of a command line as an error has room for."""
    text = shown(argv)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
