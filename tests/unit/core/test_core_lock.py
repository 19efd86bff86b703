"""Who holds a profile, or `.env`: one command at a time, and what a killed one has left at work.

With real processes.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from builders import error_of, held_elsewhere, state

from kubeup.core import lock, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.report import Report
from kubeup.core.shell import processes
from kubeup.core.state import PROJECT, State
from kubeup.workflows import leftovers

pytestmark = pytest.mark.real
KUBEUP = """
import sys
from pathlib import Path
from kubeup.core import lock, shell

with lock.profile(Path(sys.argv[1]), "up"):
    print("held", flush=True)
    shell.write(*sys.argv[2:])
"""
# closes what is not standard, as sudo does, and stays in between
AS_SUDO = (
    "import os, subprocess, sys; os.closerange(3, 256); "
    "sys.exit(subprocess.run(sys.argv[1:]).returncode)"
)
SAID = '; echo $$ > "$0.new"; mv "$0.new" "$0"; '


def until(true: Callable[[], object], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free(folder: Path) -> bool:
    try:
        with lock.profile(folder, "look"):
            return True
    except Refused:
        return False


@contextmanager
def kubeup(folder: Path, script: str, *before: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A kubeup that holds a profile and runs a script of sh, once that has said its number:
    both.
    """
    told = folder / "number"
    words = (*before, "sh", "-c", SAID.removeprefix("; ") + script, str(told))
    process = subprocess.Popen(
        (sys.executable, "-c", KUBEUP, str(folder), *words),
        cwd=PROJECT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    number = 0
    try:
        until(told.exists, "the command has begun")
        number = int(told.read_text())
        yield process, number
    finally:
        process.kill()
        process.communicate()
        for one in (number, *(left.group for left in lock.left(lock.path(folder)))):
            if one and runs(one):
                os.killpg(os.getpgid(one), signal.SIGKILL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lock, "ENDING", 0.3)
    made = tmp_path / "dev"
    made.mkdir()
    return made


def test_one_command_at_a_time(folder: Path) -> None:
    with lock.profile(folder, "up"):
        assert lock.held(lock.path(folder)) and '"up"' in (folder / "lock").read_text()
        error = error_of(lock.profile(folder, "down").__enter__)
        assert (
            isinstance(error, Refused)
            and error.what == "another kubeup command is running on this profile"
        )
        assert error.why.startswith(f"up (process {os.getpid()}, since ")
    assert (folder / "lock").read_text() == "" and not lock.held(lock.path(folder))
    with lock.profile(folder, "down"):
        pass


def test_a_failed_command_lets_go_of_the_profile(folder: Path) -> None:
    with pytest.raises(KubeupError, match="no"), lock.profile(folder, "up"):
        raise KubeupError("no")
    assert (folder / "lock").read_text() == ""
    with lock.profile(folder, "up again"):
        pass


def test_what_changes_a_profile_has_to_hold_it(folder: Path) -> None:
    assert "is not held" in error_of(lock.require, folder).what
    with lock.profile(folder, "up"):
        lock.require(folder)


def test_another_process_is_named_at_once(folder: Path) -> None:
    with kubeup(folder, "exec sleep 60") as (process, _):
        began = time.monotonic()
        error = error_of(lock.profile(folder, "down").__enter__)
        assert (
            error.why.startswith(f"up (process {process.pid}, since ")
            and time.monotonic() - began < 5
        )
        assert "is running" in error_of(lock.leftovers, folder).what, (
            "what a living one has started is nobody else's to end"
        )


def test_a_command_outlives_its_kubeup_and_holds_the_profile_until_it_ends(folder: Path) -> None:
    with kubeup(folder, 'while [ -e "$0" ]; do sleep 0.05; done') as (process, number):
        process.kill()
        process.wait()
        assert runs(number) and not free(folder)
        error = error_of(lock.profile(folder, "down").__enter__)
        assert error.what == "processes of an earlier command are still running on this profile"
        assert (
            "`sh -c " in error.why and str(os.getpgid(number)) in error.why and "since" in error.why
        )
        assert "inv state.stop" in error.next
        (folder / "number").unlink()
        until(lambda: not runs(number), "it ends")
        until(lambda: free(folder), "the profile is free", 5)


@pytest.mark.parametrize(("status", "lives"), [("zombie", False), ("running", True)])
def test_who_does_not_show_its_files_lives_unless_it_has_ended(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    lives: bool,
) -> None:
    def denied(_: object) -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil.Process, "status", lambda _: status)
    monkeypatch.setattr(psutil.Process, "open_files", denied)
    assert lock.Holder("up", os.getpid(), "12:00:00").lives(folder / "lock") is lives


def test_what_is_about_to_end_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "ENDING", 20)
    with kubeup(folder, "sleep 1") as (process, _):
        process.kill()
        process.wait()
        assert free(folder)


def test_a_command_that_closes_what_it_inherits_holds_it_all_the_same(folder: Path) -> None:
    with kubeup(folder, "exec sleep 60", sys.executable, "-c", AS_SUDO) as (process, number):
        process.kill()
        process.wait()
        assert runs(number) and not free(folder)
        assert "closerange" in error_of(lock.profile(folder, "down").__enter__).why, (
            "the command is named as it was given"
        )
        os.kill(number, signal.SIGKILL)
        until(lambda: free(folder), "the profile is free", 5)


def test_what_a_command_leaves_behind_for_good_does_not_hold_it(folder: Path) -> None:
    with kubeup(folder, 'setsid sleep 60 >/dev/null 2>&1 & echo $! > "$0.daemon"') as (process, _):
        process.wait()
        daemon = int((folder / "number.daemon").read_text())
        assert runs(daemon) and free(folder)
        os.kill(daemon, signal.SIGKILL)


@pytest.mark.parametrize("script", ["exec sleep 60", "trap '' TERM; while :; do sleep 0.1; done"])
def test_what_was_left_is_ended_by_name(
    folder: Path,
    script: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(lock, "KILL_SECONDS", 0.5)
    state = State(folder, folder / "id", folder / "id.pub")
    leftovers.stop(state, Report(), yes=True)
    assert "Nothing to do" in capsys.readouterr().out
    with kubeup(folder, script) as (process, number):
        process.kill()
        process.wait()
        assert "confirmation needed, but standard input is not a terminal" in error_of(
            leftovers.stop, state, Report(), False
        ).what and runs(number)
        group = os.getpgid(number)
        leftovers.stop(state, Report(), yes=True)
        assert not runs(number) and free(folder)
        said = capsys.readouterr().out
        assert "running: `" in said and f"(process {group}, since " in said


def test_another_profiles_command_is_left_alone(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert free(folder)  # its lock is there
    with kubeup(other, "exec sleep 60") as (process, number):
        process.kill()
        process.wait()
        assert lock.leftovers(folder) == [] and free(folder)
        assert [one.group for one in lock.leftovers(other)] == [os.getpgid(number)]


def test_env_has_a_lock_of_its_own(folder: Path) -> None:
    env = folder / ".env"
    with lock.env(env, "db.rotate on the profile one"):
        assert free(folder) and lock.held(lock.env_path(env))
        with lock.env(env, "choosing new passwords"):  # by the same command
            pass
        assert lock.held(lock.env_path(env))
    with held_elsewhere(lock.env_path(env), "db.rotate on the profile two"):
        error = error_of(lock.env(env, "another").__enter__)
    assert error.what.endswith("is running on .env") and error.why.startswith(
        "db.rotate on the profile two (process"
    )


def test_a_short_write_is_waited_for(folder: Path) -> None:
    env = folder / ".env"
    with held_elsewhere(lock.env_path(env), "generating passwords"):
        began = time.monotonic()
        error_of(lock.env(env, "another", patience=0.4).__enter__)
        assert 0.4 <= time.monotonic() - began < 5
    with lock.env(env, "another", patience=0.4):
        pass


def test_commands_hold_both(folder: Path) -> None:
    with lock.profile(folder, "db.rotate"), lock.env(folder / ".env", "db.rotate"):
        found = shell.read("sh", "-c", "ls -l /proc/$PPID/fd; echo; ls -l /proc/$$/fd").stdout
    beside, own = found.split("\n\n")
    assert str(folder / "lock") in beside and str(folder / ".env.lock") in beside
    assert "lock" not in own


HANDED_ON = """
import fcntl, os
from kubeup.core.shell import inherited

os.closerange(3, 64)
zero, full, to = (fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in (
    os.open("/dev/zero", os.O_RDWR), os.open("/dev/full", os.O_RDWR), os.pipe()[1]))
os.closerange(3, 20)
# inheritable, as whoever started kubeup may have left them
for number, one in ((4, to), (9, to), (5, zero), (6, full)):
    os.dup2(one, number)
inherited._pass_on((6, 5))
open_ = [number for number in range(3, 10) if os.path.exists(f"/proc/self/fd/{number}")]
inherited = {number for number in open_ if os.get_inheritable(number)}
print({number: os.readlink(f"/proc/self/fd/{number}") for number in inherited}, open_)
"""


def test_what_is_held_gets_numbers_that_are_free() -> None:
    """Whatever they were before, and not that of the pipe by which `sh` tells why a command
    could not be started.
    """
    done = subprocess.run(
        (sys.executable, "-c", HANDED_ON), cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "{5: '/dev/full', 6: '/dev/zero'} [4, 5, 6, 9]\n", done.stdout


def brief(script: str) -> None:
    shell.read("sh", "-c", script, timeout=0.3)


def test_a_command_under_a_lock_is_as_any_other(folder: Path) -> None:
    """Its words, input, output, environment, folder, status and signals."""
    words = ("sh", "-c", 'cat; echo "$1|$VARIABLE|$PWD"; echo wrong >&2; exit 7', "sh", "a  b'\"$c")
    before = shell.read(*words, stdin="in\n", env={"VARIABLE": "v"}, cwd=str(folder), ok=None)
    with lock.profile(folder, "up"):
        assert (
            shell.read(*words, stdin="in\n", env={"VARIABLE": "v"}, cwd=str(folder), ok=None)
            == before
        )
        assert shell.chain(("echo", "one"), ("tr", "o", "0")).strip() == "0ne"
        for number, code in (("TERM", 143), ("KILL", 137)):
            ended = shell.read("sh", "-c", f"kill -{number} $$", ok=None)
            assert (ended.code, ended.stdout, ended.stderr) == (code, "", "")
        assert "ended with status 3" in error_of(shell.write, "sh", "-c", "exit 3").why
        assert "took longer" in error_of(brief, "exec sleep 30").what
    assert shell.read("sh", "-c", "kill -KILL $$", ok=None).code == 137


def test_asked_to_end_it_is_waited_for(folder: Path) -> None:
    """The shell beside it must not go first: what runs would be beside the next command."""
    ended = folder / "ended"
    with lock.profile(folder, "up"):
        script = (
            f"exec >/dev/null 2>&1; trap 'sleep 0.5; touch {ended}; exit 0' TERM; sleep 30 & wait"
        )
        error_of(brief, script)
        assert ended.exists()


def test_roots_process_beside_our_shell_is_ended_by_root(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(processes, "has_others", lambda group: True)
    monkeypatch.setattr(processes, "signal_as_root", lambda group, number: asked.append(group))
    with lock.profile(folder, "up"):
        error_of(brief, "exec sleep 30")
    assert len(asked) == 1
    error_of(brief, "exec sleep 30")
    assert len(asked) == 1


def test_what_does_not_end_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = ["a play, process 7"]
    monkeypatch.setattr(lock, "leftovers", lambda _: left)
    monkeypatch.setattr(lock, "end", lambda found: None)
    out = Report(io.StringIO())
    assert error_of(leftovers.stop, state(tmp_path), out, True).why == "a play, process 7"
    monkeypatch.setattr(lock, "end", lambda found: left.clear())
    leftovers.stop(state(tmp_path), out, True)
