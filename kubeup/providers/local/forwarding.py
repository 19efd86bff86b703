"""What nodes in containers need of their machine's kernel and packet filter, done and looked at through the engine.

The rules have to be the machine's own: a container with its network and the right to change it is all that takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from kubeup import shell
from kubeup.engine import Engine
from kubeup.errors import CommandError, KubeupError
from kubeup.facts.forwarding import CHAINS, FIREWALLD, Forwarding, bridge, chain, droppers
from kubeup.plan import Log
from kubeup.providers.base import Blocked

API_SERVER = 6443
ANSWER_SECONDS = 3
LATE = 124  # timeout(1)'s own exit status
# the module is missing on an ordinary machine until somebody asks for it: kube-proxy's "bridge-nf-call-iptables" is its parameter
MODULES = "test -d /proc/sys/net/bridge || modprobe -a br_netfilter overlay"
NO_MODULE = "see `modprobe br_netfilter`: a kernel without it can't carry Services between pods of one node"
UNHOOK = "while iptables -w -t {table} -D {above} -j {chain} 2>/dev/null; do :; done"
REMOVE = "iptables -w -t {table} -F {chain} 2>/dev/null && iptables -w -t {table} -X {chain} || true"


@dataclass(frozen=True)
class NodesNetwork:
    """Where a profile's nodes are, in this machine: the engine's network of that name, and the pods behind it."""

    engine: Engine
    image: str  # has the programs
    name: str
    profile: str
    nodes: IPv4Network
    pods: IPv4Network

    def forwarding(self) -> Forwarding | None:
        """The rules as they should be; None where the network is not there."""
        asked = shell.read(*self.engine.argv("network", "inspect", self.name), ok=None)
        return Forwarding(self.profile, bridge(asked.stdout), self.nodes, self.pods) if asked.ok else None

    def inside(self, *words: str, interactive: bool = False) -> tuple[str, ...]:
        """The command line of a program in this machine's own network."""
        more = ("--interactive",) if interactive else ()
        options = ("--rm", "--privileged", "--network", "host", *self.engine.node_options)
        return self.engine.argv("run", *options, *more, self.image, *words)

    def blocked(self) -> Blocked | None:
        """What is missing of our rules; None where nothing is, or where the network is not there yet."""
        wanted = self.forwarding()
        if wanted is None:
            return None
        wrong = wanted.wrong(shell.read(*self.inside("iptables-save")).stdout)
        return Blocked(wrong) if wrong else None

    def dropped(self, node: str, address: str) -> Blocked | None:
        """Who else drops what `node` sends to the API server at `address`; None where an answer comes, be it a refusal."""
        ask = f"timeout {ANSWER_SECONDS} bash -c '</dev/tcp/{address}/{API_SERVER}'"
        if shell.read(*self.engine.argv("exec", node, "sh", "-c", ask), ok=None).code != LATE:
            return None
        names = droppers(shell.read(*self.inside("nft", "-j", "list", "ruleset")).stdout)
        why = f"{node} gets no answer from {address}:{API_SERVER}, though the rules for the nodes are there"
        if not names:
            return Blocked(why, "see what drops it: `nft list ruleset`")
        return Blocked(f"{why}: the packet filter's table {' and '.join(names)} drops what is forwarded", self._let_through(names))

    def _let_through(self, names: tuple[str, ...]) -> str:
        """What to type, as only the one who rules a table may change it."""
        sources = " ".join(f"--add-source={one}" for one in (self.nodes, self.pods))
        if any(name.endswith(FIREWALLD) for name in names):
            return f"firewall-cmd --permanent --zone=trusted {sources} && firewall-cmd --reload"
        wanted = self.forwarding()
        interface = wanted.bridge if wanted else self.name
        rules = f"`iifname {interface} accept` and `oifname {interface} accept`"
        return f"let it through in {names[0]}, before what drops it: {rules}"


@dataclass(frozen=True)
class LetForward:
    """Load the modules, and put the profile's own rules before all others, in chains of their own."""

    network: NodesNetwork

    def already(self) -> str:
        return "" if self.network.forwarding() is None or self.network.blocked() else "the rules are there"

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv(), 2000),)

    def run(self, log: Log) -> None:
        wanted = self.network.forwarding()
        if wanted is None:
            raise KubeupError(f"the network {self.network.name} is gone", "it was there when this began", "`inv up` makes it anew")
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
        shell.write(*self.network.inside("sh", "-c", _unhooked(self.network.profile, REMOVE)), log=log)


def _unhooked(profile: str, *more: str) -> str:
    """A script that takes every call of a profile's chains away, and does `more` to each of them."""
    name = chain(profile)
    return "; ".join(line.format(table=table, above=above, chain=name) for table, above in CHAINS.items() for line in (UNHOOK, *more))
