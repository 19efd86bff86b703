"""Settings that can't be: told with their place and exit code 2, before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.harness import Cluster

pytestmark = pytest.mark.real

HEAD = "settings:\n  env: e2e\n  users:\n    e2e:\n"
BROKEN = {
    "a typo": (HEAD + "      nodes:\n        workers:\n          cuont: 2\n", "7", "count"),
    "too little memory": (
        HEAD + "      nodes:\n        control:\n          memory: 512\n",
        "7",
        "memory",
    ),
    "twice the same key": (
        HEAD + "      provider: local\n      provider: local\n",
        "6",
        "provider",
    ),
    "a version as a number": (HEAD + "      database:\n        version: 8.40\n", "6", "quotes"),
    "networks that overlap": (
        HEAD + "      network:\n        pod_cidr: 10.96.0.0/12\n",
        "6",
        "overlap",
    ),
    "a tab": (HEAD + "\tprovider: local\n", "5", "tab"),
    "no YAML": (HEAD + "      nodes: [\n", "", "YAML"),
    "an unknown profile": ("settings:\n  env: nobody\n  users:\n    e2e: {}\n", "2", "nobody"),
    "not text": (b"settings: \xff\xfe\n", "1", "UTF-8"),
    "a network that this machine has a route to": (
        HEAD + "      network:\n        pod_cidr: 192.0.2.0/24\n",
        "6",
        "192.0.2.0/24",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_settings_end_with_2_and_touch_nothing(
    cluster: Cluster, tmp_path: Path, name: str
) -> None:
    text, line, word = BROKEN[name]
    path = tmp_path / "settings.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = cluster.containers(), cluster.volumes(), cluster.networks(), len(cluster.journal)
    for words in (("up", "--yes"), ("down", "--data", "--yes")):
        ran = cluster.inv(*words, env={"KUBEUP_SETTINGS": str(path)}, code=2)
        assert "Traceback" not in ran.both
        assert word in ran.err and (f"{path}:{line}" if line else str(path)) in ran.err, str(ran)
        assert ran.err.startswith("error: ") and "  next: " in ran.err
    assert (
        cluster.containers(),
        cluster.volumes(),
        cluster.networks(),
        len(cluster.journal),
    ) == before


@pytest.mark.parametrize(("words", "env", "said"), [
    (("up", "--yes", "--set", "nodes.workers.cuont=3"), {}, "nodes.workers.count"),
    (("up", "--yes", "--set", "nodes.workers.count=many"), {}, "many"),
    (("up", "--yes"), {"KUBEUP_NODES__WORKERS__COUNT": "-1"}, "KUBEUP_NODES__WORKERS__COUNT"),
    (("up", "--yes"), {"KUBEUP_NODE__WORKERS__COUNT": "1"}, "KUBEUP_NODES__WORKERS__COUNT"),
    (("up", "--yes", "--profile", "nobody"), {}, "nobody"),
    (("up", "--yes"), {"KUBEUP_SETTINGS": "/nowhere/settings.yaml"}, "/nowhere/settings.yaml"),
    (("up", "--yes", "--set", "database.engine=oracle"), {}, "mariadb"),
])  # fmt: skip
def test_wrong_options_and_variables_end_with_2(
    cluster: Cluster, words: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    before = cluster.containers(), len(cluster.journal)
    ran = cluster.inv(*words, env=env, code=2)
    assert said in ran.err and "Traceback" not in ran.both
    assert (cluster.containers(), len(cluster.journal)) == before


def test_everything_wrong_is_told_at_once(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        HEAD
        + "      provider: cloud\n      nodes:\n        workers:\n          count: lots\n      "
        "ports:\n        ui: 80\n"
    )
    ran = cluster.inv("up", "--yes", env={"KUBEUP_SETTINGS": str(path)}, code=2)
    assert all(f"{path}:{line}:" in ran.err for line in (5, 8, 10)) and "3 errors" in ran.err
