"""New passwords: rotated, changed in `.env` alone, and cut off anywhere in between."""

from __future__ import annotations

import pytest

from kubeup.core.state import PROJECT
from kubeup.system import secrets
from tests.real.dbwork import Writer, passwords, sql
from tests.real.harness import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long]

ENV = PROJECT / ".env"


@pytest.fixture(autouse=True)
def remembered(ever: list[str]) -> None:
    """Every password that was ever in use is looked for at the end."""
    ever += passwords().values()


def admits(cluster: Cluster, password: str) -> bool:
    """Whether the database takes a password of the API's user, from the pod itself."""
    script = (
        "IFS= read -r MYSQL_PWD; export MYSQL_PWD; $(command -v mysql || command -v "
        "mariadb) -uapi -h127.0.0.1 -N -e 'SELECT 6 * 7'"
    )
    return (
        "42"
        in cluster.kubectl(
            "exec", "-i", "mysql-0", "--", "sh", "-c", script, stdin=f"{password}\n", check=False
        ).split()
    )


def test_everybody_has_the_new_ones_and_nobody_the_old(cluster: Cluster, ever: list[str]) -> None:
    old = passwords()
    with Writer(cluster) as writer:
        cluster.inv("db.rotate")
    ever += passwords().values()
    new = passwords()
    assert set(new) == set(old) and set(new.values()).isdisjoint(old.values())
    assert writer.lost() == []
    assert admits(cluster, new["MYSQL_PASSWORD"]) and not admits(cluster, old["MYSQL_PASSWORD"])
    assert ENV.stat().st_mode & 0o777 == 0o600
    assert cluster.plan() == []
    cluster.verify_until_ok()


def test_changed_in_the_file_alone_it_is_carried_through(cluster: Cluster, ever: list[str]) -> None:
    old = passwords()
    secrets.replace(ENV, {"MYSQL_PASSWORD": "a new one, 'quoted' \\ and \"all\" $HOME"})
    ever += passwords().values()
    steps = {step["id"] for step in cluster.plan()}
    assert {"db/passwords", "deploy/db", "deploy/api", "db/old-passwords"} <= steps
    ran = cluster.up()
    assert "a new one" not in ran.both
    assert cluster.plan() == [] and not admits(cluster, old["MYSQL_PASSWORD"])
    cluster.add_product("after all")
    assert "1" in sql(cluster, "SELECT 1;")


def test_where_sql_can_not_help_it_is_refused(cluster: Cluster, ever: list[str]) -> None:
    held = ENV.read_text()
    cluster.scale("statefulset/mysql", 0)
    try:
        secrets.replace(ENV, {"MYSQL_PASSWORD": "never-to-be-used-anywhere"})
        ran = cluster.inv("plan", code=3)
        assert (
            "not the ones that the database was made with" in ran.err
            and "never-to-be" not in ran.both
        )
    finally:
        ENV.write_text(held)
        cluster.kubectl("scale", "statefulset/mysql", "--replicas=1")
        cluster.up()
    assert cluster.plan() == []
    cluster.inv("db.rotate")  # the strange one of before goes
    ever += passwords().values()
