"""Open files that commands hold as well as long as they last, and so the locks these bear (see
`kubeup.core.lock`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from functools import partial
from typing import Any

held: dict[str, int] = {}  # handles by the paths of their files

# A redirection's number has one digit in dash; 3 is what the shell keeps standard error by.
HANDLES = range(4, 10)
# The shell stays beside a command and holds what is held, which the command itself has closed:
# whatever that leaves behind
# for good (conmon, VBoxSVC, ssh's masters) would hold it as well, and sudo would not, as it closes
# descriptors from 3 on.
# Signals to the group are the command's to answer; what the shell says of its end goes nowhere.
BESIDE = (
    'trap : INT TERM; exec 3>&2 2>/dev/null; (exec "$@" 2>&3 3>&- '
    f"{' '.join(f'{n}>&-' for n in HANDLES)}); exit $?"
)
HOLDING: tuple[str, ...] = ("/bin/sh", "-c", BESIDE, "sh")


@contextlib.contextmanager
def holding(name: str, handle: int) -> Iterator[None]:
    """Commands that are started while it lasts hold that file."""
    held[name] = handle
    try:
        yield
    finally:
        del held[name]


def beside() -> tuple[str, ...]:
    """The words before a command's own; none where nothing is held."""
    return HOLDING if held else ()


def handing_on() -> dict[str, Any]:
    """What `sh` is told, so that the shell gets what is held."""
    if not held:
        return {}
    return {"_preexec_fn": partial(_hand_on, tuple(held.values())), "_pass_fds": set(HANDLES)}


def _hand_on(handles: tuple[int, ...]) -> None:
    """In the process that becomes the shell: put what is held under numbers of one digit, and
    keep everything else from it.
    """
    copies = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, HANDLES.stop) for handle in handles]
    free = [number for number in HANDLES if _let_go(number)]
    for copy, number in zip(copies, free[: len(copies)], strict=True):
        os.dup2(copy, number)


def _let_go(number: int) -> bool:
    """Whether a number may be taken; its file does not outlive the start of the shell.

    Not a pipe to write to: by such a one `sh` tells what went wrong.
    """
    try:
        os.set_inheritable(number, False)
        writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        return not (writes and stat.S_ISFIFO(os.fstat(number).st_mode))
    except OSError:  # nobody has it
        return True
