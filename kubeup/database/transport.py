"""The way to the database server's container: in a pod, or on a machine reached by SSH."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.facts.kubernetes import left_alone
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

# a machine that goes away must not hold up a copy for as long as TCP does
PATIENCE = (
    "-oBatchMode=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
)
CONTAINER = "mysql"
ASKED_WITHIN = 15.0  # seconds: for the question whether a server still runs


class Transport(Protocol):
    """The way to the server's container."""

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        """The command line that runs a command in there, with this side's standard input."""

    def runs_since(self, moment: datetime) -> bool:
        """Whether the container that runs now did so at that moment already."""

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Pod:
    kubectl: Kubectl
    name: str = "mysql-0"

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        how = "-it" if terminal else "-i"
        return self.kubectl.argv("exec", how, self.name, "-c", CONTAINER, "--", *command)

    def runs_since(self, moment: datetime) -> bool:
        words = ("get", "pod", self.name, f"--request-timeout={ASKED_WITHIN:g}s")
        try:
            pod = self.kubectl.json(*words, timeout=ASKED_WITHIN + 5)
        except KubeupError:
            return False
        return pod_runs_since(pod["status"], moment)

    def __str__(self) -> str:
        return f"pod {self.name}"


@dataclass(frozen=True)
class Container:
    """One on a machine that is reached by SSH; `reach` is asked when it is needed."""

    reach: Callable[[], SshTarget]
    machine: str
    name: str

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        how = "-it" if terminal else "-i"
        return self._docker("exec", how, self.name, *command, terminal=terminal)

    def runs_since(self, moment: datetime) -> bool:
        state = "{{.State.Running}} {{.State.StartedAt}}"
        argv = self._docker("inspect", "--format", state, self.name)
        try:
            running, started = shell.read(*argv, timeout=ASKED_WITHIN).stdout.split()
        except CommandError:
            return False
        return running == "true" and datetime.fromisoformat(started) <= moment

    def _docker(self, *words: str, terminal: bool = False) -> tuple[str, ...]:
        reach = self.reach()
        sudo = () if reach.user == "root" else ("sudo", "-n")
        ssh, *rest = reach.argv(*sudo, "docker", *words)
        return (ssh, "-t" if terminal else "-T", *PATIENCE, *rest)

    def __str__(self) -> str:
        return f"container {self.name} on {self.machine}"


def pod_runs_since(status: Mapping[str, Any], moment: datetime) -> bool:
    """Whether the server's container in a pod was started before, and its node is still there."""
    for container in status.get("containerStatuses", []):
        if container["name"] == CONTAINER:
            started = container["state"].get("running", {}).get("startedAt", "")
            return (
                bool(started)
                and datetime.fromisoformat(started) <= moment
                and not left_alone(status)
            )
    return False
