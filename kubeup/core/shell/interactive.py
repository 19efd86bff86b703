"""Commands whose lines are read while they run, and that may be sent more."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO

from kubeup.core.errors import CommandError
from kubeup.core.shell.pipes import pipe
from kubeup.core.shell.processes import Alive, Command, failed, limited
from kubeup.core.shell.sinks import Buffer, Lines

Queue = queue.Queue[str | None]


def stream(*argv: str, each: Callable[[str], bool], tick: float = 5.0) -> bool:
    """Hand each line a command prints to `each` until that returns True, then end the command.

    Every `tick` seconds without a line `each` gets ''. Returns False where the command ended by
    itself before. Raises CommandError for a command that can't be started.
    """
    with _heard(argv, Buffer()) as (command, lines):
        enough = _hand_over(lines, each, tick)
        command.signal()
        command.process.wait()
    command.require_not_stopped()
    return enough


def show(*argv: str, each: Callable[[str], object]) -> None:
    """Hand each line a command prints to `each`, for as long as it lasts.

    Raises CommandError where it fails; what `each` raises ends it.
    """
    errors = Buffer()
    with _heard(argv, errors) as (command, lines):
        for line in iter(lines.get, None):
            each(line)
        code = command.wait()
    if code != 0:
        raise failed(argv, code, errors.text)


def _hand_over(lines: Queue, each: Callable[[str], bool], tick: float) -> bool:
    """Whether `each` had enough before the lines ended."""
    while True:
        try:
            line = lines.get(timeout=tick)
        except queue.Empty:
            line = ""
        if line is None:
            return False
        if each(line):
            return True


@contextlib.contextmanager
def _heard(
    argv: tuple[str, ...], errors: Buffer, stdin: int | None = None
) -> Iterator[tuple[Command, Queue]]:
    """A command whose lines come into a queue, and None after the last one."""
    lines = Queue()
    with Command(argv, Lines(lines.put), errors, stdin) as command:

        def wait() -> None:
            with contextlib.suppress(CommandError):  # it was stopped
                command.wait()
            lines.put(None)

        threading.Thread(target=wait, daemon=True).start()
        yield command, lines


@dataclass(frozen=True, eq=False)
class InteractiveProcess:
    """A command that stays: it is sent something, heard, and sent more."""

    command: Command
    stdin: FileIO
    lines: Queue
    errors: Buffer

    def request(
        self, text: str, until: str, timeout: float = 30, alive: Alive | None = None
    ) -> list[str]:
        """The lines it prints after `text`, up to `until` and without that.

        `alive` is asked where it says nothing for a while. Raises CommandError where it ends, or is
        silent, before.
        """
        answer: list[str] = []
        with limited(self.command, timeout=timeout, alive=alive, moved=lambda: len(answer)):
            with contextlib.suppress(BrokenPipeError):  # its end comes as a line
                self.stdin.write(text.encode())
            while (line := self.lines.get()) != until:
                if line is None:
                    break
                answer.append(line)
            else:
                return answer
            # the next request would wait for it in vain
            self.lines.put(None)
        self.command.require_not_stopped()
        raise failed(self.command.argv, 1, self.errors.text)


@contextlib.contextmanager
def talk(*argv: str) -> Iterator[InteractiveProcess]:
    """Start a command and hold its standard input open for the block, and so the command."""
    errors = Buffer()
    with (
        pipe() as (stdin_read, stdin_write),
        _heard(argv, errors, stdin_read.fileno()) as (command, lines),
    ):
        stdin_read.close()
        yield InteractiveProcess(command, stdin_write, lines, errors)
        stdin_write.close()
        command.process.wait()
