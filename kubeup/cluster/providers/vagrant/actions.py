"""What is done through vagrant: each action is one of its commands, in the profile's folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kubeup.cluster.providers.base import ToolCommand
from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.providers.vagrant.files import WriteFiles
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.plan import Log
from kubeup.core.state import State, read_json, write_private
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

UP_SECONDS = 3600.0  # where a box has to be fetched first
PROVISIONER = "kubeup"
ADMITTED = "admitted.json"
MISTRUSTED = (
    "put it back as it was; or, where you know that nobody else answers at these machines' "
    "addresses, remove it: their host keys "
    "are read anew then"
)


@dataclass(frozen=True)
class Tool:
    """The vagrant that is used, the profile's folder and its environment."""

    path: str
    folder: Path
    env: tuple[tuple[str, str], ...]

    def argv(self, *words: str) -> tuple[str, ...]:
        return (self.path, *words)

    def read(self, *words: str, timeout: float = 120) -> shell.Output:
        return shell.read(*self.argv(*words), env=dict(self.env), ok=None, timeout=timeout)

    def plugins(self) -> tuple[frozenset[str], str]:
        """Names of Vagrant's plug-ins; with why it could not be asked, or ''.

        Asked where no project is: the profile's folder is not there before the first run, and
        Vagrant ends at once where VAGRANT_CWD leads nowhere.
        """
        elsewhere = replace(self, env=(*self.env, ("VAGRANT_CWD", "/")))
        words = ("plugin", "list", "--machine-readable")
        try:
            answer = elsewhere.read(*words)
        except CommandError as error:
            return frozenset(), error.what
        if not answer.ok:
            said = " ".join((answer.stderr or answer.stdout).split())[:300]
            return (
                frozenset(),
                f"`vagrant {' '.join(words)}` says: "
                f"{said or f'nothing, and ends with {answer.code}'}",
            )
        return facts.plugins(answer.stdout), ""

    def does(self, *words: str, timeout: float = 600) -> ToolCommand:
        return ToolCommand(self.argv(*words), self.env, timeout)

    def write(self, *words: str, log: Log, timeout: float = UP_SECONDS) -> str:
        """Run a command that changes something; what Vagrant has words of its own for gets its
        advice.
        """
        try:
            return shell.write(*self.argv(*words), env=dict(self.env), log=log, timeout=timeout)
        except CommandError as error:
            error.next = (
                facts.advice(error.stderr)
                or f"{error.next}; by hand: cd {self.folder} && vagrant {words[0]}"
            )
            raise

    @property
    def machines(self) -> Path:
        """Where vagrant keeps which machine is which."""
        return self.folder / ".vagrant" / "machines"

    def id(self, name: str, provider: str) -> str:
        """The provider's own name for a machine; '' where vagrant knows none."""
        try:
            return self.id_file(name, provider).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def id_file(self, name: str, provider: str) -> Path:
        return self.machines / name / provider / "id"

    def provisioned(self, name: str, provider: str) -> bool:
        """Whether a machine was made to the end: vagrant leaves a mark when its provisioners
        have run.
        """
        return (self.machines / name / provider / "action_provision").exists()

    def providers(self) -> dict[str, frozenset[str]]:
        """Which machines vagrant knows, by provider."""
        found: dict[str, set[str]] = {}
        for path in self.machines.glob("*/*/id"):
            found.setdefault(path.parts[-2], set()).add(path.parts[-3])
        return {provider: frozenset(names) for provider, names in found.items()}


def _tells(row: object) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == {"id", "address"}
        and all(isinstance(value, str) for value in row.values())
    )


@dataclass(frozen=True)
class Admission:
    """On which machine, at which address, the host key on record was read: a machine made anew
    has another id.
    """

    folder: Path

    def read(self) -> dict[str, dict[str, str]]:
        """By machine; {} where none was admitted yet.

        Raises Refused where that can't be told: any key would be taken then.
        """
        path = self.folder / ADMITTED
        found = read_json(path, MISTRUSTED)
        if not all(map(_tells, found.values())):
            raise Refused(
                f"{path} can't be understood",
                "it does not name machines with their id and address",
                MISTRUSTED,
            )
        return found

    def add(self, name: str, machine: str, address: str) -> None:
        write_private(
            self.folder / ADMITTED,
            json.dumps({**self.read(), name: {"id": machine, "address": address}}, indent=2) + "\n",
        )


@dataclass(frozen=True)
class Up:
    """Start machines, making those that are missing; the host keys of new ones are on record
    afterwards.

    Vagrant's own connection is trusted for that: it has just made the machine and let itself in.
    Its provisioner prints the key.
    """

    tool: Tool
    provider: str
    start: tuple[str, ...]
    admit: tuple[SshTarget, ...]
    state: State

    def commands(self) -> tuple[str, ...]:
        return (
            (f"{shell.shown(('cd', str(self.tool.folder)))} && {shell.shown(self._argv())}",)
            if self.start
            else ()
        )

    def _argv(self) -> tuple[str, ...]:
        return self.tool.argv("up", "--provider", self.provider, *self.start)

    def run(self, log: Log) -> None:
        keys = facts.host_keys(self.tool.write(*self._argv()[1:], log=log)) if self.start else {}
        halfway = [
            reach.name
            for reach in self.admit
            if reach.name not in self.start and not self.tool.provisioned(reach.name, self.provider)
        ]
        if halfway:  # vagrant stopped in the middle: only a start does all that comes after
            keys |= facts.host_keys(self.tool.write("reload", *halfway, log=log))
        silent = [reach.name for reach in self.admit if reach.name not in keys]
        if silent:  # made by hand, or a run ended before it had written this down
            keys |= facts.host_keys(
                self.tool.write("provision", "--provision-with", PROVISIONER, *silent, log=log)
            )
        for reach in self.admit:
            self._admit(reach, keys.get(reach.name, ""))

    def _admit(self, reach: SshTarget, key: str) -> None:
        if not key:
            raise KubeupError(
                f"the host key of {reach.name} is not known",
                "vagrant up did not print it",
                f"look at the machine: cd {self.tool.folder} && vagrant ssh {reach.name}",
            )
        ssh.remember(self.state, [ssh.known_hosts_line(reach, key)])
        Admission(self.tool.folder).add(
            reach.name, self.tool.id(reach.name, self.provider), reach.address
        )


@dataclass(frozen=True)
class Do:
    """A command of vagrant on machines."""

    tool: Tool
    words: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return (
            f"{shell.shown(('cd', str(self.tool.folder)))} && "
            f"{shell.shown(self.tool.argv(*self.words))}",
        )

    def run(self, log: Log) -> None:
        self.tool.write(*self.words, log=log)


@dataclass(frozen=True)
class RemoveMachine:
    """Take a machine away, then write the files as they are without it."""

    remove: Do
    # asked once it is gone: vagrant removes none that its file does not name
    texts: Callable[[], Mapping[str, str]]

    def commands(self) -> tuple[str, ...]:
        return self.remove.commands()

    def run(self, log: Log) -> None:
        self.remove.run(log)
        WriteFiles(self.remove.tool.folder, tuple(self.texts().items())).run(log)


@dataclass(frozen=True)
class RemoveHalves:
    """Remove containers whose vagrant was killed before it had written down that it made them."""

    names: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        shell.write(*self._argv(), log=log)

    def _argv(self) -> tuple[str, ...]:
        return ("docker", "rm", "--force", "--volumes", *self.names)
