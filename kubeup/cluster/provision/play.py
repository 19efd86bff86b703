"""Runs the play that makes a cluster of machines."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.core import shell
from kubeup.core.errors import CommandError
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.plan import Log, Paced
from kubeup.core.state import State, write_private

CONNECTED_SECONDS = 30.0  # Ansible's own 10 were too few for a node that had just started
PLAY_SECONDS = 3600.0
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\]")
RECAP = re.compile(r"^(\S+)\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


@dataclass(frozen=True)
class Provision(Paced):
    """Run ansible/site.yml against the profile's inventory."""

    state: State
    inventory: str  # YAML
    limit: str = ""
    tags: str = ""
    verbosity: int = 0
    check: bool = False

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        write_private(self.state.inventory, self.inventory)
        try:
            told = log if self.verbosity or self.check else _readable_alone(log)
            shell.write(
                *self._argv(),
                log=told,
                cwd=str(ANSIBLE),
                env=environment(self.pace),
                timeout=self.pace.seconds(PLAY_SECONDS),
            )
        except CommandError as error:
            again = shell.shown(
                (
                    "ansible-playbook",
                    "-vvv",
                    "-i",
                    str(self.state.inventory),
                    str(ANSIBLE / "site.yml"),
                )
            )
            error.next = f"mend what is named above; the same with all details: {again}"
            raise

    def _argv(self) -> tuple[str, ...]:
        more = [f"-{'v' * self.verbosity}"] if self.verbosity else []
        more += ["--limit", self.limit] if self.limit else []
        more += ["--tags", self.tags] if self.tags else []
        more += ["--check", "--diff"] if self.check else []
        # measured since the inventory was written
        more += ["--extra-vars", f"kubeup_pace={self.pace.times}"] if self.pace.times > 1 else []
        return (
            "ansible-playbook",
            "-i",
            str(self.state.inventory),
            *more,
            str(ANSIBLE / "site.yml"),
        )


@dataclass(frozen=True)
class Ping:
    """`ansible -m ping` on an inventory."""

    inventory: str
    limit: str = ""

    def ask(self) -> str:
        """A line for each node. Raises CommandError where one does not answer."""
        more = ("--limit", self.limit) if self.limit else ()
        env = {name: value for name, value in environment().items() if "STRATEGY" not in name}
        # a play may be reading the profile's own
        with tempfile.TemporaryDirectory(prefix="kubeup-") as folder:
            file = Path(folder, "inventory.yml")
            write_private(file, self.inventory)
            words = ("nodes", "-m", "ping", "--one-line", *more)
            return shell.read("ansible", "-i", str(file), *words, env=env).stdout.rstrip()


def text(inventory: dict[str, Any]) -> str:
    return yaml.safe_dump(inventory, sort_keys=False, default_flow_style=False)


def _readable_alone(log: Log) -> Log:
    def tell(line: str) -> None:
        if words := readable(line):
            log(words)

    return tell


def readable(line: str) -> str:
    """A line of Ansible's output worth showing: tasks, changes and failures."""
    if match := TASK.match(line):
        return match.group(1)
    return (
        line
        if line.startswith(("changed:", "fatal:", "failed:", "ERROR")) or RECAP.match(line)
        else ""
    )


def changed(output: str) -> dict[str, int]:
    """How many tasks changed something, for each host in Ansible's recap."""
    return {
        match.group(1): int(match.group(3))
        for match in map(RECAP.match, output.splitlines())
        if match
    }


def environment(pace: Pace = AS_MEANT) -> dict[str, str]:
    """Ansible's own settings, wherever it is started; mitogen where it is installed (same result,
    half the time). The time-out is for a node's SSH, sudo and Python, one after another.
    """
    values = {
        "ANSIBLE_TIMEOUT": f"{pace.seconds(CONNECTED_SECONDS):.0f}",
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PIPELINING": "True",
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "False",
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_SSH_ARGS": _ssh_args(),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "LC_ALL": "C.UTF-8",
    }
    plugins = mitogen_plugins()
    return values | (
        {"ANSIBLE_STRATEGY_PLUGINS": plugins, "ANSIBLE_STRATEGY": "mitogen_linear"}
        if plugins
        else {}
    )


def _ssh_args() -> str:
    """Ansible's own, but for -C: see the inventory. Where the home's name is long, each task opens
    a connection of its own.

    A socket's path has 107 bytes at most (unix(7)); ssh adds 17 to what it is told while it makes
    it.
    """
    home = os.environ.get("ANSIBLE_HOME") or Path.home() / ".ansible"
    length = len(os.fsencode(Path(home, "cp", "0123456789"))) + 17
    return "-o ControlMaster=auto -o ControlPersist=60s" if length < 108 else "-o ControlMaster=no"


def mitogen_plugins() -> str:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(
        sys.prefix, "lib", version, "site-packages", "ansible_mitogen", "plugins", "strategy"
    )
    return str(folder) if folder.is_dir() else ""
