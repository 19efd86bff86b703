"""Who a real server lets in, and from where."""

from __future__ import annotations

import pytest
from mariadb import MariaDb

from kubeup.database.access import keep_root_local
from kubeup.database.server import ROOT, Server

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def maria(tmp_path_factory: pytest.TempPathFactory) -> MariaDb:
    one = MariaDb(tmp_path_factory.mktemp("maria"))
    one.install()
    return one


@pytest.fixture
def server(maria: MariaDb) -> Server:
    with maria.running() as running:
        yield running


def roots(server: Server) -> list[str]:
    return sorted(server.sql("SELECT host FROM mysql.user WHERE user = 'root'").split())


def test_root_of_elsewhere_goes_and_stays_away(server: Server) -> None:
    """As the official images make it where MYSQL_ROOT_HOST is not set."""
    server.sql("CREATE USER root@'%' IDENTIFIED BY 'rrrrrrrr'; GRANT ALL ON *.* TO root@'%'")
    server.sql("CREATE USER root@'10.0.0.7' IDENTIFIED BY 'other'")
    said = list[str]()
    keep_root_local(server, said.append)
    assert roots(server) == ["localhost"]
    assert said == ["root is no longer let in from %", "root is no longer let in from 10.0.0.7"]
    keep_root_local(server, said.append)
    assert len(said) == 2 and server.admits(ROOT, "rrrrrrrr") and server.admits("api", "pppppppp")


def test_the_account_that_the_client_itself_came_in_by_is_kept(server: Server) -> None:
    server.sql("RENAME USER root@localhost TO root@'%'")
    keep_root_local(server, print)
    assert roots(server) == ["localhost"] and server.admits(ROOT, "rrrrrrrr")
    server.sql("CREATE DATABASE after_all; DROP DATABASE after_all")


def test_what_such_an_account_has_made_goes_on_to_work(server: Server) -> None:
    server.sql("CREATE USER root@'%' IDENTIFIED BY 'rrrrrrrr'; GRANT ALL ON *.* TO root@'%'")
    server.sql("CREATE DEFINER = root@'%' VIEW six AS SELECT 6 AS n", "api")
    for _ in range(2):
        keep_root_local(server, print)
        assert server.sql("SELECT n FROM six", "api").strip() == "6"
        locked = "SELECT JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv"
        assert server.sql(f"{locked} WHERE User = 'root' AND Host = '%'").strip() == "1"
    server.sql("DROP VIEW api.six; DROP USER root@'%'")
