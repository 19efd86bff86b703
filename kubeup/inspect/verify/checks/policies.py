"""Line: who relies on NetworkPolicies is told whether the network enforces them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubeup.inspect.verify.model import Verdict, good, warning
from kubeup.inspect.verify.run import Run

# DaemonSets of networks that do: the API server takes a policy whether or not somebody enforces it
# (https://kubernetes.io/docs/concepts/services-networking/network-policies/#prerequisites)
ENFORCING = {"antrea-agent", "calico-node", "canal", "cilium", "kube-router", "weave-net"}
KINDS = "daemonsets.apps,networkpolicies.networking.k8s.io"


def look(run: Run) -> Verdict:
    return evaluate(run.context.kubectl.items("--all-namespaces", KINDS))


def evaluate(items: Sequence[dict[str, Any]]) -> Verdict:
    """Judge the DaemonSets and NetworkPolicies of all namespaces."""
    networks = {item["metadata"]["name"] for item in items if item["kind"] == "DaemonSet"}
    metas = [item["metadata"] for item in items if item["kind"] == "NetworkPolicy"]
    policies = ", ".join(f"{meta['namespace']}/{meta['name']}" for meta in metas)
    if enforcing := sorted(networks & ENFORCING):
        return good(f"{enforcing[0]} enforces them: {policies or 'there is none'}")
    # nothing relies on it, so there is nothing to warn of
    if not policies:
        return good("there is none, and this network would not enforce it")
    return warning(
        f"not enforced: {policies}",
        "the API server takes them, and nothing here is known to enforce them: pods reach each "
        "other",
        "don't rely on them here; Vagrant's machines with `network.cni: calico` enforce them",
    )
