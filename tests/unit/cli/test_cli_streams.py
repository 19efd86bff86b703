"""Streams that are closed, full or read by nobody, and a umask that lets everybody in, as whoever
starts the real command leaves them to it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kubeup.core.state import PROJECT, write_private

pytestmark = pytest.mark.real
STARTS = {
    "wrapped": (sys.executable, "-m", "kubeup.cli"),  # what ./inv starts
    "by hand": (sys.executable, "-m", "invoke"),  # what `inv` is in an activated environment
}
FULL = "No space left on device"
PROFILE = "streams"  # not dev: a cluster of that profile may run on this machine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a profile that has half of its key: a command has something to do, quickly."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        f"settings: {{env: {PROFILE}, users: {{{PROFILE}: {{state_dir: {tmp_path}}}}}}}\n"
    )
    monkeypatch.setenv("KUBEUP_SETTINGS", str(settings))
    made = tmp_path / PROFILE
    made.mkdir(mode=0o700)
    write_private(made / "profile", f"{PROFILE}\n")
    key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made / "id_rsa"))
    subprocess.run(key, check=True)
    (made / "id_rsa.pub").unlink()
    return made


def started(redirected: str, *words: str, how: str = "wrapped", **more: Any) -> Any:
    """A command as a shell starts it with these redirections: its status and what was read."""
    shell = ("sh", "-c", f'exec "$@" {redirected}', "sh")
    return subprocess.run(
        (*shell, *STARTS[how], *words),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
        **more,
    )


def events(folder: Path) -> list[str]:
    file = folder / "journal.jsonl"
    return [json.loads(line)["event"] for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("how", "words", "redirected"),
    [
        ("wrapped", "config.show", "<&-"),
        ("wrapped", "config.show", ">&-"),
        ("wrapped", "config.show", "2>&-"),
        ("wrapped", "--list", ">&-"),
        ("by hand", "--list", "<&- >&- 2>&-"),
        ("by hand", "config.show", ">&-"),
    ],
)
def test_a_closed_stream_is_an_empty_one(
    folder: Path, how: str, words: str, redirected: str
) -> None:
    done = started(redirected, words, how=how)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in redirected.replace("2>&-", ""))


@pytest.mark.parametrize("redirected", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_what_is_to_be_done_is_done_all_the_same(folder: Path, redirected: str) -> None:
    done = started(redirected, "ssh.keys")
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "id_rsa.pub").read_text().startswith("ssh-ed25519 ")
    assert events(folder)[-1] == "end"
    # what is opened next would have the number of a closed stream, and take what is printed
    assert (folder / "lock").read_text() == ""


@pytest.mark.parametrize(
    ("words", "lines", "unbuffered"),
    [("--list", 1, ""), ("--list", 1, "1"), ("config.show", 3, ""), ("ssh.keys", 3, "1")],
)
def test_a_full_disk_is_an_error_in_plain_words(
    folder: Path, words: str, lines: int, unbuffered: str
) -> None:
    done = started(">/dev/full", words, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    said = done.stderr.splitlines()
    assert done.returncode == 1 and len(said) == lines and FULL in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and said[0].startswith("error: ")
    # it was told before the plan was run
    assert not (folder / "id_rsa.pub").exists() and not (folder / "journal.jsonl").exists()


@pytest.mark.parametrize("redirected", [">/dev/full", "2>/dev/full", "2>&-", ">/dev/full 2>&1"])
def test_an_error_keeps_its_code_where_it_can_not_be_told(folder: Path, redirected: str) -> None:
    assert started(redirected, "ssh.worker", "x").returncode == 2


def test_a_letter_that_an_encoding_lacks_ends_nothing(folder: Path, tmp_path: Path) -> None:
    done = started(
        "",
        *("config.show", "--set", f"state_dir={tmp_path}/ñ"),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "") and f"{tmp_path}/\\xf1" in done.stdout


def test_a_question_that_nobody_can_answer_is_a_no(folder: Path) -> None:
    write_private(folder / "state.json", "{broken")
    done = started("<&-", "state.repair")
    assert done.returncode in (1, 3) and "Traceback" not in done.stderr


SLOW = '#!/bin/sh\nread -r line <"$GATE"\nexec "$REAL" "$@"\n'


def let_go(gate: Path, process: subprocess.Popen[str]) -> None:
    """Whoever reads the gate goes on; a command that ended earlier never comes to it."""
    while process.poll() is None:
        with contextlib.suppress(OSError):  # nobody reads yet
            with os.fdopen(os.open(gate, os.O_WRONLY | os.O_NONBLOCK), "w") as file:
                file.write("go\n")
            return
        time.sleep(0.05)
    raise AssertionError(f"it ended with {process.returncode}")


def test_where_the_reader_goes_meanwhile_the_work_is_finished(folder: Path, tmp_path: Path) -> None:
    """`inv … | head -n 1`: what has begun ends as it should, and the command as `head` wants it."""
    tool, gate = tmp_path / "bin" / "ssh-keygen", tmp_path / "gate"
    tool.parent.mkdir()
    tool.write_text(SLOW)
    tool.chmod(0o755)
    os.mkfifo(gate)
    real = subprocess.run(("which", "ssh-keygen"), capture_output=True, text=True, check=True)
    env = {
        **os.environ,
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
        "GATE": str(gate),
        "REAL": real.stdout.strip(),
    }
    argv = (*STARTS["wrapped"], "ssh.keys")
    with subprocess.Popen(
        argv, cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        let_go(gate, process)  # for the look at the key
        line = ""
        while "start" not in line:
            line = process.stdout.readline()
            assert line, process.stderr.read()
        process.stdout.close()
        let_go(gate, process)  # for the step
        process.wait(60)
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGPIPE
    assert (folder / "id_rsa.pub").exists() and events(folder)[-1] == "end"


def test_a_umask_that_lets_everybody_in_does_not_count(folder: Path, tmp_path: Path) -> None:
    for words in ("ssh.keys", "ssh.config"):
        done = started("", words, preexec_fn=lambda: os.umask(0))
        assert done.returncode == 0, done.stderr
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert found == {
        PROFILE: 0o700,
        "id_rsa": 0o600,
        "id_rsa.pub": 0o644,
        "journal.jsonl": 0o600,
        "lock": 0o600,
        "profile": 0o600,
        "ssh_config": 0o600,
        "state.json": 0o600,
    }


TOUCH = """
import subprocess, sys
from kubeup.cli.process import prepare
prepare()
subprocess.run(("touch", sys.argv[1]), check=True)
"""


@pytest.mark.parametrize(
    ("umask", "mode"), [(0, 0o644), (0o002, 0o644), (0o022, 0o644), (0o077, 0o600)]
)
def test_what_tools_make_nobody_else_may_change(tmp_path: Path, umask: int, mode: int) -> None:
    argv = (sys.executable, "-c", TOUCH, str(tmp_path / "made"))
    subprocess.run(argv, cwd=PROJECT, check=True, preexec_fn=lambda: os.umask(umask))
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == mode


def test_what_was_open_is_told_beside_what_is_asked_for(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o777)
    done = started("", "config.show", "--json")
    assert done.stderr == f"note: {folder} was open to other users (mode 0777): closed\n"
    assert json.loads(done.stdout) and stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert started("", "config.show", "--json").stderr == ""


@pytest.mark.parametrize("where", ["profile", "cache"])
def test_what_others_could_have_changed_is_refused(
    folder: Path, where: str, cache_home: Path
) -> None:
    place = folder if where == "profile" else cache_home
    write_private(place / "state.json", "{}", 0o666)
    place.chmod(0o755)
    done = started("", "config.show")
    assert done.returncode == 3 and "other users could change" in done.stderr, done.stderr


@pytest.mark.parametrize("redirected", ["", "2>/dev/full"])
def test_a_folder_that_may_not_be_written_to_is_no_traceback(
    folder: Path, redirected: str, tmp_path: Path
) -> None:
    """A file where the folder of the lock should be: for root every folder is writable."""
    done = started(redirected, "ssh.keys", "--set", f"state_dir={folder / 'id_rsa'}")
    assert done.returncode in (1, 2, 3) and "Traceback" not in done.stderr


def on_a_terminal(*words: str) -> str:
    """What a terminal gets to see of a command."""
    shown, controlled = pty.openpty()
    argv = (*STARTS["wrapped"], *words)
    with subprocess.Popen(argv, cwd=PROJECT, stdout=controlled, stderr=controlled) as process:
        os.close(controlled)
        read = b""
        while piece := _piece(shown):
            read += piece
        process.wait(60)
    os.close(shown)
    return read.decode(errors="surrogateescape")


def _piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux' end of a terminal that nobody holds
        return b""


def test_a_terminal_obeys_no_name_of_a_file(folder: Path) -> None:
    name = "\x1b]52;c;x\x07\u202e\udcff.yaml"
    seen = on_a_terminal("config.check", "--file", f"/nowhere/{name}")
    assert "^[]52;c;x^G<U+202E><U+DCFF>.yaml" in seen and "\x1b]52" not in seen


class Kubectl:
    def argv(self, *_: str) -> tuple[str, ...]:
        return ("printf", "%s", "[api] \x1b]52;c;x\x07 GET /\n")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_log_is_shown_to_a_person_and_raw_for_a_program(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubeup.cli import deploy
    from kubeup.core import shell
    from kubeup.core.options import Options

    said, became = list[str](), list[tuple[str, ...]]()
    out = SimpleNamespace(live=terminal, say=said.append)
    project = SimpleNamespace(kubectl=Kubectl())
    monkeypatch.setattr(deploy, "open_project", lambda *_: (project, out))
    monkeypatch.setattr(shell, "become", lambda *argv: became.append(argv))
    deploy.logs.body.__wrapped__(Options("deploy.logs"), part="api")
    assert (said, len(became)) == ((["[api] \x1b]52;c;x\x07 GET /"], 0) if terminal else ([], 1))
