"""What Vagrant and the programs behind its providers print about machines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from kubeup.facts.containers import containers

COMMA, NEWLINE = "%!(VAGRANT_COMMA)", "\\n"
VERSION = re.compile(r"\bVagrant (\d+)\.(\d+)\.(\d+)")
VIRTUALBOX = re.compile(r"^(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
HOST_KEY = re.compile(r"^\s*(\S+): kubeup-host-key (\S+) (\S+)")
FOLDER = "kubeup.vagrant"  # label of a container: the folder of its vagrant
RUNNING = ("running",)
GONE = ("", "not_created", "inaccessible")


@dataclass(frozen=True)
class Machine:
    """A machine as its provider tells it: `id` is the provider's own; memory in MiB; 0 CPUs or
    MiB: not told.
    """

    name: str
    id: str
    state: str
    cpus: float = 0
    memory: int = 0
    started: datetime | None = None
    folder: str = ""  # whose vagrant made it, where it tells: a label that containers have of us

    @property
    def running(self) -> bool:
        return self.state in RUNNING


def version(text: str) -> tuple[int, ...]:
    """From `vagrant --version`; () where it says something else."""
    match = VERSION.search(text)
    return tuple(int(part) for part in match.groups()) if match else ()


def virtualbox_version(text: str) -> tuple[int, ...]:
    """From `VBoxManage --version`, whose warnings come before it; () where it says something
    else.
    """
    match = VIRTUALBOX.search(text)
    return tuple(int(part) for part in match.groups()) if match else ()


def plugins(machine_readable: str) -> frozenset[str]:
    """Names of plug-ins, from `vagrant plugin list --machine-readable`: rows of time, target,
    type and data.
    """
    rows = (line.split(",") for line in machine_readable.splitlines())
    return frozenset(plain(row[3]) for row in rows if len(row) > 3 and row[2] == "plugin-name")


def statuses(machine_readable: str) -> dict[str, str]:
    """State by machine, from `vagrant status --machine-readable`: rows of time, target, type and
    data.
    """
    rows = (line.split(",") for line in machine_readable.splitlines())
    return {row[1]: plain(row[3]) for row in rows if len(row) > 3 and row[2] == "state"}


def plain(field: str) -> str:
    """A field of machine-readable output as it was before Vagrant escaped it."""
    return field.replace(COMMA, ",").replace(NEWLINE, "\n")


def virtualbox(text: str) -> Machine | None:
    """From `VBoxManage showvminfo NAME --machinereadable`; None where it has no such machine."""
    pairs = (line.partition("=") for line in text.splitlines())
    found = {key.strip('"'): value.strip().strip('"') for key, equals, value in pairs if equals}
    if "UUID" not in found:
        return None
    state = found.get("VMState", "")
    return Machine(
        found.get("name", ""),
        found["UUID"],
        state,
        _number(found.get("cpus", "")),
        int(_number(found.get("memory", ""))),
        _utc(found.get("VMStateChangeTime", "")) if state in RUNNING else None,
    )


def libvirt(text: str) -> Machine | None:
    """From `virsh dominfo NAME` in English; None where it has no such machine."""
    found = {
        key.strip(): value.strip()
        for key, colon, value in (line.partition(":") for line in text.splitlines())
        if colon
    }
    if "UUID" not in found:
        return None
    kib = found.get("Max memory", "").split(" ")[0]
    return Machine(
        found.get("Name", ""),
        found["UUID"],
        found.get("State", ""),
        _number(found.get("CPU(s)", "")),
        int(_number(kib)) // 1024,
    )


def docker(inspect_json: str) -> Machine | None:
    """From `docker container inspect NAME`; None where it has no such container."""
    rows = json.loads(inspect_json or "[]")
    if not rows:
        return None
    found = containers(json.dumps(rows[:1]))[0]
    return Machine(
        found.name,
        str(rows[0].get("Id", "")),
        found.state,
        found.cpus,
        found.memory,
        found.started,
        found.label(FOLDER),
    )


def host_keys(output: str) -> dict[str, str]:
    """Public host keys by machine, from what a provisioner of ours prints through Vagrant."""
    matches = filter(None, map(HOST_KEY.match, output.splitlines()))
    return {match[1]: f"{match[2]} {match[3]}" for match in matches}


def advice(output: str) -> str:
    """What to do about a failure that Vagrant has words of its own for; '' for any other."""
    return next((text for words, text in ADVICE if words in output), "")


BOX = (
    "its publisher may have none for this provider, or Vagrant may look for another "
    "architecture (chef/bento#1663): "
    "set vagrant.box_architecture (Vagrant 2.4.0 and newer), vagrant.box_version or software.box"
)
ADVICE = (
    (
        "could not be found or",
        "see that software.box is spelled as its publisher does and can be fetched: `vagrant "
        "box add NAME` tells more",
    ),
    (
        "Call to virConnectOpen failed",
        "start libvirt (`systemctl start libvirtd`); a user who is not root has to be in its "
        "group: "
        "`sudo usermod -aG libvirt $USER`, then log in anew",
    ),
    ("doesn't support the provider", BOX),
    ("has no available version that", BOX),
    (
        "Unable to find image",
        "set vagrant.image to an image that is there, or that its registry serves",
    ),
    (
        "initializing source docker://",
        "set vagrant.image to an image that is there, or that its registry serves",
    ),
    (
        "not within the",
        "`inv host.networks` allows the nodes' network; or set network.control_ip to an address "
        "such as 192.168.60.10",
    ),
    (
        "Timed out while waiting for the machine to boot",
        "look at its console; a slow machine may need a longer vagrant.boot_timeout",
    ),
    (
        "VT-x is not available",
        "switch hardware virtualization on in the firmware, or choose another provider",
    ),
    (
        "VERR_VMX_IN_VMX_ROOT_MODE",
        "another hypervisor holds the processor: stop it (KVM: `sudo modprobe -r kvm_intel "
        "kvm_amd`)",
    ),
    (
        "is already locked",
        "another vagrant is at work on this machine: wait for it, then run the same again",
    ),
)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0


def _utc(text: str) -> datetime | None:
    """VirtualBox writes nine digits after the second, and no zone."""
    try:
        return datetime.fromisoformat(text.partition(".")[0]).replace(tzinfo=UTC)
    except ValueError:
        return None
