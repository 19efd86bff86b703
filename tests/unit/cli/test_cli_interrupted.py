"""What ends a command from outside ends what it has started; a first Ctrl-C lets it end itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
TASK = """
import sys
from pathlib import Path
from invoke import Exit
from kubeup.core.ids import Kind, StepId
from kubeup.core.plan import Step, plan_of
from kubeup.cluster.providers.base import ToolCommand
from kubeup.core.report import Report, progress
from kubeup.core import lock
from kubeup.core.runner import Journal, run
from kubeup.cli.base import _ending

def body():
    pid, script = sys.argv[1:]
    wait = ToolCommand(("sh", "-c", f"echo $$ >{pid}.new; mv {pid}.new {pid}; {script}"))
    folder = Path(sys.argv[1]).parent
    with lock.profile(folder, "up"), progress(Report()) as shown:
        first, second = (StepId(Kind.HOST, name) for name in ("wait", "after"))
        after = ToolCommand(("touch", str(folder / "after")))
        steps = [
            Step(first, "wait", "asked for", wait),
            Step(second, "do what comes after", "asked for", after, (first,)),
        ]
        run(plan_of(steps), shown, Journal(folder, "up"))

try:
    with _ending():
        body()
except Exit as end:
    print(end, file=sys.stderr)
    sys.exit(end.code)
"""


def begun(
    folder: Path, *before: str, script: str = "exec sleep 60"
) -> tuple[subprocess.Popen[str], int]:
    """A task at work, and the process that it waits for."""
    told = folder / "number"
    words = (*before, sys.executable, "-c", TASK, str(told), script)
    process = subprocess.Popen(
        words,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 20
    while not told.exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    return process, int(told.read_text())


def runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def send(process: subprocess.Popen[str], *signals: signal.Signals) -> tuple[str, str, float]:
    """What the task says from then on, and for how long it went on."""
    began, first, *others = time.monotonic(), *signals
    process.send_signal(first)
    for number in others:  # two that come at once are one (signal(7))
        assert process.stdout is not None
        assert any("Ctrl-C again ends it now" in line for line in process.stdout)
        process.send_signal(number)
    printed, said = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in said, said
    return printed, said, time.monotonic() - began


def events(folder: Path) -> list[str]:
    rows = (folder / "journal.jsonl").read_text().splitlines()
    return [json.loads(row)["event"] for row in rows]


@pytest.mark.parametrize(
    "how", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,), (signal.SIGHUP,)]
)
def test_what_was_started_ends_as_well(how: tuple[signal.Signals, ...], tmp_path: Path) -> None:
    process, number = begun(tmp_path)
    assert runs(number)
    _, said, _ = send(process, *how)
    assert "interrupted: what was under way has been ended; run the same again" in said, said
    assert not runs(number) and not (tmp_path / "after").exists()
    assert events(tmp_path)[-1] == "interrupted"


def test_what_does_not_listen_ends_all_the_same(tmp_path: Path) -> None:
    """The command and what it has started itself."""
    deaf = f"trap '' TERM INT; sleep 60 & echo $! >{tmp_path}/child; wait"
    process, number = begun(tmp_path, script=deaf)
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        time.sleep(0.02)
    child = int((tmp_path / "child").read_text())
    assert runs(number) and runs(child)
    _, _, seconds = send(process, signal.SIGINT, signal.SIGINT)
    assert not runs(number) and not runs(child)
    assert 4 < seconds < 12, "it had the time to tidy up"


def test_a_first_interrupt_waits_for_the_step_under_way_and_tells_what_is_left(
    tmp_path: Path,
) -> None:
    process, number = begun(tmp_path, script=f"sleep 2; touch {tmp_path}/ended")
    printed, said, _ = send(process, signal.SIGINT)
    assert "interrupted: waiting for the end of: wait; Ctrl-C again ends it now" in printed
    assert said.strip() == (
        "interrupted: 1 of 2 steps are done; left: do what comes after; run the same again to go on"
    )
    assert (tmp_path / "ended").exists() and not (tmp_path / "after").exists()
    assert events(tmp_path) == ["plan", "start", "changed", "interrupted"] and not runs(number)


LOOKING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from invoke import Exit
from kubeup.cli.base import _ending
from kubeup.core import shell

def look(script):
    shell.read("sh", "-c", script, ok=None)

with _ending(), ThreadPoolExecutor() as pool:
    for number in "12":
        pool.submit(look, f"echo $$ >{sys.argv[1]}/{number}; exec sleep 60")
"""


def test_who_only_looks_ends_at_once_with_all_that_is_asked(tmp_path: Path) -> None:
    """Several are asked side by side, and waited for."""
    process = subprocess.Popen(
        (sys.executable, "-c", LOOKING, str(tmp_path)),
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
    )
    files = [tmp_path / number for number in "12"]
    while not all(file.exists() and file.read_text().strip() for file in files):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert not any(runs(int(file.read_text())) for file in files)


ELSEWHERE = """
import signal, threading, time
from invoke import Exit
from kubeup.cli.base import _ending

def wait():
    time.sleep(0.3)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    time.sleep(30)

with _ending():
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join()
"""


def test_a_signal_that_another_thread_gets_is_noticed_as_well() -> None:
    """The kernel may give it to any, and the main one may be waiting for a lock."""
    began = time.monotonic()
    ran = subprocess.run(
        (sys.executable, "-c", ELSEWHERE),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "interrupted: what was under way has been ended" in ran.stderr, ran.stderr
    assert time.monotonic() - began < 20, "not only once the other one has ended"


def test_nohup_is_obeyed(tmp_path: Path) -> None:
    process, number = begun(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert runs(number)
    os.kill(number, signal.SIGTERM)
    process.communicate(timeout=20)
