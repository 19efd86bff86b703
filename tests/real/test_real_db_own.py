"""A machine of the database's own beside the nodes: made, moved to, found again, and removed by
name.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubeup.core.record import VM
from tests.real.dbwork import Writer, bring_to, sums
from tests.real.harness import LINES, NODES, Cluster, mended

pytestmark = [pytest.mark.real, pytest.mark.long]

OWN, ADDRESS = "e2e-db", "192.168.62.9"
COUNT, MACHINE = "KUBEUP_NODES__DATABASE__COUNT", "KUBEUP_DATABASE__VM"


@pytest.fixture(autouse=True)
def wanted(standing: Cluster) -> Iterator[None]:
    before = standing.environment.pop(MACHINE, None)
    standing.environment[COUNT] = "1"
    yield
    del standing.environment[COUNT]
    standing.environment |= {MACHINE: before} if before else {}


@pytest.fixture
def cluster(wanted: None, cluster: Cluster) -> Cluster:
    return cluster


@pytest.fixture
def without(cluster: Cluster) -> None:
    """That machine is not there."""
    cluster.inv("cluster.remove", OWN, "--yes")


@pytest.fixture
def on_it(cluster: Cluster) -> None:
    """The database is on it, and no longer in the cluster."""
    bring_to(cluster, VM)


@pytest.mark.usefixtures("without")
def test_it_is_made_beside_the_nodes_and_is_none(standing: Cluster) -> None:
    before = standing.containers()
    assert [
        step["id"] for step in standing.plan() if step["id"].startswith(("node/", "cluster/prov"))
    ] == ["node/e2e-db"]
    standing.inv("db.vm", "--yes")
    assert standing.containers().items() - before.items() == {(OWN, standing.containers()[OWN])}
    assert standing.ready_nodes() == set(NODES)
    assert standing.inv("ssh.run", "hostname", "--role", "db").out.split() == [f"{OWN}:", "ok", OWN]
    assert OWN in standing.inv("status").out and OWN in standing.inv("diagram").out
    assert "Nothing to do." in standing.up().out


def test_the_rows_go_there_and_stay_over_down_and_up(cluster: Cluster) -> None:
    number, before = cluster.add_product("goes to a machine of its own"), sums(cluster)
    with Writer(cluster) as writer:
        cluster.inv("db.move", "vm", "--yes")
    assert writer.lost() == [] and sums(cluster)["products"][0] > before["products"][0]
    assert (
        ADDRESS in cluster.on(OWN, "ss -Hltn sport = :3306")
        and "Nothing to do." in cluster.inv("db.vm").out
    )
    assert OWN in cluster.verify_until_ok()["storage"]["detail"] and cluster.plan() == []
    cluster.inv("db.move", "vm", "--drop-old", "--yes")
    cluster.inv("down", "--yes")
    cluster.up()
    assert (
        writer.lost() == []
        and cluster.product(number)["name"] == "goes to a machine of its own"
        and cluster.plan() == []
    )


@pytest.mark.usefixtures("on_it")
def test_what_would_part_it_from_its_data_is_refused(cluster: Cluster) -> None:
    assert (
        f"the settings do without {OWN}" in cluster.inv("up", "--yes", env={COUNT: "0"}, code=3).err
    )
    assert (
        f"its data are on {OWN}"
        in cluster.inv("up", "--yes", env={MACHINE: "worker-1"}, code=3).err
    )
    assert (
        f"the database's data lie on {OWN}"
        in cluster.inv("cluster.remove", OWN, "--yes", code=3).err
    )


@pytest.mark.usefixtures("on_it")
def test_moved_back_it_goes_by_name_alone(cluster: Cluster) -> None:
    before = sums(cluster)
    cluster.inv("db.move", "cluster", "--yes")
    assert (
        f"the database's data lie on {OWN}"
        in cluster.inv("cluster.remove", OWN, "--yes", code=3).err
    )
    cluster.inv("db.move", "cluster", "--drop-old", "--yes")
    cluster.inv("cluster.remove", OWN, "--yes")
    assert sums(cluster) == before and set(cluster.containers()) == set(NODES)
    assert cluster.inv("plan", "--json", env={COUNT: "0"}).json == []


def test_a_first_up_puts_the_database_there(cluster: Cluster) -> None:
    cluster.inv("down", "--data", "--yes")
    cluster.environment["KUBEUP_DATABASE__ON"] = "vm"
    with mended(
        lambda: cluster.inv("down", "--data", "--yes"),
        lambda: cluster.environment.pop("KUBEUP_DATABASE__ON"),
    ):
        ran = cluster.up()
        assert ran.out.count(" ✔ ") == len(LINES) and cluster.plan() == []
        assert cluster.objects("pods", "-l", "app=db") == [] and "healthy" in cluster.on(
            OWN, "docker ps"
        )
        number = cluster.add_product("never in the cluster")
        cluster.inv("down", "--yes")
        cluster.up()
        assert cluster.product(number)["name"] == "never in the cluster" and cluster.plan() == []
    assert cluster.volumes() == set()
