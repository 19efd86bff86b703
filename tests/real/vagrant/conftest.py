"""One cluster on Vagrant's machines for the tests of this folder, made once from nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.ran import Ran
from tests.beds.vagrant import Bed, make
from tests.real.vagrant.machines import OnVagrant


@pytest.fixture(scope="session")
def bed() -> Bed:
    if os.geteuid() != 0:
        pytest.skip("Vagrant's machines are privileged containers here: this needs root")
    return make(lambda line: None)


@pytest.fixture(scope="session")
def bare(
    bed: Bed, tmp_path_factory: pytest.TempPathFactory, standing_clusters: list[Any]
) -> Iterator[OnVagrant]:
    """The profile before it is there. What an earlier, killed run left is removed first."""
    one = OnVagrant(tmp_path_factory.mktemp("vagrant") / "state", bed=bed)
    for earlier in (*standing_clusters, one):
        earlier.remove_everything()
    standing_clusters.append(one)
    yield one
    one.remove_everything()


@pytest.fixture(scope="session")
def first_up(bare: OnVagrant) -> Ran:
    return bare.inv("up", "--yes", code=None, timeout=1800)


@pytest.fixture
def cluster(bare: OnVagrant, first_up: Ran) -> OnVagrant:
    """The cluster as its settings want it: what an earlier test that failed left is mended
    first, at worst by a new one.
    """
    bare.mend()
    return bare


@pytest.fixture
def lone(bed: Bed, tmp_path: Path) -> Iterator[OnVagrant]:
    """Another profile of one machine, for what must not touch the first."""
    one = OnVagrant(tmp_path / "state", bed=bed, name="vh", workers=0)
    one.remove_everything()
    yield one
    one.remove_everything()
