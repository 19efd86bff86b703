"""The application's pods may run where the Pod Security Standard "restricted" is enforced."""

from __future__ import annotations

import pytest

from tests.real.harness import Cluster

pytestmark = pytest.mark.real

LABEL = "pod-security.kubernetes.io/enforce=restricted"


def test_the_api_server_finds_no_pod_that_the_standard_forbids(cluster: Cluster) -> None:
    """Where a namespace gets the label, it warns of each pod that would not be let in again
    (https://kubernetes.io/docs/concepts/security/pod-security-admission/).
    """
    told = {name: labelled(cluster, name) for name in ("default", "kube-system")}
    assert "Warning" not in told["default"]
    assert "Warning" in told["kube-system"]  # it does look


def labelled(cluster: Cluster, namespace: str) -> str:
    """What the API server says to the label, which stays as it is."""
    words = ("label", "--dry-run=server", "--overwrite", "namespace", namespace, LABEL)
    return cluster.kubectl(*words, check=False)
