"""The database on a machine: installed, moved there and back with its rows while somebody
writes, cut off anywhere.
"""

from __future__ import annotations

import socket

import pytest

from tests.real.dbwork import Writer, fill, kill_at, passwords, sql, sums
from tests.real.harness import ADDRESSES, CONTROL, LINES, WORKER_2, Cluster, mended, until

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.usefixtures("on_worker_2")]


def on(cluster: Cluster, script: str) -> str:
    return cluster.on(WORKER_2, script)


@pytest.fixture
def not_there(on_worker_2: None, cluster: Cluster) -> None:
    """No service stands ready beside the database in use."""
    on(
        cluster,
        "docker rm --force kubeup-db; docker volume rm kubeup-db_data; rm -rf "
        "/var/lib/kubeup/db /var/lib/kubeup/data/mysql-vm",
    )


@pytest.fixture
def installed(on_worker_2: None, cluster: Cluster) -> None:
    """One does."""
    cluster.inv("db.vm", "--yes")


@pytest.mark.usefixtures("not_there")
def test_a_port_that_is_taken_and_a_project_of_that_name_are_refused(cluster: Cluster) -> None:
    with mended(lambda: on(cluster, "systemctl stop squatter")):
        on(cluster, "systemd-run --quiet --unit=squatter python3 -m http.server 3306")
        until(lambda: "3306" in on(cluster, "ss -Hltn"), "the port taken")
        ran = cluster.inv("db.vm", code=3)
    assert f"port 3306 of {WORKER_2} is taken" in ran.err and "python3" in ran.err


@pytest.mark.usefixtures("not_there")
def test_installed_and_the_second_run_changes_nothing(cluster: Cluster) -> None:
    ran = cluster.inv("db.vm", "--yes")
    assert f"run the database on {WORKER_2}" in ran.out
    started = on(cluster, "docker inspect --format '{{.State.StartedAt}}' kubeup-db")
    assert "Nothing to do." in cluster.inv("db.vm").out
    assert on(cluster, "docker inspect --format '{{.State.StartedAt}}' kubeup-db") == started
    assert on(cluster, "stat -c '%a' /var/lib/kubeup/db/.env").strip() == "600"
    listening = [
        line.split()[3]
        for line in on(cluster, "ss -Hltn").splitlines()
        if line.split()[3].endswith(":3306")
    ]
    assert listening == ["192.168.62.12:3306"]
    assert cluster.plan() == []  # the cluster's own database is in use, and stays so


@pytest.mark.usefixtures("installed")
def test_passwords_that_changed_meanwhile_are_carried_there(
    cluster: Cluster, ever: list[str]
) -> None:
    ever += passwords().values()
    cluster.inv("db.rotate")
    ever += passwords().values()
    # refused where its server does not take today's password
    assert "because: .env new or changed" in cluster.inv("db.vm", "--yes").out
    assert "Nothing to do." in cluster.inv("db.vm").out and cluster.plan() == []


@pytest.mark.usefixtures("installed")
def test_only_nodes_reach_its_port(cluster: Cluster) -> None:
    """This machine, which the nodes' network is a bridge of, does not; nor do they lose it."""

    def reached() -> bool:
        try:
            socket.create_connection((ADDRESSES[WORKER_2], 3306), 3).close()
        except OSError:
            return False
        return True

    def tidied() -> None:
        on(cluster, "sh /var/lib/kubeup/db/filter.sh off")

    ask = f"timeout 3 bash -c '</dev/tcp/{ADDRESSES[WORKER_2]}/3306'"
    assert not reached()
    cluster.on(CONTROL, ask)
    on(cluster, ask)
    with mended(lambda: cluster.inv("db.vm", "--yes")):
        tidied()
        assert reached()
        assert "its packet filter lets others" in cluster.inv("db.vm", "--yes").out
        assert not reached()
    on(cluster, "systemctl is-enabled kubeup-db-filter.service")
    tidied()
    on(cluster, "systemctl restart kubeup-db-filter.service")  # as a start of the machine does
    assert not reached()


@pytest.mark.usefixtures("installed")
def test_a_compose_project_of_somebody_else_is_refused_by_name(cluster: Cluster) -> None:
    on(
        cluster,
        "docker rm --force kubeup-db; mkdir -p /srv/theirs; cd /srv/theirs; "
        "sed 's#device: .*#device: /srv/theirs#' /var/lib/kubeup/db/compose.yaml >compose.yaml; "
        "touch .env; docker volume rm kubeup-db_data; "
        "docker-compose -f compose.yaml -p kubeup-db create 2>&1 || docker-compose -f "
        "compose.yaml -p kubeup-db up --no-start",
    )
    ran = cluster.inv("db.vm", code=3)
    assert (
        "a compose project or container named kubeup-db already" in ran.err
        and "/srv/theirs" in ran.err
    )
    on(
        cluster,
        "cd /srv/theirs; docker-compose -f compose.yaml -p kubeup-db down --volumes; rm -rf "
        "/srv/theirs",
    )
    cluster.inv("db.vm", "--yes")


def test_ten_thousand_products_there_and_back_while_somebody_writes(cluster: Cluster) -> None:
    fill(cluster, 10_000)
    before = sums(cluster)
    assert before["products"][0] >= 10_000
    with Writer(cluster) as writer:
        ran = cluster.inv("db.move", "vm", "--yes")
    assert writer.lost() == [] and len(writer.acknowledged) > 2
    print(f"no write was acknowledged for {writer.longest:.1f} s")
    assert "check that the API writes there" in ran.out and cluster.plan() == []
    lines = cluster.verify_until_ok()
    assert set(lines) == set(LINES) and WORKER_2 in lines["storage"]["detail"]
    assert (
        "kubeup-db" in cluster.inv("status").out and "192.168.62.12" in cluster.inv("diagram").out
    )
    cluster.inv("doctor", code=None)
    assert cluster.objects("pods", "-l", "app=db") == []

    ran = cluster.inv("db.move", "cluster", "--yes", code=3)
    assert "still has the data from before" in ran.err
    assert (
        "its data are on a machine"
        in cluster.inv("db.move", "cluster", "--drop-old", "--yes", code=3).err
    )
    assert cluster.inv("db.move", "vm", "--drop-old", code=3).err.startswith(
        "error: confirmation needed, but standard input is not a terminal"
    )
    cluster.inv("db.move", "vm", "--drop-old", "--yes")
    with Writer(cluster) as back:
        cluster.inv("db.move", "cluster", "--yes")
    assert writer.lost() == [] and back.lost() == []
    assert cluster.plan() == []
    cluster.inv("db.move", "cluster", "--drop-old", "--yes")
    assert (
        on(
            cluster, "ls -A /var/lib/kubeup/data/mysql-vm /var/lib/kubeup/db 2>/dev/null | wc -l"
        ).strip()
        == "0"
    )
    cluster.verify_until_ok()


def test_the_machine_goes_away_while_rows_are_copied(cluster: Cluster) -> None:
    number = cluster.add_product("before the machine went away")
    kill_at(
        cluster,
        "db/move-copy",
        "db.move",
        "vm",
        "--yes",
        seconds=0.3,
        do=lambda: cluster.podman("kill", WORKER_2),
    )
    assert "db.move vm" in cluster.inv("status").out
    cluster.inv("db.move", "cluster", "--yes")
    cluster.up()
    assert cluster.product(number)["name"] == "before the machine went away"
    cluster.add_product("written again")
    assert cluster.plan() == []


def test_a_changed_host_key_is_refused_and_nothing_begins(cluster: Cluster) -> None:
    known, row = cluster.state / "known_hosts", len(cluster.journal)
    held = known.read_text()
    lines = [line for line in held.splitlines() if not line.startswith("192.168.62.12 ")]
    other = next(line for line in lines if line.startswith("192.168.62.11 ")).replace(
        "192.168.62.11", "192.168.62.12", 1
    )
    with mended(lambda: known.write_text(held)):
        known.write_text("\n".join([*lines, other]) + "\n")
        assert (
            "another host key than the one on record"
            in cluster.inv("db.move", "vm", "--yes", code=1).err
        )
    assert len(cluster.journal) == row
    cluster.add_product("nothing was held up")


def test_taken_back_before_the_switch(cluster: Cluster) -> None:
    with Writer(cluster) as writer:
        kill_at(cluster, "db/move-copy", "db.move", "vm", "--yes", seconds=0.2)
        ran = cluster.inv("plan", code=3)
        assert "a move of the database was interrupted" in ran.err
        cluster.inv("db.move", "cluster", "--yes")
    assert writer.lost() == [] and cluster.plan() == []


@pytest.mark.usefixtures("on_machine")
def test_the_machine_starts_anew_and_has_its_data(cluster: Cluster) -> None:
    before = sums(cluster)
    cluster.podman("restart", "--time", "20", WORKER_2)
    until(
        lambda: "healthy" in cluster.on(WORKER_2, "docker ps 2>/dev/null", check=False),
        "the database back",
        180,
    )
    cluster.up()
    assert sums(cluster) == before
    cluster.podman("kill", WORKER_2)  # a power cut
    cluster.up()
    assert sums(cluster) == before and cluster.plan() == []


@pytest.mark.usefixtures("on_machine")
def test_the_server_killed_comes_back(cluster: Cluster) -> None:
    number = cluster.add_product("before the kill")
    on(cluster, "kill -9 $(docker inspect --format '{{.State.Pid}}' kubeup-db)")
    until(
        lambda: cluster.api.get(f"/products/{number}").status_code == 200, "the database back", 120
    )


@pytest.mark.usefixtures("on_machine")
def test_backed_up_restored_and_rotated_on_the_machine(cluster: Cluster, ever: list[str]) -> None:
    before = sums(cluster)
    file = cluster.inv("db.backup").out.splitlines()[-1]
    sql(cluster, "DELETE FROM products;")
    cluster.inv("db.restore", file, "--yes")
    assert sums(cluster) == before
    cluster.inv("db.rotate")
    ever += passwords().values()
    assert cluster.plan() == []
    cluster.verify_until_ok()


@pytest.mark.usefixtures("on_machine")
def test_down_and_up_find_the_data_on_the_machine_again(cluster: Cluster) -> None:
    before = sums(cluster)
    cluster.inv("down", "--yes")
    cluster.up()
    assert sums(cluster) == before and cluster.plan() == []


@pytest.mark.usefixtures("on_machine")
def test_the_passwords_lie_where_they_are_meant_to(cluster: Cluster, ever: list[str]) -> None:
    """On this machine, on every node, and in all that was printed: each password that was ever
    in use.
    """
    values = sorted({*ever, *passwords().values()})
    for ran in cluster.printed:
        assert not any(value in ran.both for value in values), ran.argv
    held = {
        str(path)
        for path in cluster.folder.rglob("*")
        if path.is_file() and any(value.encode() in path.read_bytes() for value in values)
    }
    assert held == set(), "they are in .env alone"
    folders = "etc var/lib/kubeup var/lib/docker/containers var/log home root run/log tmp var/tmp"
    script = (
        f"cd /; cat >/run/looked-for; grep -rlFf /run/looked-for {folders} "
        "2>/dev/null; rm /run/looked-for"
    )
    found = cluster.podman_in(WORKER_2, script, "\n".join(values))
    assert {line for line in found.split() if "/data/mysql" not in line} == {
        "var/lib/kubeup/db/.env"
    }
