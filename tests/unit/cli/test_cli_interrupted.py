"""What ends a command from outside ends what it has started."""

from __future__ import annotations

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
    pid = sys.argv[1]
    wait = ToolCommand(("sh", "-c", f"echo $$ >{pid}.new; mv {pid}.new {pid}; exec sleep 60"))
    folder = Path(sys.argv[1]).parent
    with lock.profile(folder, "up"), progress(Report()) as shown:
        step = Step(StepId(Kind.HOST, "wait"), "wait", "asked for", wait)
        run(plan_of([step]), shown, Journal(folder, "up"))

try:
    with _ending():
        body()
except Exit as end:
    print(end, file=sys.stderr)
    sys.exit(end.code)
"""


def deaf_to_nothing() -> None:
    """Whoever runs the tests in the background may have these ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def begun(folder: Path, *before: str) -> tuple[subprocess.Popen[str], int]:
    """A task at work, and the process that it waits for."""
    told = folder / "number"
    words = (*before, sys.executable, "-c", TASK, str(told))
    process = subprocess.Popen(
        words,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=deaf_to_nothing,
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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_was_started_ends_as_well(how: signal.Signals, tmp_path: Path) -> None:
    process, number = begun(tmp_path)
    assert runs(number)
    process.send_signal(how)
    _, said = process.communicate(timeout=20)
    assert (
        process.returncode == 130
        and "interrupted: what was under way has been ended" in said
        and "Traceback" not in said
    ), said
    end = time.monotonic() + 10
    while runs(number):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nohup_is_obeyed(tmp_path: Path) -> None:
    process, number = begun(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    assert runs(number)
    os.kill(number, signal.SIGTERM)
    process.communicate(timeout=20)
