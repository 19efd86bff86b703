"""Line: every expected node is ready, at the wanted version, with its own address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubeup.facts import kubernetes
from kubeup.facts.kubernetes import KubeNode
from kubeup.inspect.verify.model import Problem, Verdict, failed, good
from kubeup.inspect.verify.run import Run
from kubeup.settings.model import NodeSpec

# what VirtualBox gives the first interface of every VM, which kubelet takes for the node's where it
# is not told another (kubernetes/kubernetes#44702)
NAT_ADDRESS = "10.0.2.15"
PLAN = "run `inv plan` to see what differs, then `inv up`"
START = "run `inv status`; `inv cluster.start` where a node is stopped"
NETWORK = "run `inv up`: it puts the pod network on the nodes"


def look(run: Run) -> Verdict:
    context = run.context
    nodes = kubernetes.nodes(context.kubectl.items("nodes"))
    return evaluate(context.expected, nodes, f"v{context.settings.software.kubernetes}")


def evaluate(expected: Sequence[NodeSpec], nodes: Sequence[KubeNode], version: str) -> Verdict:
    """Judge the nodes found against those expected."""
    by_name = {node.name: node for node in nodes}
    # all nodes found, as one that nobody expects may have the address of one that is
    problems = list(_shared_addresses(nodes))
    for spec in expected:
        problems += _problems(spec, by_name.get(spec.name), version)
    if problems:
        plural = "s" if len(problems) > 1 else ""
        return failed(f"{len(problems)} problem{plural} with {len(expected)} nodes", problems)
    shown = ", ".join(f"{spec.name} {by_name[spec.name].address}" for spec in expected)
    return good(f"{len(expected)} nodes Ready at {version}: {shown}")


def _problems(spec: NodeSpec, node: KubeNode | None, version: str) -> Iterator[Problem]:
    if node is None:
        yield Problem(f"{spec.name} is not in the cluster", PLAN)
        return  # nothing more is known of it
    if not node.ready:
        # kubelet's own words: "container runtime network not ready: ... cni plugin not initialized"
        without_network = "cni" in node.why.lower()
        fix = NETWORK if without_network else START
        yield Problem(f"{node.name} is not Ready: {node.why}", fix)
    if node.version != version:
        yield Problem(
            f"{node.name} runs {node.version or 'an unknown version'}, not {version}", START
        )
    if node.address == NAT_ADDRESS:
        text = (
            f"{node.name} has {NAT_ADDRESS}, the address every VirtualBox VM has: kubelet took the "
            "NAT interface (--node-ip is missing)"
        )
        yield Problem(text, PLAN)
    elif spec.address and node.address != spec.address:
        text = f"{node.name} has the address {node.address or '(none)'}, not {spec.address}"
        yield Problem(text, PLAN)


def _shared_addresses(nodes: Sequence[KubeNode]) -> Iterator[Problem]:
    names: dict[str, list[str]] = {}
    for node in nodes:
        names.setdefault(node.address, []).append(node.name)
    for address, owners in names.items():
        if address and len(owners) > 1:
            yield Problem(f"{' and '.join(owners)} have the same address {address}", PLAN)
