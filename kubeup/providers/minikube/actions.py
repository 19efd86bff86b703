"""What is done through minikube: each action is one of its commands, on this profile and with this profile's kubeconfig."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kubeup import shell, ssh
from kubeup.errors import KubeupError
from kubeup.images.catalog import AppImage
from kubeup.plan import Log
from kubeup.providers.base import Own
from kubeup.release.download import fetch
from kubeup.ssh import Reach
from kubeup.state import State

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
START_SECONDS = 1800.0  # where base image, binaries and images have to be fetched first


@dataclass(frozen=True)
class Tool:
    """The minikube that is used, with the environment that keeps the user's own kubeconfig out of it."""

    path: str
    env: tuple[tuple[str, str], ...]
    profile: str

    def argv(self, *words: str) -> tuple[str, ...]:
        return (self.path, *words)

    def read(self, *words: str, timeout: float = 60) -> shell.Output:
        return shell.read(*self.argv(*words), env=dict(self.env), ok=None, timeout=timeout)

    def does(self, *words: str, more: tuple[tuple[str, str], ...] = (), timeout: float = 600) -> Own:
        """A command of it as an action; `more` is environment for this one alone."""
        return Own(self.argv(*words), (*self.env, *more), timeout)


@dataclass(frozen=True)
class RunAndAdmit:
    """A command that makes or starts nodes; their host keys are on record afterwards, for ssh."""

    tool: Tool
    command: Own
    nodes: Callable[[], tuple[Reach, ...]]
    state: State

    def commands(self) -> tuple[str, ...]:
        return self.command.commands()

    def run(self, log: Log) -> None:
        self.command.run(log)
        admit(self.tool, self.nodes(), self.state)


@dataclass(frozen=True)
class Admit:
    """Put the host keys of nodes on record that somebody else made."""

    tool: Tool
    nodes: Callable[[], tuple[Reach, ...]]
    state: State

    def run(self, log: Log) -> None:
        admit(self.tool, self.nodes(), self.state)


def admit(tool: Tool, nodes: tuple[Reach, ...], state: State) -> None:
    """minikube's own way to a node is trusted: it made the machine and put its key there."""

    def line(node: Reach) -> str:
        output = tool.read("ssh", "-p", tool.profile, "-n", node.name, "--", "cat", HOST_KEY)
        if not output.stdout.startswith("ssh-"):
            raise KubeupError(f"the host key of {node.name} can't be read", (output.stderr or output.stdout).strip()[-500:],
                              f"see whether this works: {shell.shown(tool.argv('ssh', '-p', tool.profile, '-n', node.name))}")
        return ssh.known_hosts_line(node, output.stdout)

    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        ssh.remember(state, list(pool.map(line, nodes)))


@dataclass(frozen=True)
class LoadImage:
    """Bring an archive to every node, and look on each whether it came.

    From a file: given a name instead, minikube removes the image of that name that it loaded before, and fails where
    no engine holds it.
    """

    tool: Tool
    image: AppImage
    nodes: Callable[[], tuple[Reach, ...]]
    names: tuple[str, ...]
    list_images: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return self._load().commands()

    def run(self, log: Log) -> None:
        self._load().run(log)
        outputs = ssh.run_all([node for node in self.nodes() if node.name in self.names], *self.list_images, root=True)
        for name, output in outputs.items():
            if self.image.reference not in output.stdout.split():
                raise KubeupError(f"{self.image.reference} did not arrive on {name}", output.stderr.strip()[-500:] or "minikube said nothing of it",
                                  "look at the disk space of that node: `inv ssh.run 'df -h /var'`")

    def _load(self) -> Own:
        return self.tool.does("image", "load", str(self.image.archive), "-p", self.tool.profile)


@dataclass(frozen=True)
class RemoveNetwork:
    """The network that `minikube delete` leaves behind; only one that minikube made for this profile."""

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
        return (f"curl -fLo {self.path} {self.url}",)

    def run(self, log: Log) -> None:
        fetch(self.url, self.sha256, self.path, log, f"install minikube yourself and put it on PATH (sha256 {self.sha256})")
