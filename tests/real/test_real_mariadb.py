"""The other database: on data of its own, and never on what MySQL wrote."""

from __future__ import annotations

import pytest

from tests.real.harness import LINES, Cluster, mended

pytestmark = [pytest.mark.real, pytest.mark.long]

MARIADB = ("--set", "database.engine=mariadb")


def test_data_of_another_database_is_left_as_it_is(cluster: Cluster) -> None:
    number = cluster.add_product("written by MySQL")
    with mended(cluster.up):
        ran = cluster.inv("up", "--yes", *MARIADB, code=None)
        assert ran.code in (1, 3), str(ran)
        assert "Traceback" not in ran.both and "mysql" in ran.err.lower() and ran.seconds < 180
    assert cluster.product(number)["name"] == "written by MySQL"


def test_everything_is_verified_on_mariadb(cluster: Cluster) -> None:
    cluster.inv("down", "--data", "--yes")
    with mended(lambda: cluster.inv("down", "--data", "--yes")):
        ran = cluster.up(*MARIADB)
        assert ran.out.count(" ✔ ") == len(LINES) and "MariaDB" in ran.out
        assert (
            "mariadb"
            in cluster.kubectl(
                "exec", "mysql-0", "--", "sh", "-c", "mariadbd --version || mysqld --version"
            ).lower()
        )
        assert cluster.plan(*MARIADB) == []
        moved_and_back(cluster)


def moved_and_back(cluster: Cluster) -> None:
    """A machine runs it, too; it has one password a user and no retained one."""
    number = cluster.add_product("moves with MariaDB")
    cluster.inv("db.move", "vm", "--yes", *MARIADB)
    assert cluster.plan(*MARIADB) == [] and cluster.product(number)["name"] == "moves with MariaDB"
    cluster.inv("verify", *MARIADB)
    file = cluster.inv("db.backup", *MARIADB).out.splitlines()[-1]
    cluster.api.delete(f"/products/{number}")
    cluster.inv("db.restore", file, "--yes", *MARIADB)
    cluster.inv("db.rotate", *MARIADB)
    assert cluster.plan(*MARIADB) == [] and cluster.product(number)["name"] == "moves with MariaDB"
    cluster.inv("db.move", "vm", "--drop-old", "--yes", *MARIADB)
    cluster.inv("db.move", "cluster", "--yes", *MARIADB)
    assert cluster.plan(*MARIADB) == [] and cluster.product(number)["name"] == "moves with MariaDB"
