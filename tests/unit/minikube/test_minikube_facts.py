"""What minikube prints, recorded from the real one (tests/unit/data/minikube)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import recorded

from kubeup.cluster.providers.minikube import facts as minikube
from kubeup.cluster.providers.minikube.facts import NodeStatus, ProfileNode


def text(name: str) -> str:
    return recorded(f"minikube/{name}")


def test_a_profile_of_two_nodes() -> None:
    found = minikube.profiles(text("profiles_two_running.rc0.json"))["test-1.26-2nodes"]
    assert found is not None
    assert (
        found.driver,
        found.kubernetes,
        found.runtime,
        found.cpus,
        found.memory,
        found.services,
    ) == ("podman", "1.26.1", "containerd", 2, 4096, "10.96.0.0/12")
    assert found.nodes == (
        ProfileNode("test-1.26-2nodes", 1, True, "192.168.58.2"),
        ProfileNode("test-1.26-2nodes-m02", 2, False, "192.168.58.3"),
    )


def test_a_profile_of_one_node_is_called_as_its_profile() -> None:
    found = minikube.profiles(text("profiles_one_running.rc0.json"))["bed-one"]
    assert found is not None and [
        (node.name, node.number, node.control) for node in found.nodes
    ] == [("bed-one", 1, True)]


@pytest.mark.parametrize(
    ("runtime", "told", "trusted"),
    [
        ("containerd", "10.0.0.1:5000", True),
        ("containerd", "http://10.0.0.1:5000", True),
        ("containerd", "10.0.0.0/8", False),
        ("docker", "10.0.0.0/8", True),
        ("docker", "192.168.0.0/16", False),
        ("docker", "registry:5000", False),
    ],
)
def test_a_registry_that_nodes_were_told_of(runtime: str, told: str, trusted: bool) -> None:
    profile = minikube.profiles(recorded("minikube/profiles_two_running.rc0.json"))[
        "test-1.26-2nodes"
    ]
    assert profile is not None and not profile.trusts("10.0.0.1:5000")
    assert (
        replace(profile, runtime=runtime, plain_registries=(told,)).trusts("10.0.0.1:5000")
        is trusted
    )


def test_profiles_side_by_side() -> None:
    assert set(minikube.profiles(text("profiles_one_and_two.rc0.json"))) == {
        "bed-one",
        "test-1.26-2nodes",
    }


def test_a_dry_run_leaves_half_a_profile() -> None:
    assert list(minikube.profiles(text("profiles_after_dry_run.rc0.json")).values()) == [
        minikube.NO_PROFILE
    ]


def test_a_start_killed_halfway() -> None:
    booting, unborn = text("profiles_half_booting.rc0.json"), text("profiles_half_no_node.rc0.json")
    assert minikube.starting(booting, "bed-half") and not minikube.starting(unborn, "bed-half")
    assert not minikube.starting(text("profiles_two_running.rc0.json"), "test-1.26-2nodes")
    found = minikube.profiles(unborn)["bed-half"]
    assert found is not None and [node.address for node in found.nodes] == [""]
    assert (
        minikube.statuses(text("status_half_booting.rc4.json"))["bed-half"].kubeconfig
        == "Misconfigured"
    )


@pytest.mark.parametrize(
    "printed", [text("profiles_none.rc0.json"), "", "{}", "not JSON", '{"error": {}}']
)
def test_no_profile(printed: str) -> None:
    assert minikube.profiles(printed) == {}


def test_one_node_is_an_object_and_more_an_array() -> None:
    one = minikube.statuses(text("status_one_running.rc0.json"))
    assert one == {"bed-one": NodeStatus("bed-one", "Running", "Running", "Running", "Configured")}
    two = minikube.statuses(text("status_two_running.rc0.json"))
    assert list(two) == ["test-1.26-2nodes", "test-1.26-2nodes-m02"] and all(
        status.running for status in two.values()
    )


@pytest.mark.parametrize("name", ["status_one_stopped.rc7.json", "status_two_stopped.rc7.json"])
def test_stopped_nodes_are_there(name: str) -> None:
    found = minikube.statuses(text(name))
    assert found and all(status.exists and not status.running for status in found.values())


@pytest.mark.parametrize(
    "name",
    [
        "status_two_worker_missing.rc0.json",
        "status_half_no_node.rc0.json",
        "status_none.rc85.json",
        "status_deleted.rc85.json",
    ],
)
def test_where_a_node_is_gone_or_nothing_is_there_nothing_is_told(name: str) -> None:
    assert minikube.statuses(text(name)) == {}


def test_a_machine_whose_kubernetes_does_not_run() -> None:
    assert not NodeStatus("p", "Running", "Stopped", "Stopped").running
    assert NodeStatus("p", "Running", "Stopped", "Stopped").exists
    assert not NodeStatus("p", "Nonexistent").exists


def test_versions() -> None:
    assert minikube.version(text("version_1.36.0.rc0.json")) == (1, 36, 0)
    assert minikube.version(text("version_1.37.0.rc0.json")) == (1, 37, 0)
    assert minikube.version('{"minikubeVersion":"v1.37.0-beta.0"}') == (1, 37, 0)
    assert minikube.version("minikube version: v1.36.0") == ()


def test_kubectls_minor_version() -> None:
    assert minikube.kubectl_minor('{"clientVersion": {"major": "1", "minor": "26+"}}') == 26
    assert minikube.kubectl_minor("error: unknown flag") == 0


def test_dry_runs() -> None:
    none = minikube.dry_run(text("dry_run_vm.json.rc55.txt"))
    assert (none.driver, none.error) == (
        "",
        "DRV_NOT_DETECTED",
    ) and "No possible driver" in none.message
    podman = minikube.dry_run(text("dry_run_podman.json.rc0.txt"))
    assert (podman.driver, podman.error) == ("podman", "")
