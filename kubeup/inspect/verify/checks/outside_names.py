"""Line: a pod resolves names outside the cluster exactly where its node does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kubeup.core.shell import Output
from kubeup.inspect.verify.model import Problem, Verdict, failed, good
from kubeup.inspect.verify.probes import Answers
from kubeup.inspect.verify.run import Run
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

# of different owners, so that all of them fail only where there is no way out at all
NAMES = ("deb.debian.org", "kubernetes.io", "example.com")
# one process a name, so that one that hangs does not hold up the others; the resolver asks twice,
# for 5 s each
NODE_SCRIPT = (
    'for name in "$@"; do (timeout 11 getent ahostsv4 "$name" >/dev/null && echo '
    '"$name") & done; wait'
)
PASSING = ("(Temporary failure in name resolution)", "(no answer in time)")
# CoreDNS answers from a failure that it remembers for 5 s (`servfail` of its plugin cache:
# https://coredns.io/plugins/cache/)
FAILURE_KEPT = 5.5
START_NODES = "run `inv status`, and `inv cluster.start` where a node does not answer"
CHECK_FORWARDING = (
    "run `kubectl -n kube-system logs -l k8s-app=kube-dns`: CoreDNS forwards to the name servers "
    "of the node it runs on"
)
SET_SERVERS = "set network.dns_servers to servers that the nodes reach, then `inv up`"
OnNodes = Mapping[str, frozenset[str] | str]  # names that resolve, or why a node was not asked


@dataclass(frozen=True)
class Comparison:
    """What a node's pod and the node itself say; `why` where one of them could not be asked."""

    node: str
    in_pod: Mapping[str, Sequence[str]] = field(default_factory=dict)
    on_node: frozenset[str] = frozenset()
    why: str = ""

    @property
    def resolved(self) -> frozenset[str]:
        """The names that resolve in the pod."""
        return frozenset(name for name in NAMES if self.in_pod and not is_error(self.in_pod[name]))

    @property
    def may_pass(self) -> bool:
        """Whether one side lacks a name for a reason that may pass, so that asking again helps.

        A name server may leave a query unanswered, as many do under load: a pod is told EAI_AGAIN
        then (getaddrinfo(3)), by CoreDNS after 5 s; getent does not tell it from a name that is
        not there.
        """
        missing = self.on_node - self.resolved
        errors = {self.in_pod[name][0] for name in missing}
        return bool(self.resolved - self.on_node or errors & set(PASSING))

    @property
    def problems(self) -> Iterator[Problem]:
        if self.why:
            yield Problem(f"{self.node}: can't be compared: {self.why}", START_NODES)
        for name in sorted(self.on_node - self.resolved):
            text = f"{name} resolves on the node, not in a pod on it {self.in_pod[name][0]}"
            yield Problem(f"{self.node}: {text}", CHECK_FORWARDING)
        for name in sorted(self.resolved - self.on_node):
            text = f"{name} resolves in a pod, not on the node itself"
            yield Problem(f"{self.node}: {text}", SET_SERVERS)


def look(run: Run) -> Verdict:
    seen, nodes = run.probes.names_seen, run.context.nodes
    on_nodes = nodes_resolve(nodes)
    again = passing(seen, on_nodes)
    if again:
        # both sides once more: the node may have been the one whose query was lost
        run.probes.pause(FAILURE_KEPT)
        seen = {**seen, **run.probes.ask({node: {"resolve": NAMES} for node in again})}
        on_nodes |= nodes_resolve([node for node in nodes if node.name in again])
    return evaluate(seen, on_nodes)


def passing(seen: Answers, on_nodes: OnNodes) -> list[str]:
    """The nodes where a difference may pass, so that both sides are worth asking once more."""
    return [row.node for row in compare(seen, on_nodes) if row.may_pass]


def evaluate(seen: Answers, on_nodes: OnNodes) -> Verdict:
    """Judge that a pod resolves outside names exactly where its node does."""
    compared = list(compare(seen, on_nodes))
    problems = [problem for row in compared for problem in row.problems]
    if problems:
        return failed("outside names differ between a node and its pods", problems)
    resolved = sorted({name for row in compared for name in row.resolved})
    if resolved:
        return good(f"{', '.join(resolved)} resolve in pods as on their nodes")
    # a machine without the internet is fine, as long as pods have what their node has
    return good(
        f"no outside names here: the nodes themselves have none ({', '.join(NAMES)} fail on both)"
    )


def compare(seen: Answers, on_nodes: OnNodes) -> Iterator[Comparison]:
    for node, answer in seen.items():
        names = on_nodes.get(node, "it is not reached by SSH")
        if "error" in answer:
            yield Comparison(node, why=answer["error"])
        elif isinstance(names, str):
            yield Comparison(node, why=names)
        else:
            yield Comparison(node, answer["resolve"], names)


def nodes_resolve(nodes: Sequence[SshTarget]) -> dict[str, frozenset[str] | str]:
    """Which of the names each node resolves itself, or in words why it could not be asked."""
    outputs = ssh.run_all(nodes, "sh", "-c", NODE_SCRIPT, "sh", *NAMES)
    return {
        name: frozenset(output.stdout.split()) if output.ok else _last(output)
        for name, output in outputs.items()
    }


def is_error(answer: Sequence[str]) -> bool:
    """Whether a pod's answer is the resolver's error, see `in_pod.resolve`."""
    return answer[0].startswith("(")


def _last(output: Output) -> str:
    return (output.stderr.strip() or f"status {output.code}").splitlines()[-1]
