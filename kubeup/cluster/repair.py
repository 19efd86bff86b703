"""What puts a cluster's nodes right, each an action of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.core.shell import shown
from kubeup.facts.kubernetes import STAMP, STAMP_FILE
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

Argv = tuple[str, ...]
KUBEADM = "/etc/kubeup/kubeadm.yaml"  # what the control plane was made by
READY = "kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz"
RESOLV = "/etc/resolv.conf"
PHASES = {
    "etcd": ("etcd", "local"),
    "kube-apiserver": ("control-plane", "apiserver"),
    "kube-controller-manager": ("control-plane", "controller-manager"),
    "kube-scheduler": ("control-plane", "scheduler"),
}


@dataclass(frozen=True)
class OnNode:
    """Command lines that are run on one node as root, one after another."""

    target: SshTarget
    lines: tuple[Argv, ...]

    def commands(self) -> tuple[str, ...]:
        return tuple(shown(self.target.argv(*self._words(line))) for line in self.lines)

    def run(self, log: Log) -> None:
        for line in self.lines:
            output = ssh.run(self.target, *line, root=True)
            if not output.ok:
                raise KubeupError(
                    f"{self.target.name}: {shown(line)} ended with status {output.code}",
                    (output.stderr or output.stdout).strip()[-500:],
                    "see why: `inv ssh.run 'journalctl -n 50' --root`",
                )
            log(shown(line))

    def _words(self, line: Argv) -> Argv:
        return self.target.words(line, root=True)


def start_units(target: SshTarget, units: Sequence[str]) -> OnNode:
    """Start services, now and at every start of the node, whatever was done to them."""
    verbs = ("unmask", "enable", "reset-failed", "restart")
    return OnNode(target, tuple(("systemctl", verb, *units) for verb in verbs))


def set_pod_network(target: SshTarget) -> OnNode:
    return OnNode(target, (("systemctl", "restart", "pod-network"),))


def write_manifests(target: SshTarget, pods: Sequence[str]) -> OnNode:
    """Have kubeadm write the manifests of static pods as it did when it made the cluster.

    https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init-phase/
    """
    lines = tuple(
        ("kubeadm", "init", "phase", *PHASES[pod], "--config", KUBEADM) for pod in sorted(pods)
    )
    return OnNode(target, lines)


def renew_certificates(target: SshTarget) -> OnNode:
    """Renew what kubeadm made but its authorities, and start anew who has read the old ones.

    kubelet starts a static pod whose program ended
    (https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/).
    """
    # the kernel keeps 15 letters of a program's name (proc(5))
    ended = "|".join(name[:15] for name in PHASES)
    lines = (
        ("kubeadm", "certs", "renew", "all"),
        ("pkill", "-x", ended),
        ("timeout", "240", "sh", "-c", f"until {READY}; do sleep 1; done"),
    )
    return OnNode(target, lines)


def register(target: SshTarget) -> OnNode:
    """Have a node's kubelet join again that was deleted from the cluster, and mark it as it was.

    A kubelet registers its node once, when it starts
    (https://kubernetes.io/docs/concepts/architecture/nodes/#self-registration-of-nodes).
    """
    own = f"kubectl --kubeconfig /etc/kubernetes/kubelet.conf {{}} node {target.name}"
    mark = f"{own.format('annotate')} --overwrite {STAMP}=$(cat {STAMP_FILE})"
    lines = [
        ("systemctl", "restart", "kubelet"),
        ("timeout", "120", "sh", "-c", f"until {own.format('get')}; do sleep 1; done"),
        ("sh", "-c", mark),
    ]
    if target.role == "control":
        lines.append(("kubeadm", "init", "phase", "mark-control-plane", "--config", KUBEADM))
    return OnNode(target, tuple(lines))


@dataclass(frozen=True)
class CopyNameServers:
    """Give a node the resolv.conf(5) of another one, which is on the same networks."""

    source: SshTarget
    target: SshTarget

    def commands(self) -> tuple[str, ...]:
        words = (("cat", RESOLV), self.target.words(("tee", RESOLV), root=True))
        read, write = (shown(one.argv(*line)) for one, line in zip(self._both, words, strict=True))
        return (f"{read} | {write}",)

    @property
    def _both(self) -> tuple[SshTarget, SshTarget]:
        return self.source, self.target

    def run(self, log: Log) -> None:
        text = ssh.run(self.source, "cat", RESOLV).stdout
        # in its place: an engine mounts that very file into a container
        wrote = ssh.run(self.target, "tee", RESOLV, stdin=text, root=True)
        if "nameserver" not in text or not wrote.ok:
            raise KubeupError(
                f"{self.target.name} still has no name server",
                wrote.stderr.strip() or f"{self.source.name} has none, either",
                f"write one into {RESOLV} there",
            )
        log(text.strip())


@dataclass(frozen=True)
class LetTakePods:
    """Take the cordon and these taints, such as key:NoExecute, off a node."""

    kubectl: Kubectl
    node: str
    taints: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return tuple(self.kubectl.shown(*words) for words in self._lines())

    def run(self, log: Log) -> None:
        for words in self._lines():
            self.kubectl.write(*words, log=log)

    def _lines(self) -> list[Argv]:
        off = [("taint", "node", self.node, f"{taint}-") for taint in self.taints]
        return [("uncordon", self.node), *off]
