"""One command at a time: a profile, and `.env`, are held by whoever changes them, and by what it
has started.

The lock is flock(2)'s. Commands that are started while it is held hold it as well
(`kubeup.core.shell.processes`), so it is free once the last of them has ended, also where kubeup
itself was killed and they go on. Who only reads takes no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.shell import inherited, processes

NAME = "lock"  # in a profile's folder
# seconds: what a command that has gone has asked to end, or can no longer write to it, is gone by
# then
ENDING = 5.0
EVERY = 0.1  # seconds between two tries
KILL_SECONDS = 10.0  # between asking what was left to end, and ending it


@dataclass(frozen=True)
class Holder:
    """The command that took a lock."""

    command: str = ""
    process: int = 0
    since: str = ""

    def __str__(self) -> str:
        return (
            f"{self.command} (process {self.process}, since {self.since})"
            if self.process
            else "it holds the lock"
        )

    def lives(self, lock: Path) -> bool:
        """Whether it still has that lock open. Its number alone may be another process' by now."""
        import psutil

        if not self.process:
            return False
        try:
            process = psutil.Process(self.process)
            # one that has ended and that nobody has waited for tells a user nothing of its files
            return process.status() != psutil.STATUS_ZOMBIE and _opened(process, lock)
        except psutil.AccessDenied:  # another user's
            return True
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class Left:
    """A command that goes on though the kubeup that started it is no more.

    `group` is that of all its processes.
    """

    group: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.group}, since {self.since})"


def path(folder: Path) -> Path:
    """The lock of a profile, by its folder."""
    return folder / NAME


def env_path(env: Path) -> Path:
    """The lock of `.env`, which several profiles may share."""
    return env.with_name(f"{env.name}.lock")


@contextlib.contextmanager
def profile(folder: Path, command: str) -> Iterator[None]:
    """Hold a profile.

    Raises Refused where another command holds it, or something that one has left; nothing was
    changed then.
    """
    with _holding(path(folder), command, "on this profile", "`inv state.stop` ends what was left"):
        yield


@contextlib.contextmanager
def env(file: Path, command: str, patience: float = 0) -> Iterator[None]:
    """Hold `.env` as long as what was read there must stay true; `patience` in seconds for who can
    wait.

    Whoever holds it already may do so again. Raises Refused as `profile` does.
    """
    if held(env_path(file)):
        yield
        return
    next_ = "`inv state.stop` in the profile that it was started for ends what was left"
    with _holding(env_path(file), command, f"on {file.name}", next_, patience):
        yield


def held(lock: Path) -> bool:
    """Whether this process holds it."""
    return str(lock) in inherited.held


def require(folder: Path) -> None:
    """Raises KubeupError where a profile is about to be changed that this process doesn't hold."""
    if not held(path(folder)):
        raise KubeupError(
            f"{path(folder)} is not held",
            "something was about to be changed without it",
            "report this: it is a mistake in kubeup",
        )


@contextlib.contextmanager
def _holding(
    lock: Path, command: str, what: str, next_: str, patience: float = 0
) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as file:
        _take(file, lock, what, next_, patience)
        _write(file, json.dumps(asdict(Holder(command, os.getpid(), time.strftime("%H:%M:%S")))))
        try:
            with inherited.holding(str(lock), file.fileno()):
                yield
        finally:
            _write(file, "")


def _take(file: IO[str], lock: Path, what: str, next_: str, patience: float) -> None:
    """Wait for those that won't take long, refuse for others."""
    began = time.monotonic()
    while not _taken(file):
        holder, waited = _holder(file), time.monotonic() - began
        if waited >= patience and holder.lives(lock):
            raise _at_work(holder, what)
        if waited >= max(patience, ENDING):
            raise _refused(holder, left(lock), what, next_)
        time.sleep(EVERY)


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refused(holder: Holder, found: Iterable[Left], what: str, next_: str) -> Refused:
    names = "\n".join(map(str, found))
    if not names:  # another user's
        return _at_work(holder, what)
    return Refused(
        f"what an earlier command has left is still at work {what}",
        names,
        f"wait for it to end; {next_}",
    )


def _at_work(holder: Holder, what: str) -> Refused:
    return Refused(
        f"another kubeup command is at work {what}",
        str(holder),
        "wait for it to end, then run this again",
    )


def _holder(file: IO[str]) -> Holder:
    """Who has written its name into a lock; nobody where that can't be read: it has been taken a
    moment ago.
    """
    file.seek(0)
    try:
        return Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        return Holder()


def _write(file: IO[str], text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def leftovers(folder: Path) -> list[Left]:
    """What holds a profile though the command that started it is no more.

    Raises Refused where that is still at work.
    """
    lock = path(folder)
    if not lock.exists():
        return []
    with lock.open(encoding="utf-8") as file:
        holder = _holder(file)
    if holder.lives(lock):
        raise Refused(
            "another kubeup command is at work on this profile",
            str(holder),
            f"Ctrl-C where it runs, or `kill {holder.process}`, ends it with all that it has "
            "started",
        )
    return left(lock)


def left(lock: Path) -> list[Left]:
    """The commands that hold a lock for themselves, oldest first, as far as this user may see."""
    import psutil

    rows = psutil.process_iter(["cmdline", "create_time"])
    found = sorted(
        (one for one in rows if _holds(one, lock)), key=lambda one: one.info["create_time"]
    )
    return [
        Left(one.pid, _words(one.info["cmdline"]), _clock(one.info["create_time"])) for one in found
    ]


def _words(argv: list[str]) -> str:
    """The command beside such a shell, as it was given."""
    path, *words = argv[len(inherited.WRAPPER) :]
    return processes.short([Path(path).name, *words])


def _holds(process: Any, lock: Path) -> bool:
    """Whether it is a shell of ours beside a command, with that lock."""
    import psutil

    if tuple(process.info["cmdline"] or ())[: len(inherited.WRAPPER)] != inherited.WRAPPER:
        return False
    try:
        return _opened(process, lock)
    except psutil.Error:
        return False


def _opened(process: Any, lock: Path) -> bool:
    return str(lock.resolve()) in [one.path for one in process.open_files()]


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def end(found: Iterable[Left]) -> None:
    """Ask them to end, and end those that do not."""
    import psutil

    groups = [one.group for one in found]
    if any(map(processes.has_others, groups)):  # root's, by sudo
        shell.authorize()
    waiting = [process for process in map(_process, groups) if process is not None]
    for group in groups:
        processes.signal_group(group, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(waiting, KILL_SECONDS)
    for process in stubborn:
        processes.signal_group(process.pid, signal.SIGKILL)
    psutil.wait_procs(stubborn, KILL_SECONDS)


def _process(number: int) -> Any:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(number)
    return None
