"""Networks against each other and against a machine's routes."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeup.facts.host import Route
from kubeup.settings import Loaded, Problem, Settings, check_provider, check_routes
from kubeup.settings.checks.ranges import free_range
from kubeup.settings.sections import Network

PRIVATE = st.integers(0, 2**16 - 1).map(lambda n: 0x0A000000 + (n << 8))


def networks(smallest: int, largest: int) -> st.SearchStrategy[IPv4Network]:
    return st.builds(
        lambda at, size: IPv4Network((at, size), strict=False),
        PRIVATE,
        st.integers(smallest, largest),
    )


def routes(*rows: str) -> list[Route]:
    """From networks with the devices that lead there."""
    return [Route(IPv4Network(network), device) for network, device in map(str.split, rows)]


def settings(**keys: IPv4Network) -> Settings:
    return Settings(profile="dev", network=Network(**keys))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "key", "names"),
    [
        ("{pod_cidr: 10.96.0.0/12}", "network.service_cidr", "network.pod_cidr"),
        ("{service_cidr: 192.168.60.0/24}", "network.node_cidr", "network.service_cidr"),
        (
            "{node_cidr: 192.168.60.0/24, pod_cidr: 192.168.0.0/16}",
            "network.node_cidr",
            "network.pod_cidr",
        ),
    ],
)
def test_overlaps(one_problem: Callable[..., Problem], keys: str, key: str, names: str) -> None:
    problem = one_problem(f"network: {keys}")
    assert (problem.severity, problem.key, problem.line) == ("error", key, 5)
    assert names in problem.found
    assert problem.hint.startswith("free: ")


def test_the_nodes_network_counts_only_where_it_is_made(
    load_profile: Callable[..., Loaded],
) -> None:
    keys = "provider: minikube\nnetwork: {service_cidr: 192.168.60.0/24}"
    assert load_profile(keys).problems == ()


def test_workers_that_do_not_fit(one_problem: Callable[..., Problem]) -> None:
    problem = one_problem("network: {control_ip: 192.168.60.252}\nnodes: {workers: {count: 3}}")
    assert (problem.key, problem.line) == ("nodes.workers.count", 6)
    assert "3 workers after 192.168.60.252" in problem.found


def test_workers_that_just_fit(load_profile: Callable[..., Loaded]) -> None:
    loaded = load_profile("network: {control_ip: 192.168.60.252}\nnodes: {workers: {count: 2}}")
    assert loaded.require().nodes_list()[-1].address == "192.168.60.254"


def test_the_control_plane_outside_its_network(one_problem: Callable[..., Problem]) -> None:
    problem = one_problem("network: {node_cidr: 192.168.61.0/24}")
    assert (problem.key, problem.found) == ("network.control_ip", "192.168.60.10")
    assert problem.allowed == "192.168.61.2 to 192.168.61.254"


def test_a_pod_network_with_too_few_parts(one_problem: Callable[..., Problem]) -> None:
    problem = one_problem("network: {pod_cidr: 10.244.0.0/23}")
    assert "room for 2 nodes of 3" in problem.found


def test_the_last_address_of_all_is_no_exception(load_profile: Callable[..., Loaded]) -> None:
    assert load_profile("network: {control_ip: 255.255.255.254}").errors


class TestRoutes:
    def test_each_network_once_with_all_its_routes(self) -> None:
        found = routes("10.244.1.0/24 tun0", "10.244.2.0/24 tun1", "10.0.0.0/16 wg0")
        (problem,) = check_routes(settings(), found)
        assert "10.244.1.0/24 (tun0) and 10.244.2.0/24 (tun1)" in problem.found
        assert "wg0" not in problem.found

    def test_the_default_route_collides_with_nothing(self) -> None:
        assert check_routes(settings(), routes("0.0.0.0/0 eth0")) == []

    def test_the_nodes_own_bridge_is_no_collision_but_a_real_network_is(self) -> None:
        assert check_routes(settings(), routes("192.168.60.0/24 vboxnet0")) == []
        assert [p.key for p in check_routes(settings(), routes("192.168.60.0/24 eth0"))] == [
            "network.node_cidr"
        ]
        assert [p.key for p in check_routes(settings(), routes("192.168.0.0/16 docker0"))] == [
            "network.node_cidr"
        ]

    def test_own_machines_bring_their_own_network(self) -> None:
        assert check_routes(settings(), routes("192.168.60.0/24 eth0"), "hosts") == []

    def test_nothing_is_free_when_everything_is_taken(self) -> None:
        taken = [IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")]
        problems = check_routes(settings(), [Route(network, "tun0") for network in taken])
        assert [p.hint for p in problems] == ["", "", ""]


@given(networks(8, 24), networks(12, 28))
def test_overlapping_networks_are_refused_and_only_those(
    pods: IPv4Network, services: IPv4Network
) -> None:
    chosen = settings(pod_cidr=pods, service_cidr=services)
    found = [p for p in check_provider(chosen, "minikube") if "overlaps" in p.found]
    assert bool(found) == pods.overlaps(services)
    assert all(p.severity == "error" for p in found)


@given(networks(12, 28), st.lists(networks(9, 30), max_size=6))
def test_routes_that_overlap_are_refused_and_only_those(
    services: IPv4Network, taken: list[IPv4Network]
) -> None:
    chosen = settings(service_cidr=services)
    known = [Route(network, "eth0") for network in taken]
    found = {p.key for p in check_routes(chosen, known, "hosts")}
    wanted = {"network.service_cidr": services, "network.pod_cidr": chosen.network.pod_cidr}
    assert found == {
        key for key, network in wanted.items() if any(network.overlaps(other) for other in taken)
    }


@given(st.integers(8, 30), st.lists(networks(8, 30), max_size=12))
def test_a_free_range_is_free(size: int, taken: list[IPv4Network]) -> None:
    found = free_range(size, taken)
    # 10.0.0.0/8 may be taken, and no other range is that large
    assert found is not None or size < 10
    if found is not None:
        assert found.prefixlen == size
        assert not found.is_global
        assert not any(found.overlaps(network) for network in taken)


def test_a_free_range_is_found_at_once_behind_a_large_obstacle() -> None:
    taken = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12")]
    assert free_range(28, taken) == IPv4Network("192.168.0.0/28")
