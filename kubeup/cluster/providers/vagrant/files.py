"""What vagrant is started from: a Vagrantfile that is always the same, and machines.json.

machines.json has everything that the settings say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.cluster.providers.vagrant import facts
from kubeup.core.errors import Refused
from kubeup.core.plan import Log
from kubeup.core.state import PROJECT, State, read_json, write_private
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.settings.providers.vagrant import box
from kubeup.system import engine as engines
from kubeup.system.engine import STOP_SIGNAL

HERE = Path(__file__).parent
# as they are: all that differs between profiles is in machines.json
COPIED = ("Vagrantfile", "machine.sh")
FOLDER, MACHINES = "vagrant", "machines.json"
FORGOTTEN = (
    "restore it; or remove it: it is written again from the settings, and machines that they do "
    "not name are refused then"
)
# settings that are as they are there
PLAIN = ("box_version", "box_architecture", "image", "boot_timeout", "linked_clone")
Row = dict[str, Any]  # of machines.json


@dataclass(frozen=True)
class WriteFiles:
    """Put the Vagrantfile and what it reads into the profile's folder."""

    folder: Path
    texts: Mapping[str, str]

    def already(self) -> str:
        return "" if differing(self.folder, self.texts) else "there"

    def run(self, log: Log) -> None:
        for name, text in self.texts.items():
            write_private(self.folder / name, text)
        log(f"in {self.folder}")


def differing(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Names of files that are missing or other than they should be."""
    return [name for name, text in texts.items() if not _holds(folder / name, text)]


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() == text.encode()


def texts(machines: Row) -> dict[str, str]:
    copied = {name: (HERE / name).read_text(encoding="utf-8") for name in COPIED}
    return {**copied, MACHINES: json.dumps(machines, indent=2) + "\n"}


def known_machines(folder: Path) -> dict[str, Row]:
    """Machines by name as they were written the last time; {} where nothing was.

    Raises Refused where that can't be told.
    """
    path = folder / MACHINES
    if not path.exists():
        return {}
    try:
        return {str(row["name"]): dict(row) for row in read_json(path, FORGOTTEN)["machines"]}
    except (KeyError, TypeError, ValueError):
        why = "it holds no list of machines"
        raise Refused(f"{path} can't be understood", why, FORGOTTEN) from None


def memory(folder: Path, name: str) -> int:
    """MiB that a machine was given; 0 where that can't be told any more."""
    try:
        return int(known_machines(folder)[name]["memory"])
    except (KeyError, ValueError, Refused):
        return 0


def left_behind(folder: Path, names: Iterable[str]) -> list[Row]:
    """Machines that Vagrant has and the settings name no more, as they were written.

    Vagrant removes none that its file does not name. Raises Refused for one that is not there.
    """
    wanted = sorted(names)
    known = known_machines(folder) if wanted else {}
    if lost := [name for name in wanted if name not in known]:
        raise Refused(
            f"{folder / MACHINES} does not name {', '.join(lost)}",
            "Vagrant created them, and the settings do not name them either",
            "restore that file, or name them in the settings again (nodes.workers.count, "
            "nodes.database.count)",
        )
    return [known[name] for name in wanted]


def machines(
    settings: Settings, state: State, host: HostFacts, podman: bool, others: Iterable[Row] = ()
) -> Row:
    """machines.json as data.

    `others`: machines that are there and no longer in the settings, so that vagrant can remove
    them.
    """
    chosen, network, wanted = settings.vagrant, settings.node_network, settings.machines_list()
    rows = list(map(_size, wanted))
    netmask: str | int = str(network.netmask)
    name_servers = list(map(str, settings.network.dns_servers))
    if chosen.provider == "docker":
        label = f"{facts.FOLDER}={state.folder / FOLDER}"
        for row, spec in zip(rows, wanted, strict=True):
            row |= _container(spec, host, label, podman)
        netmask, name_servers = network.prefixlen, []  # a container has those of its engine
    return {
        "provider": chosen.provider,
        "box": box(settings),
        **{name: getattr(chosen, name) for name in PLAIN},
        "netmask": netmask,
        "private_key": str(state.private_key),
        "public_key": str(state.public_key),
        "users": list(settings.ssh.users),
        "name_servers": name_servers,
        "shared_folders": _shared_folders(settings, state),
        "machines": [*rows, *others],
    }


def _shared_folders(settings: Settings, state: State) -> list[Row]:
    """Raises Refused for paths that Vagrant writes where they would be more than a path.

    Those are /etc/exports and docker's --volume (templates/nfs, plugins/providers/docker), and
    for the key the command line of rsync's ssh (plugins/synced_folders/rsync/helper.rb).
    """
    rows = [
        {"host": str(PROJECT / Path(folder.host_path).expanduser()), "guest": folder.vm_path}
        for folder in settings.shared_folders
    ]
    wrong = [row["host"] for row in rows if set(row["host"]) & set('":\\')]
    if rows and re.search(r"'.*\s-", str(state.private_key)):
        wrong.append(str(state.private_key))
    if wrong:
        raise Refused(
            f"Vagrant can't be given {wrong[0]!r}",
            "a shared folder has no \", \\ and : in its path; the key's has no -… behind a blank "
            "and a '",
            "rename that folder, or leave shared_folders out",
        )
    return rows


def _size(spec: NodeSpec) -> Row:
    return {"name": spec.name, "address": spec.address, "cpus": spec.cpus, "memory": spec.memory_mb}


def _container(spec: NodeSpec, host: HostFacts, label: str, podman: bool) -> Row:
    """What a machine needs that is a container."""
    # podman's own limit of 2048 processes is less than 110 pods need
    limits = f"--cpus {spec.cpus} --memory {spec.memory_mb}m --pids-limit -1".split()
    how = f"--stop-signal {STOP_SIGNAL} --env container=oci --label".split()
    options = engines.container_options(host, podman)
    if not podman:
        return {"create_args": [*limits, *how, label, *options]}
    return {
        # docker's `network connect` has no hardware address, podman's has
        "mac": engines.hardware_address(spec.address),
        # podman writes /etc/hosts anew at each start
        "create_args": [*limits, *how, label, "--no-hosts", *options],
    }
