"""One cluster for all tests here: brought up once from nothing, at the end taken down again.

KUBEUP_TEST_STATE=<folder> keeps it (and its state, in that folder) from one run of pytest to the
next.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from kubeup.core.record import CLUSTER, VM
from kubeup.core.state import PROJECT
from kubeup.system import packages, secrets
from tests.beds.ran import Ran
from tests.real.browsing import FLAGS
from tests.real.dbwork import bring_to
from tests.real.harness import AS_ROOT, PROFILE, Cluster, Watcher

# what destroys most comes last, as it takes longest to mend: no test builds on another.
# KUBEUP_TEST_SEED=<number> shuffles them
ORDER = (
    "up",
    "slow",
    "nodes",
    "browser",
    "cis",
    "bom",
    "nodes_by_ssh",
    "proxy",
    "reach",
    "policies",
    "profiles",
    "broken",
    "causes",
    "bad_settings",
    "drift",
    "interrupted",
    "registry",
    "trust",
    "db_backup",
    "db_schedule",
    "db_rotate",
    "db_move",
    "db_killed",
    "db_own",
    "data",
    "mariadb",
    "farewell",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        name = item.path.stem.removeprefix("test_real_")
        return (
            ORDER.index(name)
            if item.path.parent == Path(__file__).parent and name in ORDER
            else len(ORDER)
        )

    items.sort(key=place)
    if seed := os.environ.get("KUBEUP_TEST_SEED", ""):
        shuffle(items, random.Random(seed))  # noqa: S311 - no secret


def shuffle(items: list[pytest.Item], dice: random.Random) -> None:
    """Files in any order, and the tests of each: what a file's tests share is made once."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    for tests in files.values():
        dice.shuffle(tests)
    order = list(files)
    dice.shuffle(order)
    items[:] = [item for path in order for item in files[path]]


@dataclass(frozen=True)
class Brought:
    """What was seen before anything was there, and how the cluster came up."""

    before: dict[str, Any]
    after_looking: dict[str, Any]
    dry: Ran
    data: list[dict[str, Any]]
    up: Ran
    seen_passwords: list[str]


def everything(cluster: Cluster) -> dict[str, Any]:
    """All that a task may have made."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kubeup")
    return {
        "containers": cluster.containers(),
        "volumes": cluster.volumes(),
        "networks": cluster.networks(),
        "state": sorted(str(path) for path in cluster.folder.rglob("*"))
        if cluster.folder.exists()
        else None,
        "cache": sorted(str(path) for path in folder.glob("*/*")),
        "env": env_file(),
    }


def env_file() -> str:
    path = PROJECT / ".env"
    return path.read_text() if path.exists() else ""


@pytest.fixture(scope="session")
def standing_clusters() -> list[Any]:
    """Those of folders whose tests have run: whoever makes another one takes them down first, as
    three at once are too much for two cores.
    """
    return []


@pytest.fixture(scope="session")
def nothing(
    tmp_path_factory: pytest.TempPathFactory, standing_clusters: list[Any]
) -> Iterator[Cluster]:
    """The profile before its cluster is there.

    What an earlier, killed run left is removed first.
    """
    if AS_ROOT and subprocess.run((*AS_ROOT, "true"), check=False).returncode:
        pytest.skip(
            "nodes are root's containers: this needs root, or a sudo that asks for no password"
        )
    kept = os.environ.get("KUBEUP_TEST_STATE", "")
    cluster = Cluster(Path(kept) if kept else tmp_path_factory.mktemp("kubeup") / "state")
    if not shutil.which("podman"):
        install("podman", "runc", "netavark", "aardvark-dns")
    if not kept:
        cluster.remove_everything()
        standing_clusters.append(cluster)
    yield cluster
    if not kept:
        cluster.remove_everything()


@pytest.fixture(scope="session")
def brought(nothing: Cluster) -> Brought:
    """Look twice, then bring up, while somebody watches the process list for passwords."""
    cluster = nothing
    before = everything(cluster)
    dry, data = cluster.inv("up", "--dry"), cluster.inv("up", "--dry", "--json").json
    after = everything(cluster)
    with Watcher(passwords_in_use) as watcher:
        up = cluster.inv("up", "--yes", timeout=3600, code=None)
    return Brought(before, after, dry, data, up, watcher.seen)


@pytest.fixture
def fresh(brought: Brought) -> Brought:
    """How the cluster came up, where this run has brought it up from nothing."""
    if brought.before["containers"]:
        pytest.skip("the cluster is kept from an earlier run (KUBEUP_TEST_STATE)")
    return brought


@pytest.fixture(scope="session")
def standing(nothing: Cluster, brought: Brought) -> Cluster:
    return nothing


@pytest.fixture
def on_either_side(standing: Cluster) -> Cluster:
    """The cluster as its settings want it: what an earlier test left is mended, at worst by a
    new one.
    """
    standing.mend()
    return standing


@pytest.fixture
def cluster(on_either_side: Cluster) -> Cluster:
    """With the database in it."""
    bring_to(on_either_side, CLUSTER)
    return on_either_side


@pytest.fixture
def on_machine(on_worker_2: None, cluster: Cluster) -> None:
    """The database is on that machine when the test begins."""
    bring_to(cluster, VM)


def passwords_in_use() -> list[str]:
    found = secrets.read(PROJECT / ".env")
    return [found[name] for name in secrets.PASSWORDS if name in found]


@pytest.fixture
def passwords() -> list[str]:
    """Those in use when the test begins: others before it may have changed them."""
    return passwords_in_use()


@pytest.fixture(scope="session")
def ever() -> list[str]:
    """Every password that was in use at any time of this run."""
    return []


@pytest.fixture
def on_worker_2(standing: Cluster) -> Iterator[None]:
    """The machine of the database is another node than the volume's, so that nothing is reached
    by chance.
    """
    standing.environment["KUBEUP_DATABASE__VM"] = "worker-2"
    yield
    del standing.environment["KUBEUP_DATABASE__VM"]


@pytest.fixture
def artifacts(request: pytest.FixtureRequest) -> Path:
    """A folder for what helps to understand a failure; it outlives the run."""
    folder = Path(
        os.environ.get("KUBEUP_TEST_ARTIFACTS", "/tmp/kubeup-artifacts"), request.node.name
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        install("chromium", "fonts-dejavu-core")
        path = shutil.which("chromium")
    assert path, "Debian's chromium could not be installed"
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def registry_tool() -> str:
    missing = [
        package
        for package, tool in (("docker-registry", "docker-registry"), ("apache2-utils", "htpasswd"))
        if not shutil.which(tool)
    ]
    if missing:
        install(*missing)
    path = shutil.which("docker-registry")
    assert path, "Debian's docker-registry could not be installed"
    return path


def install(*names: str) -> None:
    packages.Install(names, AS_ROOT).run(lambda line: None)


__all__ = ["PROFILE", "Brought"]
