"""Two commands with a pipe between them, both ends looked at."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO

from kubeup.core.shell.processes import Alive, Command, failed, limited
from kubeup.core.shell.sinks import Buffer

PIECE = 1 << 18  # bytes that are handed on at once between two commands
WIDEN = getattr(fcntl, "F_SETPIPE_SZ", 0)  # Linux alone has it
WIDTH = 1 << 20  # bytes: as much as a user may have by default (pipe-max-size in pipe(7))


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
    """`source | sink`. Returns what the sink printed, '' where that goes `into` an open file.

    `ask` gives what the source can read first. That input ends with the source, or with this
    process if it is killed: so does a source far away. `head` comes before its output; `see` gets
    every piece of that, and returns what the source can read next. `alive` is asked where nothing
    moves. Raises CommandError for the end that failed. Where both did: for the source, if the sink
    took all of it (what it got was cut off), else for the sink, whose end ended the source.
    """
    printed, source_errors, sink_errors = Buffer(), Buffer(), Buffer()
    with (
        pipe() as (answers_read, answers_write),
        pipe() as (source_read, source_write),
        pipe() as (sink_read, sink_write),
        Command(sink, printed if into is None else into, sink_errors, sink_read.fileno()) as taking,
        Command(source, source_write.fileno(), source_errors, answers_read.fileno()) as giving,
    ):
        for end in (answers_read, source_write, sink_read):
            end.close()  # ours; the commands have their own
        pump = Pump(source_read, sink_write, answers_write, see)
        with limited(giving, taking, timeout=timeout, alive=alive, moved=lambda: pump.moved):
            pump.answer(ask())
            whole = pump.hand_on(head)
            source_code = giving.wait()
            sink_code = taking.wait()
    if source_code != 0 and whole:
        raise failed(source, source_code, source_errors.text)
    if sink_code != 0 or not whole:
        raise failed(sink, sink_code, sink_errors.text or printed.text)
    return printed.text


@contextlib.contextmanager
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Both ends of a pipe, closed at the end of the block at the latest.

    It is wide: fewer changes between the processes at its ends.
    """
    read, write = os.pipe()
    if WIDEN:
        with contextlib.suppress(OSError):  # a kernel may give less
            fcntl.fcntl(write, WIDEN, WIDTH)
    with os.fdopen(read, "rb", 0) as reader, os.fdopen(write, "wb", 0) as writer:
        yield reader, writer


@dataclass
class Pump:
    """Hands on what one command prints to another, and answers the first."""

    source: FileIO
    sink: FileIO
    answers: FileIO
    see: Callable[[bytes], bytes] | None
    moved: int = 0  # bytes

    def hand_on(self, head: bytes) -> bool:
        """Everything; False where the sink went away before all of it was taken."""
        # whoever still reads or writes afterwards sees that the other end is gone
        with self.source, self.sink:
            try:
                self._write(head)
                while piece := self.source.read(PIECE):
                    self.moved += len(piece)
                    if self.see is not None:
                        self.answer(self.see(piece))
                    self._write(piece)
            except BrokenPipeError:
                return False
        return True

    def answer(self, text: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the source's exit status tells why it ended
            if text:
                self.answers.write(text)

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = self.sink.write(left)
            self.moved += written
            left = left[written:]
