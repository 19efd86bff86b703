"""Runs the play that makes a cluster of machines."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
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
from kubeup.system.commands import Command

CONNECTED_SECONDS = 30.0  # Ansible's own 10 were too few for a node that had just started
PLAY_SECONDS = 3600.0
# of Ansible's lines: a play of three nodes prints hundreds
SHOWN = ("changed:", "fatal:", "failed:", "ERROR")
PROGRAMS = {"ansible": "adhoc", "ansible-playbook": "playbook"}  # in ansible/__main__.py
DATA = "--- !unsafe\n"  # of a file: whatever is in it, nothing of it is a template
TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*?)\]")
RECAP = re.compile(r"^(\S+)\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


@dataclass(frozen=True)
class Provision(Command, Paced):
    """Run ansible/site.yml against the profile's inventory."""

    state: State
    inventory: str  # YAML
    limit: str = ""
    tags: str = ""
    verbosity: int = 0
    check: bool = False

    def argv(self) -> list[str]:
        words = ["ansible-playbook", "-i", str(self.state.inventory)]
        if self.verbosity:
            words.append(f"-{'v' * self.verbosity}")
        if self.limit:
            words.append(f"--limit={self.limit}")
        if self.tags:
            words.append(f"--tags={self.tags}")
        if self.check:
            words += ["--check", "--diff"]
        # measured since the inventory was written
        if self.pace.times > 1:
            words += ["--extra-vars", f"kubeup_pace={self.pace.times}"]
        return [*words, str(ANSIBLE / "site.yml")]

    def run(self, log: Log) -> None:
        write_private(self.state.inventory, self.inventory)
        try:
            shell.write(
                *started(self.argv()),
                log=log if self.verbosity or self.check else _readable_only(log),
                cwd=str(ANSIBLE),
                env=environment(self.pace),
                timeout=self.pace.seconds(PLAY_SECONDS),
            )
        except CommandError as error:
            (again,) = Provision(self.state, "", verbosity=3).commands()
            error.next = f"correct what is named above; the same with all details: {again}"
            raise


@dataclass(frozen=True)
class Ping:
    """`ansible -m ping` on an inventory."""

    inventory: str
    limit: str = ""

    def ask(self) -> str:
        """A line for each node. Raises CommandError where one does not answer."""
        words = ["nodes", "-m", "ping", "--one-line"]
        if self.limit:
            words.append(f"--limit={self.limit}")
        # mitogen's strategies are for plays; `ansible` runs one module
        env = {name: value for name, value in environment().items() if "STRATEGY" not in name}
        # a play may be reading the profile's own inventory
        with tempfile.TemporaryDirectory(prefix="kubeup-") as folder:
            file = Path(folder, "inventory.yml")
            write_private(file, self.inventory)
            ansible = started(("ansible", "-i", str(file), *words))
            return shell.read(*ansible, env=env).stdout.rstrip()


def text(inventory: dict[str, Any]) -> str:
    """The inventory's file, of which Ansible takes no part for a template.

    A path may have `{{ }}` in it, and is none of ours to run
    (docs.ansible.com: "Unsafe or raw strings" in "Advanced playbook syntax").
    """
    return DATA + yaml.safe_dump(inventory, sort_keys=False, default_flow_style=False)


def started(argv: Sequence[str]) -> list[str]:
    """What starts a command line of Ansible's.

    Not its script: pip writes the folder of the environment into that for a shell, which runs
    the `$( )` in its name (enquote_executable in distlib's scripts.py).
    """
    name, *words = argv
    return [sys.executable, "-m", "ansible", PROGRAMS[name], *words]


def _readable_only(log: Log) -> Log:
    def tell(line: str) -> None:
        if words := readable(line):
            log(words)

    return tell


def readable(line: str) -> str:
    """A line of Ansible's output worth showing: tasks, changes and failures."""
    if task := TASK.match(line):
        return task.group(1)
    if line.startswith(SHOWN) or RECAP.match(line):
        return line
    return ""


def changed(output: str) -> dict[str, int]:
    """How many tasks changed something, for each host in Ansible's recap."""
    rows = filter(None, map(RECAP.match, output.splitlines()))
    return {row.group(1): int(row.group(3)) for row in rows}


def environment(pace: Pace = AS_MEANT) -> dict[str, str]:
    """Ansible's own settings, wherever it is started; mitogen where it is installed.

    With it the result is the same in half the time. The time-out is for a node's SSH, sudo and
    Python, one after another.
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
    if plugins := mitogen_plugins():
        values |= {"ANSIBLE_STRATEGY_PLUGINS": plugins, "ANSIBLE_STRATEGY": "mitogen_linear"}
    return values


def _ssh_args() -> str:
    """Ansible's own, but for -C: see the inventory.

    Where the home's name is long, each task opens a connection of its own: a socket's path has 107
    bytes at most (unix(7)), and ssh adds 17 to it while it makes it.
    """
    home = os.environ.get("ANSIBLE_HOME") or Path.home() / ".ansible"
    length = len(os.fsencode(Path(home, "cp", "0123456789"))) + 17
    return "-o ControlMaster=auto -o ControlPersist=60s" if length < 108 else "-o ControlMaster=no"


def mitogen_plugins() -> str:
    """The folder of mitogen's strategies, '' where it is not installed."""
    folder = Path(sysconfig.get_path("purelib"), "ansible_mitogen", "plugins", "strategy")
    return str(folder) if folder.is_dir() else ""
