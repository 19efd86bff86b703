"""Commands with more than one end held: a pipe between two, and one that is kept waiting."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kubeup.core.shell import processes
from kubeup.core.shell.lines import Lines
from kubeup.core.shell.processes import (
    Alive,
    Started,
    ended_with,
    failed,
    launch,
    limited,
    on_record,
    signal_group,
)

PIECE = 1 << 18  # bytes that are handed on at once between two commands
WIDEN = getattr(fcntl, "F_SETPIPE_SZ", 0)  # Linux alone has it


def chain(
    source: tuple[str, ...],
    sink: tuple[str, ...],
    *,
    ask: Callable[[], bytes] = bytes,
    head: bytes = b"",
    see: Callable[[bytes], bytes] | None = None,
    into: int | None = None,
    timeout: float = 3600,
    alive: Alive | None = None,
) -> str:
    """`source | sink`, as a shell has it, both ends looked at. Returns what the sink printed, ''
    where that goes `into` an open file.

    `ask` gives what the source can read, while that starts, and no end of it before its own: one
    far away ends there when this process is killed.
    `head` comes before its output in the sink's input. `see` gets every piece of the output, and
    returns what the source can read then. `alive` is asked where nothing moves. Raises CommandError
    for the end that failed. Where both did: for the source, if the sink took all of it (what it got
    was cut off), else for the sink, whose end ended the source.
    """
    out_read, out_write = _wide_pipe()
    in_read, in_write = _wide_pipe()
    ask_read, ask_write = os.pipe()
    printed, wrong, cause = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with (
        on_record() as first,
        on_record() as second,
        _closing(out_read, out_write, in_read, in_write, ask_read, ask_write) as close,
    ):
        taking = launch(sink, printed if into is None else into, wrong, in_read)
        second.begun(taking)
        giving = launch(source, out_write, cause, ask_read)
        first.begun(giving)
        close(out_write, in_read, ask_read)  # ours; the commands have their own
        moved = Moved()
        with (
            limited(giving, taking, timeout=timeout, alive=alive, moved=moved) as limit,
            ended_with(giving, taking),
        ):
            with contextlib.suppress(BrokenPipeError):  # it has ended: why is told below
                os.write(ask_write, ask())
            whole = _pump(out_read, in_write, head, moved, see and _answering(see, ask_write))
            close(out_read, in_write)
            giving.wait()
            taking.wait()
        if first.stopped.is_set() or second.stopped.is_set():
            raise processes.stopped(source)
        limit.require(source)
    if giving.exit_code != 0 and whole:
        raise failed(source, processes.status(giving), cause.getvalue().decode(errors="replace"))
    if taking.exit_code != 0 or not whole:
        raise failed(
            sink,
            processes.status(taking),
            wrong.getvalue().decode(errors="replace")
            or printed.getvalue().decode(errors="replace"),
        )
    return printed.getvalue().decode(errors="replace")


def _wide_pipe() -> tuple[int, int]:
    """A pipe that takes as much at once as a user may have: fewer changes between the processes
    at its ends.
    """
    read, write = os.pipe()
    if WIDEN:
        with contextlib.suppress(OSError):  # a kernel may give less
            fcntl.fcntl(write, WIDEN, 1 << 20)
    return read, write


@dataclass
class Moved:
    """How many bytes have come and gone."""

    bytes: int = 0

    def __call__(self) -> int:
        return self.bytes


def _pump(
    source: int, sink: int, head: bytes, moved: Moved, see: Callable[[bytes], None] | None
) -> bool:
    """Hand on everything; False where the sink went away before all of it was taken."""
    piece = head
    try:
        while True:
            left = memoryview(piece)
            while left:
                written = os.write(sink, left)
                moved.bytes += written
                left = left[written:]
            piece = os.read(source, PIECE)
            moved.bytes += len(piece)
            if not piece:
                return True
            if see is not None:
                see(piece)
    except BrokenPipeError:
        return False


def _answering(see: Callable[[bytes], bytes], source: int) -> Callable[[bytes], None]:
    """`see`, with what it returns written to the source's input."""

    def show(piece: bytes) -> None:
        answer = see(piece)
        with contextlib.suppress(BrokenPipeError):  # it has ended: how is told below
            if answer:
                os.write(source, answer)

    return show


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


class InteractiveProcess:
    """A command that stays: it is told something, heard, and told again."""

    def __init__(
        self,
        argv: tuple[str, ...],
        command: Started,
        stdin: int,
        lines: queue.Queue[str | None],
        wrong: io.BytesIO,
    ) -> None:
        self._argv, self._command, self._stdin, self._lines, self._wrong = (
            argv,
            command,
            stdin,
            lines,
            wrong,
        )

    def request(
        self, text: str, until: str, timeout: float = 30, alive: Alive | None = None
    ) -> list[str]:
        """The lines it prints after `text`, up to `until` and without that. Raises CommandError
        where it ends, or is silent, before.

        `alive` is asked where it says nothing for a while.
        """
        end, told = time.monotonic() + timeout, list[str]()
        with contextlib.suppress(BrokenPipeError):  # it has ended: why is told below
            os.write(self._stdin, text.encode())
        while (line := self._next(end, timeout, alive)) != until:
            told.append(line)
        return told

    def _next(self, end: float, timeout: float, alive: Alive | None) -> str:
        line = self._heard(end, timeout, alive)
        if line is None:
            self._lines.put(None)
            if self._command.stopped.is_set():
                raise processes.stopped(self._argv)
            raise failed(self._argv, 1, self._wrong.getvalue().decode(errors="replace"))
        return line

    def _heard(self, end: float, timeout: float, alive: Alive | None) -> str | None:
        while (left := end - time.monotonic()) > 0:
            try:
                return self._lines.get(
                    timeout=left if alive is None else min(left, processes.SILENCE)
                )
            except queue.Empty:
                if alive is not None and not alive():
                    signal_group(self._command.process)
                    raise processes.lost(self._argv) from None
        signal_group(self._command.process)
        raise processes.late(self._argv, timeout)


@contextlib.contextmanager
def talk(*argv: str) -> Iterator[InteractiveProcess]:
    """Start a command and hold its standard input open while the block runs; it ends when that
    does.
    """
    lines: queue.Queue[str | None] = queue.Queue()
    stdin_read, stdin_write = os.pipe()
    sink, wrong = Lines(lines.put), io.BytesIO()
    with on_record() as command, _closing(stdin_read, stdin_write) as close:
        process = launch(argv, sink, wrong, stdin_read)
        command.begun(process)
        close(stdin_read)
        threading.Thread(target=_tell_the_end, args=(process, lines), daemon=True).start()
        with ended_with(process):
            yield InteractiveProcess(argv, command, stdin_write, lines, wrong)
            close(stdin_write)
            process.wait()


def _tell_the_end(process: Any, lines: queue.Queue[str | None]) -> None:
    process.wait()
    lines.put(None)
