"""Where the database's data lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubeup.core.errors import KubeupError
from kubeup.core.shell import Output
from kubeup.settings.model import NodeSpec
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget


@dataclass(frozen=True)
class Place:
    """A node by its name, and the folder on it.

    `ssh_targets` is asked when the node is needed: it may have to be made first.
    """

    node: str
    folder: str
    ssh_targets: Callable[[], tuple[SshTarget, ...]]

    def reach(self) -> SshTarget:
        """How the node is reached. Raises KubeupError where it is not there."""
        for target in self.ssh_targets():
            if target.name == self.node:
                return target
        raise KubeupError(
            f"the node {self.node} does not exist",
            "the database's data are on it",
            "`inv status` shows the nodes that exist",
        )

    def run(
        self,
        name: str,
        script: str,
        *arguments: str,
        failure: str,
        advice: str = "",
        stdin: str | None = None,
        timeout: float = 120,
    ) -> str:
        """Run a shell script there as root and return what it prints; `name` is its `$0`.

        Raises KubeupError where it fails, see `require`.
        """
        output = ssh.run(
            self.reach(),
            *("sh", "-c", script, name, *arguments),
            stdin=stdin,
            root=True,
            timeout=timeout,
        )
        self.require(output, failure, advice)
        return output.stdout

    def require(self, output: Output, failure: str, advice: str = "") -> None:
        """Raises KubeupError for a command that failed there.

        `failure` is told of the node: `NODE can't start its database`.
        """
        if output.ok:
            return
        raise KubeupError(
            f"{self.node} {failure}",
            (output.stderr.strip() or output.stdout.strip())[-1500:],
            advice
            or f"see why on the machine (`inv cluster.ssh {self.node}`), then run this again",
        )


def volume_node(nodes: Sequence[NodeSpec]) -> str:
    """The node whose disk holds the database: the first worker, else the control plane."""
    return next((spec for spec in nodes if spec.role == "worker"), nodes[0]).name
