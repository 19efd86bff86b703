"""At the end: what all the tests before printed and left holds no password, and nothing of the
profile stays.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from pathlib import Path

import httpx
import pytest

from kubeup.core.state import PROJECT
from tests.real.conftest import Brought
from tests.real.harness import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long]


def test_no_password_was_ever_printed(
    cluster: Cluster, passwords: list[str], ever: list[str]
) -> None:
    assert len(passwords) == 2 and all(len(value) >= 20 for value in passwords)
    cluster.inv("config.show")
    cluster.inv("deploy.logs", "db")
    cluster.inv("deploy.logs", "api")
    cluster.inv("plan", "--commands", "--set", "database.storage=2Gi", code=None)
    for ran in cluster.printed:
        for value in {*passwords, *ever}:
            assert value not in ran.both, ran.argv


def test_passwords_lie_in_env_alone(
    cluster: Cluster, passwords: list[str], ever: list[str]
) -> None:
    values = [value.encode() for value in {*passwords, *ever}]
    holding = [
        path
        for path in cluster.folder.rglob("*")
        if path.is_file() and any(value in path.read_bytes() for value in values)
    ]
    assert holding == []
    env = cluster.project.state.secrets
    assert env.stat().st_mode & 0o777 == 0o600
    journal = (cluster.state / "journal.jsonl").read_text()
    assert not any(value in journal for value in {*passwords, *ever})


def test_nobody_else_can_enter_what_decides(cluster: Cluster) -> None:
    """A folder that is closed holds all that is in it, the files of tools as well."""
    found = [path for path in (cluster.state, *cluster.state.iterdir()) if not path.is_symlink()]
    open_ = [path.name for path in found if path.stat().st_mode & 0o022]
    assert open_ == [] and cluster.state.stat().st_mode & 0o777 == 0o700
    for name in ("lock", "journal.jsonl", "state.json", "known_hosts", "kubeconfig"):
        assert (cluster.state / name).stat().st_mode & 0o777 == 0o600, name


def test_what_a_stranger_writes_to_a_log_is_no_command_to_a_terminal(cluster: Cluster) -> None:
    """Whoever may ask the UI for a page has its address logged; a file gets it as it was."""
    port, attack = cluster.project.settings.ports.ui, "%1b]52;c;eA==%07"
    httpx.get(f"http://{cluster.address}:{port}/products?q={attack}", timeout=10)
    for part in ("api", "ui", "db"):
        command = shlex.join((str(PROJECT / "inv"), "deploy.logs", part))
        seen = subprocess.run(  # on a terminal
            ("script", "--quiet", "--return", "--command", command, "/dev/null"),
            env=cluster.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout
        assert seen.strip() and b"\x1b" not in seen and b"\x07" not in seen


def test_no_process_had_a_password_among_its_arguments(brought: Brought) -> None:
    assert brought.seen_passwords == []


def test_in_the_cluster_passwords_are_in_the_secret_alone(
    cluster: Cluster, passwords: list[str], ever: list[str]
) -> None:
    kinds = (
        "deployments,statefulsets,pods,configmaps,services,events,replicasets,controllerrevisions"
    )
    text = cluster.kubectl("get", kinds, "--all-namespaces", "-o", "yaml", "--show-managed-fields")
    for value in {*passwords, *ever}:
        assert value not in text and hashlib.sha256(value.encode()).hexdigest()[:12] not in text
    for name in ("e2e-control", "e2e-worker-1", "e2e-worker-2"):
        found = cluster.on(name, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '", check=False)
        assert not any(value in found for value in {*passwords, *ever}), name


def test_down_with_data_leaves_nothing_of_this_profile_alone(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    own = Path.home() / ".kube" / "config"
    before = own.read_bytes() if own.exists() else b""
    others = set(cluster.podman("ps", "--all", "--quiet", "--no-trunc").split()) - set(
        cluster.containers().values()
    )
    # what another profile of this very checkout, and this profile of another checkout, kept when
    # they went down
    kept = {
        "e2e-sister-data": ("sister", str(cluster.project.state.ours)),
        "e2e-elsewhere-data": ("e2e", "/another/checkout"),
    }
    for name, (profile, project) in kept.items():
        cluster.podman(
            "volume",
            "create",
            "--label",
            f"kubeup.profile={profile}",
            "--label",
            f"kubeup.project={project}",
            name,
        )
    # a stranger's, with a name that a node's disk would have
    cluster.podman("volume", "create", "e2e-worker-9-var")
    request.addfinalizer(lambda: cluster.podman("volume", "rm", "e2e-worker-9-var"))
    request.addfinalizer(lambda: [cluster.podman("volume", "rm", name) for name in kept])
    # a node whose making was cut off: ours, by its labels
    labels = ("kubeup.profile=e2e", f"kubeup.project={cluster.project.state.ours}")
    words = [word for label in labels for word in ("--label", label)]
    cluster.podman("volume", "create", *words, "e2e-worker-8-var")
    ran = cluster.inv("down", "--data", "--yes")
    assert "look that all of it is gone" in ran.out and "inv cache.show" in ran.out
    assert "e2e-worker-9-var" in cluster.podman("volume", "ls", "--quiet").split()
    assert "e2e-worker-8-var" not in cluster.podman("volume", "ls", "--quiet").split()
    assert set(kept) <= set(cluster.podman("volume", "ls", "--quiet").split())
    cluster.podman("volume", "rm", "e2e-elsewhere-data")
    del kept["e2e-elsewhere-data"]
    assert cluster.containers() == {} and cluster.volumes() == set() and cluster.networks() == set()
    # other profiles' nodes still run
    assert others <= set(cluster.podman("ps", "--all", "--quiet", "--no-trunc").split())
    assert (own.read_bytes() if own.exists() else b"") == before
    assert "Nothing to do." in cluster.inv("down", "--data", "--yes").out
