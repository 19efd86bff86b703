"""What is done through minikube: each action is one of its commands, on this profile and with
this profile's kubeconfig.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.release.download import fetch
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log, Paced
from kubeup.core.state import State
from kubeup.images.catalog import AppImage
from kubeup.system import cache, ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

# appended behind kube-proxy's own rules: only what they did not rewrite comes so far
UNIT = """[Unit]
Description=Services' addresses are for this node's own rules
Before=kubelet.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'for chain in OUTPUT FORWARD; do \\
  iptables -w -A $chain -d {services} -p tcp -j REJECT --reject-with tcp-reset; \\
  iptables -w -A $chain -d {services} -j REJECT; done'
[Install]
WantedBy=multi-user.target
"""
INSTALL = (
    "cat >/etc/systemd/system/kubeup-services.service && systemctl daemon-reload && systemctl "
    "enable --no-reload --quiet kubeup-services && "
    "systemctl start kubeup-services"
)
METRICS, RESOLUTION = ("deployment", "metrics-server"), "--metric-resolution=15s"
# as in ansible/roles/control_plane/files/coredns.yaml, which says why
SHORT = (
    (r"(?m)^(\s*)ttl 30$", r"\1ttl 1"),
    (r"(?m)^(\s*)cache 30$", r"\1cache 30 {\n\1   success 9984 30 1\n\1   denial 9984 2\n\1}"),
)
# annotation of CoreDNS's pods: the Corefile that they were started with
COREFILE = "kubeup/corefile"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
CONFIGURATION = "/var/tmp/minikube/kubeadm.yaml"  # noqa: S108 - on the node: constants.KubeadmYamlPath
START_SECONDS = 1800.0  # where base image, binaries and images have to be fetched first


@dataclass(frozen=True)
class Tool:
    """The minikube that is used, with the environment that keeps the user's own kubeconfig out
    of it.
    """

    path: str
    env: tuple[tuple[str, str], ...]
    profile: str

    def argv(self, *words: str) -> tuple[str, ...]:
        return (self.path, *words)

    def read(self, *words: str, timeout: float = 60) -> shell.Output:
        return shell.read(*self.argv(*words), env=dict(self.env), ok=None, timeout=timeout)

    def does(
        self, *words: str, more: tuple[tuple[str, str], ...] = (), timeout: float = 600
    ) -> ToolCommand:
        """A command of it as an action; `more` is environment for this one alone."""
        return ToolCommand(self.argv(*words), (*self.env, *more), timeout)


@dataclass(frozen=True)
class RunAndAdmit(Paced):
    """A command that makes or starts nodes; their host keys are on record afterwards, for ssh."""

    tool: Tool
    command: ToolCommand
    nodes: Callable[[], tuple[SshTarget, ...]]
    state: State

    def commands(self) -> tuple[str, ...]:
        return self.command.commands()

    def run(self, log: Log) -> None:
        self.command.at(self.pace).run(log)
        admit(self.tool, self.nodes(), self.state)


@dataclass(frozen=True)
class AskAndRun(Paced):
    """A start whose driver minikube has to be asked for, which is not here before the plan has
    fetched it.

    `expected` is what the plan shows; `ask` gives the start with minikube's own answer.
    """

    expected: RunAndAdmit
    ask: Callable[[], RunAndAdmit]

    def commands(self) -> tuple[str, ...]:
        return self.expected.commands()

    def run(self, log: Log) -> None:
        start = self.ask()
        log(start.commands()[0])
        start.at(self.pace).run(log)


@dataclass(frozen=True)
class SetUpAgain(Paced):
    """Start a profile whose first start was cut off once its Kubernetes ran: what came after that
    (the pod network, say) is missing.

    `minikube start` takes such a cluster as it is where the configuration on its node is the wanted
    one (restartPrimaryControlPlane in pkg/minikube/bootstrapper/kubeadm: "does not require
    reconfiguration"), so that is removed before; minikube writes it anew.
    """

    forget: ToolCommand
    start: RunAndAdmit

    def commands(self) -> tuple[str, ...]:
        return (*self.forget.commands(), *self.start.commands())

    def run(self, log: Log) -> None:
        self.forget.run(log)
        self.start.at(self.pace).run(log)


@dataclass(frozen=True)
class Admit:
    """Put the host keys of nodes on record that somebody else made."""

    tool: Tool
    nodes: Callable[[], tuple[SshTarget, ...]]
    state: State

    def run(self, log: Log) -> None:
        admit(self.tool, self.nodes(), self.state)


def admit(tool: Tool, nodes: tuple[SshTarget, ...], state: State) -> None:
    """minikube's own way to a node is trusted: it made the machine and put its key there."""

    def line(node: SshTarget) -> str:
        output = tool.read("ssh", "-p", tool.profile, "-n", node.name, "--", "cat", HOST_KEY)
        if not output.stdout.startswith("ssh-"):
            raise KubeupError(
                f"the host key of {node.name} can't be read",
                (output.stderr or output.stdout).strip()[-500:],
                "see whether this works: "
                f"{shell.shown(tool.argv('ssh', '-p', tool.profile, '-n', node.name))}",
            )
        return ssh.known_hosts_line(node, output.stdout)

    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        ssh.remember(state, list(pool.map(line, nodes)))


@dataclass(frozen=True)
class LoadImage:
    """Bring an archive to every node, and look on each whether it came.

    From a file: given a name instead, minikube removes the image of that name that it loaded
    before, and fails where no engine holds it.
    """

    tool: Tool
    image: AppImage
    nodes: Callable[[], tuple[SshTarget, ...]]
    names: tuple[str, ...]
    list_images: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return self._load().commands()

    def run(self, log: Log) -> None:
        self._load().run(log)
        outputs = ssh.run_all(
            [node for node in self.nodes() if node.name in self.names], *self.list_images, root=True
        )
        for name, output in outputs.items():
            if self.image.reference not in output.stdout.split():
                raise KubeupError(
                    f"{self.image.reference} did not arrive on {name}",
                    output.stderr.strip()[-500:] or "minikube said nothing of it",
                    "look at the disk space of that node: `inv ssh.run 'df -h /var'`",
                )

    def _load(self) -> ToolCommand:
        return self.tool.does("image", "load", str(self.image.archive), "-p", self.tool.profile)


@dataclass(frozen=True)
class SetMetricsResolution:
    """Let metrics-server look every 15 s, as upstream's own manifest has it: minikube's addon does
    every 60 s, and at each start anew.

    It has numbers after two looks, so they would be missing for two minutes. `enable` comes first,
    where it is not there yet.
    """

    kubectl: Kubectl
    enable: ToolCommand | None = None

    def commands(self) -> tuple[str, ...]:
        return self.enable.commands() if self.enable else ()

    def run(self, log: Log) -> None:
        if self.enable is not None:
            self.enable.run(log)
        found = self.kubectl.read(
            "-n", "kube-system", "get", *METRICS, "--ignore-not-found", "-o", "json"
        ).stdout
        args = (
            json.loads(found)["spec"]["template"]["spec"]["containers"][0]["args"]
            if found.strip()
            else []
        )
        often = [RESOLUTION if arg.startswith(RESOLUTION.split("=")[0]) else arg for arg in args]
        if often != args:
            patch = [
                {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": often}
            ]
            self.kubectl.write(
                "-n",
                "kube-system",
                "patch",
                *METRICS,
                "--type=json",
                f"--patch={json.dumps(patch)}",
                log=log,
            )


@dataclass(frozen=True)
class ShortenDnsCache:
    """Let CoreDNS keep an answer about the cluster's own names for a second or two: minikube's
    keeps it for 30.

    An API that asks a moment before its database has an address is told so for half a minute, on a
    cluster with two CoreDNS by one of them. It would find out of a new Corefile within two minutes,
    so it is started anew; the one there is answers until then.
    """

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        configuration, deployment = self.kubectl.items(
            "-n", "kube-system", "configmap/coredns", "deployment/coredns"
        )
        has = configuration["data"]["Corefile"]
        wanted = forgetful(has)
        if wanted != has:
            self._patch("configmap", {"data": {"Corefile": wanted}}, log)
        started_with = {COREFILE: cache.digest(wanted)}
        template = {"metadata": {"annotations": started_with}}
        if (
            not started_with.items()
            <= deployment["spec"]["template"]["metadata"].get("annotations", {}).items()
        ):
            self._patch(
                "deployment",
                {
                    "spec": {
                        "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
                        "template": template,
                    }
                },
                log,
            )

    def _patch(self, kind: str, patch: dict[str, object], log: Log) -> None:
        self.kubectl.write(
            "-n", "kube-system", "patch", kind, "coredns", f"--patch={json.dumps(patch)}", log=log
        )


def forgetful(corefile: str) -> str:
    """A Corefile whose usual lines about time are short; other lines stay as they are."""
    for usual, short in SHORT:
        corefile = re.sub(usual, short, corefile)
    return corefile


@dataclass(frozen=True)
class KeepServicesInside:
    """Let no packet for a Service's address leave a node as it is, now and after each restart of
    it.

    A started node runs its pods before kube-proxy's rules are back. What they send to a Service
    then goes out by the default route, and whoever answers there is taken for the Service while the
    connection lasts: the API server keeps the one to metrics-server for good. Seen as a metrics API
    that stays unavailable after stop and start.
    """

    nodes: Callable[[], tuple[SshTarget, ...]]
    services: str

    def run(self, log: Log) -> None:
        script = UNIT.format(services=self.services)
        for name, output in ssh.run_all(
            self.nodes(), "sh", "-c", INSTALL, "install", stdin=script, root=True
        ).items():
            if not output.ok:
                raise KubeupError(
                    f"Services' addresses are not kept inside {name}",
                    (output.stderr or output.stdout).strip()[-500:],
                    "run the same again; without it metrics may stay unavailable after a restart",
                )


@dataclass(frozen=True)
class RemoveNetwork:
    """The network that `minikube delete` leaves behind; only one that minikube made for this
    profile.
    """

    engine: tuple[str, ...]
    name: str

    def commands(self) -> tuple[str, ...]:
        return (shell.shown((*self.engine, "network", "rm", self.name)),)

    def already(self) -> str:
        return "" if network_of(self.engine, self.name) else "gone"

    def run(self, log: Log) -> None:
        shell.write(*self.engine, "network", "rm", self.name, log=log)


def network_of(engine: tuple[str, ...], profile: str) -> bool:
    """Whether there is a network of that name with minikube's label for it."""
    output = shell.read(*engine, "network", "inspect", profile, ok=None)
    return output.ok and f'"name.minikube.sigs.k8s.io": "{profile}"' in output.stdout


@dataclass(frozen=True)
class Install:
    """Fetch the pinned minikube into the user's cache; what is on PATH stays as it is."""

    url: str
    sha256: str
    path: Path

    def already(self) -> str:
        return "downloaded" if self.path.exists() else ""

    def commands(self) -> tuple[str, ...]:
        kept = shell.shown((str(self.path),))
        return (
            f"curl -fLo {kept} --create-dirs {self.url}",
            f"echo '{self.sha256}  {self.path}' | sha256sum --check && chmod 755 {kept}",
        )

    def run(self, log: Log) -> None:
        fetch(
            self.url,
            self.sha256,
            self.path,
            log,
            f"install minikube yourself and put it on PATH (sha256 {self.sha256})",
        )
