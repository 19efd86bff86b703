"""Lock files that commands keep open for as long as they run (see `kubeup.core.lock`)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from functools import partial
from typing import Any

held: dict[str, int] = {}  # file descriptors by the paths of their files

# A redirection's number has one digit in dash; 3 is what the wrapper keeps standard error by.
DESCRIPTORS = range(4, 10)
# The wrapper waits for its command and keeps the locks open, which the command itself has closed:
# whatever that leaves behind for good (conmon, VBoxSVC, ssh's masters) would keep them as well, and
# sudo would not, as it closes descriptors from 3 on (closefrom in sudoers(5)).
# Signals to the group are the command's to answer; what the shell says of its end goes nowhere.
SCRIPT = (
    'trap : INT TERM; exec 3>&2 2>/dev/null; (exec "$@" 2>&3 3>&- '
    f"{' '.join(f'{number}>&-' for number in DESCRIPTORS)}); exit $?"
)
WRAPPER: tuple[str, ...] = ("/bin/sh", "-c", SCRIPT, "sh")


@contextlib.contextmanager
def holding(name: str, descriptor: int) -> Iterator[None]:
    """Commands that are started meanwhile keep that file open."""
    held[name] = descriptor
    try:
        yield
    finally:
        del held[name]


def wrapper() -> tuple[str, ...]:
    """The words before a command's own; none where no lock is held."""
    return WRAPPER if held else ()


def options() -> dict[str, Any]:
    """The options of `sh` by which the wrapper gets what is held."""
    if not held:
        return {}
    return {"_preexec_fn": partial(_pass_on, tuple(held.values())), "_pass_fds": set(DESCRIPTORS)}


def _pass_on(descriptors: tuple[int, ...]) -> None:
    """In the process that becomes the wrapper: give what is held numbers of one digit."""
    copies = [
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, DESCRIPTORS.stop)
        for descriptor in descriptors
    ]
    free = [number for number in DESCRIPTORS if _closes(number)]
    for copy, number in zip(copies, free[: len(copies)], strict=True):
        os.dup2(copy, number)


def _closes(number: int) -> bool:
    """Whether a number may be taken; its file does not outlive the start of the wrapper."""
    try:
        os.set_inheritable(number, False)
        writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        # by a pipe `sh` reports why a command could not be started
        return not (writes and stat.S_ISFIFO(os.fstat(number).st_mode))
    except OSError:  # it is not open
        return True
