"""The one place that starts a local process.

`read` looks and always runs; `write` changes something and streams what the tool prints, line by line.
Commands are lists; secrets travel by standard input or environment, never in the list.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeup.errors import CommandError

Log = Callable[[str], None]
STREAM_SECONDS = 86400.0
KILL_SECONDS = 5.0  # between asking a command that took too long to end, and ending it
PIECE = 1 << 18  # bytes that are handed on at once between two commands
KEPT_LINES = 15  # of a failed command's output, shown in the error

_running: set[_Started] = set()
_running_lock = threading.Lock()


@dataclass(eq=False)
class _Started:
    """A command from just before its start to its end: its process, once there is one, and whether it was asked to end."""

    process: Any = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def begun(self, process: Any) -> None:
        """Who was asked to end while still starting ends now."""
        self.process = process
        if self.stopped.is_set():
            _signal(process)

    def stop(self) -> None:
        self.stopped.set()
        if self.process is not None:
            _signal(self.process)


@dataclass(frozen=True)
class Output:
    """What a finished command left: exit status, standard output and standard error."""

    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.code == 0


def which(name: str) -> str | None:
    """The path of a tool, also in the sbin folders that a user's PATH often lacks."""
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def read(
    *argv: str, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None, cwd: str | None = None,
    timeout: float = 60, ok: Iterable[int] | None = (0,),
) -> Output:
    """Run a command that only looks. `ok` lists the accepted exit codes (None: any). Raises CommandError."""
    out, err = io.BytesIO(), io.BytesIO()
    code = _run(argv, out, err, stdin, env, cwd, timeout)
    output = Output(code, out.getvalue().decode(errors="replace"), err.getvalue().decode(errors="replace"))
    if ok is not None and code not in ok:
        raise failed(argv, code, output.stderr or output.stdout)
    return output


def write(
    *argv: str, log: Log | None = None, stdin: str | bytes | None = None, env: Mapping[str, str] | None = None,
    cwd: str | None = None, timeout: float = 3600,
) -> str:
    """Run a command that changes something; every line it prints goes to `log`. Returns its standard output."""
    last: deque[str] = deque(maxlen=KEPT_LINES)
    whole: list[str] = []

    def line(text: str) -> None:
        if text.strip():
            last.append(text)
            if log is not None:
                log(text)

    def out_line(text: str) -> None:
        whole.append(text)
        line(text)

    out, err = Lines(out_line), Lines(line)
    code = _run(argv, out, err, stdin, env, cwd, timeout)
    out.flush_rest()
    err.flush_rest()
    if code != 0:
        raise failed(argv, code, "\n".join(last))
    return "\n".join(whole)


def stream(*argv: str, each: Callable[[str], bool], tick: float = 5.0, env: Mapping[str, str] | None = None) -> None:
    """Hand each line a command prints to `each` until that returns True, then end the command.

    Every `tick` seconds without a line `each` gets ''. Returns when the command ends by itself, too. Raises CommandError
    for a command that can't be started.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    process: list[Any] = []
    failure: list[Exception] = []
    begun = threading.Event()

    def started(one: Any) -> None:
        process.append(one)
        begun.set()

    def run() -> None:
        sink = Lines(lines.put)
        try:
            _run(argv, sink, io.BytesIO(), None, env, None, STREAM_SECONDS, started)
            sink.flush_rest()
        except Exception as error:  # told by the caller's thread
            failure.append(error)
        finally:
            lines.put(None)
            begun.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        _hand_over(lines, each, tick)
    finally:
        begun.wait()  # a first line may come before the process is on record
        for one in process:
            _signal(one)
        thread.join()
    if failure:
        raise failure[0]


def _hand_over(lines: queue.Queue[str | None], each: Callable[[str], bool], tick: float) -> None:
    """Until `each` has enough or the lines end (None)."""
    ended = False
    while not ended:
        try:
            line = lines.get(timeout=tick)
        except queue.Empty:
            line = ""
        ended = line is None or each(line)


class Lines(io.RawIOBase):
    """A file that hands each whole line written to it to `take`."""

    def __init__(self, take: Log) -> None:
        self._take, self._rest = take, b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in lines:
            self._hand_over(line)
        return len(data)

    def flush_rest(self) -> None:
        if self._rest:
            self._hand_over(self._rest)
        self._rest = b""

    def _hand_over(self, line: bytes) -> None:
        # a progress bar redraws its line after a carriage return: only the last drawing counts
        self._take(line.decode(errors="replace").rstrip("\r").rsplit("\r", 1)[-1])


def chain(
    source: tuple[str, ...], sink: tuple[str, ...], *, ask: bytes = b"", head: bytes = b"", see: Callable[[bytes], None] | None = None,
    into: int | None = None, timeout: float = 3600,
) -> str:
    """`source | sink`, as a shell has it, both ends looked at. Returns what the sink printed, '' where that goes `into` an open file.

    `ask` is the source's standard input, `head` comes before its output in the sink's, `see` gets every piece of the output.
    Raises CommandError for the end that failed; where both did, for the sink, whose end ended the source.
    """
    out_read, out_write = _wide_pipe()
    in_read, in_write = _wide_pipe()
    printed, wrong, cause = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with _on_record() as first, _on_record() as second, _closing(out_read, out_write, in_read, in_write) as close:
        taking = _launch(sink, printed if into is None else into, wrong, in_read)
        second.begun(taking)
        giving = _launch(source, out_write, cause, ask)
        first.begun(giving)
        close(out_write, in_read)  # ours; the commands have their own
        with _time_limit(giving, timeout) as late, _ended_with(giving, taking):
            whole = _pump(out_read, in_write, head, see)
            close(out_read, in_write)
            giving.wait()
            taking.wait()
        if first.stopped.is_set() or second.stopped.is_set():
            raise CommandError(f"{source[0]} was stopped", f"`{shown(source)}` was interrupted", "run the same again", code=130)
        if late.is_set():
            raise CommandError(f"{source[0]} took longer than {timeout:g} s", f"`{shown(source)}` was stopped", "run the same again", code=124)
    if taking.exit_code != 0 or not whole:
        raise failed(sink, int(taking.exit_code), wrong.getvalue().decode(errors="replace") or printed.getvalue().decode(errors="replace"))
    if giving.exit_code != 0:
        raise failed(source, int(giving.exit_code), cause.getvalue().decode(errors="replace"))
    return printed.getvalue().decode(errors="replace")


def _wide_pipe() -> tuple[int, int]:
    """A pipe that takes as much at once as a user may have: fewer changes between the processes at its ends."""
    read, write = os.pipe()
    with contextlib.suppress(OSError):  # a kernel may give less
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
    return read, write


def _pump(source: int, sink: int, head: bytes, see: Callable[[bytes], None] | None) -> bool:
    """Hand on everything; False where the sink went away before all of it was taken."""
    piece = head
    try:
        while True:
            left = memoryview(piece)
            while left:
                left = left[os.write(sink, left):]
            piece = os.read(source, PIECE)
            if not piece:
                return True
            if see is not None:
                see(piece)
    except BrokenPipeError:
        return False


@contextlib.contextmanager
def _closing(*handles: int) -> Iterator[Callable[..., None]]:
    """Close each handle once: when told, or at the end."""
    open_ = set(handles)

    def close(*which: int) -> None:
        for one in open_ & set(which):
            os.close(one)
        open_.difference_update(which)

    try:
        yield close
    finally:
        close(*handles)


@contextlib.contextmanager
def _ended_with(*processes: Any) -> Iterator[None]:
    """Whatever goes wrong inside ends the commands, too."""
    try:
        yield
    except BaseException:
        for process in processes:
            _signal(process)
        raise


@contextlib.contextmanager
def hold(*argv: str, say: str, until: str, timeout: float = 30) -> Iterator[list[str]]:
    """Start a command, tell it something on its standard input, and hold that open while the block runs.

    Yields the lines it has printed once `until` is among them. Raises CommandError where it ends, or is silent, before that.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    stdin_read, stdin_write = os.pipe()
    sink, wrong = Lines(lines.put), io.BytesIO()
    with _on_record() as command, _closing(stdin_read, stdin_write) as close:
        process = _launch(argv, sink, wrong, stdin_read)
        command.begun(process)
        close(stdin_read)
        threading.Thread(target=_tell_the_end, args=(process, lines), daemon=True).start()
        with _ended_with(process):
            with contextlib.suppress(BrokenPipeError):  # it has ended: why is told below
                os.write(stdin_write, say.encode())
            yield _told(argv, lines, until, timeout, wrong)
            close(stdin_write)
            process.wait()


def _tell_the_end(process: Any, lines: queue.Queue[str | None]) -> None:
    process.wait()
    lines.put(None)


def _told(argv: tuple[str, ...], lines: queue.Queue[str | None], until: str, timeout: float, wrong: io.BytesIO) -> list[str]:
    end, told = time.monotonic() + timeout, list[str]()
    while until not in told:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise CommandError(f"{argv[0]} says nothing", f"`{shown(argv)}` took longer than {timeout:g} s", "run the same again", code=124) from None
        if line is None:
            raise failed(argv, 1, wrong.getvalue().decode(errors="replace"))
        told.append(line)
    return told


def become(*argv: str, env: Mapping[str, str] | None = None) -> None:
    """Replace this process by an interactive command (ssh, kubectl exec). Does not return."""
    path = which(argv[0])
    if path is None:
        raise missing(argv[0])
    sys.stdout.flush()
    os.execve(path, list(argv), {**os.environ, **(env or {})})  # noqa: S606 - no shell is wanted here


def stop_all() -> None:
    """Ask every process started here and still running to end (used on an interrupt). Whoever waits for one gets a CommandError."""
    with _running_lock:
        commands = list(_running)
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


def _run(
    argv: tuple[str, ...], out: Any, err: Any, stdin: str | bytes | None,  # files, but io's classes are no typing.IO
    env: Mapping[str, str] | None, cwd: str | None, timeout: float, started: Callable[[Any], None] | None = None,
) -> int:
    with _on_record() as command:
        process = _launch(argv, out, err, b"" if stdin is None else stdin, env, cwd)
        command.begun(process)
        with _time_limit(process, timeout) as late:
            if started is not None:
                started(process)
            process.wait()
    if command.stopped.is_set():  # whatever it ended with: `podman volume rm` calls it a success to be stopped halfway
        raise CommandError(f"{argv[0]} was stopped", f"`{shown(argv)}` was interrupted", "run the same again", code=130)
    if late.is_set():
        raise CommandError(f"{argv[0]} took longer than {timeout:g} s", f"`{shown(argv)}` was stopped",
                           "run the same again; see `inv doctor` when it repeats", code=124)
    return int(process.exit_code)


def _launch(argv: tuple[str, ...], out: Any, err: Any, stdin: Any, env: Mapping[str, str] | None = None, cwd: str | None = None) -> Any:
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
def _on_record() -> Iterator[_Started]:
    """While it lasts `stop_all` ends this command, too, were it only about to start."""
    command = _Started()
    with _running_lock:
        _running.add(command)
    try:
        yield command
    finally:
        with _running_lock:
            _running.discard(command)


@contextlib.contextmanager
def _time_limit(process: Any, seconds: float) -> Iterator[threading.Event]:
    """End a process that takes longer. The event tells that it did."""
    late, ended = threading.Event(), threading.Event()

    def too_late() -> None:
        late.set()
        _signal(process)
        if not ended.wait(KILL_SECONDS):
            _signal(process, signal.SIGKILL)

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


def _signal(process: Any, number: signal.Signals = signal.SIGTERM) -> None:
    """End a command and whatever it started itself."""
    try:
        process.signal_group(number)
    except (OSError, ProcessLookupError):
        return
