from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import IPv4Network

from builders import recorded

from kubeup.facts.containers import containers, networks


def test_podman_nodes() -> None:
    control, worker = containers(recorded("local/podman_inspect_nodes.json"))
    assert (control.name, worker.name) == ("dev-control", "dev-worker-1")
    assert (control.address, worker.address) == ("192.168.60.10", "192.168.60.11")
    assert worker.state == "running"
    assert worker.cpus == 2.0
    assert worker.memory == 4096
    assert worker.image.startswith("localhost/kubeup/node:")
    assert worker.label("kubeup.role") == "worker"
    assert control.label("kubeup.role") == "control"
    assert worker.label("kubeup.project") == "/home/ana/kubeup"
    assert worker.label("somebody.else") == ""


def test_docker_writes_a_slash_before_the_name_and_keeps_the_wanted_address_elsewhere() -> None:
    running, stopped = containers(recorded("local/docker_inspect.json"))
    assert running.name == "dev-worker-1"
    assert running.address == "192.168.60.11"
    assert running.cpus == 1.5
    assert running.memory == 2048
    assert running.state == "running"
    assert (stopped.name, stopped.state, stopped.address) == (
        "dev-worker-2",
        "exited",
        "192.168.60.11",
    )


def test_a_stopped_podman_node() -> None:
    (stopped,) = containers(recorded("local/podman_inspect_stopped.json"))
    assert stopped.state == "exited"
    assert stopped.cpus == 2.0
    assert stopped.memory == 4096
    assert stopped.label("kubeup.profile") == "dev"


def test_limits_by_quota_and_period() -> None:
    (found,) = containers(
        '[{"Name": "a", "Config": {"Labels": null}, "HostConfig": {"CpuQuota": 50000, '
        '"CpuPeriod": 100000}}]'
    )
    assert found.cpus == 0.5
    assert found.labels == {}


def test_no_limits_and_no_network() -> None:
    (found,) = containers(
        '[{"Name": "a", "State": {"Status": "created"}, "NetworkSettings": {"Networks": null}}]'
    )
    assert (found.cpus, found.memory, found.address, found.state) == (0.0, 0, "", "created")


def test_nothing() -> None:
    assert containers("") == containers("[]") == ()


def test_since_when_it_runs() -> None:
    running = containers(recorded("local/podman_inspect_nodes.json"))[0]
    assert running.started == datetime(2026, 11, 23, 21, 30, 48, 100_007, tzinfo=UTC)
    assert all(
        one.started is None
        for one in containers(recorded("local/podman_inspect_stopped.json"))
        if one.state != "running"
    )
    assert containers(recorded("local/docker_inspect.json"))[0].started == datetime(
        2026, 11, 23, 18, 2, 12, 12_345, tzinfo=UTC
    )


def test_ranges_of_networks() -> None:
    assert networks(recorded("local/podman_network_inspect.json")) == {
        "kubeup-e2e": (IPv4Network("192.168.62.0/24"),),
        "podman": (IPv4Network("10.88.0.0/16"),),
    }
    # docker's shape, as its API describes it (Network.IPAM.Config)
    docker = [
        {
            "Name": "bridge",
            "IPAM": {
                "Driver": "default",
                "Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}],
            },
        },
        {"Name": "six", "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}},
        {"Name": "host", "IPAM": {"Config": None}},
    ]
    assert networks(json.dumps(docker)) == {
        "bridge": (IPv4Network("172.17.0.0/16"),),
        "six": (),
        "host": (),
    }
    assert networks("") == {}
