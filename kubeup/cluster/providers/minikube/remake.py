"""Makes a node anew whose container was removed behind minikube's back.

minikube can't: its start, `node start` and `node add` end with "no container with name". What is
left of the node has to go first, its volume too (podman refuses one of that name that is there), so
the database's files are carried over.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.providers.minikube.actions import START_SECONDS, Tool, admit
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.core.state import State, write_private
from kubeup.system.ssh import SshTarget

# where a container driver mounts a node's volume: pkg/drivers/kic/oci of minikube
VOLUME_IS = "/var"


def _unseen(what: str, why: str) -> KubeupError:
    """What can't be looked at is not empty: the node would go with it."""
    return KubeupError(
        f"{what} can't be looked at",
        why.strip()[-500:],
        "mend that, and run the same again: nothing was removed",
    )


@dataclass(frozen=True)
class RemakeNode:
    """Delete what is left of a node and add it again.

    `size` is the environment that keeps the cluster's memory as it is.
    """

    tool: Tool
    engine: tuple[str, ...]
    name: str
    data: str  # the data folder on the node
    machine: Path  # minikube's folder for it
    size: tuple[tuple[str, str], ...]
    nodes: Callable[[], tuple[SshTarget, ...]]
    state: State

    def commands(self) -> tuple[str, ...]:
        return (*self._delete().commands(), *self._add().commands())

    def run(self, log: Log) -> None:
        """What is kept here counts while `going` says that the volume may be half gone; else the
        volume, which may have newer rows.
        """
        kept, going = (
            self.state.folder / f"kept-{self.name}",
            self.state.folder / f"kept-{self.name}.going",
        )
        if not going.exists() and self._holds(source := self._on_host()):
            log(f"carry {source} over")
            self._copy(source, kept, log)
        if kept.exists():
            write_private(going, "")
        self._delete().run(log)
        shutil.rmtree(self.machine, ignore_errors=True)
        self._add().run(log)
        if kept.exists():
            self._copy(kept, self._on_host(), log, going)
            shell.write(*self._root(), "rm", "-r", str(kept), log=log)
        admit(self.tool, self.nodes(), self.state)

    def _delete(self) -> ToolCommand:
        return self.tool.does("node", "delete", self.name, "-p", self.tool.profile)

    def _add(self) -> ToolCommand:
        return self.tool.does(
            "node", "add", "-p", self.tool.profile, more=self.size, timeout=START_SECONDS
        )

    def _on_host(self) -> str:
        """The data folder as this machine sees it; '' where the node has no volume."""
        found = shell.read(*self.engine, "volume", "inspect", self.name, ok=None)
        if not found.ok and "no such volume" not in found.stderr.lower():
            raise _unseen(f"the volume {self.name}", found.stderr)
        mountpoint = json.loads(found.stdout)[0]["Mountpoint"] if found.ok else ""
        return f"{mountpoint}/{Path(self.data).relative_to(VOLUME_IS)}" if mountpoint else ""

    def _holds(self, folder: str) -> bool:
        if not folder:
            return False
        found = shell.read(
            *self._root(), "ls", "-A", f"{folder}/mysql", ok=None, env={"LC_ALL": "C"}
        )
        if not found.ok and "No such file or directory" not in found.stderr:
            raise _unseen(f"{folder}/mysql", found.stderr)
        return found.stdout.strip() != ""

    def _copy(
        self, source: str | Path, target: str | Path, log: Log, going: Path | None = None
    ) -> None:
        """Whole or not at all: the database looks for its folder as soon as the node is there,
        so `going` ends just before.
        """
        part = f"{target}.part"
        shell.write(*self._root(), "rm", "-rf", part, log=log)
        shell.write(*self._root(), "mkdir", "-p", str(Path(target).parent), log=log)
        shell.write(*self._root(), "cp", "-a", str(source), part, log=log)
        shell.write("sync", log=log)
        if going:
            going.unlink()
        # what an earlier run has kept is kept on, under a number
        shell.write(*self._root(), "mv", "-T", "--backup=numbered", part, str(target), log=log)

    def _root(self) -> tuple[str, ...]:
        return self.engine[:-1]  # `sudo -n` where the engine needs it
