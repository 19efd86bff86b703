"""Makes a node anew whose container was removed behind minikube's back.

minikube can't: its start, `node start` and `node add` end with "no container with name". What is
left of the node has to go first, its volume too (podman refuses one of that name that is there), so
the database's files are carried over.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.providers.external_tool import Words
from kubeup.cluster.providers.minikube.actions import RunAndAdmit
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.core.state import write_private

# where a container driver mounts a node's volume: pkg/drivers/kic/oci of minikube
VOLUME_MOUNT = "/var"


def _unreadable(what: str, why: str) -> KubeupError:
    """What can't be read is not empty: its data would go with the node."""
    fix = "fix that, then run the same again: nothing was removed"
    return KubeupError(f"{what} can't be read", why.strip()[-500:], fix)


@dataclass(frozen=True)
class RemakeNode:
    """Delete what is left of a node and add it again."""

    name: str
    engine: Words
    data: str  # the data folder on the node
    machine: Path  # minikube's folder for it
    delete: ToolCommand
    add: ToolCommand
    admit: RunAndAdmit

    def commands(self) -> Words:
        return (*self.delete.commands(), *self.add.commands())

    def run(self, log: Log) -> None:
        """Carry the data over by a copy of them on this machine.

        That copy counts while `deleting` says that the volume may be half gone; else the volume
        does, which may have newer rows.
        """
        copy = self.admit.state.folder / f"kept-{self.name}"
        deleting = copy.with_name(f"{copy.name}.going")
        if not deleting.exists() and self._has_data(source := self._on_host()):
            log(f"copy {source} to {copy}")
            self._copy(source, copy, log)
        if copy.exists():
            write_private(deleting, "")
        self.delete.run(log)
        shutil.rmtree(self.machine, ignore_errors=True)
        self.add.run(log)
        if copy.exists():
            self._copy(copy, self._on_host(), log, deleting)
            self._as_root(log, "rm", "-r", copy)
        self.admit.run(log)

    def _on_host(self) -> str:
        """The data folder as this machine sees it; '' where the node has no volume."""
        answer = shell.read(*self.engine, "volume", "inspect", self.name, ok=None)
        if not answer.ok and "no such volume" not in answer.stderr.lower():
            raise _unreadable(f"the volume {self.name}", answer.stderr)
        mountpoint = answer.ok and json.loads(answer.stdout)[0]["Mountpoint"]
        if not mountpoint:
            return ""
        return f"{mountpoint}/{Path(self.data).relative_to(VOLUME_MOUNT)}"

    def _has_data(self, folder: str) -> bool:
        if not folder:
            return False
        path = f"{folder}/mysql"
        answer = shell.read(*self._root, "ls", "-A", path, ok=None, env={"LC_ALL": "C"})
        if not answer.ok and "No such file or directory" not in answer.stderr:
            raise _unreadable(path, answer.stderr)
        return answer.stdout.strip() != ""

    def _copy(
        self, source: str | Path, target: str | Path, log: Log, deleting: Path | None = None
    ) -> None:
        """Whole or not at all: the database looks for its folder as soon as the node is there.

        So `deleting` ends just before.
        """
        part = f"{target}.part"
        self._as_root(log, "rm", "-rf", part)
        self._as_root(log, "mkdir", "-p", Path(target).parent)
        self._as_root(log, "cp", "-a", source, part)
        # the next step removes what it was copied from
        shell.write("sync", log=log)
        if deleting:
            deleting.unlink()
        # what an earlier run has kept is kept on, under a number
        self._as_root(log, "mv", "-T", "--backup=numbered", part, target)

    def _as_root(self, log: Log, *words: str | Path) -> None:
        shell.write(*self._root, *map(str, words), log=log)

    @property
    def _root(self) -> Words:
        return self.engine[:-1]  # `sudo -n` where the engine needs it
