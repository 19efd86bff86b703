"""What is done through vagrant: each action is one of its commands, in the profile's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import filterfalse
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kubeup.cluster.providers.external_tool import ExternalTool, Misfit, Words, error_text, names
from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.providers.vagrant.files import WriteFiles
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.plan import Log
from kubeup.core.state import State, read_json, write_private
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

READ_SECONDS = 120.0  # each question starts a Ruby with all plug-ins
UP_SECONDS = 3600.0  # where a box has to be fetched first
PROVISIONER = "kubeup"  # in the Vagrantfile
ADMITTED = "admitted.json"
MISTRUSTED = (
    "restore it; or, where you know that no other machine answers at the addresses of these "
    "machines, remove it: their host keys are read again then"
)


@dataclass(frozen=True)
class Tool(ExternalTool):
    """The vagrant that is used, the profile's folder, and Vagrant's provider."""

    folder: Path
    provider: str

    def shown(self, *words: str) -> str:
        """A command line for a shell."""
        return f"{shell.shown(('cd', str(self.folder)))} && {shell.shown(self.argv(*words))}"

    def plugin_misfit(self, name: str, page: str) -> Misfit | None:
        """Why a plug-in can't be used, if it can't.

        Asked where no project is: the profile's folder is not there before the first run, and
        Vagrant ends at once where VAGRANT_CWD leads nowhere.
        """
        elsewhere = replace(self, env=(*self.env, ("VAGRANT_CWD", "/")))
        words = ("plugin", "list", "--machine-readable")
        try:
            answer = elsewhere.read(*words, timeout=READ_SECONDS)
            trouble = "" if answer.ok else error_text(answer) or f"exit code {answer.code}"
        except CommandError as error:
            trouble = error.what
        if trouble:  # not known is not missing
            why = f"Vagrant can't list its plug-ins: {' '.join(trouble.split())}"
            return Misfit(why, "see what `vagrant plugin list` says, and fix that")
        if name in facts.plugins(answer.stdout):
            return None
        fix = f"`vagrant plugin install {name}`; {page}"
        return Misfit(f"Vagrant's plug-in {name} is not installed", fix)

    def write(self, *words: str, log: Log) -> str:
        """Run a command that changes something.

        What Vagrant has words of its own for gets its advice.
        """
        try:
            return shell.write(*self.argv(*words), env=dict(self.env), log=log, timeout=UP_SECONDS)
        except CommandError as error:
            by_hand = f"{error.next}; by hand: cd {self.folder} && vagrant {words[0]}"
            error.next = facts.advice(error.stderr) or by_hand
            raise

    @property
    def machines(self) -> Path:
        """Where vagrant keeps which machine is which."""
        return self.folder / ".vagrant" / "machines"

    def id_file(self, name: str) -> Path:
        return self.machines / name / self.provider / "id"

    def id(self, name: str) -> str:
        """The provider's own name for a machine; '' where vagrant knows none."""
        try:
            return self.id_file(name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""

    def provisioned(self, name: str) -> bool:
        """Whether a machine was made to the end: then vagrant has left a mark."""
        return self.id_file(name).with_name("action_provision").exists()

    def providers(self) -> dict[str, set[str]]:
        """Which machines vagrant knows, by provider."""
        machines = dict[str, set[str]]()
        for path in self.machines.glob("*/*/id"):
            name, provider = path.parts[-3:-1]
            machines.setdefault(provider, set()).add(name)
        return machines


@dataclass(frozen=True)
class AdmittedMachine:
    """A machine whose host key is on record; one made anew has another id."""

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}

    id: str
    address: str


ADMITTED_MACHINES = TypeAdapter(dict[str, AdmittedMachine])


@dataclass(frozen=True)
class Admission:
    """On which machine, at which address, each host key on record was read."""

    folder: Path

    @property
    def _path(self) -> Path:
        return self.folder / ADMITTED

    def read(self) -> dict[str, AdmittedMachine]:
        """By machine; {} where none was admitted yet.

        Raises Refused where that can't be told: any key would be taken then.
        """
        content = read_json(self._path, MISTRUSTED)
        try:
            return ADMITTED_MACHINES.validate_python(content)
        except ValidationError:
            why = "it does not name machines with their id and address"
            raise Refused(f"{self._path} can't be understood", why, MISTRUSTED) from None

    def add(self, name: str, machine: str, address: str) -> None:
        admitted = {**self.read(), name: AdmittedMachine(machine, address)}
        text = ADMITTED_MACHINES.dump_json(admitted, indent=2).decode()
        write_private(self._path, f"{text}\n")


@dataclass(frozen=True)
class Up:
    """Start machines, making those that are missing; the host keys of new ones are recorded.

    Vagrant's own connection is trusted for that: it has just made the machine and let itself in.
    Its provisioner prints the key.
    """

    tool: Tool
    start: Words
    admit: tuple[SshTarget, ...]
    state: State

    def commands(self) -> Words:
        if not self.start:
            return ()
        return (self.tool.shown(*self._up, *self.start),)

    @property
    def _up(self) -> Words:
        return ("up", "--provider", self.tool.provider)

    def run(self, log: Log) -> None:
        keys = self._keys(log, self.start, *self._up)
        admitted = names(self.admit)
        # vagrant stopped in the middle: only a start does all that comes after
        others = set(admitted).difference(self.start)
        cut_off = sorted(filterfalse(self.tool.provisioned, others))
        keys |= self._keys(log, cut_off, "reload")
        # made by hand, or a run ended before it had written this down
        unknown = [name for name in admitted if name not in keys]
        keys |= self._keys(log, unknown, "provision", "--provision-with", PROVISIONER)
        for target in self.admit:
            self._admit(target, keys.get(target.name, ""))

    def _keys(self, log: Log, machines: Sequence[str], *words: str) -> dict[str, str]:
        """Those that machines print while a command is run on them."""
        if not machines:
            return {}
        return facts.host_keys(self.tool.write(*words, *machines, log=log))

    def _admit(self, target: SshTarget, key: str) -> None:
        name = target.name
        if not key:
            raise KubeupError(
                f"the host key of {name} is not known",
                "vagrant up did not print it",
                f"check the machine: cd {self.tool.folder} && vagrant ssh {name}",
            )
        ssh.remember(self.state, [ssh.known_hosts_line(target, key)])
        machine = self.tool.id(name)
        Admission(self.tool.folder).add(name, machine, target.address)


@dataclass(frozen=True)
class RunVagrant:
    """A command of vagrant on machines, and then the files as they are without what it removed."""

    tool: Tool
    words: Words
    # asked afterwards: vagrant removes no machine that its file does not name
    files_afterwards: Callable[[], Mapping[str, str]] = dict

    def commands(self) -> Words:
        return (self.tool.shown(*self.words),)

    def run(self, log: Log) -> None:
        self.tool.write(*self.words, log=log)
        if texts := self.files_afterwards():
            WriteFiles(self.tool.folder, texts).run(log)
