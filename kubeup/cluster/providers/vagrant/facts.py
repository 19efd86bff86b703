"""What Vagrant and the programs behind its providers print about machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from kubeup.cluster.providers import versions
from kubeup.cluster.providers.versions import Version
from kubeup.core.errors import KubeupError
from kubeup.facts.containers import containers

COMMA, NEWLINE = "%!(VAGRANT_COMMA)", "\\n"
VAGRANT = re.compile(r"\bVagrant (\d+)\.(\d+)\.(\d+)")
VIRTUALBOX = re.compile(r"^(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
HOST_KEY = re.compile(r"^\s*(\S+): kubeup-host-key (\S+ \S+)", re.MULTILINE)
NUMBER = re.compile(r"^(\d+)")
FOLDER = "kubeup.vagrant"  # label of a container: the folder of its vagrant
# of a machine's name, id, state, CPUs and memory
VIRTUALBOX_KEYS = ("name", "UUID", "VMState", "cpus", "memory")
LIBVIRT_KEYS = ("Name", "UUID", "State", "CPU(s)", "Max memory")
GONE = ("", "not_created", "inaccessible")

BOX = (
    "its publisher may have none for this provider, or Vagrant may look for another architecture "
    "(chef/bento#1663): set vagrant.box_architecture (Vagrant 2.4.0 and newer), "
    "vagrant.box_version or software.box"
)
IMAGE = "set vagrant.image to an image that is there, or that its registry serves"
# by what Vagrant says
ADVICE = {
    "could not be found or": "check that software.box is spelled as its publisher does and can be "
    "fetched: `vagrant box add NAME` tells more",
    "Call to virConnectOpen failed": "start libvirt (`systemctl start libvirtd`); a user who is "
    "not root has to be in its group: `sudo usermod -aG libvirt $USER`, then log in anew",
    "doesn't support the provider": BOX,
    "has no available version that": BOX,
    "Unable to find image": IMAGE,
    "initializing source docker://": IMAGE,
    "not within the": "`inv host.networks` allows the nodes' network; or set network.control_ip "
    "to an address such as 192.168.60.10",
    "Timed out while waiting for the machine to boot": "look at its console; a slow machine may "
    "need a longer vagrant.boot_timeout",
    "VT-x is not available": "switch hardware virtualization on in the firmware, or choose "
    "another provider",
    "VERR_VMX_IN_VMX_ROOT_MODE": "another hypervisor holds the processor: stop it (KVM: `sudo "
    "modprobe -r kvm_intel kvm_amd`)",
    "is already locked": "another vagrant is running on this machine: wait for it, then run the "
    "same again",
}


@dataclass(frozen=True)
class Machine:
    """A machine as its provider tells it: `id` is the provider's own; memory in MiB.

    0 CPUs or MiB are not told.
    """

    name: str
    id: str
    state: str
    cpus: float = 0
    memory: int = 0
    started: datetime | None = None
    folder: str = ""  # whose vagrant made it, where it tells: a label that containers have of us
    # by the profile's vagrant, to the end or not, or by somebody else
    origin: Literal["ours", "partial", "foreign"] = "ours"

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class Indexed:
    """A machine in Vagrant's index: its state is as of the last command on it."""

    name: str
    provider: str
    state: str
    folder: str


def version(text: str) -> Version:
    """From `vagrant --version`; () where it says something else."""
    return versions.parse(VAGRANT, text)


def virtualbox_version(text: str) -> Version:
    """From `VBoxManage --version`, whose warnings come before it; () for something else."""
    return versions.parse(VIRTUALBOX, text)


def plugins(machine_readable: str) -> frozenset[str]:
    """Names of plug-ins, from `vagrant plugin list --machine-readable`."""
    return frozenset(row[3] for row in _rows(machine_readable, "plugin-name"))


def statuses(machine_readable: str) -> dict[str, str]:
    """State by machine, from `vagrant status --machine-readable`."""
    return {row[1]: row[3] for row in _rows(machine_readable, "state")}


def index(text: str) -> tuple[Indexed, ...]:
    """From Vagrant's index of all machines of a user (machine_index.rb).

    Raises KubeupError for another text.
    """
    try:
        keys = ("name", "provider", "state", "vagrantfile_path")
        rows = json.loads(text)["machines"].values()
        return tuple(Indexed(*(str(row[key]) for key in keys)) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        page = "see what `vagrant global-status` says"
        raise KubeupError("Vagrant's index of machines can't be understood", why, page) from None


def _rows(machine_readable: str, kind: str) -> Iterator[list[str]]:
    """Those of a kind: time, target, kind and data."""
    for line in machine_readable.splitlines():
        row = [plain(field) for field in line.split(",")]
        if len(row) > 3 and row[2] == kind:
            yield row


def plain(field: str) -> str:
    """A field of machine-readable output as it was before Vagrant escaped it."""
    return field.replace(COMMA, ",").replace(NEWLINE, "\n")


def virtualbox(text: str) -> Machine | None:
    """From `VBoxManage showvminfo NAME --machinereadable`; None where it has no such machine."""
    fields = _pairs(text, "=")
    machine = _machine(fields, VIRTUALBOX_KEYS)
    if machine and machine.running:
        return replace(machine, started=_utc(fields.get("VMStateChangeTime", "")))
    return machine


def libvirt(text: str) -> Machine | None:
    """From `virsh dominfo NAME` in English; None where it has no such machine."""
    machine = _machine(_pairs(text, ":"), LIBVIRT_KEYS)
    return machine and replace(machine, memory=machine.memory // 1024)  # it says KiB


def _machine(fields: Mapping[str, str], keys: Sequence[str]) -> Machine | None:
    name, identity, state, cpus, memory = (fields.get(key, "") for key in keys)
    if not identity:
        return None
    return Machine(name, identity, state, _number(cpus), _number(memory))


def docker(inspect_json: str) -> Machine | None:
    """From `docker container inspect NAME`; None where it has no such container."""
    for row in json.loads(inspect_json or "[]"):
        (container,) = containers(json.dumps([row]))
        return Machine(
            name=container.name,
            id=str(row.get("Id", "")),
            state=container.state,
            cpus=container.cpus,
            memory=container.memory,
            started=container.started,
            folder=container.label(FOLDER),
        )
    return None


def host_keys(output: str) -> dict[str, str]:
    """Public host keys by machine, from what a provisioner of ours prints through Vagrant."""
    return dict(HOST_KEY.findall(output))


def advice(output: str) -> str:
    """What to do about a failure that Vagrant has words of its own for; '' for any other."""
    return next((text for words, text in ADVICE.items() if words in output), "")


def _pairs(text: str, separator: str) -> dict[str, str]:
    """A key and a value a line, in quotes or not."""
    rows = (line.partition(separator) for line in text.splitlines())
    return {key.strip(' "'): value.strip(' "') for key, found, value in rows if found}


def _number(text: str) -> int:
    """That a text begins with, else 0."""
    return sum(versions.parse(NUMBER, text))


def _utc(text: str) -> datetime | None:
    """VirtualBox writes nine digits after the second, and no zone."""
    try:
        return datetime.fromisoformat(text.partition(".")[0]).replace(tzinfo=UTC)
    except ValueError:
        return None
