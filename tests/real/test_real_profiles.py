"""What a machine holds, and what is handed to who helps, with a cluster that runs."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from kubeup.system import cache
from tests.real.harness import NODES, WORKER_1, Cluster

pytestmark = pytest.mark.real


def test_a_profile_is_listed_with_what_it_has(cluster: Cluster) -> None:
    found = cluster.inv("profiles", "--json").json
    (own,) = [row for row in found["profiles"] if row["profile"] == cluster.profile]
    assert own["machines"] == dict.fromkeys(NODES, "running") and own["provider"] == "local"
    assert own["memory"] > 0 and own["disk"] > 0 and not own["gone"]
    assert found["untold"] == {} and any("kubeup-disk-" in name for name in found["shared"])
    assert cluster.profile in cluster.inv("profiles").out


def test_a_checkout_that_is_gone_is_named_with_the_way_out(
    cluster: Cluster, request: pytest.FixtureRequest
) -> None:
    labels = ("kubeup.profile=lost", "kubeup.project=/a/checkout/that/is/gone")
    words = [word for label in labels for word in ("--label", label)]
    cluster.podman("volume", "create", *words, "lost-control-data")
    request.addfinalizer(lambda: cluster.podman("volume", "rm", "lost-control-data"))
    shown = cluster.inv("profiles").out
    assert "/a/checkout/that/is/gone (gone)" in shown
    assert "`inv state.repair --profile lost`" in shown


def test_nothing_that_the_cluster_uses_is_freed(cluster: Cluster) -> None:
    cluster.inv("up", "--yes")  # which notes what it uses
    parts = cluster.inv("cache.show", "--json").json
    used = {part["part"] for part in parts if cluster.profile in part["by"]}
    kubectl = Path(cluster.kubectl_path).parent
    assert str(kubectl.relative_to(cache.folder())) in used
    assert {part.partition("/")[0] for part in used} >= {"release", "images", "rootfs"}
    shown = cluster.inv("cache.prune", "--all", "--dry", "--commands").out
    assert not [part for part in used if f"{cache.folder()}/{part}\n" in shown]


def test_no_password_is_in_what_is_handed_to_who_helps(
    cluster: Cluster, passwords: list[str], tmp_path: Path
) -> None:
    cluster.kubectl("run", "failing", "--image=localhost/none:1", "--restart=Never")
    try:
        ran = cluster.inv("support", "--yes", "--to", str(tmp_path / "help.tar.gz"))
    finally:
        cluster.kubectl("delete", "pod", "failing", "--now")
    assert (tmp_path / "help.tar.gz").stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "help.tar.gz") as tar:
        files = {
            entry.name.partition("/")[2]: tar.extractfile(entry).read().decode()  # type: ignore[union-attr]
            for entry in tar.getmembers()
        }
    assert "logs/default-failing.log" in files and f"nodes/{WORKER_1}.log" in files
    assert WORKER_1 in files["cluster/objects.txt"] and "kubelet" in files[f"nodes/{WORKER_1}.log"]
    keys = (cluster.state / "id_rsa").read_text().splitlines()[1:-1]
    config = (cluster.state / "kubeconfig").read_text().split()
    secret = {*passwords, *keys, *(word for word in config if len(word) > 200)}
    for name, text in {**files, "printed": ran.both}.items():
        assert not [value for value in secret if value in text], name
        assert "PRIVATE KEY" not in text and "BEGIN CERT" not in text, name
