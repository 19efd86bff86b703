"""One cluster on minikube for the tests of this folder, made once from nothing; those that break
more have one of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.beds.minikube import Bed, make
from tests.beds.ran import Ran
from tests.real.minikube.cluster import OnMinikube


@pytest.fixture(scope="session")
def bed() -> Bed:
    if os.geteuid() != 0:
        pytest.skip("minikube's nodes are privileged containers here: this needs root")
    return make(lambda line: None)


@pytest.fixture(scope="session")
def bare(
    bed: Bed, tmp_path_factory: pytest.TempPathFactory, standing_clusters: list[Any]
) -> Iterator[OnMinikube]:
    """The how-to's profile before it is there.

    What an earlier, killed run left is removed first.
    """
    one = OnMinikube(tmp_path_factory.mktemp("minikube") / "state", bed=bed)
    for earlier in (*standing_clusters, one):
        earlier.remove_everything()
    standing_clusters.append(one)
    yield one
    one.remove_everything()


@pytest.fixture(scope="session")
def first_up(bare: OnMinikube) -> Ran:
    return bare.inv("up", "--yes", code=None, timeout=1800)


@pytest.fixture
def cluster(bare: OnMinikube, first_up: Ran) -> OnMinikube:
    """The cluster as its settings want it: what an earlier test that failed left is mended
    first, at worst by a new one.
    """
    bare.mend()
    return bare


@pytest.fixture
def other(bed: Bed, bare: OnMinikube, tmp_path: Path) -> Iterator[OnMinikube]:
    """Another profile of minikube in the same home, for what must not touch the first."""
    one = OnMinikube(
        tmp_path / "state", bed=bed, name="kubeup-other", nodes=1, shared_home=bare.home
    )
    one.remove_everything()
    yield one
    one.remove_everything()
