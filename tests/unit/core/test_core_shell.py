"""Against real small commands."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import error_of

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.shell import processes, sudo

real = pytest.mark.real


@real
def test_reading() -> None:
    assert shell.read("sh", "-c", "echo out; echo err >&2") == shell.Output(0, "out\n", "err\n")
    assert not shell.read("sh", "-c", "exit 3", ok=(0, 3)).ok
    assert shell.read("sh", "-c", "exit 7", ok=None).code == 7


@real
def test_a_failure_shows_the_command_and_its_last_lines() -> None:
    error = error_of(
        shell.read, "sh", "-c", "for n in $(seq 40); do echo line $n >&2; done; exit 5"
    )
    assert isinstance(error, CommandError)
    assert error.what == "sh failed" and error.status == 5
    lines = error.why.splitlines()
    assert lines[0].endswith("ended with status 5")
    assert lines[1:] == [f"line {n}" for n in range(26, 41)]
    assert "line 1\n" in error.stderr


@real
def test_standard_output_is_the_cause_where_nothing_else_was_said() -> None:
    assert error_of(shell.read, "sh", "-c", "echo told here; exit 1").why.endswith("told here")


def test_a_missing_tool() -> None:
    error = shell.missing("mmdebstrap")
    assert (error.what, error.why, error.status) == (
        "mmdebstrap is not installed",
        "no `mmdebstrap` on PATH",
        127,
    )


@real
def test_a_missing_tool_is_told_by_name() -> None:
    for call in (shell.read, shell.write):
        assert (
            error_of(call, "no-such-tool-of-kubeup", "--version").what
            == "no-such-tool-of-kubeup is not installed"
        )


@real
@pytest.mark.parametrize(
    "text",
    ["", "one line\n", "no newline", "ä\n" * 50_000],
    ids=["empty", "line", "no newline", "100 kB"],
)
def test_input_arrives_whole(text: str) -> None:
    assert shell.read("cat", stdin=text).stdout == text
    assert shell.read("cat", stdin=text.encode()).stdout == text


@real
def test_without_input_nothing_is_read_from_the_terminal() -> None:
    assert shell.read("cat").stdout == ""


@real
def test_a_secret_by_input_or_environment_is_in_no_command_line() -> None:
    script = "cat >/dev/null; tr '\\0' ' ' </proc/self/cmdline; exit 4"
    error = error_of(
        lambda: shell.read(
            "sh", "-c", script, stdin="hunter2-secret", env={"PASSWORD": "hunter2-secret"}
        )
    )
    assert "hunter2-secret" not in "\n".join(error.lines())
    assert (
        shell.read("sh", "-c", 'printf %s "$PASSWORD"', env={"PASSWORD": "hunter2-secret"}).stdout
        == "hunter2-secret"
    )


@real
def test_environment_and_folder(tmp_path: Path) -> None:
    assert (
        shell.read("sh", "-c", "pwd; echo $HOME", cwd=str(tmp_path)).stdout
        == f"{tmp_path}\n{os.environ['HOME']}\n"
    )


@real
def test_writing_hands_lines_on_as_they_come() -> None:
    came: list[tuple[str, float]] = []
    out = shell.write(
        "sh",
        "-c",
        "echo one; echo two >&2; sleep 0.5; printf 'last'",
        log=lambda line: came.append((line, time.monotonic())),
    )
    assert sorted(line for line, _ in came) == ["last", "one", "two"]
    assert dict(came)["last"] - dict(came)["one"] > 0.2, (
        "kept until the end, they would come at once"
    )
    assert out == "one\nlast"


@real
def test_a_progress_bar_is_its_last_drawing() -> None:
    came: list[str] = []
    shell.write("printf", "10%%\\r50%%\\r100%%\\nend\\r\\n\\n", log=came.append)
    assert came == ["100%", "end"]


@real
def test_a_failed_write_keeps_its_last_lines() -> None:
    error = error_of(shell.write, "sh", "-c", "for n in $(seq 30); do echo $n; done; exit 2")
    assert error.why.splitlines()[1:] == [str(n) for n in range(16, 31)]


@real
@pytest.mark.parametrize("call", [shell.read, shell.write])
def test_too_long_ends_the_command_and_its_children(call: object) -> None:
    began = time.monotonic()
    error = error_of(lambda: call("sh", "-c", "sleep 30 & wait", timeout=0.2))  # type: ignore[operator]
    assert time.monotonic() - began < 5
    assert error.what == "sh took longer than 0.2 s"


@real
def test_too_long_ends_a_command_that_will_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "KILL_SECONDS", 0.3)
    began = time.monotonic()
    error = error_of(
        lambda: shell.read("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done", timeout=0.2)
    )
    assert time.monotonic() - began < 5 and error.what == "sh took longer than 0.2 s"


@real
def test_an_interrupt_ends_what_runs() -> None:
    ended: list[KubeupError] = []
    thread = threading.Thread(
        target=lambda: ended.append(error_of(lambda: shell.read("sleep", "30", ok=None)))
    )
    thread.start()
    while not processes.running:
        time.sleep(0.01)
    shell.stop_all()
    thread.join(5)
    assert ended and ended[0].what == "sleep was stopped"
    assert not processes.running


@real
def test_what_was_stopped_halfway_is_no_success_whatever_it_ends_with() -> None:
    """`podman volume rm` ends with 0 when it is asked to stop, and has removed half of the
    files.
    """
    ended: list[KubeupError] = []
    script = 'trap "exit 0" TERM; echo ready; sleep 20 & wait'
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: ended.append(
            error_of(lambda: shell.write("sh", "-c", script, log=lambda line: ready.set()))
        )
    )
    thread.start()
    assert ready.wait(5)
    shell.stop_all()
    thread.join(5)
    assert isinstance(ended[0], CommandError) and ended[0].status == 130
    assert "was stopped" in ended[0].what


@real
def test_an_interrupt_reaches_a_command_that_is_just_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Control-C between the start of a process and the note of it: nobody would have ended it."""
    attach = processes.Command.attach

    def interrupted_first(command: processes.Command, process: object) -> None:
        shell.stop_all()
        attach(command, process)

    monkeypatch.setattr(processes.Command, "attach", interrupted_first)
    began = time.monotonic()
    assert error_of(lambda: shell.read("sleep", "30")).what == "sleep was stopped"
    assert time.monotonic() - began < 5


def more(seen: list[str]) -> Callable[[str], bool]:
    """Notes every line and never has enough."""

    def each(line: str) -> bool:
        seen.append(line)
        return False

    return each


@real
def test_a_stream_ends_when_enough_was_seen() -> None:
    seen: list[str] = []

    def each(line: str) -> bool:
        seen.append(line)
        return line == "3"

    began = time.monotonic()
    shell.stream("sh", "-c", "echo 1; echo 2; sleep 0.3; echo 3; sleep 30", each=each)
    assert seen == ["1", "2", "3"]
    assert time.monotonic() - began < 5
    assert not processes.running


@real
def test_a_stream_ends_its_command_though_a_line_comes_at_once(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    script = f"trap 'touch {ended}; exit 0' TERM; echo ready; sleep 30 & wait"
    shell.stream("sh", "-c", script, each=lambda line: line == "ready")
    assert ended.exists()


@real
def test_a_stream_ticks_while_nothing_comes_and_ends_with_its_command() -> None:
    seen: list[str] = []
    shell.stream("sh", "-c", "echo 1; sleep 0.4", each=more(seen), tick=0.1)
    after = seen[seen.index("1") + 1 :]  # a slow start may tick before it
    assert set(after) == {""} and len(after) >= 2


@real
def test_a_mistake_while_watching_ends_the_command() -> None:
    def each(line: str) -> bool:
        if line == "2":
            raise ValueError("not JSON")
        return False

    began = time.monotonic()
    with pytest.raises(ValueError, match="not JSON"):
        shell.stream("sh", "-c", "echo 1; sleep 0.2; echo 2; sleep 2", each=each)
    while processes.running and time.monotonic() - began < 1.5:
        time.sleep(0.02)
    assert not processes.running


@real
def test_the_last_line_of_a_stream_may_lack_its_newline() -> None:
    seen: list[str] = []
    shell.stream("printf", "1\\n2", each=more(seen))
    assert seen == ["1", "2"]


@real
def test_a_stream_of_a_missing_tool_is_an_error() -> None:
    assert (
        "not installed" in error_of(lambda: shell.stream("no-such-tool-of-kubeup", each=bool)).what
    )


def test_what_is_shown_can_be_pasted() -> None:
    assert (
        shell.shown(["ssh", "dev", "echo 'it is'; ls"]) == "ssh dev 'echo '\"'\"'it is'\"'\"'; ls'"
    )
    assert shell.shown(["a" * 3000]) == "a" * 3000, "it can be pasted"
    assert shell.failed(["a" * 3000], 1, "").why == f"`{'a' * 159}…` ended with status 1", (
        "of an error it is a part"
    )


def test_sbin_is_looked_at_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell.which("ldconfig") in ("/usr/sbin/ldconfig", "/sbin/ldconfig")


@pytest.mark.parametrize(
    "start",
    [
        lambda: shell.read("true"),  # which forks
        lambda: subprocess.run("true", check=False),
        lambda: os.posix_spawn("/bin/true", ("true",), {}),
    ],
)
def test_an_unmarked_test_starts_nothing(processes: Any, start: Callable[[], Any]) -> None:
    with pytest.raises(AssertionError, match=r"mark it with pytest\.mark\.processes"):
        start()
    assert len(processes.refused) == 1, "who swallows that is told at the end"
    processes.refused.clear()


def test_a_tool_of_an_environment_that_was_not_activated_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert shell.which("ansible-playbook") == str(Path(sys.executable).parent / "ansible-playbook")
    assert shell.which("no-such-tool") is None


@real
@pytest.mark.parametrize(
    ("source", "sink", "blamed"),
    [
        # what came was cut off
        ("echo half; echo gone >&2; exit 3", "cat >/dev/null; echo syntax >&2; exit 1", "gone"),
        # its end ended the source
        ("yes; exit 3", "head -c 10 >/dev/null; echo full >&2; exit 1", "full"),
        ("echo all", "cat >/dev/null; echo syntax >&2; exit 1", "syntax"),
        ("echo half; echo gone >&2; exit 3", "cat >/dev/null", "gone"),
    ],
)
def test_of_two_commands_the_one_that_failed_first_is_told(
    source: str, sink: str, blamed: str
) -> None:
    assert (
        blamed
        in error_of(lambda: shell.chain(("sh", "-c", source), ("sh", "-c", sink))).why.splitlines()[
            1:
        ]
    )


@real
def test_what_goes_through_two_commands_arrives_whole() -> None:
    seen: list[bytes] = []
    source = ("sh", "-c", "read -r line; echo $line; read -r line; echo $line")

    def see(piece: bytes) -> bytes:
        seen.append(piece)
        return b"more\n" if len(seen) == 1 else b""

    assert (
        shell.chain(source, ("cat",), ask=lambda: b"asked\n", head=b"first\n", see=see)
        == "first\nasked\nmore\n"
    )
    assert b"".join(seen) == b"asked\nmore\n"


@real
def test_a_source_that_has_ended_takes_no_answer() -> None:
    source = ("sh", "-c", "exec <&-; echo all")
    assert shell.chain(source, ("cat",), see=lambda _: b"thanks\n") == "all\n"


@real
def test_both_end_where_the_first_is_told_nothing() -> None:
    def ask() -> bytes:
        raise KubeupError("no password", "nobody has one", "make one")

    began = time.monotonic()
    assert (
        error_of(
            lambda: shell.chain(("head", "-n1"), ("sh", "-c", "cat; exec sleep 60"), ask=ask)
        ).what
        == "no password"
    )
    assert time.monotonic() - began < 10 and not processes.running


@real
def test_a_command_that_stays_is_told_and_heard_by_turns() -> None:
    with shell.talk(
        "sh", "-c", 'while read -r line; do echo "$line"; echo heard; done; echo over'
    ) as talk:
        assert talk.request("one\n", "heard") == ["one"]
        assert talk.request("two\nthree\n", "three") == ["two", "heard"]
    assert not processes.running


@real
@pytest.mark.parametrize(
    ("does", "status", "why"),
    [("echo half; echo gone >&2; exit 3", 1, "gone"), ("sleep 60", 124, "longer than 0.3 s")],
)
def test_one_that_ends_or_is_silent_is_an_error_each_time(does: str, status: int, why: str) -> None:
    with shell.talk("sh", "-c", does) as talk:
        for _ in range(2):
            error = error_of(talk.request, "anything\n", "heard", 0.3 if status == 124 else 10)
            assert (
                isinstance(error, CommandError)
                and error.status == status
                and why in f"{error.what}: {error.why}"
            )
            status, why = 1, ""


@real
@pytest.mark.parametrize(
    "call",
    [
        lambda alive: shell.read("sh", "-c", "sleep 60", alive=alive),
        lambda alive: shell.chain(("echo", "one"), ("sh", "-c", "cat; exec sleep 60"), alive=alive),
        lambda alive: shell.chain(("sh", "-c", "echo one; exec sleep 60"), ("cat",), alive=alive),
        lambda alive: told_nothing(alive),
    ],
)
def test_nobody_is_waited_for_who_has_gone(
    call: Callable[[shell.Alive], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with kubectl, which does not end with the container that it has started a client in."""
    monkeypatch.setattr(processes, "SILENCE", 0.1)
    answers, began = iter((True, True, False)), time.monotonic()
    error = error_of(call, lambda: next(answers))
    assert (
        isinstance(error, CommandError)
        and error.status == shell.LOST
        and "lost its connection" in error.what
    )
    assert next(answers, None) is None and 0.3 <= time.monotonic() - began < 10


def told_nothing(alive: shell.Alive) -> None:
    with shell.talk("sleep", "60") as talk:
        talk.request("anything\n", "heard", 60, alive)


@real
def test_who_is_heard_is_not_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "SILENCE", 0.3)
    steady = ("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.1; done")
    assert shell.chain(steady, ("cat",), alive=lambda: pytest.fail("it was asked")).split() == [
        str(number) for number in range(1, 11)
    ]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("/usr/bin/podman", "ps"), "podman"),
        (("sudo", "--preserve-env=http_proxy", "podman", "build"), "podman"),
        (("sudo", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "update"), "apt-get"),
        (("/venv/bin/python", "-m", "ansible", "playbook"), "ansible"),
    ],
)
def test_an_error_names_the_program_and_not_what_starts_it(
    argv: tuple[str, ...], name: str
) -> None:
    assert processes.failed(argv, 1, "no").what == f"{name} failed"


def test_a_shown_command_can_be_pasted_where_sudo_asks_by_itself() -> None:
    assert shell.shown((*shell.SUDO, "podman", "ps", "my name")) == "sudo podman ps 'my name'"
    assert shell.shown(("podman", "ps")) == "podman ps"


def test_without_roots_permission_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = list[str]()
    monkeypatch.delenv(sudo.VARIABLE, raising=False)
    monkeypatch.setattr(sudo, "_run", lambda *_, **__: False)
    monkeypatch.setattr(sudo, "getpass", lambda _: typed.append("wrong") or "wrong")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert isinstance(error_of(sudo.authorize), Refused) and not typed
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert isinstance(error_of(sudo.authorize), Refused) and len(typed) == sudo.TRIES


def test_a_program_that_is_not_there_is_not_become(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "which", lambda _: None)
    monkeypatch.setattr(os, "execve", lambda *_: None)
    assert error_of(shell.become, "kubectl", "exec").what == "kubectl is not installed"


@pytest.mark.processes
def test_what_is_saved_of_a_command_that_fails_is_told_as_such(tmp_path: Path) -> None:
    error = error_of(
        lambda: shell.save(
            "sh", "-c", "echo half; echo 'no space' >&2; exit 3", into=tmp_path / "saved"
        )
    )
    assert isinstance(error, CommandError) and error.status == 3 and "no space" in error.why
