"""Backups that run by themselves: made, restored to test them, told, fetched, and kept over what
happens to the cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real.dbwork import Writer, bring_to, empty, fill, sql, sums
from tests.real.harness import LINES, WORKER_1, WORKER_2, Cluster, mended, until

pytestmark = pytest.mark.real

FOLDER = "/var/lib/kubeup/data/backups"
TIMER, SERVICE = "kubeup-db-backup.timer", "kubeup-db-backup.service"
BACKUP_SECONDS = 180  # a machine under load starts the server of the test slowly


@pytest.fixture
def scheduled(cluster: Cluster) -> Iterator[Cluster]:
    """A database in the cluster that is backed up by itself; not any more at the end."""
    cluster.inv("db.schedule", "--every", "6h", "--keep", "2", "--yes")
    yield cluster
    bring_to(cluster, "cluster")
    cluster.inv("db.schedule", "--off", "--yes")
    for node in (WORKER_1, WORKER_2):
        cluster.on(node, f"rm -rf {FOLDER}/*")


def run(cluster: Cluster, name: str, ends: str = "complete") -> str:
    """A run now, as the schedule begins them. Returns what it printed."""
    cluster.kubectl("create", "job", "--from=cronjob/mysql-backup", name)
    end = (f"--for=condition={ends}", f"--timeout={BACKUP_SECONDS}s")
    ended = cluster.kubectl("wait", f"job/{name}", *end, check=False)
    printed = cluster.kubectl("logs", "-l", f"job-name={name}", "--tail=50", check=False)
    cluster.kubectl("delete", "job", name, "--wait=true")
    assert "condition met" in ended, f"{ended}\n{printed}\n{cluster.looked()}"
    return printed


def listed(cluster: Cluster, node: str = WORKER_1) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = cluster.inv("db.list", "--json").json
    return [row["about"] for row in rows if row["node"] == node]


def backups_line(cluster: Cluster) -> dict[str, Any]:
    """What `doctor` says of them."""
    rows: list[dict[str, Any]] = cluster.inv("doctor", "--json", code=None).json
    return next(row for row in rows if row["name"] == "backups")


def test_one_is_made_restored_and_told(scheduled: Cluster) -> None:
    cluster = scheduled
    assert cluster.plan() == [] and "Nothing to do." in cluster.up().out
    assert "none was made and restored yet" in cluster.inv("status").out
    fill(cluster, 200)
    before = sums(cluster)
    assert "restored and compared" in run(cluster, "one")
    (about,) = listed(cluster)
    assert about["scheduled"] and about["restored"] > about["made"] and not about["wrong"]
    assert {table: rows for table, (rows, _) in before.items()} == about["rows"]
    assert about["file"] in cluster.inv("db.list").out
    assert f"the last is {about['file']}" in cluster.inv("status").out
    assert backups_line(cluster)["ok"]
    # a volume's folder gets its group (fsGroup): nobody else has a look
    assert cluster.on(WORKER_1, f"find {FOLDER} -perm /007 -o ! -user 999") == ""
    assert all(line["ok"] for line in cluster.verify_until_ok().values())


@pytest.mark.long
def test_it_holds_one_moment_while_somebody_writes(scheduled: Cluster) -> None:
    with Writer(scheduled) as writer:
        assert "restored and compared" in run(scheduled, "busy")
    assert writer.lost() == [] and writer.longest < 10


def test_what_a_node_has_is_fetched_and_restored(scheduled: Cluster) -> None:
    cluster = scheduled
    fill(cluster, 50)
    run(cluster, "fetched")
    before, (about,) = sums(cluster), listed(cluster)
    empty(cluster)
    ran = cluster.inv("db.restore", about["file"], "--yes")
    assert f"fetch {about['file']} from {WORKER_1}" in ran.out and sums(cluster) == before
    held = cluster.state / "backups" / about["file"]
    assert json.loads(held.with_name(f"{held.name}.json").read_text())["restored"]
    held.unlink()


@pytest.mark.long
def test_only_its_own_go_and_the_last_good_one_stays(scheduled: Cluster) -> None:
    cluster = scheduled
    cluster.on(WORKER_1, f"echo mine >{FOLDER}/by-hand.sql.zst")
    for number in range(3):
        run(cluster, f"kept-{number}")
    made = [row for row in listed(cluster) if row]
    assert len(made) == 2 and "mine" in cluster.on(WORKER_1, f"cat {FOLDER}/by-hand.sql.zst")


@pytest.mark.long
def test_one_that_fails_is_told_and_asking_again_mends_it(scheduled: Cluster) -> None:
    cluster = scheduled
    run(cluster, "before")
    sql(cluster, "ALTER USER kubeup_backup@'%' IDENTIFIED BY 'another-one';", root=True)
    assert "ERROR 1045" in run(cluster, "refused", ends="failed")
    line = backups_line(cluster)
    assert not line["ok"] and "the last run failed" in line["what"] and "1045" in line["what"]
    assert "the last run failed" in cluster.inv("status").out and len(listed(cluster)) == 1
    cluster.inv("db.schedule", "--yes")
    run(cluster, "mended")
    assert backups_line(cluster)["ok"] and len(listed(cluster)) == 2


@pytest.mark.long
def test_what_is_gone_or_changed_is_put_back(scheduled: Cluster) -> None:
    cluster = scheduled
    cluster.kubectl("delete", "cronjob", "mysql-backup")
    cluster.kubectl(
        "patch", "secret", "mysql-backup", "--patch", '{"data": {"client.cnf": "eA=="}}'
    )
    steps = {step["id"] for step in cluster.plan()}
    assert "deploy/db" in steps and "node/e2e-control" not in steps
    uid = cluster.pods()["mysql-0"]
    cluster.up()
    assert cluster.plan() == [] and cluster.pods()["mysql-0"] == uid, "the database runs on"
    run(cluster, "put-back")


def test_off_it_leaves_what_was_made(scheduled: Cluster) -> None:
    cluster = scheduled
    run(cluster, "last")
    cluster.inv("db.schedule", "--off", "--yes")
    assert cluster.kubectl("get", "cronjob", "-o", "name") == "" and cluster.plan() == []
    assert len(listed(cluster)) == 1 and backups_line(cluster)["ok"]
    assert tuple(cluster.verify_until_ok()) == LINES


def test_nobody_else_gets_in_by_its_account(scheduled: Cluster) -> None:
    """Not from a pod that is none of its own, and not to write."""
    rights = sql(scheduled, "SHOW GRANTS FOR kubeup_backup@'%';", root=True)
    assert (
        "INSERT" not in rights and "ALL PRIVILEGES" not in rights and "GRANT OPTION" not in rights
    )
    required = "SELECT ssl_type FROM mysql.user WHERE user = 'kubeup_backup';"
    assert "ANY" in sql(scheduled, required, root=True)


@pytest.mark.long
def test_a_pod_that_is_killed_leaves_nothing_half(scheduled: Cluster) -> None:
    cluster = scheduled
    fill(cluster, 10_000)
    cluster.kubectl("create", "job", "--from=cronjob/mysql-backup", "killed")
    with mended(lambda: cluster.kubectl("delete", "job", "killed", "--ignore-not-found")):
        until(
            lambda: ".part" in cluster.on(WORKER_1, f"ls -A {FOLDER}"), "a dump under way", 120, 0.1
        )
        cluster.kubectl("delete", "job", "killed", "--cascade=background", "--grace-period=0")
        cluster.kubectl("delete", "pod", "-l", "app=db-backup", "--force", "--grace-period=0")
    assert listed(cluster) == []
    run(cluster, "after")
    assert len(listed(cluster)) == 1 and ".part" not in cluster.on(WORKER_1, f"ls -A {FOLDER}")
    cluster.add_product("no lock was left behind")
    empty(cluster)


@pytest.mark.long
def test_down_and_up_keep_the_schedule_and_its_backups(scheduled: Cluster) -> None:
    cluster = scheduled
    run(cluster, "kept")
    before = listed(cluster)
    cluster.inv("down", "--yes")
    assert "its cluster is not there" in cluster.inv("status").out
    cluster.up()
    assert cluster.plan() == [] and listed(cluster) == before
    run(cluster, "anew")
    assert len(listed(cluster)) == 2


@pytest.mark.long
def test_new_passwords_reach_it(scheduled: Cluster) -> None:
    scheduled.inv("db.rotate")
    run(scheduled, "rotated")
    assert scheduled.plan() == []


@pytest.mark.long
@pytest.mark.usefixtures("on_worker_2")
def test_it_moves_with_the_database(scheduled: Cluster) -> None:
    cluster = scheduled
    run(cluster, "moved")
    cluster.inv("db.move", "vm", "--yes")
    assert cluster.kubectl("get", "cronjob", "-o", "name") == "" and cluster.plan() == []
    assert cluster.on(WORKER_2, f"systemctl is-active {TIMER}").strip() == "active"
    shown = cluster.on(WORKER_2, f"systemctl start {SERVICE}; journalctl -u {SERVICE} -n 20")
    assert "restored and compared" in shown, shown
    (made,) = listed(cluster, WORKER_2)
    assert made["restored"] and len(listed(cluster)) == 1, "the one in the cluster is there, too"
    assert backups_line(cluster)["ok"]
    cluster.inv("db.restore", made["file"], "--yes")
    cluster.inv("db.rotate")
    cluster.on(WORKER_2, f"systemctl start {SERVICE}")
    cluster.on(WORKER_2, f"systemctl disable --now {TIMER}")
    assert [step["id"] for step in cluster.plan()] == ["db/schedule"]
    cluster.up()
    assert cluster.on(WORKER_2, f"systemctl is-enabled {TIMER}").strip() == "enabled"
    cluster.inv("db.move", "vm", "--drop-old", "--yes")
    assert len(listed(cluster)) == 1, "backups are not what a move has left"
    cluster.inv("db.move", "cluster", "--yes")
    cluster.inv("db.move", "cluster", "--drop-old", "--yes")
    there = cluster.on(WORKER_2, f"systemctl is-enabled {TIMER}", check=False)
    assert "enabled" not in there.split() and cluster.plan() == []
    assert len(listed(cluster, WORKER_2)) == 2
    run(cluster, "back")
