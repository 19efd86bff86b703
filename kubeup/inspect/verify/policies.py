"""Check: who relies on NetworkPolicies is told whether the network enforces them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubeup.inspect.verify.lines import Context, Verdict, good, warning

# DaemonSets of networks that do: the API server takes a policy whether or not somebody enforces it
# (https://kubernetes.io/docs/concepts/services-networking/network-policies/#prerequisites)
ENFORCING = ("antrea-agent", "calico-node", "canal", "cilium", "kube-router", "weave-net")
KINDS = "daemonsets.apps,networkpolicies.networking.k8s.io"


def look(context: Context) -> Verdict:
    return evaluate(context.kubectl.items("--all-namespaces", KINDS))


def evaluate(items: Sequence[dict[str, Any]]) -> Verdict:
    """Judge the DaemonSets and NetworkPolicies of all namespaces."""
    sets = [_name(item) for item in items if item["kind"] == "DaemonSet"]
    networks = [name for name in sets if name in ENFORCING]
    policies = [
        f"{_namespace(item)}/{_name(item)}" for item in items if item["kind"] == "NetworkPolicy"
    ]
    if networks:
        return good(f"{networks[0]} enforces them: {', '.join(policies) or 'there is none'}")
    if not policies:
        return good("there is none, and this network would not enforce it")
    return warning(
        f"not enforced: {', '.join(policies)}",
        "the API server takes them, and nothing here is known to enforce them: pods reach each "
        "other",
        "don't rely on them here; Vagrant's machines with `network.cni: calico` enforce them",
    )


def _namespace(item: dict[str, Any]) -> str:
    return str(item["metadata"]["namespace"])


def _name(item: dict[str, Any]) -> str:
    return str(item["metadata"]["name"])
