"""This process as it is handed to us, made fit to work in, and how it ends where nobody reads."""

from __future__ import annotations

import functools
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TextIO

STREAMS = ("stdin", "stdout", "stderr")  # by their descriptors
NOT_FOR_OTHERS = 0o022  # write permission (umask(2))


@functools.cache
def prepare() -> None:
    """Once, before anything is opened or printed."""
    import atexit

    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not where a test has put another
            # a letter that a terminal's encoding lacks must not end a command
            stream.reconfigure(errors="backslashreplace")
    # whatever is made here or by what is started: a umask of 000 lets everybody change it
    os.umask(os.umask(NOT_FOR_OTHERS) | NOT_FOR_OTHERS)
    sys.excepthook = functools.partial(_end_by, sys.excepthook)
    atexit.register(_flush_or_end)


def _open_streams() -> None:
    """Give a process that was started with a closed stream (`>&-`) an empty one.

    Else the next file that it opens gets that number, and what is printed goes into it: git does
    the same (sanitize_stdfds in its setup.c).
    """
    for number, name in enumerate(STREAMS):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def _end_by(
    usual: object, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Let this process end as other programs do where whoever reads its output has (`| head`).

    Python's default is a traceback, or a complaint when it flushes at its end:
    docs.python.org/3/library/signal.html#note-on-sigpipe. The signal itself stays ignored as long
    as a task runs: it would also come from a connection that a node has closed.
    """
    if isinstance(error, BrokenPipeError) and nobody_reads():
        _end_by_signal()
    if isinstance(error, OSError):
        complain(f"error: {error}")
    elif callable(usual):
        usual(kind, error, trace)


def nobody_reads() -> bool:
    """Whether the other end of the pipe that is our standard output has been closed."""
    import select

    asked = select.poll()
    asked.register(1, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in asked.poll(0))


def _flush_or_end() -> None:
    try:
        sys.stderr.flush()
    except OSError:
        # from 3.13 on Python ends with 120 where it can't flush this either
        _drop(sys.stderr)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _end_by_signal()
    except OSError as error:
        complain(f"error: standard output can't be written: {error.strerror}")
        # Python's own status for it is 120, after a complaint of its own
        os._exit(1)


def complain(text: str) -> None:
    """Print to standard error, if that can be."""
    import contextlib

    from kubeup.core.report import visible

    with contextlib.suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


def drop_output() -> None:
    """Forget what can't be written to standard output, once that was told."""
    _drop(sys.stdout)


def _drop(stream: TextIO) -> None:
    with open(os.devnull, "wb") as null:  # noqa: PTH123
        os.dup2(null.fileno(), stream.fileno())


def _end_by_signal() -> None:
    import signal

    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
