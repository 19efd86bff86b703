"""Machines of one's own, shared folders, ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from kubeup.cluster.providers.base import PROVIDERS
from kubeup.settings import Loaded, Problem
from kubeup.settings.providers import RULES, Provider, minikube

Load = Callable[..., Loaded]

HOSTS = """
provider: hosts
hosts:
  - {name: one, address: 10.1.1.1, role: control}
  - {name: two, address: two.example, user: admin, port: 2222}
"""


def test_the_nodes_are_the_machines(load_profile: Load) -> None:
    loaded = load_profile(HOSTS)
    assert loaded.problems == ()
    assert [(n.name, n.role, n.address) for n in loaded.require().nodes_list()] == [
        ("one", "control", "10.1.1.1"),
        ("two", "worker", "two.example"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        ("name: two", "name: one", "hosts.1.name", 8),
        ("two.example, user: admin, port: 2222", "10.1.1.1", "hosts.1.address", 8),
        ("two.example", "10.96.1.1", "hosts.1.address", 8),
        ("role: control", "role: worker", "hosts", 7),
        ("port: 2222", "port: 2222, role: control", "hosts", 7),
    ],
)
def test_wrong_machines(
    one_problem: Callable[..., Problem], old: str, new: str, key: str, line: int
) -> None:
    problem = one_problem(HOSTS.replace(old, new))
    assert (problem.severity, problem.key, problem.line) == ("error", key, line)


def test_one_machine_with_two_ssh_ports_may_be_two_nodes(load_profile: Load) -> None:
    assert load_profile(HOSTS.replace("two.example", "10.1.1.1")).problems == ()


def test_a_port_used_twice(one_problem: Callable[..., Problem]) -> None:
    problem = one_problem("ports:\n  api: 30500\n  ui: 30500")
    assert (problem.key, problem.line) == ("ports.ui", 7)
    assert "ports.api" in problem.found


@pytest.mark.parametrize(
    ("port", "why"),
    [(22, "SSH"), (3306, "the database"), (6443, "the API server"), (30001, "NodePorts")],
)
def test_a_port_of_the_nodes_own(one_problem: Callable[..., Problem], port: int, why: str) -> None:
    problem = one_problem(f"ports: {{http: {port}}}")
    assert (problem.key, problem.found) == ("ports.http", str(port)) and why in problem.why


@pytest.mark.parametrize("port", [0, 80, 8080])
def test_a_port_for_the_ui(load_profile: Load, port: int) -> None:
    found = load_profile(f"ports: {{http: {port}}}").require()
    assert found.ports.http == port and found.named("ports.http")


def test_unless_named_it_is_the_browsers_own(load_profile: Load) -> None:
    found = load_profile("ports: {ui: 30500}").require()
    assert found.ports.http == 80 and not found.named("ports.http")


def test_a_port_equal_to_the_others_default(one_problem: Callable[..., Problem]) -> None:
    assert one_problem("ports: {api: 30001}").line == 5


@pytest.mark.parametrize(
    ("path", "trap"),
    [
        ("/home/vagrant", 12),
        ("/home/vagrant/", 12),
        ("/home/./vagrant/../vagrant", 12),
        ("//home/vagrant", 12),
        ("/home", 12),
        ("/", 12),
        ("/home/vagrant/data", None),
        ("/home/vagrant2", None),
        ("/srv", None),
    ],
)
def test_a_folder_over_the_home_folder(load_profile: Load, path: str, trap: int | None) -> None:
    loaded = load_profile(
        f"provider: vagrant\nshared_folders: [{{host_path: ./a, vm_path: {path}}}]"
    )
    assert [p.trap for p in loaded.errors] == ([trap] if trap else [])


@pytest.mark.parametrize(
    ("host", "name"), [("./data", "data"), (".", "shared"), ("../..", "shared"), ("/", "shared")]
)
def test_the_folder_proposed(one_problem: Callable[..., Problem], host: str, name: str) -> None:
    keys = f"provider: vagrant\nshared_folders: [{{host_path: {host}, vm_path: /home/vagrant}}]"
    assert one_problem(keys).hint == f"take /home/vagrant/{name}"


def test_each_provider_that_may_be_named_has_its_rules() -> None:
    assert get_args(Provider) == tuple(RULES)
    assert set(PROVIDERS) <= set(RULES)


def test_minikube_follows_the_control_plane(load_profile: Load) -> None:
    settings = load_profile("nodes: {control: {cpu: 4, memory: 5000}}").require()
    assert (minikube.cpus(settings), minikube.memory(settings)) == (4, 5000)
    settings = load_profile("minikube: {cpus: 3, memory: 2000}").require()
    assert (minikube.cpus(settings), minikube.memory(settings)) == (3, 2000)


@pytest.mark.parametrize(
    ("prefix", "wanted"), [("", "localhost:5000/x"), ("team/a", "localhost:5000/team/a/x")]
)
def test_where_an_image_lives(load_profile: Load, prefix: str, wanted: str) -> None:
    settings = load_profile(f"images: {{registry: 'localhost:5000', prefix: '{prefix}'}}").require()
    assert settings.images.repository("x") == wanted
