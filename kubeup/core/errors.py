"""What went wrong, why, and what to do next: the only way kubeup ends without success."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every task (documented in README.md)."""

    OK = 0
    FAILED = 1  # a step or a check failed
    USAGE = 2  # wrong settings or arguments; nothing was changed
    REFUSED = 3  # something would be lost or belongs to somebody else; nothing was changed
    NOT_CONVERGED = 4  # everything ran, yet the plan made afterwards is not empty
    INTERRUPTED = 130


class KubeupError(Exception):
    """An error a user can cause or mend. Shown as three lines, never as a traceback."""

    code: Exit = Exit.FAILED

    def __init__(self, what: str, why: str = "", next: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.next = what, why, next

    @property
    def said(self) -> str:
        """The cause in few words."""
        return self.why or self.what

    def lines(self) -> list[str]:
        return [f"error: {self.what}", *labelled(self.why, self.next)]


def labelled(why: str, next: str) -> Iterator[str]:
    """The lines below what is wrong."""
    for label, text in (("why: ", why), ("next:", next)):
        for line in text.splitlines():
            yield f"  {label} {line}"
            label = "     "


UNCHANGED = (Exit.USAGE, Exit.REFUSED)  # what these end has changed nothing


@contextlib.contextmanager
def after_changes(changed: bool = True) -> Iterator[None]:
    """An error of this block has an exit code that does not deny what was `changed` before."""
    try:
        yield
    except KubeupError as error:
        if changed and error.code in UNCHANGED:
            error.code = Exit.FAILED
        raise


class Mistake(KubeupError):
    """What can't be, unless kubeup itself is wrong."""

    def __init__(self, what: str, why: str = "") -> None:
        super().__init__(what, why, "report this: it is a mistake in kubeup")


class UsageError(KubeupError):
    code = Exit.USAGE


class SettingsError(UsageError):
    """Settings that can't be used; `problems` has one entry for each thing wrong."""

    def __init__(
        self, what: str, why: str = "", next: str = "", problems: tuple[object, ...] = ()
    ) -> None:
        super().__init__(what, why, next)
        self.problems = problems


class Refused(KubeupError):
    code = Exit.REFUSED


class NotConverged(KubeupError):
    code = Exit.NOT_CONVERGED


class Interrupted(KeyboardInterrupt):
    """A plan that Ctrl-C ended between two steps; says what is left of it."""


WORDS = 3  # lines: `kubectl exec` has one more after those of the command


class CommandError(KubeupError):
    """A tool that ended with an error; carries its output (see `kubeup.core.shell.Output`)."""

    def __init__(
        self, what: str, why: str = "", next: str = "", code: int = 1, stderr: str = ""
    ) -> None:
        super().__init__(what, why, next)
        self.status, self.stderr = code, stderr

    @property
    def said(self) -> str:
        """The tool's own last words, without the command line; the cause where it had none."""
        lines = self.stderr.strip().splitlines()
        return "\n".join(lines[-WORDS:]) or super().said
