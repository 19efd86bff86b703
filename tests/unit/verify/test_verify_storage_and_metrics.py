"""Claims and volumes, and `kubectl top nodes`, as recorded."""

import copy

import pytest

from kubeup.core.shell import Output
from kubeup.inspect.verify.checks import metrics, storage

CLAIM = "data-mysql-0"
NODES = ("dev-control", "dev-worker-1", "dev-worker-2")


@pytest.fixture
def kinds(recorded):
    items = copy.deepcopy(recorded("storage.json"))
    return tuple(
        {item["metadata"]["name"]: item for item in items if item["kind"] == kind}
        for kind in ("PersistentVolumeClaim", "PersistentVolume")
    )


def test_bound_and_kept(kinds):
    verdict = storage.evaluate([CLAIM], *kinds, {})
    assert verdict.ok
    assert "lies on dev-worker-1 in /var/lib/kubeup/data/mysql (Retain)" in verdict.detail


def test_no_claim():
    assert "there is no claim data-mysql-0" in storage.evaluate([CLAIM], {}, {}, {}).cause


def test_pending_with_its_last_event(kinds):
    kinds[0][CLAIM]["status"]["phase"] = "Pending"
    verdict = storage.evaluate(
        [CLAIM], *kinds, {CLAIM: "FailedBinding: no persistent volumes available"}
    )
    assert (
        verdict.cause
        == "data-mysql-0 is Pending, last event: FailedBinding: no persistent volumes available"
    )


def test_a_volume_that_would_be_deleted(kinds):
    kinds[1][CLAIM]["spec"]["persistentVolumeReclaimPolicy"] = "Delete"
    assert "reclaim policy Delete, not Retain" in storage.evaluate([CLAIM], *kinds, {}).cause


def test_a_volume_of_no_node(kinds):
    del kinds[1][CLAIM]["spec"]["nodeAffinity"]
    assert "not tied to a node" in storage.evaluate([CLAIM], *kinds, {}).cause


def test_a_lost_volume(kinds):
    assert "not there any more" in storage.evaluate([CLAIM], kinds[0], {}, {}).cause


def test_real_numbers(recorded_text):
    verdict = metrics.evaluate(NODES, Output(0, recorded_text("top.txt"), ""))
    assert verdict.ok
    assert verdict.detail.startswith("dev-control 88m 498Mi")


def test_a_node_without_numbers(recorded_text):
    text = recorded_text("top.txt").replace("22m", "<unknown>")
    assert metrics.evaluate(NODES, Output(0, text, "")).cause == "no numbers for dev-worker-1"


def test_what_kubectl_says_is_the_cause_without_its_noise():
    noise = (
        "E1123 21:10:27.655057    2583 memcache.go:255] couldn't get resource list for "
        "metrics.k8s.io/v1beta1\n"
    )
    said = (
        "Error from server (ServiceUnavailable): the server is currently unable to "
        "handle the request (get nodes.metrics.k8s.io)\n"
    )
    verdict = metrics.evaluate(NODES, Output(1, "", noise + said))
    assert verdict.cause == said.strip()
