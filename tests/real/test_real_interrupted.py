"""Commands that come together, are interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.real.harness import NODES, WORKER_1, WORKER_2, Cluster, kill, processes_of, until

pytestmark = [pytest.mark.real, pytest.mark.long]


def started(cluster: Cluster, step: str, row: int) -> bool:
    return any(
        entry["event"] == "start" and entry["step"] == step for entry in cluster.journal[row:]
    )


def alive(numbers: list[int]) -> list[str]:
    """Those of some processes that still run, zombies aside."""
    found = []
    for number in numbers:
        try:
            if Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append(Path(f"/proc/{number}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_a_second_command_is_refused_and_names_the_first(cluster: Cluster) -> None:
    words, row = ("cluster.provision",), len(cluster.journal)
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, "cluster/provision", row), "the play under way", 30, 0.05)
    ran = cluster.inv("cluster.provision", "--limit", WORKER_2, code=3)
    assert (
        "another kubeup command is running on this profile" in ran.err
        and "cluster.provision" in ran.err
    )
    assert ran.seconds < 10
    assert "e2e-control" in cluster.inv("status").out  # who only looks is not kept out
    cluster.end(process, words, began)
    assert cluster.plan() == []


def control_c_twice(process: subprocess.Popen[str]) -> None:
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.5)  # two that come at once are one (signal(7))


# Ctrl-C twice, kill(1), a terminal that is closed
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_everything_it_started(how: signal.Signals, cluster: Cluster) -> None:
    words, row = ("cluster.provision",), len(cluster.journal)
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, "cluster/provision", row), "the play under way", 30, 0.05)
    time.sleep(2)  # the play has forked
    children = processes_of(process.pid)
    assert any("ansible" in text for text in alive(children)), alive(children)
    if how == signal.SIGINT:
        control_c_twice(process)
    else:
        os.kill(process.pid, how) if how == signal.SIGTERM else os.killpg(process.pid, how)
    ran = cluster.end(process, words, began, code=130, timeout=30)
    assert (
        "interrupted" in ran.both
        and "run the same again" in ran.both
        and "Traceback" not in ran.both
    ), str(ran)
    until(lambda: not alive(children), f"children gone: {alive(children)}", 10)
    assert cluster.journal[-1]["event"] == "interrupted"
    cluster.inv("cluster.provision")  # the lock is free
    assert cluster.plan() == []


def test_one_interrupt_lets_the_step_end_and_tells_what_is_left(cluster: Cluster) -> None:
    words, row = ("cluster.provision",), len(cluster.journal)
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, "cluster/provision", row), "the play under way", 30, 0.05)
    os.killpg(process.pid, signal.SIGINT)
    ran = cluster.end(process, words, began, code=130, timeout=300)
    assert "waiting for the end of: run the play" in ran.out, str(ran)
    assert "left: wait for every node to be ready" in ran.err, str(ran)
    events = [(entry["event"], entry["step"]) for entry in cluster.journal[row:]]
    assert events[-2:] == [("changed", "cluster/provision"), ("interrupted", "")]
    cluster.up()
    assert cluster.plan() == []


def test_what_a_killed_command_has_left_keeps_others_out_until_it_is_ended_by_name(
    cluster: Cluster,
) -> None:
    words, row = ("cluster.provision",), len(cluster.journal)
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, "cluster/provision", row), "the play under way", 30, 0.05)
    time.sleep(2)  # the play has forked
    children = processes_of(process.pid)
    kill(children, "STOP")  # they would end by themselves where nobody reads what they print
    kill([process.pid])
    cluster.end(process, words, began, code=-9)
    assert any("ansible" in text for text in alive(children)), alive(children)
    rows = len(cluster.journal)
    ran = cluster.inv(*words, code=3)
    assert (
        "processes of an earlier command are still running" in ran.err
        and "-m ansible playbook" in ran.err
    ), str(ran)
    assert "inv state.stop" in ran.err and len(cluster.journal) == rows
    assert "e2e-control" in cluster.inv("status").out  # who only looks is not kept out
    assert "confirmation needed, but standard input is not a terminal" in cluster.inv(
        "state.stop", code=3
    ).err and alive(children)
    assert "-m ansible playbook" in cluster.inv("state.stop", "--yes").out
    until(lambda: not alive(children), f"children gone: {alive(children)}", 10)
    cluster.inv(*words)
    assert cluster.plan() == []


def test_what_a_killed_play_had_not_restarted_is_restarted_by_the_next(cluster: Cluster) -> None:
    """Killed between writing the routes and setting them: the files are as they should be,
    nothing uses them.
    """
    routes = "ip -4 route show root 10.246.0.0/16 | grep via"  # to the other nodes' pods
    before = cluster.on(WORKER_1, routes)
    assert len(before.splitlines()) == len(NODES) - 1
    cluster.on(
        WORKER_1,
        f"systemctl disable --now pod-network; {routes} | while read -r route; do ip route "
        "delete $route; done; "
        "rm /etc/kubeup/provisioned; touch /etc/kubeup/unfinished",
    )
    assert not cluster.on(WORKER_1, f"{routes} || true")
    cluster.kubectl("annotate", "node", WORKER_1, "kubeup/provisioned-")
    assert "not provisioned" in cluster.plan()[0]["reason"]
    cluster.up()
    assert cluster.on(WORKER_1, routes) == before
    cluster.on(WORKER_1, "systemctl is-enabled pod-network && test ! -e /etc/kubeup/unfinished")
    assert cluster.plan() == []


@pytest.mark.long
# while the former disk is removed, and while the new one is filled
@pytest.mark.parametrize("seconds", [0.3, 0.7])
def test_control_c_while_a_node_is_made(cluster: Cluster, seconds: float) -> None:
    row = len(cluster.journal)
    cluster.podman("rm", "--force", "--time", "0", WORKER_2)
    words = ("up", "--yes")
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, f"node/{WORKER_2}", row), "the node being made", 60, 0.02)
    time.sleep(seconds)
    control_c_twice(process)
    ran = cluster.end(process, words, began, code=130, timeout=60)
    assert "Traceback" not in ran.both
    cluster.up()
    # the API server still knows the earlier machine of that name, and calls it ready for a while
    cluster.on(WORKER_2, "test -e /etc/kubernetes/kubelet.conf && systemctl is-active kubelet")
    assert cluster.ready_nodes() == set(NODES) and cluster.plan() == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        ("node/e2e-worker-1", 1.5),
        ("cluster/provision", 6),
        ("cluster/provision", 14),
        ("deploy/db", 2),
    ],
)
def test_killed_in_the_middle_up_goes_on_from_there(
    cluster: Cluster, step: str, seconds: float
) -> None:
    cluster.inv("down", "--data", "--yes")
    row, words = len(cluster.journal), ("up", "--yes")
    process, began = cluster.start(*words), time.monotonic()
    until(lambda: started(cluster, step, row), f"{step} under way", 120, 0.05)
    time.sleep(seconds)
    children = processes_of(process.pid)
    kill((process.pid, *children))
    cluster.end(process, words, began, code=-9)
    cluster.inv("state.stop", "--yes")  # what was started between the look at them and their end
    cluster.up()
    assert cluster.ready_nodes() == set(NODES) and cluster.plan() == []
    cluster.verify_until_ok()
