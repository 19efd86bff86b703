"""One command at a time: a profile, and `.env`, are held by whoever changes them.

The lock is flock(2)'s. Commands that are started while it is held hold it as well
(`kubeup.core.shell.inherited`), so it is free once the last of them has ended, also where kubeup
itself was killed and they go on. Who only reads takes no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from kubeup.core import private, shell
from kubeup.core.errors import Mistake, Refused
from kubeup.core.shell import inherited, processes
from kubeup.core.state import LOCK

CLOCK = "%H:%M:%S"
# seconds: what a command that has gone has asked to end, or can no longer write to it, is gone by
# then
ENDING = 5.0
EVERY = 0.1  # seconds between two tries
KILL_SECONDS = 10.0  # between SIGTERM and SIGKILL for what was left


@dataclass(frozen=True)
class Holder:
    """The command that took a lock."""

    command: str = ""
    process: int = 0
    since: str = ""

    def __str__(self) -> str:
        if not self.process:
            return "it holds the lock"
        return f"{self.command} (process {self.process}, since {self.since})"

    def lives(self, lock: Path) -> bool:
        """Whether it still has that lock open. Its number alone may be another process' by now."""
        import psutil

        if not self.process:
            return False
        try:
            process = psutil.Process(self.process)
            # a zombie tells a user nothing of its files
            return process.status() != psutil.STATUS_ZOMBIE and _has_open(process, lock)
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
    return folder / LOCK


def env_path(env: Path) -> Path:
    """The lock of `.env`, which several profiles may share, and checkouts by links."""
    file = private.real(env)
    return file.with_name(f"{file.name}.lock")


@contextlib.contextmanager
def profile(folder: Path, command: str) -> Iterator[None]:
    """Hold a profile.

    Raises Refused where another command holds it, or something that one has left; nothing was
    changed then.
    """
    lock = Lock(path(folder), "this profile", "`inv state.stop` ends what was left")
    with lock.held_by(command):
        yield


@contextlib.contextmanager
def env(file: Path, command: str, patience: float = 0) -> Iterator[None]:
    """Hold `.env` as long as what was read there must stay true.

    `patience` in seconds for who can wait. Whoever holds it already may do so again. Raises Refused
    as `profile` does.
    """
    # flock(2) would refuse a second open file of the same process
    if held(env_path(file)):
        yield
        return
    way_out = "`inv state.stop` in the profile that it was started for ends what was left"
    with Lock(env_path(file), file.name, way_out, patience).held_by(command):
        yield


@contextlib.contextmanager
def beside_others(file: Path) -> Iterator[None]:
    """Hold a file that others hold as well, with all that is started meanwhile.

    Who has it alone is waited for: that takes no longer than removing files.
    """
    private.make_folder(file.parent)
    with private.opened(file) as opened:
        fcntl.flock(opened, fcntl.LOCK_SH)
        with inherited.holding(str(file), opened.fileno()):
            yield


@contextlib.contextmanager
def alone(file: Path, subject: str) -> Iterator[None]:
    """Hold a file that nobody else holds. Raises Refused where somebody does."""
    private.make_folder(file.parent)
    with private.opened(file) as opened:
        if not _taken(opened):
            raise Refused(
                f"another kubeup command is using {subject}",
                f"{file} is held",
                "wait for it to end, then run this again; `inv state.stop` ends what a killed "
                "one has left",
            )
        yield


def held(lock: Path) -> bool:
    """Whether this process holds it."""
    return str(lock) in inherited.held


def require(folder: Path) -> None:
    """Raises KubeupError where a profile is about to be changed that this process doesn't hold."""
    if not held(path(folder)):
        raise Mistake(f"{path(folder)} is not held", "a change was about to be made without it")


@dataclass(frozen=True)
class Lock:
    """A file to lock, what it stands for, and how to end what another command has left."""

    path: Path
    subject: str
    way_out: str
    patience: float = 0  # seconds

    @contextlib.contextmanager
    def held_by(self, command: str) -> Iterator[None]:
        private.make_folder(self.path.parent)
        holder = Holder(command, os.getpid(), time.strftime(CLOCK))
        # what is in it stays until it is taken: the holder's name
        with private.opened(self.path) as file:
            self._take(file)
            _write(file, json.dumps(asdict(holder)))
            try:
                with inherited.holding(str(self.path), file.fileno()):
                    yield
            finally:
                _write(file, "")

    def _take(self, file: IO[str]) -> None:
        """Wait for those that won't take long, refuse for others."""
        began = time.monotonic()
        while not _taken(file):
            holder = _holder(file)
            waited = time.monotonic() - began
            if waited >= self.patience and holder.lives(self.path):
                raise self._running(holder)
            if waited >= max(self.patience, ENDING):
                raise self._left_running(holder)
            time.sleep(EVERY)

    def _left_running(self, holder: Holder) -> Refused:
        names = "\n".join(map(str, left(self.path)))
        if not names:  # another user's
            return self._running(holder)
        return Refused(
            f"processes of an earlier command are still running on {self.subject}",
            names,
            f"wait for them to end; {self.way_out}",
        )

    def _running(self, holder: Holder) -> Refused:
        return Refused(
            f"another kubeup command is running on {self.subject}",
            str(holder),
            "wait for it to end, then run this again",
        )


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> Holder:
    """Who has written its name into a lock; nobody where it has been taken a moment ago."""
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

    Raises Refused where that is still running.
    """
    lock = path(folder)
    if not lock.exists():
        return []
    with lock.open(encoding="utf-8") as file:
        holder = _holder(file)
    if holder.lives(lock):
        raise Refused(
            "another kubeup command is running on this profile",
            str(holder),
            f"Ctrl-C where it runs, or `kill {holder.process}`, ends it with all that it has "
            "started",
        )
    return left(lock)


def left(lock: Path) -> list[Left]:
    """The commands that hold a lock for themselves, oldest first, as far as this user may see."""
    import psutil

    holding = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        if _is_wrapper(process.info["cmdline"]):
            with contextlib.suppress(psutil.Error):
                if _has_open(process, lock):
                    holding.append(process)
    holding.sort(key=lambda process: process.info["create_time"])
    return [_described(process) for process in holding]


def _is_wrapper(argv: list[str] | None) -> bool:
    return tuple(argv or ())[: len(inherited.WRAPPER)] == inherited.WRAPPER


def _described(process: Any) -> Left:
    """The command that a wrapper waits for, as it was given."""
    program, *words = process.info["cmdline"][len(inherited.WRAPPER) :]
    since = time.strftime(CLOCK, time.localtime(process.info["create_time"]))
    return Left(process.pid, processes.short([Path(program).name, *words]), since)


def _has_open(process: Any, file: Path) -> bool:
    return str(file.resolve()) in [opened.path for opened in process.open_files()]


def end(commands: Collection[Left]) -> None:
    """Ask them to end, and end those that do not."""
    import psutil

    groups = [command.group for command in commands]
    if any(map(processes.has_others, groups)):  # root's, by sudo
        shell.authorize()
    waiting = [process for process in psutil.process_iter() if process.pid in groups]
    # the group of one that has ended meanwhile may still have processes
    for group in groups:
        processes.signal_group(group, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(waiting, KILL_SECONDS)
    for process in stubborn:
        processes.signal_group(process.pid, signal.SIGKILL)
    psutil.wait_procs(stubborn, KILL_SECONDS)
