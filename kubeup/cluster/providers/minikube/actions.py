"""What is done through minikube: each action is one of its commands, or some of them.

They work on one profile, with that profile's kubeconfig.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.providers.external_tool import ExternalTool, Words, error_text
from kubeup.cluster.providers.minikube import mark
from kubeup.cluster.providers.minikube.mark import Mark
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log, Paced
from kubeup.core.state import State
from kubeup.images.catalog import AppImage
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
START_SECONDS = 1800.0  # where base image, binaries and images have to be fetched first
Nodes = Callable[[], tuple[SshTarget, ...]]  # known only once they are made


@dataclass(frozen=True)
class Tool(ExternalTool):
    """A minikube, and the profile it works on.

    Its environment keeps the user's own kubeconfig out of it.
    """

    profile: str

    @property
    def on(self) -> tuple[str, str]:
        """The profile as words: without them it is the profile `minikube`, whoever's that is."""
        return ("-p", self.profile)


@dataclass(frozen=True)
class MarkedProfile:
    """The folder of a new profile, and what tells in it whose that is."""

    folder: Path
    mark: Mark


@dataclass(frozen=True)
class RunAndAdmit(Paced):
    """Commands that make or start nodes; the nodes' host keys are on record afterwards, for ssh.

    Without a command it admits nodes that were made outside kubeup. `made`: the profile that the
    commands make.
    """

    tool: Tool
    tool_commands: tuple[ToolCommand, ...]
    nodes: Nodes
    state: State
    made: MarkedProfile | None = None

    def commands(self) -> Words:
        return tuple(line for command in self.tool_commands for line in command.commands())

    def run(self, log: Log) -> None:
        for command in self.tool_commands:
            # what a slow machine takes longer for is known only now
            command.at(self.pace).run(log)
        if self.made:
            mark.write(self.made.folder, self.made.mark)
        nodes = self.nodes()
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            ssh.remember(self.state, list(pool.map(self._known_hosts_line, nodes)))

    def _known_hosts_line(self, node: SshTarget) -> str:
        """minikube's own way to a node is trusted: it made the machine and put its key there."""
        words = ("ssh", *self.tool.on, "-n", node.name)
        output = self.tool.read(*words, "--", "cat", HOST_KEY)
        if not output.stdout.startswith("ssh-"):
            raise KubeupError(
                f"the host key of {node.name} can't be read",
                error_text(output),
                f"see whether this works: {shell.shown(self.tool.argv(*words))}",
            )
        return ssh.known_hosts_line(node, output.stdout)


@dataclass(frozen=True)
class AskAndRun(Paced):
    """A start whose driver a minikube chooses that the plan fetches first.

    `expected` is what the plan shows; `ask` gives the start with minikube's own answer.
    """

    expected: RunAndAdmit
    ask: Callable[[], RunAndAdmit]

    def commands(self) -> Words:
        return self.expected.commands()

    def run(self, log: Log) -> None:
        start = self.ask()
        log(start.commands()[0])
        start.at(self.pace).run(log)


def run_on_all(nodes: Iterable[SshTarget], failure: str, log: Log, *argv: str, stdin: str) -> None:
    """Run a script on every node as root.

    Raises KubeupError that says `failure` and the node's name where it ends with an error.
    """
    outputs = ssh.run_all(nodes, *argv, stdin=stdin, root=True)
    for name, output in outputs.items():
        if not output.ok:
            fix = f"log in to see why: `inv cluster.ssh {name}`; then run the same again"
            raise KubeupError(f"{failure} {name}", error_text(output), fix)
        log(f"{name} is configured")


@dataclass(frozen=True)
class LoadImage:
    """Bring an archive to every node, and check on each that the image is there.

    From a file: given a name instead, minikube removes the image of that name that it loaded
    before, and fails where no engine holds it.
    """

    load: ToolCommand
    image: AppImage
    nodes: Nodes
    names: Words
    list_images: Words

    def commands(self) -> Words:
        return self.load.commands()

    def run(self, log: Log) -> None:
        self.load.run(log)
        nodes = [node for node in self.nodes() if node.name in self.names]
        outputs = ssh.run_all(nodes, *self.list_images, root=True)
        for name, output in outputs.items():
            if self.image.reference not in output.stdout.split():
                raise KubeupError(
                    f"the image {self.image.reference} is missing on {name} after loading it",
                    output.stderr.strip()[-500:] or "minikube reported no error",
                    "check the free disk space of that node: `inv ssh.run 'df -h /var'`",
                )


@dataclass(frozen=True)
class RemoveNetwork:
    """Remove the network that `minikube delete` leaves behind, if minikube made it."""

    engine: Words
    name: str

    @property
    def _argv(self) -> Words:
        return (*self.engine, "network", "rm", self.name)

    def commands(self) -> Words:
        return (shell.shown(self._argv),)

    def already(self) -> str:
        return "" if network_of(self.engine, self.name) else "gone"

    def run(self, log: Log) -> None:
        shell.write(*self._argv, log=log)


def network_of(engine: Words, profile: str) -> bool:
    """Whether there is a network of that name with minikube's label for it."""
    output = shell.read(*engine, "network", "inspect", profile, ok=None)
    return output.ok and f'"name.minikube.sigs.k8s.io": "{profile}"' in output.stdout
