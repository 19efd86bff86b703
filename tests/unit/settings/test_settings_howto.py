"""The how-to's own block, as it stands there."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kubeup.core.errors import SettingsError
from kubeup.facts.host import Route
from kubeup.settings import Loaded, Problem, check_provider, check_routes, load

HOWTO = Path(__file__).parents[1] / "data" / "settings" / "howto.yaml"
DOCKER0 = Route(IPv4Network("172.17.0.0/16"), "docker0")


def pasted(*sets: str) -> Loaded:
    return load(HOWTO, sets=sets, environ={})


def by_trap(loaded: Loaded) -> dict[int | None, list[Problem]]:
    found: dict[int | None, list[Problem]] = {}
    for problem in loaded.problems:
        found.setdefault(problem.trap, []).append(problem)
    return found


def test_every_value_is_read() -> None:
    settings = pasted().settings
    assert settings is not None
    assert settings.profile == "test_api"
    assert settings.cluster_name == "Kubernetes Cluster"
    assert settings.software.kubernetes == "1.26.1"
    assert settings.software.containerd == "1.5"
    assert settings.shared_folders[0].host_path == "./shared_folder"
    assert settings.ssh.password.get_secret_value() == "vagrant"
    assert settings.user_dir_path == "/home/aagustin"


def test_nodes_have_names_kubernetes_takes_and_the_addresses_after_control_ip() -> None:
    nodes = pasted().settings.nodes_list()  # type: ignore[union-attr]
    assert [(node.name, node.role, node.address) for node in nodes] == [
        ("test-api-control", "control", "192.168.100.171"),
        ("test-api-worker-1", "worker", "192.168.100.172"),
        ("test-api-worker-2", "worker", "192.168.100.173"),
    ]
    assert {(node.cpus, node.memory_mb) for node in nodes} == {(2, 4096)}


def test_as_pasted_only_warns() -> None:
    loaded = pasted()
    assert loaded.errors == ()
    assert sorted((p.trap, p.line, p.column) for p in loaded.problems) == [
        (1, 39, 19),
        (1, 40, 23),
        (3, 35, 21),
        (6, 50, 20),
        (12, 15, 20),
    ]
    assert loaded.require() is loaded.settings


def test_trap_1_host_bits_are_dropped_and_told() -> None:
    loaded = pasted()
    pod, service = by_trap(loaded)[1]
    network = loaded.require().network
    assert (network.pod_cidr, network.service_cidr) == (
        IPv4Network("172.16.0.0/16"),
        IPv4Network("172.17.0.0/18"),
    )
    assert (pod.severity, pod.key) == ("warning", "network.pod_cidr")
    assert "172.16.1.0/16" in pod.found
    assert "172.16.0.0/16" in pod.hint
    assert "172.17.0.0/18" in service.hint


def test_trap_2_docker0_names_the_route_and_a_free_range() -> None:
    settings = pasted().require()
    (problem,) = check_routes(settings, [DOCKER0])
    assert (problem.severity, problem.trap, problem.key) == ("error", 2, "network.service_cidr")
    assert (problem.file, problem.line) == (str(HOWTO), 40)
    assert "172.17.0.0/16 (docker0)" in problem.found
    free = IPv4Network(problem.hint.removeprefix("free here: "))
    taken = [IPv4Network("172.17.0.0/16"), settings.network.pod_cidr, settings.node_network]
    assert free.prefixlen == 18
    assert not any(free.overlaps(network) for network in taken)


def test_trap_2_is_nothing_without_docker_or_with_a_cluster_that_has_its_networks() -> None:
    settings = pasted().require()
    assert check_routes(settings, [Route(IPv4Network("192.168.1.0/24"), "eth0")]) == []
    assert check_routes(settings, [DOCKER0], "existing") == []


def test_trap_3_outside_what_virtualbox_allows() -> None:
    (problem,) = by_trap(pasted("provider=vagrant"))[3]
    assert (problem.severity, problem.key, problem.line) == ("warning", "network.control_ip", 35)
    assert problem.allowed == "192.168.56.0/21"
    assert "192.168.100.0/24" in problem.hint


@pytest.mark.parametrize(
    "sets", [("provider=local",), ("provider=vagrant", "vagrant.provider=libvirt")]
)
def test_trap_3_concerns_virtualbox_only(sets: tuple[str, ...]) -> None:
    assert 3 not in by_trap(pasted(*sets))


@pytest.mark.parametrize(
    ("provider", "severity"),
    [("vagrant", "error"), ("auto", "warning"), ("local", "warning"), ("minikube", "warning")],
)
def test_trap_6_old_containerd_is_refused_where_it_would_be_installed(
    provider: str, severity: str
) -> None:
    (problem,) = by_trap(pasted(f"provider={provider}"))[6]
    assert (problem.severity, problem.key, problem.line) == (severity, "software.containerd", 50)
    assert problem.allowed == "1.6 or newer"
    assert "CRI v1" in problem.why


def test_trap_6_on_own_machines() -> None:
    hosts = "hosts=[{name: one, address: 10.1.1.1, role: control}]"
    (problem,) = by_trap(pasted("provider=hosts", hosts))[6]
    assert problem.severity == "error"


@pytest.mark.parametrize(
    ("provider", "severity"), [("vagrant", "error"), ("auto", "warning"), ("local", "warning")]
)
def test_trap_12_the_home_folder_is_not_shared(provider: str, severity: str) -> None:
    (problem,) = by_trap(pasted(f"provider={provider}"))[12]
    assert (problem.severity, problem.key, problem.line) == (
        severity,
        "shared_folders.0.vm_path",
        15,
    )
    assert "/home/vagrant/shared_folder" in problem.hint
    assert "authorized_keys" in problem.why


def test_what_auto_became_is_checked_again() -> None:
    problems = check_provider(pasted().require(), "vagrant")
    assert {p.trap for p in problems if p.severity == "error"} == {6, 12}


def test_with_errors_nothing_goes_on() -> None:
    with pytest.raises(SettingsError) as caught:
        pasted("provider=vagrant").require()
    assert caught.value.what == "the settings have 2 errors"
    assert [line.split(":")[1] for line in caught.value.why.splitlines()] == ["15", "50"]
    assert {problem.trap for problem in caught.value.problems} == {6, 12}  # type: ignore[attr-defined]


def test_messages_need_no_number_to_be_understood() -> None:
    assert not any("trap" in str(problem) for problem in pasted("provider=vagrant").problems)
