"""Whoever reads what a task prints may end before it does (`inv --list | head`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
BY_HAND = (sys.executable, "-m", "invoke")  # what `inv` is in an activated environment
WRAPPED = (sys.executable, "-m", "kubeup.cli")  # what ./inv starts
PRINTING = [("--list",), ("up", "--help"), ("db.move", "--help"), ("config.show",)]


def unread(command: tuple[str, ...], buffered: bool, taken: int = 0) -> tuple[str, int]:
    """What a command complains of, and its exit status, where its reader goes after `taken` bytes.

    With 0 it has gone before the first.
    """
    env = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    reading, writing = os.pipe()
    if not taken:
        os.close(reading)
    with subprocess.Popen(
        command, cwd=PROJECT, env=env, stdout=writing, stderr=subprocess.PIPE, text=True
    ) as started:
        os.close(writing)
        if taken:
            assert len(os.read(reading, taken)) == taken
            os.close(reading)
        said = started.communicate(timeout=60)[1]
    return said, started.returncode


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", PRINTING)
def test_a_task_ends_quietly(words: tuple[str, ...], buffered: bool) -> None:
    assert unread((*BY_HAND, *words), buffered) == ("", -signal.SIGPIPE)


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("words", [("--help",), ("--version",), ("--list",)])
def test_the_wrapper_ends_quietly(words: tuple[str, ...], buffered: bool) -> None:
    assert unread((*WRAPPED, *words), buffered) == ("", -signal.SIGPIPE)


def test_so_it_does_in_the_middle() -> None:
    said, code = unread((*WRAPPED, "config.show"), buffered=False, taken=7)
    assert said == "" and code in (0, -signal.SIGPIPE)  # 0: all of it was written by then


def test_what_was_read_whole_is_no_reason() -> None:
    done = subprocess.run((*BY_HAND, "--list"), cwd=PROJECT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_another_broken_pipe_is_told() -> None:
    """A connection that a node has closed must not end a task without a word."""
    text = "import tasks\nraise BrokenPipeError('the node went')\n"
    done = subprocess.run(
        (sys.executable, "-c", text), cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "the node went" in done.stderr
