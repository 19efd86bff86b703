"""kill -9 of the tool, of a database's server, of its node, at each step of what is done to the
data: run again, nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeup.application import serving
from kubeup.core.record import CLUSTER, VM, Side
from kubeup.core.state import PROJECT
from kubeup.database.machine import HEALTH
from kubeup.system import secrets
from tests.real.dbwork import Writer, bring_to, fill, kill_at, passwords, sql, sums
from tests.real.harness import WORKER_1, WORKER_2, Cluster, kill, processes_in, until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.usefixtures("on_worker_2")]

ENV = PROJECT / ".env"
# the node of the volume, and the machine with the role db
NODES_OF = {"cluster": WORKER_1, "vm": WORKER_2}
SERVERS = {"mysqld", "mariadbd"}
MOVE = (
    "db/move-admit",
    "db/move-freeze",
    "db/move-copy",
    "db/move-switch",
    "db/move-see",
    "db/move-tidy",
    "db/move-stop",
)
ROTATE = (
    "secrets/next",
    "db/passwords",
    "secrets/take",
    "deploy/db",
    "deploy/api",
    "db/old-passwords",
)
RESTORE = (("db/restore", 0.2), ("db/restore", 1.0), ("db/restore", 2.5), ("db/migrate", 0.0))
ENDS_WITHIN = 240.0  # seconds: a task whose other side has gone does not wait for it for good


def node_with_rows(step: str) -> str:
    """The machine whose loss would hurt most: until the switch the one that is left has all
    rows, from then on the other.
    """
    return "node left" if step in MOVE[: MOVE.index("db/move-switch")] else "node reached"


@pytest.fixture(scope="module")
def backup(standing: Cluster) -> Path:
    """A backup that takes some seconds to restore."""
    fill(standing, 10_000)
    return Path(standing.inv("db.backup").out.splitlines()[-1])


def cut(
    cluster: Cluster, victim: str, side: str, step: str, *words: str, seconds: float = 0.1
) -> None:
    """Run a task and kill something while a step is under way; whatever was killed is back at
    the end.
    """
    rested(cluster)
    container = cluster.containers()[NODES_OF[side]]
    if victim == "tool":
        kill_at(cluster, step, *words, seconds=seconds)
        return
    if victim == "node":
        kill_at(
            cluster,
            step,
            *words,
            seconds=seconds,
            do=lambda: cluster.podman("kill", NODES_OF[side]),
            within=ENDS_WITHIN,
        )
        cluster.inv("cluster.start")
    else:
        kill_at(
            cluster,
            step,
            *words,
            seconds=seconds,
            do=lambda: kill_server(container, step),
            within=ENDS_WITHIN,
        )
    until(lambda: answers(cluster), "every database that is to run answers", 120)


def rested(cluster: Cluster) -> None:
    """A pod that was killed once before is started again after ten seconds, then twenty, forty,
    …: a new one begins anew.
    """
    restarts = cluster.kubectl(
        "get",
        "pod",
        "mysql-0",
        "--ignore-not-found",
        "-o",
        "jsonpath={.status.containerStatuses[0].restartCount}",
    )
    if int(restarts or 0) > 1:
        cluster.kubectl("delete", "pod", "mysql-0")
        cluster.kubectl("rollout", "status", "statefulset/mysql", "--timeout=120s")
        # the API has lost it for a moment as well
        serving.until_serving(cluster.project.kubectl, doubted=True)


def kill_server(container: str, step: str) -> None:
    found = processes_in(container, SERVERS)
    # those two stop it themselves
    assert found or step in ("db/move-stop", "deploy/db"), "there was no server to kill"
    kill(found)


def answers(cluster: Cluster) -> bool:
    """Whether each side's server answers, where that side is to run at all."""
    wanted = cluster.kubectl(
        "get", "statefulset/mysql", "--ignore-not-found", "-o", "jsonpath={.spec.replicas}"
    ).strip()
    there = "stands" in cluster.kubectl(
        "exec",
        "mysql-0",
        "--",
        "sh",
        "-c",
        f"({HEALTH}) >/dev/null 2>&1 && echo stands",
        check=False,
    )
    state = cluster.on(
        WORKER_2,
        "docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' kubeup-db "
        "2>/dev/null",
        check=False,
    ).split()
    return (there or wanted in ("", "0")) and (
        state[:1] != ["running"] or state == ["running", "healthy"]
    )


@pytest.mark.parametrize("victim", ["tool", "server", "node"])
@pytest.mark.parametrize(("step", "seconds"), RESTORE)
def test_restored(cluster: Cluster, backup: Path, step: str, seconds: float, victim: str) -> None:
    cluster.inv("db.restore", backup.name, "--yes")
    whole = sums(cluster)
    cluster.add_product("after the backup")
    before = sums(cluster)
    assert before != whole
    cut(cluster, victim, "cluster", step, "db.restore", backup.name, "--yes", seconds=seconds)
    assert sums(cluster) in (before, whole)  # the one or the other, and nothing between
    cluster.inv("db.restore", backup.name, "--yes")
    assert sums(cluster) == whole and cluster.plan() == []
    assert "kubeup_" not in sql(cluster, "SHOW DATABASES;", root=True)


@pytest.fixture
def finished(standing: Cluster) -> Iterator[None]:
    """Whatever a rotation that failed has left is not the next test's."""
    yield
    if secrets.pending(ENV):
        standing.inv("db.rotate", code=None)


def test_a_rotation_that_was_cut_off_goes_on_in_another_cluster(
    cluster: Cluster, ever: list[str], finished: None
) -> None:
    number = cluster.add_product("before all of it went")
    # while the database gets the new ones, and keeps the earlier beside them
    kill_at(cluster, "db/passwords", "db.rotate", seconds=0.8)
    ever += passwords().values()
    cluster.inv("down", "--yes")
    # it is up, and this is left to do
    assert "`inv db.rotate` finishes it" in cluster.inv("up", "--yes", code=1).err
    cluster.inv("db.rotate")
    ever += passwords().values()
    assert cluster.plan() == [] and not secrets.pending(ENV)
    assert cluster.product(number)["name"] == "before all of it went"


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("victim", ["tool", "server", "node"])
@pytest.mark.parametrize("step", ROTATE)
def test_rotated(cluster: Cluster, ever: list[str], step: str, victim: str) -> None:
    number = cluster.add_product(f"before {step}")
    cut(cluster, victim, "cluster", step, "db.rotate")
    ever += passwords().values()
    if victim == "tool":
        assert cluster.product(number)["name"] == f"before {step}"  # whatever runs, goes on running
    if secrets.pending(ENV):
        ran = cluster.inv("plan", code=3)
        assert "a change of passwords was interrupted" in ran.err and "inv db.rotate" in ran.err
    cluster.inv("db.rotate")
    ever += passwords().values()
    assert cluster.plan() == [] and not secrets.pending(ENV)
    assert cluster.product(number)["name"] == f"before {step}"
    cluster.add_product(f"after {step}")


@pytest.mark.parametrize(
    ("step", "victim"),
    [
        (step, victim)
        for step in MOVE
        for victim in ("tool", "server left", "server reached", node_with_rows(step))
    ],
)
def test_moved(on_either_side: Cluster, step: str, victim: str) -> None:
    """There or back, from where the case before has left it: a move takes its time."""
    cluster = on_either_side
    database = cluster.project.record.database
    left = database.side if database else CLUSTER
    bring_to(cluster, left)
    to: Side = VM if left == CLUSTER else CLUSTER
    what, _, where = victim.partition(" ")
    with Writer(cluster) as writer:
        cut(cluster, what, left if where == "left" else to, step, "db.move", to, "--yes")
        cluster.inv("db.move", to, "--yes")
    assert writer.lost() == [] and cluster.plan() == []
    cluster.inv("db.move", to, "--drop-old", "--yes")
    assert writer.lost() == []
