"""The how-to's distribution, Ubuntu 22.04: the play installs everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.vagrant import make
from tests.real.vagrant.machines import OnVagrant

pytestmark = [pytest.mark.real, pytest.mark.long]

NODES = ["vh-control", "vh-worker-1"]


@pytest.fixture
def ubuntu(tmp_path: Path) -> Iterator[OnVagrant]:
    one = OnVagrant(
        tmp_path / "state", bed=make(lambda line: None, ubuntu=True), name="vh", workers=1
    )
    one.remove_everything()
    yield one
    one.remove_everything()


def test_a_cluster_on_ubuntu(ubuntu: OnVagrant) -> None:
    ubuntu.inv("cluster.vagrant", "--yes", timeout=1800)
    assert "Ubuntu 22.04" in ubuntu.on(
        NODES[0], "cat /etc/os-release"
    ) and ubuntu.ready_nodes() == set(NODES)
    assert ubuntu.changed() == dict.fromkeys(NODES, 0) and ubuntu.changed(
        "--check"
    ) == dict.fromkeys(NODES, 0)
    assert "Nothing to do." in ubuntu.inv("cluster.vagrant").out
    ubuntu.power_cut()
    ubuntu.inv("cluster.vagrant", "--yes")
    assert ubuntu.ready_nodes() == set(NODES)
