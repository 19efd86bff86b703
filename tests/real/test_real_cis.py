"""The table of tests/cis, held against every node of a real cluster and against its objects."""

from __future__ import annotations

import pytest

from tests.cis.checks import wrong
from tests.cis.facts import Objects, look, node
from tests.real.harness import CONTROL, NODES, Cluster

pytestmark = pytest.mark.real


def test_nodes_are_as_the_table_says(cluster: Cluster) -> None:
    lines = []
    for name in NODES:
        facts = node(cluster.on(name, look()))
        own = ("control", "node") if name == CONTROL else ("node",)
        lines += [f"{name}: {line}" for line in wrong(facts, *own)]
    assert lines == []


def test_the_cluster_is_as_the_table_says(cluster: Cluster) -> None:
    objects = Objects(
        pods=cluster.objects("pods", "--namespace=default", "--selector=app in (db,api,ui)"),
        namespaces=cluster.objects("namespaces"),
        bindings=cluster.objects("clusterrolebindings"),
        policies=cluster.objects("networkpolicies", "--all-namespaces"),
    )
    assert wrong(objects, "objects") == []
