"""The order, the independence and the interruption of checks."""

import threading
import time

import pytest

from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.inspect.verify.model import Context, good
from kubeup.inspect.verify.run import Check, Run
from kubeup.inspect.verify.runner import run_checks
from kubeup.settings import Settings


def fail(error):
    raise error


@pytest.fixture
def run(kubectl):
    return Run(Context(Settings(profile="dev"), kubectl, (), (), "api:1", (), dict))


def test_the_list_is_in_order_and_each_line_is_told_when_it_is_done(run):
    told, gate = [], threading.Event()
    checks = [
        Check("slow", "", lambda _: good(str(gate.wait(5)))),
        Check("fast", "", lambda _: (gate.set(), good("now"))[1]),
    ]
    lines = run_checks(checks, run, told.append)
    assert [line.name for line in lines] == ["slow", "fast"]
    assert sorted(line.name for line in told) == ["fast", "slow"]
    assert lines[0].detail == "True"


def test_a_check_waits_for_those_it_comes_after(run):
    done = []
    checks = [
        Check("second", "", lambda _: good(str(done)), ("first",)),
        Check("first", "", lambda _: (time.sleep(0.05), done.append(1), good(""))[2]),
    ]
    assert run_checks(checks, run)[0].detail == "[1]"


def test_an_error_is_a_line_and_ends_nothing(run):
    lines = run_checks(
        [
            Check("a", "x", lambda _: fail(KubeupError("what", "why", "next"))),
            Check("b", "", lambda _: good("fine"), ("a",)),
        ],
        run,
    )
    assert (lines[0].ok, lines[0].detail, lines[0].cause, lines[0].next) == (
        False,
        "what",
        "why",
        "next",
    )
    assert lines[1].ok


def test_a_command_that_fails_is_quoted_by_what_it_said(run):
    """Its command line is long, and tells little."""
    argv = ("/home/ana/.cache/kubeup/release/v1.26.1/kubectl", "--kubeconfig", "x" * 99, "get")
    error = shell.failed(argv, 1, 'Error from server (NotFound): pods "x" not found\n')
    silent = shell.failed(argv, 7, "")
    checks = [Check("a", "", lambda _: fail(error)), Check("b", "", lambda _: fail(silent))]
    said, nothing = run_checks(checks, run)
    assert said.cause == 'Error from server (NotFound): pods "x" not found'
    assert nothing.cause.endswith("ended with status 7")


def test_a_mistake_is_told_with_its_place(run):
    line = run_checks([Check("a", "", lambda _: fail(KeyError("x")))], run)[0]
    assert "test_verify_runner.py:" in line.cause
    assert "mistake in kubeup" in line.next


def test_an_interrupt_ends_the_waiting_and_is_passed_on(run):
    checks = [
        Check("a", "", lambda _: fail(KeyboardInterrupt())),
        Check("b", "", lambda run: good(str(run.stop.wait(30)))),
    ]
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_checks(checks, run)
    assert run.stop.is_set()
    assert time.monotonic() - began < 5
