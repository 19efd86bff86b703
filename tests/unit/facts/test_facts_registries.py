"""How registries are asked: containerd's and podman's files (pulled through in test_real_trust)."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from kubeup.facts import registries
from kubeup.facts.registries import Registry, hosts_toml, registries_conf

HUB = {"docker.io": ["https://mirror.example.com", "https://harbor.example.com/hub/"]}


def test_docker_hub_is_asked_under_its_servers_name() -> None:
    (hub,) = registries.registries(HUB, [])
    assert hub == Registry(
        "docker.io",
        "https://registry-1.docker.io",
        ("https://mirror.example.com", "https://harbor.example.com/hub"),
    )
    text = hosts_toml(hub)
    assert text.startswith(registries.MARK + "\n") and text.endswith("\n")
    found = tomllib.loads(text)
    assert found["server"] == "https://registry-1.docker.io"
    assert list(found["host"].items()) == [
        ("https://mirror.example.com", {"capabilities": ["pull", "resolve"]}),
        (
            "https://harbor.example.com/v2/hub",
            {"capabilities": ["pull", "resolve"], "override_path": True},
        ),
    ]


def test_a_registry_without_tls_is_its_own_host() -> None:
    (plain,) = registries.registries({}, ["10.0.0.7:5000"])
    found = tomllib.loads(hosts_toml(plain))
    assert found["server"] == "http://10.0.0.7:5000" and list(found["host"]) == [
        "http://10.0.0.7:5000"
    ]


def test_one_without_tls_that_has_a_mirror_is_named_once() -> None:
    (both,) = registries.registries(
        {"10.0.0.7:5000": ["http://10.0.0.8:5000"], "quay.io": []}, ["10.0.0.7:5000"]
    )
    found = tomllib.loads(hosts_toml(both))
    assert found["server"] == "http://10.0.0.7:5000" and list(found["host"]) == [
        "http://10.0.0.8:5000"
    ]


def test_podman_asks_mirrors_and_keeps_what_its_user_wrote() -> None:
    known = registries.registries({**HUB, "quay.io": ["http://10.0.0.8:5000"]}, ["10.0.0.7:5000"])
    own = (
        'unqualified-search-registries = ["quay.io"]\n'
        '[[registry]]\nprefix = "docker.io"\nlocation = "users.example.com"'
    )
    found = tomllib.loads(registries_conf(known, own))
    assert found["unqualified-search-registries"] == ["quay.io"]
    assert found["registry"] == [
        {"prefix": "docker.io", "location": "users.example.com"},
        {"location": "quay.io", "mirror": [{"location": "10.0.0.8:5000", "insecure": True}]},
    ]
    (hub, _) = tomllib.loads(registries_conf(known, ""))["registry"]
    assert hub == {
        "location": "docker.io",
        "mirror": [{"location": "mirror.example.com"}, {"location": "harbor.example.com/hub"}],
    }


def test_a_file_that_podman_cant_read_is_not_built_upon() -> None:
    with pytest.raises(ValueError, match="line"):
        registries_conf(registries.registries(HUB, []), "[[registry\n")


def test_where_mirrors_have_what_a_registry_has() -> None:
    url = "https://registry-1.docker.io/v2/library/python/manifests/3"
    assert registries.mirrored(url, HUB) == (
        "https://mirror.example.com/v2/library/python/manifests/3",
        "https://harbor.example.com/v2/hub/library/python/manifests/3",
    )
    assert registries.mirrored("https://quay.io/v2/a/manifests/1", HUB) == ()


@pytest.mark.parametrize(
    ("host", "is_private"),
    [
        ("10.0.0.7:5000", True),
        ("localhost", True),
        ("mirror.example.com", False),
        ("8.8.8.8:80", False),
    ],
)
def test_private_addresses(host: str, is_private: bool) -> None:
    assert registries.private(host) is is_private


MIRRORED = registries.registries(HUB, [])


def told(folder: Path, *known: Registry) -> None:
    """Run the script for a node, for real, with its folders below another one."""
    text = registries.script(known).replace("/etc/", f"{folder}/")
    subprocess.run(["sh", "-s"], input=text, text=True, check=True, capture_output=True)


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "containerd" / "certs.d" / "docker.io").mkdir(parents=True)
    (tmp_path / "containerd" / "certs.d" / "docker.io" / "hosts.toml").write_text("server = 1\n")
    (tmp_path / "containers" / "registries.conf.d").mkdir(parents=True)
    return tmp_path


@pytest.mark.processes
def test_a_node_is_told_and_what_was_there_comes_back(etc: Path) -> None:
    certs, crio = etc / "containerd" / "certs.d", etc / "containers" / "registries.conf.d"
    quay = Registry("quay.io", "https://quay.io", ("https://q.example.com",))
    plain = Registry("10.0.0.7:5000", "http://10.0.0.7:5000", ())
    for _ in range(2):
        told(etc, *MIRRORED, quay, plain)
        assert (certs / "docker.io" / "hosts.toml").read_text() == hosts_toml(MIRRORED[0])
        assert (certs / "quay.io" / "hosts.toml").read_text() == hosts_toml(quay)
        assert not (certs / "10.0.0.7:5000").exists(), "minikube tells its nodes of these"
        found = tomllib.loads((crio / "kubeup.conf").read_text())["registry"]
        assert [row["location"] for row in found] == ["docker.io", "quay.io"]
    told(etc, quay)
    assert (certs / "docker.io" / "hosts.toml").read_text() == "server = 1\n"
    told(etc)
    left = sorted(str(path.relative_to(etc)) for path in etc.rglob("*") if path.is_file())
    assert left == ["containerd/certs.d/docker.io/hosts.toml"]


@pytest.mark.processes
def test_a_node_without_such_runtimes_is_left_alone(tmp_path: Path) -> None:
    told(tmp_path, *MIRRORED)
    assert list(tmp_path.iterdir()) == []


def test_dockerd_takes_mirrors_without_a_path() -> None:
    assert registries.unplaced(HUB["docker.io"]) == "https://mirror.example.com"
    assert registries.unplaced(HUB["docker.io"][1:]) == registries.unplaced([]) == ""
