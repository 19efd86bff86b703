"""Nodes: recorded from a cluster that is well, and from one whose pod network was missing."""

from dataclasses import replace

import pytest

from kubeup.facts import kubernetes
from kubeup.inspect.verify.checks import nodes
from kubeup.settings.model import NodeSpec

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")
EXPECTED = tuple(
    NodeSpec(name, "worker", f"192.168.60.1{number}", 2, 2048) for number, name in enumerate(NAMES)
)


@pytest.fixture
def found(recorded):
    return kubernetes.nodes(recorded("nodes.json"))


def test_all_is_well(found):
    verdict = nodes.evaluate(EXPECTED, found, "v1.26.1")
    assert verdict.ok
    assert verdict.detail.startswith("3 nodes Ready at v1.26.1: dev-control 192.168.60.10,")


def test_not_ready_is_told_in_kubelets_words(recorded):
    verdict = nodes.evaluate(EXPECTED, kubernetes.nodes(recorded("nodes_notready.json")), "v1.26.1")
    assert not verdict.ok
    assert verdict.cause.count("cni plugin not initialized") == 3
    assert "pod network" in verdict.next


def test_missing_node(found):
    verdict = nodes.evaluate(EXPECTED, found[:2], "v1.26.1")
    assert verdict.cause == "dev-worker-2 is not in the cluster"
    assert "inv up" in verdict.next


def test_other_version(found):
    assert (
        "dev-control runs v1.26.1, not v1.26.15"
        in nodes.evaluate(EXPECTED, found, "v1.26.15").cause
    )


def test_the_nat_address_of_virtualbox_is_named(found):
    verdict = nodes.evaluate(
        EXPECTED, [replace(node, address="10.0.2.15") for node in found], "v1.26.1"
    )
    assert "kubelet took the NAT interface" in verdict.cause
    assert (
        "dev-control and dev-worker-1 and dev-worker-2 have the same address 10.0.2.15"
        in verdict.cause
    )


def test_an_expected_node_without_an_address_may_have_any(found):
    assert nodes.evaluate([replace(spec, address="") for spec in EXPECTED], found, "v1.26.1").ok
