"""What nodes in containers need of their machine's kernel and packet filter.

The rules have to be the machine's own: a container with its network and the right to change it is
all that takes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from kubeup.cluster.providers.base import Blocked
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.plan import Log
from kubeup.facts.forwarding import CHAINS, FIREWALLD, Forwarding, bridge, chain, droppers
from kubeup.system.commands import Argv, Command
from kubeup.system.engine import Engine

API_SERVER = 6443
ANSWER_SECONDS = 3
BETWEEN = "--- nftables ---\n"
# nodes that an earlier kubeup made have no nft
NFT = """{ command -v nft >/dev/null && nft -j list ruleset || echo '{"nftables": []}'; }"""
LOOK = f"iptables-save && printf '%s\\n' '{BETWEEN.strip()}' && {NFT}"
# on a node: itself to the control plane, and its end of the pods' network to the control plane's,
# as both may be judged apart
ASK = """
import ipaddress, json, socket, subprocess, sys
host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
def ip(*words):
    listed = subprocess.run(["ip", "-j", "-4", *words], capture_output=True, text=True)
    return json.loads(listed.stdout or "[]")
bridges = ip("address", "show", "cni0")
sources = [row["local"] for bridge in bridges for row in bridge.get("addr_info", [])]
routes = [row for row in ip("route") if row.get("gateway") == host and "/" in row["dst"]]
targets = [str(ipaddress.ip_network(row["dst"])[1]) for row in routes]
pods = [("pods", source, target) for source in sources for target in targets]
for name, source, target in [("", "0.0.0.0", host), *pods]:
    try:
        socket.create_connection((target, port), seconds, (source, 0)).close()
    except ConnectionRefusedError:
        pass
    except OSError:
        sys.exit(name or "none")
"""
# the module is missing on an ordinary machine until somebody asks for it: kube-proxy's
# "bridge-nf-call-iptables" is its parameter
MODULES = "test -d /proc/sys/net/bridge || modprobe -a br_netfilter overlay"
NO_MODULE = (
    "see `modprobe br_netfilter`: a kernel without it can't carry Services between pods of one node"
)
UNHOOK = "while iptables -w -t {table} -D {above} -j {chain} 2>/dev/null; do :; done"
REMOVE = (
    "iptables -w -t {table} -F {chain} 2>/dev/null && iptables -w -t {table} -X {chain} || true"
)


@dataclass(frozen=True)
class NodesNetwork:
    """A profile's nodes in this machine: the engine's network, and the pods behind it."""

    engine: Engine
    image: str  # has the programs
    name: str
    profile: str
    nodes: IPv4Network
    pods: IPv4Network
    pace: Pace = field(default=AS_MEANT, compare=False, repr=False)

    def forwarding(self) -> Forwarding | None:
        """The rules as they should be; None where the network does not exist."""
        inspected = self.engine.read("network", "inspect", self.name, ok=None)
        if not inspected.ok:
            return None
        return Forwarding(self.profile, bridge(inspected.stdout), self.nodes, self.pods)

    def inside(self, *words: str, interactive: bool = False) -> Argv:
        """The command line of a program in this machine's own network."""
        options = ["--rm", "--privileged", "--network", "host", *self.engine.node_options]
        if interactive:
            options.append("--interactive")
        return self.engine.argv("run", *options, self.image, *words)

    def has_rules(self) -> bool:
        """Whether the profile's own chains are in the packet filter."""
        own = re.compile(rf"^:{re.escape(chain(self.profile))} ", re.MULTILINE)
        return own.search(shell.read(*self.inside("iptables-save")).stdout) is not None

    def blocked(self, worker: str, control: str, ready_since_boot: bool) -> Blocked | None:
        """What keeps running nodes from each other; None where nothing does.

        `worker` is a node's name, `control` the API server's address; '' for none. Where others may
        drop what our rules let through, or where not all nodes are `ready_since_boot`, that worker
        is asked whether it gets an answer.
        """
        wanted = self.forwarding()
        if wanted is None:
            return None
        saved, _, ruleset = shell.read(*self.inside("sh", "-c", LOOK)).stdout.partition(BETWEEN)
        if wrong := wanted.wrong(saved):
            return Blocked(wrong)
        others = droppers(ruleset)
        if not (worker and control) or (ready_since_boot and not others):
            return None
        return self._dropped(worker, control, wanted.bridge, others)

    def _dropped(
        self, worker: str, control: str, interface: str, others: tuple[str, ...]
    ) -> Blocked | None:
        """None where an answer comes to the node and to its pods, be it a refusal."""
        seconds = self.pace.seconds(ANSWER_SECONDS)
        ask = ("python3", "-c", ASK, control, str(API_SERVER), str(seconds))
        answer = self.engine.read("exec", worker, *ask, ok=(0, 1), timeout=20 * seconds)
        if answer.ok:
            return None
        who = f"pods on {worker} get" if "pods" in answer.stderr else f"{worker} gets"
        why = (
            f"{who} no answer from the control plane {control}, though the rules for the "
            "nodes are there"
        )
        if not others:
            return Blocked(why, "see what drops it: `nft list ruleset`")
        dropping = f"the packet filter's table {' and '.join(others)} drops what is forwarded"
        return Blocked(f"{why}: {dropping}", self._let_through(others, interface))

    def _let_through(self, tables: tuple[str, ...], interface: str) -> str:
        """What to type, as only the owner of a table may change it."""
        if any(table.endswith(FIREWALLD) for table in tables):
            sources = f"--add-source={self.nodes} --add-source={self.pods}"
            return f"firewall-cmd --permanent --zone=trusted {sources} && firewall-cmd --reload"
        rules = f"`iifname {interface} accept` and `oifname {interface} accept`"
        return f"let it through in {tables[0]}, before what drops it: {rules}"


@dataclass(frozen=True)
class LetForward(Command):
    """Load the modules, and put the profile's own rules before all others, in its own chains."""

    network: NodesNetwork

    def already(self) -> str:
        wanted = self.network.forwarding()
        if wanted is None or wanted.wrong(shell.read(*self.network.inside("iptables-save")).stdout):
            return ""
        return "the rules are there"

    def argv(self) -> Argv:
        # without --noflush the rules of everybody else would go; an earlier jump may be left, and
        # not be the first any more
        unhook = _each_chain(self.network.profile, UNHOOK)
        script = f"set -e; {MODULES}; {unhook}; iptables-restore --wait --noflush"
        return self.network.inside("sh", "-c", script, interactive=True)

    def run(self, log: Log) -> None:
        wanted = self.network.forwarding()
        if wanted is None:
            raise KubeupError(
                f"the network {self.network.name} is gone",
                "it was removed after the plan was made",
                "`inv up` makes it anew",
            )
        try:
            shell.write(*self.argv(), stdin=wanted.restore(), log=log)
        except CommandError as error:
            error.next = NO_MODULE if "modprobe" in error.stderr else error.next
            raise


@dataclass(frozen=True)
class Unforward(Command):
    """Take the profile's own rules away again; those of others stay as they are."""

    network: NodesNetwork

    def argv(self) -> Argv:
        script = _each_chain(self.network.profile, UNHOOK, REMOVE)
        return self.network.inside("sh", "-c", script)


def _each_chain(profile: str, *commands: str) -> str:
    """A script that does the same to each of a profile's chains."""
    name = chain(profile)
    return "; ".join(
        command.format(table=table, above=above, chain=name)
        for table, above in CHAINS.items()
        for command in commands
    )
