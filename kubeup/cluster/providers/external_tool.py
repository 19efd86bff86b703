"""What providers share that drive somebody else's tool, such as minikube or Vagrant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from kubeup.cluster.providers.base import NodeState, ToolCommand
from kubeup.core import shell
from kubeup.core.shell import Output

Words = tuple[str, ...]  # of a command line
Environment = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Misfit:
    """Why something can't be used on this machine, and the fix."""

    why: str
    fix: str


@dataclass(frozen=True)
class ExternalTool:
    """A program and the environment it runs in."""

    path: str
    env: Environment

    def argv(self, *words: str) -> Words:
        return (self.path, *words)

    def read(self, *words: str, timeout: float = 60) -> Output:
        """Its answer, whatever its exit status."""
        return shell.read(*self.argv(*words), env=dict(self.env), ok=None, timeout=timeout)

    def command(self, *words: str, env: Environment = (), timeout: float = 600) -> ToolCommand:
        """One of its commands as an action; `env` is for this command alone."""
        return ToolCommand(self.argv(*words), (*self.env, *env), timeout)


def error_text(output: Output) -> str:
    """The end of what a failed command printed."""
    return (output.stderr or output.stdout).strip()[-500:]


def in_state(nodes: Iterable[NodeState], state: str) -> list[NodeState]:
    return [node for node in nodes if node.state == state]


class Named(Protocol):
    """A node as it is or as it should be, or how it is reached."""

    @property
    def name(self) -> str: ...


def names(nodes: Iterable[Named]) -> list[str]:
    return [node.name for node in nodes]
