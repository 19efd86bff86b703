"""The one place that starts a local process.

`read` looks, also where nothing may be changed; `write` changes something and streams what the tool
prints, line by line. Commands are lists; secrets travel by standard input or environment, never in
the list.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeup.core.shell import processes
from kubeup.core.shell.interactive import InteractiveProcess, show, stream, talk
from kubeup.core.shell.pipes import chain
from kubeup.core.shell.processes import (
    LATE,
    LOST,
    STOPPED,
    Alive,
    Command,
    closed_when_stopped,
    failed,
    missing,
    shown,
    stop_all,
    which,
)
from kubeup.core.shell.sinks import Buffer, Lines, Log, Tail
from kubeup.core.shell.sudo import SUDO, authorize

__all__ = [
    "LATE",
    "LOST",
    "STOPPED",
    "SUDO",
    "Alive",
    "InteractiveProcess",
    "Output",
    "authorize",
    "become",
    "chain",
    "closed_when_stopped",
    "failed",
    "missing",
    "read",
    "save",
    "show",
    "shown",
    "stop_all",
    "stream",
    "talk",
    "which",
    "write",
]


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
    ok: Collection[int] | None = (0,),
    alive: Alive | None = None,
) -> Output:
    """Run a command that only looks.

    `ok` lists the accepted exit codes (None: any); `stdin` may be the descriptor of an open file;
    `alive` is asked now and then, as long as the command lasts. Raises CommandError.
    """
    out, err = Buffer(), Buffer()
    code = processes.run(Command(argv, out, err, stdin, env, cwd), timeout, alive)
    if ok is not None and code not in ok:
        raise failed(argv, code, err.text or out.text)
    return Output(code, out.text, err.text)


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
    tail = Tail(log)
    lines: list[str] = []
    out = Lines(lines.append, tail)
    code = processes.run(Command(argv, out, Lines(tail), stdin, env, cwd), timeout)
    if code != 0:
        raise failed(argv, code, tail.text)
    return "\n".join(lines)


def save(*argv: str, into: Path, log: Log | None = None, timeout: float = 3600) -> None:
    """Run a command and keep its standard output as a file.

    It is this user's own, whoever runs the command.
    """
    tail = Tail(log)
    with into.open("wb") as file:
        code = processes.run(Command(argv, file.fileno(), Lines(tail)), timeout)
    if code != 0:
        raise failed(argv, code, tail.text)


def become(*argv: str, env: Mapping[str, str] | None = None) -> None:
    """Replace this process by an interactive command (ssh, kubectl exec). Does not return."""
    path = which(argv[0])
    if path is None:
        raise missing(argv[0])
    # a new program does not know of this one's buffers
    sys.stdout.flush()
    os.execve(path, list(argv), {**os.environ, **(env or {})})  # noqa: S606 - no shell is wanted here
