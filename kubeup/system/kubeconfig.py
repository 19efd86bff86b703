"""The profile's kubeconfig, merging it into the user's own, and taking it out again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubeup.core import record, shell
from kubeup.core.plan import Log
from kubeup.core.state import State, write_private
from kubeup.core.things import Thing
from kubeup.facts import kubeconfig as facts
from kubeup.system.kubectl import Kubectl


def existing(kubectl: Kubectl) -> Path:
    """The profile's own. Raises KubeupError where it leads to no cluster."""
    kubectl.require_access()
    return kubectl.kubeconfig


def merge(kubectl: Kubectl, state: State) -> str:
    """Add the profile's context to ~/.kube/config ($KUBECONFIG's first file).

    Its current context stays. Returns what was done.
    """
    ours, context, program = existing(kubectl), kubectl.context, str(kubectl.path)
    users = os.environ.get("KUBECONFIG") or "~/.kube/config"
    target = Path(users.split(os.pathsep)[0]).expanduser()
    named = ("--kubeconfig", str(target))
    current = context
    done = f"{target} has the context {context} now"
    if target.exists():
        answer = shell.read(program, "config", "current-context", *named, ok=None)
        current = answer.stdout.strip() or context
        done += f" (as it was before: {_backup(target)})"
    # the first file wins for names that both have: ours, so that a cluster made anew replaces its
    # old entry (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/)
    files = {"KUBECONFIG": f"{ours}{os.pathsep}{target}"}
    merged = shell.read(program, "config", "view", "--flatten", env=files).stdout
    # before it is made, so that `inv down` knows of one that was cut off
    record.account(state, [Thing("context", context, str(target))], [])
    write_private(target, merged)
    shell.write(program, "config", "use-context", current, *named)
    return done


def _backup(target: Path) -> str:
    backup = f"{target}.kubeup-{datetime.now():%Y%m%d-%H%M%S-%f}"  # never one that is there
    write_private(Path(backup), target.read_bytes())
    return backup


@dataclass(frozen=True)
class TakeOut:
    """Take a context that was merged out of the user's kubeconfig; all else in it stays."""

    context: str
    path: Path

    def already(self) -> str:
        return "it is not there any more" if self._left() is None else ""

    def run(self, log: Log) -> None:
        left = self._left()
        if left is not None:
            log(f"as it was before: {_backup(self.path)}")
            write_private(self.path, left)

    def _left(self) -> str | None:
        """The file's text without it; None where it has none."""
        if not self.path.exists():
            return None
        text = self.path.read_text(encoding="utf-8")
        left = facts.without(text, self.context)
        if left == text:
            return None
        return left
