"""Line: cluster DNS has each name's right address, on every node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Any

from kubeup.core.errors import KubeupError
from kubeup.core.services import API
from kubeup.facts import trouble
from kubeup.inspect.verify.checks import outside_names, wrong_order
from kubeup.inspect.verify.model import Context, Problem, Verdict, failed, good
from kubeup.inspect.verify.probes import Answers, missing, unasked
from kubeup.inspect.verify.run import Run

HEADLESS = "mysql-headless"
CHECK_COREDNS = "run `inv status`: coredns has to be ready"
Names = Mapping[str, frozenset[str]]  # the addresses of each


def look(run: Run) -> Verdict:
    """Ask every node's pod everything at once; the two other checks read the same answers."""
    context, probes = run.context, run.probes
    database = context.database.address if context.database else ""
    wanted = expected(context.items("services,endpoints"), database)
    seen = probes.ask_names([*wanted, *outside_names.NAMES], [wrong_order.NAME])
    service_cidr = context.settings.network.service_cidr
    verdict = evaluate(wanted, seen, service_cidr, missing(probes.all))
    if verdict.ok:
        return verdict
    return verdict.because(
        _coredns_trouble(context), "run `inv status`: without coredns no name resolves"
    )


def expected(items: Sequence[dict[str, Any]], database: str = "") -> Names:
    """The names that must resolve, with the addresses that the API server has for them.

    `database` is the address of one that is no pod.
    """
    addresses = {"mysql-0": database} if database else _pod_addresses(items)
    cluster_ips = {
        item["metadata"]["name"]: item["spec"].get("clusterIP", "")
        for item in items
        if item["kind"] == "Service"
    }
    mysql_0 = addresses.get("mysql-0", "")
    api, kubernetes = cluster_ips.get(API.name, ""), cluster_ips.get("kubernetes", "")
    names = {
        f"{HEADLESS}.default.svc.cluster.local": addresses.values(),
        f"mysql-0.{HEADLESS}.default.svc.cluster.local": [mysql_0],
        "api.default.svc.cluster.local": [api],
        "api": [api],  # by the pod's search list, as the UI asks for it
        "kubernetes.default": [kubernetes],
    }
    return {name: frozenset(filter(None, known)) for name, known in names.items()}


def _pod_addresses(items: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The ready pods behind the headless Service."""
    return {
        row.get("targetRef", {}).get("name", row["ip"]): row["ip"]
        for item in items
        if item["kind"] == "Endpoints" and item["metadata"]["name"] == HEADLESS
        for subset in item.get("subsets") or []
        for row in subset.get("addresses") or []
    }


def evaluate(
    wanted: Names, seen: Answers, service_cidr: IPv4Network, others: Sequence[Problem] = ()
) -> Verdict:
    """Judge whether each name resolves to what the API server has for it, on every node."""
    # the first says what to do next: what is not there can't resolve, whatever CoreDNS does
    problems = [
        *_without_address(wanted),
        *unasked(seen),
        *_wrong_addresses(wanted, seen),
        *_out_of_range(wanted["kubernetes.default"], service_cidr),
        *others,
    ]
    if problems:
        return failed("not every name of the cluster resolves", problems)
    shown = [f"{name} = {_listed(addresses)}" for name, addresses in wanted.items()]
    return good(f"{len(wanted)} names on {len(seen)} nodes: {', '.join(shown)}")


def _without_address(wanted: Names) -> Iterator[Problem]:
    for name in (name for name, addresses in wanted.items() if not addresses):
        if HEADLESS in name:
            why = (
                f"the Service {HEADLESS} has no ready pod behind it (a headless name has the "
                "addresses of its pods)"
            )
            yield Problem(f"{name}: {why}", "run `inv deploy.logs db`")
        else:
            why = f"there is no Service {name.split('.')[0]}"
            yield Problem(f"{name}: {why}", "run `inv up`: the API is not deployed")


def _wrong_addresses(wanted: Names, seen: Answers) -> Iterator[Problem]:
    for node, answer in seen.items():
        for name, addresses in wanted.items():
            resolved = answer.get("resolve", {}).get(name, [])
            if not resolved or not addresses or set(resolved) == addresses:
                continue
            text = f"{node}: {name} gives {', '.join(resolved)}, not {_listed(addresses)}"
            # an error is CoreDNS' own, an address of before may still be kept by it
            if outside_names.is_error(resolved):
                yield Problem(text, CHECK_COREDNS)
            else:
                yield Problem(
                    text, "run `inv verify` again; CoreDNS keeps an answer for up to 30 s"
                )


def _out_of_range(addresses: frozenset[str], service_cidr: IPv4Network) -> Iterator[Problem]:
    for address in addresses:
        if ip_address(address) not in service_cidr:
            text = f"kubernetes.default has {address}, which is outside {service_cidr}"
            yield Problem(text, CHECK_COREDNS)


def _listed(addresses: frozenset[str]) -> str:
    return ", ".join(sorted(addresses))


def _coredns_trouble(context: Context) -> str:
    try:
        return trouble.of_pods("coredns", context.system_pods("kube-dns"))
    except KubeupError:
        return ""  # the names that do not resolve are cause enough
