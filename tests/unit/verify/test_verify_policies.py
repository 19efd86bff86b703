"""NetworkPolicies, and the networks that enforce them."""

from __future__ import annotations

from typing import Any

import pytest

from kubeup.core.report import Report
from kubeup.inspect.verify import proof
from kubeup.inspect.verify.checks import policies
from kubeup.inspect.verify.model import Line


def item(kind: str, name: str, namespace: str = "kube-system") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace}}


PROXY = item("DaemonSet", "kube-proxy")
POLICY = item("NetworkPolicy", "deny-all", "shop")


@pytest.mark.parametrize("network", ["kube-flannel-ds", "kindnet", "monitor"])
def test_a_policy_that_nobody_enforces_is_named_in_a_warning(network: str) -> None:
    verdict = policies.evaluate([PROXY, item("DaemonSet", network), POLICY])
    assert verdict.ok and verdict.detail == "not enforced: shop/deny-all"
    assert "pods reach each other" in verdict.cause and "calico" in verdict.next


def test_without_a_policy_it_is_said_and_no_warning() -> None:
    verdict = policies.evaluate([PROXY])
    assert (verdict.ok, verdict.cause) == (True, "") and "would not enforce" in verdict.detail


@pytest.mark.parametrize("namespace", ["kube-system", "calico-system"])
def test_a_network_that_enforces_them(namespace: str) -> None:
    verdict = policies.evaluate([PROXY, item("DaemonSet", "calico-node", namespace), POLICY])
    assert (verdict.ok, verdict.cause) == (True, "")
    assert verdict.detail == "calico-node enforces them: shop/deny-all"


@pytest.mark.parametrize(
    ("ok", "cause", "mark"),
    [
        (True, "", "✔"),
        (True, "nobody enforces it", "!"),
        (False, "it is gone", "✘"),
    ],
)
def test_a_warning_is_seen_as_one(
    ok: bool, cause: str, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    proof._print(Line("network policies", "", ok, 0.1, "detail", cause, "do that"), Report())
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f" {mark} network policies")
    assert said[1:] == ([f"     cause: {cause}", "     next:  do that"] if cause else [])
