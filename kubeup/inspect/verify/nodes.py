"""Check: every expected node is ready, at the wanted version, with its own address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubeup.facts import kubernetes
from kubeup.facts.kubernetes import KubeNode
from kubeup.inspect.verify.lines import Context, Verdict, bad, good
from kubeup.settings.model import NodeSpec

NAT_ADDRESS = "10.0.2.15"  # what VirtualBox gives the first interface of every VM


def look(context: Context) -> Verdict:
    found = kubernetes.nodes(context.kubectl.items("nodes"))
    return evaluate(context.expected, found, f"v{context.settings.software.kubernetes}")


def evaluate(expected: Sequence[NodeSpec], found: Sequence[KubeNode], version: str) -> Verdict:
    """Judge the nodes found against those expected."""
    by_name = {node.name: node for node in found}
    problems = [
        text for spec in expected for text in _problems(spec, by_name.get(spec.name), version)
    ] + _shared(found)
    if not problems:
        return good(
            f"{len(expected)} nodes Ready at {version}: "
            + ", ".join(f"{spec.name} {by_name[spec.name].address}" for spec in expected)
        )
    return bad(
        f"{len(problems)} problem{'s' if len(problems) > 1 else ''} with {len(expected)} nodes",
        "\n".join(problems),
        _next(problems),
    )


def _problems(spec: NodeSpec, node: KubeNode | None, version: str) -> Iterable[str]:
    if node is None:
        yield f"{spec.name} is not in the cluster"
        return
    if not node.ready:
        yield f"{node.name} is not Ready: {node.why}"
    if node.version != version:
        yield f"{node.name} runs {node.version or 'an unknown version'}, not {version}"
    if node.address == NAT_ADDRESS:
        yield (
            f"{node.name} has {NAT_ADDRESS}, the address every VirtualBox VM has: kubelet "
            "took the NAT interface (--node-ip is missing)"
        )
    elif spec.address and node.address != spec.address:
        yield f"{node.name} has the address {node.address or '(none)'}, not {spec.address}"


def _shared(found: Sequence[KubeNode]) -> list[str]:
    owners: dict[str, list[str]] = {}
    for node in found:
        owners.setdefault(node.address, []).append(node.name)
    return [
        f"{' and '.join(names)} have the same address {address}"
        for address, names in owners.items()
        if address and len(names) > 1
    ]


def _next(problems: Sequence[str]) -> str:
    text = "\n".join(problems)
    if (
        "not in the cluster" in text
        or "has the address" in text
        or "same address" in text
        or NAT_ADDRESS in text
    ):
        return "run `inv plan` to see what differs, then `inv up`"
    if "cni" in text.lower():
        return "run `inv up`: it puts the pod network on the nodes"
    return "run `inv status`; `inv cluster.start` where a node is stopped"
