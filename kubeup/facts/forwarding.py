"""Rules of iptables that let through what goes between nodes in containers.

Others rule there as well: Docker and ufw set FORWARD to DROP (containers/podman#24486), and where
bridges call iptables (br_netfilter, which kube-proxy needs) what goes from node to node is
forwarded. Engines hide what leaves their network behind the machine's address; a pod on another
node would see that instead of the node's or the client's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import takewhile

NAME_LENGTH = 28  # of a chain, at most (XT_EXTENSION_MAXNAMELEN in linux/netfilter/x_tables.h)
# the table of that service; its last rule rejects, whatever the policy of its chains
FIREWALLD = "firewalld"
PREFIX = "KUBEUP-"
# table -> the chain of the kernel's that ours is called from
CHAINS = {"filter": "FORWARD", "raw": "PREROUTING"}


@dataclass(frozen=True)
class Forwarding:
    """A profile's own rules, in a chain of its own in each table.

    `bridge`: the network's interface on this machine.
    """

    profile: str
    bridge: str
    nodes: IPv4Network
    pods: IPv4Network

    @property
    def chain(self) -> str:
        return chain(self.profile)

    def rules(self, table: str) -> tuple[str, ...]:
        """As iptables-save(8) prints them."""
        bridge, nodes, pods = self.bridge, self.nodes, self.pods
        label = f'-m comment --comment "kubeup profile {self.profile}"'
        if table == "raw":
            # nothing that is not tracked is given another address (iptables-extensions(8), CT)
            ways = ((nodes, pods), (pods, nodes))
            return tuple(
                f"-A {self.chain} -s {a} -d {b} -i {bridge} {label} -j CT --notrack"
                for a, b in ways
            )
        return (
            f"-A {self.chain} -i {bridge} -o {bridge} {label} -j ACCEPT",
            f"-A {self.chain} -s {nodes} -i {bridge} {label} -j ACCEPT",
            f"-A {self.chain} -d {nodes} -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED "
            f"{label} -j ACCEPT",
        )

    def jump(self, table: str) -> str:
        return f"-A {CHAINS[table]} -j {self.chain}"

    def restore(self) -> str:
        """What iptables-restore(8) is given with --noflush: both chains whole, the jumps first."""
        rows = []
        for table, above in CHAINS.items():
            rows += [
                f"*{table}",
                f":{self.chain} - [0:0]",
                *self.rules(table),
                f"-I {above} 1 -j {self.chain}",
                "COMMIT",
            ]
        return "\n".join([*rows, ""])

    def wrong(self, saved: str) -> str:
        """What is missing in the text of iptables-save(8), in words; '' where nothing is."""
        for table, above in CHAINS.items():
            found = _rules(saved, table)
            ours = tuple(row for row in found if row.startswith(f"-A {self.chain} "))
            if ours != self.rules(table):
                return f"the rules for what goes between nodes are not in the table {table}"
            if self.jump(table) not in _first(found, above):
                return f"another rule comes before those for the nodes in {table} {above}"
        return ""


def chain(profile: str) -> str:
    """The name of a profile's own chain."""
    name = f"{PREFIX}{profile}"
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 9]}-{hashlib.sha256(profile.encode()).hexdigest()[:8]}"


def bridge(inspect_json: str) -> str:
    """The interface of a network, from `podman network inspect` or `docker network inspect`.

    Docker names it after the first 12 digits of the network's id unless told otherwise.
    """
    row = json.loads(inspect_json)[0]
    named = (row.get("Options") or {}).get("com.docker.network.bridge.name", "")
    return str(row.get("network_interface") or named or f"br-{row['Id'][:12]}")


def droppers(ruleset_json: str) -> tuple[str, ...]:
    """Tables of nftables, as `family name`, that may drop what is forwarded whatever others accept.

    From `nft -j list ruleset`. A chain of another table that accepts a packet does not spare it
    these (https://wiki.nftables.org, "Configuring chains"); iptables' own table is the one that our
    rules come first in.
    """
    chains = [row["chain"] for row in json.loads(ruleset_json)["nftables"] if "chain" in row]
    forwarding = [
        row
        for row in chains
        if row.get("hook") == "forward" and (row["family"], row["table"]) != ("ip", "filter")
    ]
    found = (
        f"{row['family']} {row['table']}"
        for row in forwarding
        if row.get("policy") == "drop" or row["table"] == FIREWALLD
    )
    return tuple(dict.fromkeys(found))


def _first(rules: Iterable[str], above: str) -> tuple[str, ...]:
    """The calls of profiles' chains that come before other rules of the chain `above`."""
    calls = f"-A {above} -j {PREFIX}"
    of_chain = (rule for rule in rules if rule.startswith(f"-A {above} "))
    return tuple(takewhile(lambda rule: rule.startswith(calls), of_chain))


def _rules(saved: str, table: str) -> list[str]:
    """Those of a table, from the text of iptables-save(8)."""
    section = f"\n{saved}".partition(f"\n*{table}\n")[2].partition("\nCOMMIT")[0]
    return [line.rstrip() for line in section.splitlines() if line.startswith("-A ")]
