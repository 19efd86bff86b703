"""The one place that starts a local process.

`read` looks and always runs; `write` changes something and streams what the tool prints, line by
line. Commands are lists; secrets travel by standard input or environment, never in the list.
"""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.core.shell import processes
from kubeup.core.shell.inherited import HOLDING, held, holding
from kubeup.core.shell.lines import Lines, Log
from kubeup.core.shell.pipes import InteractiveProcess, chain, talk
from kubeup.core.shell.processes import (
    KEPT_LINES,
    LATE,
    LOST,
    STOPPED,
    Alive,
    failed,
    missing,
    shown,
    signal_group,
    stop_all,
    which,
)
from kubeup.core.shell.sudo import SUDO, authorize

__all__ = [
    "HOLDING",
    "LATE",
    "LOST",
    "STOPPED",
    "SUDO",
    "Alive",
    "InteractiveProcess",
    "Lines",
    "Log",
    "Output",
    "authorize",
    "become",
    "chain",
    "failed",
    "held",
    "holding",
    "missing",
    "read",
    "save",
    "shown",
    "stop_all",
    "stream",
    "talk",
    "which",
    "write",
]  # fmt: skip

STREAM_SECONDS = 86400.0


@dataclass(frozen=True)
class Output:
    """What a finished command left: exit status, standard output and standard error."""

    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.code == 0


def read(
    *argv: str,
    stdin: str | bytes | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float = 60,
    ok: Iterable[int] | None = (0,),
    alive: Alive | None = None,
) -> Output:
    """Run a command that only looks. `ok` lists the accepted exit codes (None: any); `stdin` may be
    the handle of an open file; `alive` is asked now and then, as long as the command lasts. Raises
    CommandError.
    """
    out, err = io.BytesIO(), io.BytesIO()
    code = processes.run(argv, out, err, stdin, env, cwd, timeout, alive=alive)
    output = Output(
        code, out.getvalue().decode(errors="replace"), err.getvalue().decode(errors="replace")
    )
    if ok is not None and code not in ok:
        raise failed(argv, code, output.stderr or output.stdout)
    return output


def write(
    *argv: str,
    log: Log | None = None,
    stdin: str | bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout: float = 3600,
) -> str:
    """Run a command that changes something; every line it prints goes to `log`.

    Returns its standard output.
    """
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
    code = processes.run(argv, out, err, stdin, env, cwd, timeout)
    out.flush_rest()
    err.flush_rest()
    if code != 0:
        raise failed(argv, code, "\n".join(last))
    return "\n".join(whole)


def save(*argv: str, into: Path, log: Log | None = None, timeout: float = 3600) -> None:
    """Run a command and keep its standard output as a file, which is this user's own whoever
    runs the command.
    """
    last: deque[str] = deque(maxlen=KEPT_LINES)

    def line(text: str) -> None:
        last.append(text)
        if log is not None:
            log(text)

    err = Lines(line)
    with into.open("wb") as file:
        code = processes.run(argv, file.fileno(), err, None, None, None, timeout)
    err.flush_rest()
    if code != 0:
        raise failed(argv, code, "\n".join(last))


def stream(
    *argv: str, each: Callable[[str], bool], tick: float = 5.0, env: Mapping[str, str] | None = None
) -> None:
    """Hand each line a command prints to `each` until that returns True, then end the command.

    Every `tick` seconds without a line `each` gets ''. Returns when the command ends by itself,
    too. Raises CommandError for a command that can't be started.
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
            processes.run(argv, sink, io.BytesIO(), None, env, None, STREAM_SECONDS, started)
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
            signal_group(one)
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


def become(*argv: str, env: Mapping[str, str] | None = None) -> None:
    """Replace this process by an interactive command (ssh, kubectl exec). Does not return."""
    path = which(argv[0])
    if path is None:
        raise missing(argv[0])
    sys.stdout.flush()
    os.execve(path, list(argv), {**os.environ, **(env or {})})  # noqa: S606 - no shell is wanted here
