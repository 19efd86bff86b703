"""The database is the API's alone: TLS by its certificate, root from its own machine, and what an
older kubeup left open is closed.
"""

from __future__ import annotations

import json

import pytest

from tests.real.dbwork import Writer, sql
from tests.real.harness import Cluster, output

pytestmark = pytest.mark.real

AUTHORITY = "/run/kubeup-tls/ca.crt"
# in the API's pod, with its driver: what a login says, by user, authority and name of the server
LOGIN = """
import os, pymysql, socket, sys
user, authority, by_address = sys.argv[1:]
host = os.environ["MYSQL_HOST"]
password = os.environ["MYSQL_PASSWORD"] if user == os.environ["MYSQL_USER"] else "made-up"
trust = {"ssl_ca": authority, "ssl_verify_identity": True} if authority else {"ssl_disabled": True}
try:
    with pymysql.connect(
        host=socket.gethostbyname(host) if by_address else host,
        user=user, password=password, **trust
    ) as one, one.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        print(cursor.fetchone()[1] or "plain")
except pymysql.Error as error:
    print("refused", error.args[0])
"""


def login(cluster: Cluster, user: str, authority: str, by_address: str = "") -> str:
    python = ("exec", "deploy/api", "--", "/opt/venv/bin/python", "-c", LOGIN)
    return cluster.kubectl(*python, user, authority, by_address).strip()


def roots(cluster: Cluster) -> list[str]:
    query = "SELECT host FROM mysql.user WHERE user = 'root';"
    return [row for row in sql(cluster, query, root=True).split() if row != "host"]


def test_the_api_talks_tls_and_the_server_takes_nothing_else(cluster: Cluster) -> None:
    user = cluster.project.settings.database.user
    assert "TLS" in login(cluster, user, AUTHORITY)
    assert login(cluster, user, "").startswith("refused")
    assert login(cluster, user, AUTHORITY, "by its address") == "refused 2003", "no such name in it"
    assert login(cluster, "root", AUTHORITY) == "refused 1045"
    assert roots(cluster) == ["localhost"]
    assert "✔ certificate" in cluster.inv("doctor", code=None).out


def test_the_key_is_the_servers_alone(cluster: Cluster) -> None:
    modes = cluster.kubectl(
        "exec", "mysql-0", "--", "stat", "-L", "-c", "%a", "/run/kubeup-tls/tls.key"
    )
    assert modes.strip() in ("400", "440")
    assert "tls.key" not in cluster.kubectl("exec", "deploy/api", "--", "ls", "/run/kubeup-tls")
    folder = cluster.state / "tls"
    kept = output("stat", "-c", "%a", str(folder / "ca.key"), str(folder / "tls.key"))
    assert kept.split() == ["600", "600"]


@pytest.mark.long
def test_one_that_an_older_kubeup_left_open_is_closed_while_somebody_writes(
    cluster: Cluster,
) -> None:
    file = cluster.state / "state.json"
    held = json.loads(file.read_text())
    file.write_text(json.dumps({**held, "guarded": False}))
    sql(
        cluster, "CREATE USER root@'%' IDENTIFIED BY 'rr'; GRANT ALL ON *.* TO root@'%';", root=True
    )
    assert "root from everywhere" in cluster.inv("doctor", code=1).out
    assert {"deploy/db", "deploy/api", "db/root", "db/tls"} <= {
        step["id"] for step in cluster.plan()
    }
    with Writer(cluster) as writer:
        cluster.up()
    assert writer.lost() == [] and writer.longest < 90
    assert roots(cluster) == ["localhost"] and cluster.plan() == []
    cluster.verify_until_ok()


@pytest.mark.long
def test_a_renewed_certificate_is_brought_to_both(cluster: Cluster) -> None:
    (cluster.state / "tls" / "tls.crt").unlink()
    assert {"secrets/certificate", "deploy/db"} <= {step["id"] for step in cluster.plan()}
    with Writer(cluster) as writer:
        cluster.up()
    assert writer.lost() == [] and cluster.plan() == []
