"""What nodes in containers need of their machine's kernel and packet filter, done and looked at
through the engine.

The rules have to be the machine's own: a container with its network and the right to change it is
all that takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network

from kubeup.cluster.providers.base import Blocked
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.plan import Log
from kubeup.facts.forwarding import CHAINS, FIREWALLD, Forwarding, bridge, chain, droppers
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
def shown(*words):
    told = subprocess.run(["ip", "-j", "-4", *words], capture_output=True, text=True)
    return json.loads(told.stdout or "[]")
own = [row["local"] for one in shown("address", "show", "cni0") for row in one.get("addr_info", [])]
routes = [row for row in shown("route") if row.get("gateway") == host and "/" in row["dst"]]
behind = [str(ipaddress.ip_network(row["dst"])[1]) for row in routes]
pods = [("pods", a, b) for a in own for b in behind]
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
    """Where a profile's nodes are, in this machine: the engine's network of that name, and the
    pods behind it.
    """

    engine: Engine
    image: str  # has the programs
    name: str
    profile: str
    nodes: IPv4Network
    pods: IPv4Network
    pace: Pace = field(default=AS_MEANT, compare=False, repr=False)

    def forwarding(self) -> Forwarding | None:
        """The rules as they should be; None where the network is not there."""
        asked = shell.read(*self.engine.argv("network", "inspect", self.name), ok=None)
        return (
            Forwarding(self.profile, bridge(asked.stdout), self.nodes, self.pods)
            if asked.ok
            else None
        )

    def inside(self, *words: str, interactive: bool = False) -> tuple[str, ...]:
        """The command line of a program in this machine's own network."""
        more = ("--interactive",) if interactive else ()
        options = ("--rm", "--privileged", "--network", "host", *self.engine.node_options)
        return self.engine.argv("run", *options, *more, self.image, *words)

    def blocked(self, worker: str, control: str, ready_since_boot: bool) -> Blocked | None:
        """What keeps nodes that run from each other; None where nothing does.

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
        ask = self.engine.argv(
            "exec", worker, "python3", "-c", ASK, control, str(API_SERVER), str(seconds)
        )
        asked = shell.read(*ask, ok=(0, 1), timeout=20 * seconds)
        if asked.ok:
            return None
        who = f"pods on {worker} get" if "pods" in asked.stderr else f"{worker} gets"
        why = (
            f"{who} no answer from the control plane {control}, though the rules for the "
            "nodes are there"
        )
        if not others:
            return Blocked(why, "see what drops it: `nft list ruleset`")
        dropping = f"the packet filter's table {' and '.join(others)} drops what is forwarded"
        return Blocked(f"{why}: {dropping}", self._let_through(others, interface))

    def _let_through(self, names: tuple[str, ...], interface: str) -> str:
        """What to type, as only the one who rules a table may change it."""
        sources = " ".join(f"--add-source={one}" for one in (self.nodes, self.pods))
        if any(name.endswith(FIREWALLD) for name in names):
            return f"firewall-cmd --permanent --zone=trusted {sources} && firewall-cmd --reload"
        rules = f"`iifname {interface} accept` and `oifname {interface} accept`"
        return f"let it through in {names[0]}, before what drops it: {rules}"


@dataclass(frozen=True)
class LetForward:
    """Load the modules, and put the profile's own rules before all others, in chains of their
    own.
    """

    network: NodesNetwork

    def already(self) -> str:
        wanted = self.network.forwarding()
        missing = wanted is None or wanted.wrong(
            shell.read(*self.network.inside("iptables-save")).stdout
        )
        return "" if missing else "the rules are there"

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        wanted = self.network.forwarding()
        if wanted is None:
            raise KubeupError(
                f"the network {self.network.name} is gone",
                "it was there when this began",
                "`inv up` makes it anew",
            )
        try:
            shell.write(*self._argv(), stdin=wanted.restore(), log=log)
        except CommandError as error:
            error.next = NO_MODULE if "modprobe" in error.stderr else error.next
            raise

    def _argv(self) -> tuple[str, ...]:
        unhooked = _unhooked(self.network.profile)
        script = f"set -e; {MODULES}; {unhooked}; iptables-restore --wait --noflush"
        return self.network.inside("sh", "-c", script, interactive=True)


@dataclass(frozen=True)
class Unforward:
    """Take the profile's own rules away again; those of others stay as they are."""

    network: NodesNetwork

    def run(self, log: Log) -> None:
        shell.write(
            *self.network.inside("sh", "-c", _unhooked(self.network.profile, REMOVE)), log=log
        )


def _unhooked(profile: str, *more: str) -> str:
    """A script that takes every call of a profile's chains away, and does `more` to each of
    them.
    """
    name = chain(profile)
    return "; ".join(
        line.format(table=table, above=above, chain=name)
        for table, above in CHAINS.items()
        for line in (UNHOOK, *more)
    )
