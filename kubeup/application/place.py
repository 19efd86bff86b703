"""Where the database's data lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubeup.core.errors import KubeupError
from kubeup.settings.model import NodeSpec
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
        found = next((reach for reach in self.ssh_targets() if reach.name == self.node), None)
        if found is None:
            raise KubeupError(
                f"the node {self.node} is not there",
                "the database's data lie on it",
                "`inv status` tells what is there",
            )
        return found


def volume_node(nodes: Sequence[NodeSpec]) -> str:
    """The node whose disk holds the database: the first worker, or the control plane where there
    is none.
    """
    return next((spec for spec in nodes if spec.role == "worker"), nodes[0]).name
