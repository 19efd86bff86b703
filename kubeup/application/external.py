"""The UI at the nodes' own addresses, on a port that needs no typing: its Service's `externalIPs`.

kube-proxy takes what comes to such an address and port, on every node, and no program has to listen
(https://kubernetes.io/docs/concepts/services-networking/service/#external-ips). Whoever writes
externalIPs can take anybody's traffic (CVE-2020-8554): only addresses of this cluster's own nodes
are written, and only where the port is free.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kubeup.core.errors import Refused
from kubeup.core.services import UI
from kubeup.core.shell import Output
from kubeup.core.state import State
from kubeup.facts import ports
from kubeup.facts.kubernetes import nodes
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

HTTP = 80
PUBLISHED = UI.name
CONFIG = r"jsonpath={.data.config\.conf}"  # in the ConfigMap of kube-proxy
# In IPVS mode every node would take the others' addresses for its own
# (syncService in kubernetes/pkg/proxy/ipvs/proxier.go).
MODES = ("iptables", "nftables")


@dataclass(frozen=True)
class Published:
    """Where the UI answers on `port` (0: nowhere), and in words why not on other nodes.

    Nodes that are `unasked` can't be asked now, and count as free until they are. It is `refused`
    that a node is left out where the settings name the port.
    """

    port: int = 0
    addresses: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    refused: bool = False

    def url(self, address: str) -> str:
        """The UI's URL there; "" where it has none."""
        if address not in self.addresses:
            return ""
        return f"http://{address}/" if self.port == HTTP else f"http://{address}:{self.port}/"


@dataclass(frozen=True)
class Memory:
    """What was found in this run: the parts of the application are rendered side by side."""

    settled: dict[tuple[SshTarget, ...], Published] = field(default_factory=dict)
    programs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by node
    asking: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class External:
    """Decides on which nodes the UI gets `port`: where it is free, or on all where it was `named`.

    A node that the Service has already was decided on before: where it has all of them, nobody is
    asked again in this run. With a node that is `leaving` no other becomes one.
    """

    port: int  # 0: none
    named: bool  # by the settings
    nodes: Callable[[], tuple[SshTarget, ...]]
    kubectl: Kubectl
    state: State
    leaving: str = ""
    memory: Memory = field(default_factory=Memory, repr=False, compare=False)

    def on(self, names: Collection[str]) -> External:
        """The same as far as it concerns some nodes: nobody else is asked."""
        return replace(self, nodes=lambda: tuple(one for one in self.nodes() if one.name in names))

    def now(self) -> Published:
        """Where the UI is to answer. Raises Refused where a port that was named is taken."""
        found = self.found()
        if found.refused:
            what, why = "; ".join(found.left_out), "ports.http wants it for the UI, on every node"
            raise Refused(
                what,
                why,
                "free it, or set ports.http to another port or to 0; "
                "without ports.http the UI gets port 80 where that is free",
            )
        return found

    def found(self) -> Published:
        """The same, and where it can't."""
        if not self.port:
            return Published()
        ssh_targets = tuple(reach for reach in self.nodes() if reach.name != self.leaving)
        if ssh_targets in self.memory.settled:
            return self.memory.settled[ssh_targets]
        there = self.decided()
        if self.leaving:  # others come with what makes them
            kept = tuple(reach.address for reach in ssh_targets if reach.address in there)
            return Published(self.port, kept)
        new = [reach for reach in ssh_targets if reach.address not in there]
        if not new:
            everywhere = Published(self.port, tuple(reach.address for reach in ssh_targets))
            return self.memory.settled.setdefault(ssh_targets, everywhere)
        taken, unasked = self._taken(new)
        addresses = tuple(reach.address for reach in ssh_targets if reach.name not in taken)
        words = f"port {self.port} of {{}} can't be the UI's: {{}}"
        left_out = tuple(words.format(name, why) for name, why in taken.items())
        return Published(self.port, addresses, left_out, unasked, self.named and bool(left_out))

    def decided(self) -> tuple[str, ...]:
        """The addresses at which the Service that is there has the port."""
        return tuple(
            address
            for spec in self._specs()
            for address in spec.get("externalIPs", [])
            if any(row["port"] == self.port for row in spec["ports"])
        )

    def has(self, address: str) -> bool:
        """Whether the Service that is there has an address, on whatever port."""
        return any(address in spec.get("externalIPs", []) for spec in self._specs())

    def shadowed(self) -> tuple[str, ...]:
        """In words, who else has the port where the UI answers: nobody reaches them there."""
        there = self.decided()
        ssh_targets = [reach for reach in self.nodes() if reach.address in there]
        programs = self._listening(ssh_targets)
        others = self._others(self._objects(), ssh_targets, programs)
        return tuple(f"{by} on {name}" for name, by in others.items())

    def _specs(self) -> list[dict[str, Any]]:
        """Of the Service, where it is there."""
        one = f"--field-selector=metadata.name={PUBLISHED}"
        items = self.kubectl.items("services", "-n", self.kubectl.namespace, one)
        return [item["spec"] for item in items]

    def _objects(self) -> list[dict[str, Any]]:
        return self.kubectl.items("nodes,pods,services", "--all-namespaces")

    def _taken(self, ssh_targets: Sequence[SshTarget]) -> tuple[dict[str, str], tuple[str, ...]]:
        """Why nodes can't have it, by their names, and those that can't be asked yet."""
        items = self._objects()
        ready = {node.name for node in nodes(_of_kind(items, "Node")) if node.ready}
        there = [
            reach for reach in ssh_targets if reach.name in ready and ssh.known(self.state, reach)
        ]
        programs = self._remembered(there)
        unasked = tuple(reach.name for reach in ssh_targets if reach.name not in programs)
        asked = [reach for reach in ssh_targets if reach.name in programs]
        mode = self._mode() if asked else ""
        if asked and mode not in MODES:
            why = f"kube-proxy in the mode {mode or 'unknown'} gives no Service a node's address"
            return {reach.name: why for reach in asked}, unasked
        others = self._others(items, asked, programs)
        return {name: f"{by} has it" for name, by in others.items()}, unasked

    def _others(
        self,
        items: list[dict[str, Any]],
        ssh_targets: Sequence[SshTarget],
        programs: Mapping[str, tuple[str, ...]],
    ) -> dict[str, str]:
        """Who has the port of each node, where somebody has it."""
        ours, found = f"Service {self.kubectl.namespace}/{PUBLISHED}", dict[str, str]()
        for reach in ssh_targets:
            claimed = ports.claimed(items, self.port, reach.name, reach.address, but=ours)
            if by := (*programs.get(reach.name, ()), *claimed):
                found[reach.name] = ", ".join(by)
        return found

    def _mode(self) -> str:
        """How kube-proxy works; "" where its configuration is not to be found."""
        words = ("get", "configmap", "kube-proxy", "-n", "kube-system", "--ignore-not-found")
        return ports.proxy_mode(self.kubectl.read(*words, "-o", CONFIG).stdout)

    def _remembered(self, ssh_targets: Sequence[SshTarget]) -> Mapping[str, tuple[str, ...]]:
        """What listens on each that answers: each is asked once."""
        with self.memory.asking:
            new = [reach for reach in ssh_targets if reach.name not in self.memory.programs]
            self.memory.programs.update(self._listening(new))
            return dict(self.memory.programs)

    def _listening(self, ssh_targets: Sequence[SshTarget]) -> dict[str, tuple[str, ...]]:
        """What listens on the port of each that can be reached."""
        answers = ssh.run_all(ssh_targets, "ss", "-Hltnp", f"sport = :{self.port}", root=True)
        reached = [reach for reach in ssh_targets if answers[reach.name].code != ssh.UNREACHED]
        return {reach.name: _programs(answers[reach.name], reach.address) for reach in reached}


def _programs(ss: Output, address: str) -> tuple[str, ...]:
    if ss.ok:
        return ports.listeners(ss.stdout, address)
    return (f"a program that ss can't tell ({ss.stderr.strip()[-200:]})",)


def _of_kind(items: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [item for item in items if item["kind"] == kind]
