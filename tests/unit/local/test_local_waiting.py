"""How long a node's sshd is waited for."""

from __future__ import annotations

from typing import Any

import pytest
from builders import DESKTOP, error_of, recorded

from kubeup.cluster.providers.local import nodes
from kubeup.core import shell
from kubeup.core.pace import AS_MEANT, Pace, Patience
from kubeup.core.shell import Output
from kubeup.system import engine

PODMAN = engine.choose("podman", DESKTOP)
BOOTING = recorded("local/systemctl_list_jobs.txt")


def coming(jobs: str = BOOTING) -> Output:
    return Output(nodes.COMING, jobs, "")


class Node:
    """What a node answers, one look after another, each of which takes 30 s of a fake clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Output) -> None:
        self.answers, self.time, self.said = list(answers), 0.0, list[str]()
        monkeypatch.setattr(shell, "read", self.read)
        monkeypatch.setattr(nodes, "Patience", lambda seconds: Patience(seconds, lambda: self.time))

    def read(self, *argv: str, **_: Any) -> Output:
        assert argv[:3] == ("podman", "exec", "dev-control")
        self.time += 30
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait(self, pace: Pace = AS_MEANT) -> None:
        nodes.wait_for_sshd(PODMAN, "dev-control", pace, self.said.append)


def test_jobs_are_told_apart_by_unit_kind_and_state_alone() -> None:
    jobs = nodes.jobs_of(BOOTING)
    assert "ssh.service start waiting" in jobs and len(jobs) == len(BOOTING.splitlines())
    assert nodes.jobs_of("") == nodes.jobs_of("\n") == []


def test_a_node_that_gets_on_is_waited_for_however_slow_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = BOOTING.splitlines()
    node = Node(
        monkeypatch, *(coming("\n".join(rows[n:])) for n in range(len(rows))), Output(0, "", "")
    )
    node.wait()
    assert node.time > 10 * nodes.STUCK_SECONDS
    assert node.said[0] == f"systemd has {len(rows)} jobs left"


def test_one_that_stands_still_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, coming())
    error = error_of(node.wait)
    assert error.what == "the node dev-control did not come up"
    assert error.why.startswith("nothing has changed on it for 60 s") and "ssh.service" in error.why
    assert node.time <= 150


def test_on_a_slow_machine_standing_still_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(monkeypatch, coming())
    assert "for 600 s" in error_of(node.wait, Pace(10)).why
    assert node.time > 600


def test_a_service_that_is_started_again_and_again_is_no_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = [
        coming(f"{n} containerd.service restart waiting\n" if n % 2 else "") for n in range(40)
    ]
    node = Node(monkeypatch, *again)
    assert "nothing has changed" in error_of(node.wait).why
    assert node.time < 300


@pytest.mark.parametrize(
    "answer",
    [
        Output(1, "× ssh.service - OpenBSD Secure Shell server", ""),
        Output(125, "", "Error: no such container"),
    ],
)
def test_what_failed_is_told_at_once(monkeypatch: pytest.MonkeyPatch, answer: Output) -> None:
    node = Node(monkeypatch, answer)
    assert error_of(node.wait).why == (answer.stdout or answer.stderr)
    assert node.time == 30
