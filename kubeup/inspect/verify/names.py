"""Checks of DNS, asked from the probe pod of each node: names in the cluster, a name in the
wrong order, names outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any

from kubeup.core.errors import KubeupError
from kubeup.core.shell import Output
from kubeup.inspect.verify import reasons
from kubeup.inspect.verify.lines import Context, Verdict, bad, good, not_tried
from kubeup.inspect.verify.probes import Probes, missing
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

HEADLESS = "mysql-headless"
WRONG_ORDER = f"{HEADLESS}.svc.default.cluster.local"
OUTSIDE = ("deb.debian.org", "kubernetes.io", "example.com")
# one process a name, so that one that hangs does not hold up the others; the resolver asks twice,
# for 5 s each
NODE_SCRIPT = (
    'for name in "$@"; do (timeout 11 getent ahostsv4 "$name" >/dev/null && echo '
    '"$name") & done; wait'
)
PASSING = ("(Temporary failure in name resolution)", "(no answer in time)")
FAILURE_KEPT = 5.5  # CoreDNS' plugin `cache` answers from a failure for 5 s
Seen = Mapping[str, Mapping[str, Any]]


def look(context: Context, probes: Probes) -> Verdict:
    """Ask every node's pod everything at once; the two other checks read the same answers."""
    if not probes.ready:
        return not_tried("pods start")
    wanted = expected(
        context.kubectl.items("-n", context.kubectl.namespace, "services,endpoints"),
        context.database_address,
    )
    question = {"resolve": [*wanted, *OUTSIDE], "ask": [WRONG_ORDER]}
    probes.names_seen = probes.ask({probe.node: question for probe in probes.ready})
    verdict = evaluate(
        wanted, probes.names_seen, context.settings.network.service_cidr, missing(probes.all)
    )
    return verdict if verdict.ok else _with_server(context, verdict)


def expected(items: Sequence[dict[str, Any]], outside: str = "") -> dict[str, frozenset[str]]:
    """The names that must resolve, with the addresses that the API server has for them;
    `outside` is that of a database which is no pod.
    """
    cluster_ip = {
        item["metadata"]["name"]: item["spec"].get("clusterIP", "")
        for item in items
        if item["kind"] == "Service"
    }
    headless = [
        item
        for item in items
        if item["kind"] == "Endpoints" and item["metadata"]["name"] == HEADLESS
    ]
    pods = (
        {"mysql-0": outside}
        if outside
        else {row["name"]: row["address"] for item in headless for row in _rows(item)}
    )
    api, kubernetes = (
        frozenset({cluster_ip.get("api", "")}),
        frozenset({cluster_ip.get("kubernetes", "")}),
    )
    names = {f"{HEADLESS}.default.svc.cluster.local": frozenset(pods.values())}
    names[f"mysql-0.{HEADLESS}.default.svc.cluster.local"] = frozenset(
        pods[name] for name in pods if name == "mysql-0"
    )
    return names | {
        "api.default.svc.cluster.local": api - {""},
        "api": api - {""},
        "kubernetes.default": kubernetes - {""},
    }


def evaluate(
    wanted: Mapping[str, frozenset[str]],
    seen: Seen,
    service_cidr: IPv4Network,
    others: Sequence[str] = (),
) -> Verdict:
    """Judge the names of the cluster: each resolves to what the API server has for it, on every
    node.
    """
    problems = [f"{name}: {_absent(name)}" for name, addresses in wanted.items() if not addresses]
    for node, answer in seen.items():
        if "error" in answer:
            problems.append(f"{node}: could not be asked: {answer['error']}")
            continue
        found = answer["resolve"]
        problems += [
            f"{node}: {name} gives {', '.join(found[name])}, not {', '.join(sorted(addresses))}"
            for name, addresses in wanted.items()
            if addresses and set(found[name]) != addresses
        ]
    strange = [
        text for text in wanted["kubernetes.default"] if ip_address(text) not in service_cidr
    ]
    problems += [
        f"kubernetes.default has {text}, which is outside {service_cidr}" for text in strange
    ]
    if not problems and not others:
        shown = ", ".join(
            f"{name} = {', '.join(sorted(addresses))}" for name, addresses in wanted.items()
        )
        return good(f"{len(wanted)} names on {len(seen)} nodes: {shown}")
    return bad(
        "not every name of the cluster resolves", "\n".join([*problems, *others]), _next(problems)
    )


def wrong_order(probes: Probes) -> Verdict:
    if not probes.names_seen:
        return not_tried("names in the cluster")
    return evaluate_wrong_order(probes.names_seen)


def evaluate_wrong_order(seen: Seen) -> Verdict:
    """Judge that the name with `svc` before the namespace does not exist, as in every cluster."""
    codes = {
        node: answer["error"] if "error" in answer else answer["ask"][WRONG_ORDER]
        for node, answer in seen.items()
    }
    others = [f"{node}: {code}" for node, code in codes.items() if code != "NXDOMAIN"]
    if not others:
        return good(
            f"{WRONG_ORDER} is NXDOMAIN: it can never resolve, the order is "
            "<service>.<namespace>.svc.cluster.local"
        )
    cause = "\n".join([f"{WRONG_ORDER} should be NXDOMAIN, as `svc` is no namespace", *others])
    return bad(
        "the name server does not answer NXDOMAIN for a name that can't exist",
        cause,
        "run `inv status`: coredns has to be ready; a wildcard in its Corefile or in the node's "
        "own DNS would also do this",
    )


def outside(context: Context, probes: Probes) -> Verdict:
    if not probes.names_seen:
        return not_tried("names in the cluster")
    on_node = nodes_resolve(context.nodes)
    again = passing(probes.names_seen, on_node)
    if not again:
        return evaluate_outside(probes.names_seen, on_node)
    probes.pause(FAILURE_KEPT)
    pods = probes.ask({node: {"resolve": OUTSIDE} for node in again})
    nodes = nodes_resolve([reach for reach in context.nodes if reach.name in again])
    return evaluate_outside({**probes.names_seen, **pods}, {**on_node, **nodes})


def passing(seen: Seen, on_node: Mapping[str, frozenset[str] | str]) -> list[str]:
    """Nodes where one side lacks a name for a reason that may pass, so that both are worth asking
    once more.

    A name server may leave a query unanswered, as many do under load: a pod is told EAI_AGAIN then
    (getaddrinfo(3)), by CoreDNS after 5 s; getent does not tell it from a name that is not there.
    """
    found = []
    for node, answer in seen.items():
        theirs = on_node.get(node, "")
        if "error" in answer or isinstance(theirs, str):
            continue
        ours = frozenset(name for name in OUTSIDE if not answer["resolve"][name][0].startswith("("))
        if ours - theirs or any(answer["resolve"][name][0] in PASSING for name in theirs - ours):
            found.append(node)
    return found


def nodes_resolve(nodes: Sequence[SshTarget]) -> dict[str, frozenset[str] | str]:
    """Which of the outside names each node resolves itself, or in words why it could not be
    asked.
    """
    return {
        name: frozenset(output.stdout.split()) if output.ok else _last(output)
        for name, output in ssh.run_all(nodes, "sh", "-c", NODE_SCRIPT, "sh", *OUTSIDE).items()
    }


def evaluate_outside(seen: Seen, on_node: Mapping[str, frozenset[str] | str]) -> Verdict:
    """Judge that a pod resolves outside names exactly where its node does."""
    problems, resolving = [], set[str]()
    for node, answer in seen.items():
        theirs = on_node.get(node, "it is not reached by SSH")
        if "error" in answer or isinstance(theirs, str):
            problems.append(f"{node}: can't be compared: {answer.get('error', theirs)}")
            continue
        found = answer["resolve"]
        ours = frozenset(name for name in OUTSIDE if not found[name][0].startswith("("))
        resolving |= ours
        problems += [
            f"{node}: {name} resolves on the node, not in a pod on it {found[name][0]}"
            for name in sorted(theirs - ours)
        ]
        problems += [
            f"{node}: {name} resolves in a pod, not on the node itself"
            for name in sorted(ours - theirs)
        ]
    if problems:
        return bad(
            "outside names differ between a node and its pods",
            "\n".join(problems),
            _next_outside(problems),
        )
    if not resolving:
        return good(
            f"no outside names here: the nodes themselves have none ({', '.join(OUTSIDE)} fail "
            "on both)"
        )
    return good(f"{', '.join(sorted(resolving))} resolve in pods as on their nodes")


def _next_outside(problems: Sequence[str]) -> str:
    if any("can't be compared" in line for line in problems):
        return "run `inv status`, and `inv cluster.start` where a node does not answer"
    if any("not in a pod" in line for line in problems):
        return (
            "run `kubectl -n kube-system logs -l k8s-app=kube-dns`: CoreDNS forwards to "
            "the name servers of the node it runs on"
        )
    return "set network.dns_servers to servers that the nodes reach, then `inv up`"


def _rows(endpoints: dict[str, Any]) -> list[dict[str, str]]:
    rows = [row for part in endpoints.get("subsets") or [] for row in part.get("addresses") or []]
    return [
        {"name": row.get("targetRef", {}).get("name", row["ip"]), "address": row["ip"]}
        for row in rows
    ]


def _absent(name: str) -> str:
    if "mysql" in name:
        return (
            f"the Service {HEADLESS} has no ready pod behind it (a headless name has the "
            "addresses of its pods)"
        )
    return f"there is no Service {name.split('.')[0]}"


def _next(problems: Sequence[str]) -> str:
    text = "\n".join(problems)
    if "no ready pod behind" in text:
        return "run `inv deploy.logs db`"
    if "there is no Service" in text:
        return "run `inv up`: the API is not deployed"
    if "gives" in text and "gives (" not in text:
        return "run `inv verify` again; CoreDNS keeps an answer for up to 30 s"
    return "run `inv status`: coredns has to be ready"


def _with_server(context: Context, verdict: Verdict) -> Verdict:
    try:
        pods = context.kubectl.items("-n", "kube-system", "pods", "-l", "k8s-app=kube-dns")
    except KubeupError:
        return verdict
    trouble = reasons.workload_trouble("coredns", pods)
    return (
        bad(
            verdict.detail,
            f"{trouble}\n{verdict.cause}",
            "run `inv status`: without coredns no name resolves",
        )
        if trouble
        else verdict
    )


def _last(output: Output) -> str:
    return (output.stderr.strip() or f"status {output.code}").splitlines()[-1]
