"""Probe pods, the matrix between them, and the reasons why pods are not ready."""

import copy
import threading
from pathlib import Path

import pytest

from kubeup.core import shell
from kubeup.facts import trouble
from kubeup.facts.pods import pod_ready
from kubeup.inspect.verify import probes
from kubeup.inspect.verify.checks import pods_across_nodes, pods_start
from kubeup.inspect.verify.model import Context
from kubeup.inspect.verify.probes import Probe
from kubeup.settings import Settings
from kubeup.system.kubectl import Kubectl

NODES = ("control", "worker-1", "worker-2")
READY = tuple(
    Probe(node, f"kubeup-verify-{node}-1", f"10.244.{number}.9")
    for number, node in enumerate(NODES)
)


def matrix(*failing):
    return {
        one: {
            "connect": {
                other: "no answer (timed out)" if (one, other) in failing else ""
                for other in NODES
                if other != one
            }
        }
        for one in NODES
    }


def told(item, reason, message):
    """An event about a pod."""
    about = {"involvedObject": {"uid": item["metadata"]["uid"]}, "metadata": {}}
    return {"kind": "Event", "reason": reason, "message": message} | about


def test_a_probe_pod_may_run_under_the_restricted_standard():
    spec = probes.manifest(READY[0], "api:1", "3f2a91")["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (spec["activeDeadlineSeconds"], spec["terminationGracePeriodSeconds"]) == (300, 0)
    assert not spec["automountServiceAccountToken"]
    assert not spec["enableServiceLinks"]
    assert container["imagePullPolicy"] == "IfNotPresent"


def test_a_probe_pod_is_tied_to_its_node_and_tolerates_the_control_planes_taint():
    spec = probes.manifest(READY[0], "api:1", "3f2a91")["spec"]
    assert "control" in str(spec["affinity"])
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert "nodeName" not in spec


def test_an_image_that_is_not_there(recorded):
    items = recorded("probes_no_image.json")
    seen = [
        probes.seen(
            Probe(node, item["metadata"]["name"]), item, [told(item, "BackOff", "whatever")]
        )
        for node, item in zip(NODES, items, strict=True)
    ]
    verdict = pods_start.evaluate(seen, "localhost/nothing:1")
    assert verdict.detail == "3 of 3 nodes did not start a pod of localhost/nothing:1"
    assert verdict.cause.startswith(
        "the image localhost/nothing:1 is not on the node and can't be pulled there\ncontrol: "
        "ErrImagePull: rpc error"
    )
    assert "whatever" not in verdict.cause
    assert "inv up" in verdict.next


@pytest.mark.parametrize(
    ("reason", "ends"), [("ContainerCreating", False), ("InvalidImageName", True)]
)
def test_what_waiting_does_not_mend_ends_it(recorded, reason, ends):
    item = copy.deepcopy(recorded("probes_no_image.json")[0])
    item["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason}}
    assert probes.hopeless(item) is ends


def test_the_last_event_tells_what_a_pod_that_is_being_made_waits_for(recorded):
    item = copy.deepcopy(recorded("probes_no_image.json")[0])
    item["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    event = told(item, "NetworkNotReady", "cni plugin not initialized")
    probe = probes.seen(READY[0], item, [event])
    assert probe.why == "ContainerCreating, last event: NetworkNotReady: cni plugin not initialized"
    assert not probe.image_missing


def test_all_connections():
    assert (
        pods_across_nodes.evaluate(READY, matrix()).detail == "6 of 6 connections between 3 nodes"
    )


def test_one_node_has_nobody_to_reach():
    assert pods_across_nodes.evaluate(READY[:1], {"control": {"connect": {}}}).ok


def test_a_failing_pair_is_named_with_its_address():
    verdict = pods_across_nodes.evaluate(READY, matrix(("control", "worker-2")))
    assert verdict.cause == "control → worker-2 (10.244.2.9): no answer (timed out)"
    assert verdict.detail == "1 of 6 connections failed"


def test_a_node_that_all_failing_pairs_share_is_pointed_out():
    verdict = pods_across_nodes.evaluate(
        READY, matrix(("control", "worker-2"), ("worker-2", "control"), ("worker-1", "worker-2"))
    )
    assert verdict.cause.startswith("every failing pair has worker-2 in it")


def test_no_connection_at_all_is_about_routes():
    pairs = [(one, other) for one in NODES for other in NODES if one != other]
    assert pods_across_nodes.evaluate(READY, matrix(*pairs)).cause.startswith(
        "no pod reaches a pod of another node"
    )


def test_a_node_without_a_probe_is_not_passed_over():
    verdict = pods_across_nodes.evaluate(
        (*READY[:2], Probe("worker-2", "x", "", "ErrImagePull")),
        {"control": {"connect": {"worker-1": ""}}},
    )
    assert not verdict.ok
    assert "worker-2: no probe pod (ErrImagePull)" in verdict.cause


def test_what_could_not_be_tried_is_no_failed_connection():
    probes_seen = (*READY[:2], Probe("worker-2", "x", "", "ErrImagePull"))
    verdict = pods_across_nodes.evaluate(probes_seen, {"control": {"connect": {"worker-1": ""}}})
    assert verdict.detail == "1 of 3 nodes could not be tried"


def test_a_pod_that_can_not_be_asked_is_told_by_what_kubectl_said():
    class Refusing(Kubectl):
        def read(self, *words, **_):
            said = "error: unable to upgrade connection: container not found"
            raise shell.failed(("/cache/kubectl", *words), 1, f"{said}\n")

    kubectl = Refusing(Path("/cache/kubectl"), Path("/state/kubeconfig"), "kubeup-dev")
    context = Context(Settings(profile="dev"), kubectl, (), (), "api:1", (), dict)
    asking = probes.Probes(context, threading.Event())
    asking.all = READY[:1]
    (problem,) = probes.unasked(asking.ask({"control": {}}))
    assert problem.text == (
        "control: could not be asked: error: unable to upgrade connection: container not found"
    )


def test_pending_pods_have_the_schedulers_words(recorded):
    pending = [
        item
        for item in recorded("system_pods_pending.json")
        if item["metadata"]["name"].startswith("coredns")
    ]
    assert trouble.of_pods("coredns", pending).startswith("no pod of coredns is ready: coredns-")
    assert "Unschedulable: 0/1 nodes are available" in trouble.of_pods("coredns", pending)
    assert trouble.of_pods("coredns", []) == "coredns has no pod"


def test_running_pods_have_no_trouble(recorded):
    running = [
        item
        for item in recorded("system_pods_pending.json")
        if item["metadata"]["name"].startswith("kube-proxy")
    ]
    assert [trouble.why(item) for item in running] == ["", "", ""]
    assert trouble.of_pods("kube-proxy", running) == ""


@pytest.mark.parametrize(
    ("state", "last", "why"),
    [
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            {},
            "CrashLoopBackOff: back-off 40s",
        ),
        (
            {"waiting": {"reason": "CrashLoopBackOff"}},
            {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            "CrashLoopBackOff: OOMKilled, exit status 137, its limit is 96Mi",
        ),
        ({"terminated": {"reason": "Error", "exitCode": 2}}, {}, "Error, exit status 2"),
        ({"running": {}}, {}, "runs, but not ready: containers with unready status: [probe]"),
    ],
)
def test_why_a_container_does_not_run(recorded, state, last, why):
    item = copy.deepcopy(recorded("probes_no_image.json")[0])
    item["status"]["containerStatuses"][0] |= {"state": state, "lastState": last}
    assert trouble.why(item) == why


def test_a_pod_that_is_being_deleted_is_not_ready(recorded):
    item = copy.deepcopy(recorded("system_pods_pending.json")[2])
    item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert trouble.why(item) == "Terminating"
    assert not pod_ready(item)


def test_a_run_takes_its_own_pods_away_and_earlier_ones_whose_time_is_over():
    """Two runs at once leave each other's pods alone."""
    asked = []

    class Noting(Kubectl):
        def write(self, *words, log=None, stdin=None, timeout=600):
            asked.append(" ".join(words))
            return ""

    context = Context(
        Settings(profile="dev"),
        Noting(Path("/cache/kubectl"), Path("/state/kubeconfig"), "kubeup-dev"),
        (),
        (),
        "api:1",
        (),
        dict,
    )
    for run in (
        probes.Probes(context, threading.Event()),
        probes.Probes(context, threading.Event()),
    ):
        run.start()
        run.remove()
    earlier, _, own, *others = asked
    assert "--field-selector=status.phase=Failed" in earlier
    assert f"{probes.SELECTOR},{probes.RUN}=" in own and own not in others
