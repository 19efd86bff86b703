"""DNS: judged from what pods answered, with the Services recorded from a cluster."""

from ipaddress import IPv4Network
from types import SimpleNamespace

import pytest

from kubeup.inspect.verify.checks import cluster_names, outside_names, wrong_order

CIDR = IPv4Network("10.96.0.0/16")


@pytest.fixture
def wanted(recorded):
    return cluster_names.expected(recorded("services.json"))


def answer(wanted, outside=(), **other):
    found = {name: sorted(addresses) for name, addresses in wanted.items()} | {
        name: ["(Name or service not known)"] for name in outside_names.NAMES
    }
    return {
        "resolve": found | {name: ["203.0.113.80"] for name in outside} | other,
        "ask": {wrong_order.NAME: "NXDOMAIN"},
    }


def test_what_has_to_resolve_comes_from_the_api_server(wanted):
    assert list(wanted) == [
        "mysql-headless.default.svc.cluster.local",
        "mysql-0.mysql-headless.default.svc.cluster.local",
        "api.default.svc.cluster.local",
        "api",
        "kubernetes.default",
    ]
    assert wanted["kubernetes.default"] == {"10.96.0.1"}
    assert (
        wanted["mysql-headless.default.svc.cluster.local"]
        == wanted["mysql-0.mysql-headless.default.svc.cluster.local"]
        == {"10.244.1.2"}
    )
    assert wanted["api"] == wanted["api.default.svc.cluster.local"] != {""}


def test_a_database_elsewhere_has_the_pods_names(recorded):
    wanted = cluster_names.expected(recorded("services.json"), "192.168.60.11")
    assert {
        wanted[f"{prefix}mysql-headless.default.svc.cluster.local"] for prefix in ("", "mysql-0.")
    } == {frozenset({"192.168.60.11"})}


def test_all_resolve(wanted):
    verdict = cluster_names.evaluate(
        wanted, {"control": answer(wanted), "worker-1": answer(wanted)}, CIDR
    )
    assert verdict.ok
    assert "5 names on 2 nodes" in verdict.detail


def test_a_wrong_address_is_shown_beside_the_right_one(wanted):
    verdict = cluster_names.evaluate(wanted, {"control": answer(wanted, api=["10.96.9.9"])}, CIDR)
    assert f"control: api gives 10.96.9.9, not {next(iter(wanted['api']))}" in verdict.cause
    assert "30 s" in verdict.next


def test_no_answer_points_at_coredns(wanted):
    verdict = cluster_names.evaluate(
        wanted, {"control": answer(wanted, api=["(no answer in time)"])}, CIDR
    )
    assert "coredns" in verdict.next


def test_a_pod_that_could_not_be_asked(wanted):
    assert (
        "control: could not be asked: exec failed"
        in cluster_names.evaluate(wanted, {"control": {"error": "exec failed"}}, CIDR).cause
    )


def test_nothing_deployed(recorded):
    bare = [item for item in recorded("services.json") if item["metadata"]["name"] == "kubernetes"]
    wanted = cluster_names.expected(bare)
    verdict = cluster_names.evaluate(wanted, {"control": answer(wanted)}, CIDR)
    assert "api: there is no Service api" in verdict.cause
    assert "mysql-headless has no ready pod behind it" in verdict.cause


def test_a_service_outside_the_range(wanted):
    assert (
        "outside 10.97.0.0/16"
        in cluster_names.evaluate(
            wanted, {"control": answer(wanted)}, IPv4Network("10.97.0.0/16")
        ).cause
    )


def test_the_wrong_order_can_never_resolve(wanted):
    verdict = wrong_order.evaluate({"control": answer(wanted)})
    assert verdict.ok
    assert "can never resolve" in verdict.detail


def test_an_answer_for_the_wrong_order_is_wrong(wanted):
    seen = {"control": answer(wanted) | {"ask": {wrong_order.NAME: "SERVFAIL"}}}
    assert "control: SERVFAIL" in wrong_order.evaluate(seen).cause


def test_outside_names_resolve_as_on_the_node(wanted):
    verdict = outside_names.evaluate(
        {"control": answer(wanted, ["deb.debian.org"])}, {"control": frozenset({"deb.debian.org"})}
    )
    assert verdict.ok
    assert "deb.debian.org resolve in pods as on their nodes" in verdict.detail


def test_no_outside_names_on_either_side_is_fine_and_said(wanted):
    verdict = outside_names.evaluate({"control": answer(wanted)}, {"control": frozenset()})
    assert verdict.ok
    assert "the nodes themselves have none" in verdict.detail


@pytest.mark.parametrize(
    ("pod", "node", "cause"),
    [
        (
            [],
            {"kubernetes.io"},
            "control: kubernetes.io resolves on the node, not in a pod on it (Name or service "
            "not known)",
        ),
        (
            ["kubernetes.io"],
            set(),
            "control: kubernetes.io resolves in a pod, not on the node itself",
        ),
    ],
)
def test_a_difference_is_a_failure(wanted, pod, node, cause):
    verdict = outside_names.evaluate({"control": answer(wanted, pod)}, {"control": frozenset(node)})
    assert not verdict.ok
    assert verdict.cause == cause


def test_a_node_that_is_not_reached_can_not_be_compared(wanted):
    assert (
        "can't be compared: no answer"
        in outside_names.evaluate({"control": answer(wanted)}, {"control": "no answer"}).cause
    )


LOST, ADDRESS = "(Temporary failure in name resolution)", "203.0.113.80"


@pytest.mark.parametrize(
    ("words", "held", "again"),
    [
        (LOST, True, ["control"]),
        ("(no answer in time)", True, ["control"]),
        ("(Name or service not known)", True, []),
        (ADDRESS, True, []),
        (ADDRESS, False, ["control"]),
        (LOST, False, []),
    ],
)
def test_only_what_may_pass_is_asked_again(wanted, words, held, again):
    """The words are glibc's, and our own where a thread never came back; `held`: the node itself
    resolves the name.
    """
    seen = {
        "control": answer(wanted, **{"deb.debian.org": [words]}),
        "gone": {"error": "no answer"},
    }
    assert (
        outside_names.passing(
            seen, {"control": frozenset({"deb.debian.org"} if held else ()), "gone": "no answer"}
        )
        == again
    )


@pytest.mark.parametrize(
    ("first", "later", "ok"),
    [
        ((LOST, True), (ADDRESS, True), True),
        ((LOST, True), (LOST, True), False),
        ((ADDRESS, False), (ADDRESS, True), True),
        ((ADDRESS, False), (ADDRESS, False), False),
    ],
)
def test_the_second_answer_counts(wanted, monkeypatch, first, later, ok):
    """Each a pod's answer, and whether its node resolves the name."""
    on_node = iter([first[1], later[1]])
    monkeypatch.setattr(
        outside_names,
        "nodes_resolve",
        lambda nodes: {"control": frozenset({"deb.debian.org"} if next(on_node) else ())},
    )
    asked, paused = [], []
    probes = SimpleNamespace(
        names_seen={"control": answer(wanted, **{"deb.debian.org": [first[0]]})},
        pause=paused.append,
        ask=lambda questions: (
            asked.append(questions) or {"control": answer(wanted, **{"deb.debian.org": [later[0]]})}
        ),
    )
    run = SimpleNamespace(context=SimpleNamespace(nodes=()), probes=probes)
    assert outside_names.look(run).ok is ok
    assert len(asked) == 1 and paused == [outside_names.FAILURE_KEPT]
