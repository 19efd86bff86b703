"""What happens around a cluster while it is made and changed: kills, a bad link, a full disk."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.harness import (
    AS_ROOT,
    NODES,
    WORKER_2,
    Cluster,
    kill,
    mended,
    output,
    processes_of,
    until,
)

pytestmark = [pytest.mark.real, pytest.mark.long]

# a radio link on a bad day. Not netem, which many kernels lack: what waits in a thin link's queue
# comes late
THIN = ("tbf", "rate", "2mbit", "burst", "32kb", "latency", "400ms")
LOST = ("-m", "statistic", "--mode", "random", "--probability", "0.05", "-j", "DROP")
WAYS = (("PREROUTING", "-i"), ("POSTROUTING", "-o"))
KILLS = 60  # more than `up` has steps


def test_killed_at_every_step_up_ends_where_it_should(cluster: Cluster) -> None:
    """Each step is killed once, a moment after it began; the next run goes on from there."""
    cluster.inv("down", "--data", "--yes")
    killed: set[str] = set()
    for _ in range(KILLS):
        step = _killed_at_a_new_step(cluster, killed)
        if not step:
            break
        killed.add(step)
        cluster.inv("state.stop", "--yes", code=None)
    assert {"cluster/provision", "deploy/db", "deploy/api", "deploy/ui"} <= killed, killed
    cluster.up()
    assert cluster.ready_nodes() == set(NODES) and cluster.plan() == []
    cluster.verify_until_ok()


def _killed_at_a_new_step(cluster: Cluster, killed: set[str]) -> str:
    """Run `up` until a step begins that was never killed; '' where it has ended before."""
    row = len(cluster.journal)
    process, began = cluster.start("up", "--yes"), time.monotonic()
    step = ""
    while process.poll() is None and not step:
        begun = (one["step"] for one in cluster.journal[row:] if one["event"] == "start")
        step = next((one for one in begun if one and one not in killed), "")
        time.sleep(0.02)
    if step:
        time.sleep(0.3)
        kill((process.pid, *processes_of(process.pid)))
    cluster.end(process, ("up", "--yes"), began, code=None)
    return step


def test_a_worker_that_dies_in_a_rollout_is_brought_back(cluster: Cluster) -> None:
    number = cluster.add_product("before a worker died")
    cluster.kubectl("delete", "deployment", "ui")
    row = len(cluster.journal)
    process, began = cluster.start("up", "--yes"), time.monotonic()
    begun = lambda: any(one["step"] == "deploy/ui" for one in cluster.journal[row:])  # noqa: E731
    until(begun, "the rollout under way", 120, 0.05)
    cluster.podman("kill", WORKER_2)
    cluster.end(process, ("up", "--yes"), began, code=None)
    cluster.up()
    cluster.verify_until_ok()
    assert cluster.plan() == [] and cluster.product(number)["stock"] == 7


@pytest.fixture
def bad_link(cluster: Cluster) -> Iterator[None]:
    """Packets from and to a worker come late, and some never."""
    number = cluster.podman("inspect", "--format", "{{.State.Pid}}", WORKER_2).strip()
    inside = (*AS_ROOT, "nsenter", "--net", "--target", number)

    def losing(how: str) -> None:
        for chain, way in WAYS:
            output(*inside, "iptables", "-w", "-t", "mangle", how, chain, way, "eth0", *LOST)

    output(*inside, "tc", "qdisc", "add", "dev", "eth0", "root", *THIN)
    with mended(
        lambda: losing("-D"), lambda: output(*inside, "tc", "qdisc", "del", "dev", "eth0", "root")
    ):
        losing("-I")
        yield


@pytest.mark.usefixtures("bad_link")
def test_a_link_that_loses_packets_takes_longer_and_no_more(cluster: Cluster) -> None:
    """The work is done at once; that a first proof meets a 503 of the UI is the truth."""
    cluster.kubectl("delete", "deployment", "api")
    ran = cluster.inv("up", "--yes", code=None)
    assert "done   deploy the API" in ran.out and cluster.plan() == [], str(ran)
    cluster.verify_until_ok(180)


@pytest.fixture
def small(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few kilobytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    output(*AS_ROOT, "mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "none", str(folder))
    subprocess.run([*AS_ROOT, "chown", str(os.getuid()), str(folder)], check=True)
    with mended(lambda: output(*AS_ROOT, "umount", str(folder))):
        yield folder


def test_a_full_disk_leaves_the_record_as_it_was(cluster: Cluster, small: Path) -> None:
    """The profile's folder fills up; what is there stays whole, and is gone on with afterwards."""
    for file in ("state.json", "known_hosts", "kubeconfig", "baseline.json", "profile"):
        if (cluster.state / file).exists():
            (small / file).write_bytes((cluster.state / file).read_bytes())
    before = {path.name: path.read_bytes() for path in small.iterdir()}
    with contextlib.suppress(OSError), (small / "filler").open("wb") as file:
        while file.write(b"0" * 512):
            file.flush()
    small_folder = ("--set", f"state_dir={small.parent}")
    ran = cluster.inv("ssh.keys", *small_folder, code=None, env={"KUBEUP_STATE_DIR": ""})
    assert ran.code != 0 and "Traceback" not in ran.both, str(ran)
    assert {name: (small / name).read_bytes() for name in before} == before
    assert not [path for path in small.iterdir() if path.name.endswith(".part")]


def test_three_deploys_in_a_row_keep_every_row(cluster: Cluster, tmp_path: Path) -> None:
    numbers = [cluster.add_product("before all")]
    for turn in range(3):
        label = f"kubeup.test/turn={turn}"
        cluster.kubectl("annotate", "--overwrite", "deployment", "api", label)
        cluster.kubectl("delete", "deployment", "ui")
        cluster.kubectl("delete", "pod", "mysql-0", "--wait=false")
        cluster.up()
        numbers.append(cluster.add_product(f"after {turn}"))
    assert [cluster.product(number)["stock"] for number in numbers] == [7] * 4
    cluster.verify_until_ok()
