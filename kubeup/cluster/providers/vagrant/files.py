"""What vagrant is started from: a Vagrantfile that is always the same, and machines.json with
everything the settings say.
"""

from __future__ import annotations

import json
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
COPIED = ("Vagrantfile", "machine.sh")
FOLDER, MACHINES = "vagrant", "machines.json"
FORGOTTEN = (
    "put it back as it was; or remove it: it is written anew by the settings, and machines that "
    "they do not name are refused "
    "by name then"
)
PUBLIC = 0o644  # nothing in them is secret: keys are named, not held


@dataclass(frozen=True)
class WriteFiles:
    """Put the Vagrantfile and what it reads into the profile's folder."""

    folder: Path
    texts: tuple[tuple[str, str], ...]

    def already(self) -> str:
        return "" if differing(self.folder, dict(self.texts)) else "there"

    def run(self, log: Log) -> None:
        for name, text in self.texts:
            write_private(self.folder / name, text, PUBLIC)
        log(f"in {self.folder}")


def differing(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Names of files that are missing or other than they should be."""
    return tuple(
        name
        for name, text in texts.items()
        if not (folder / name).exists() or (folder / name).read_bytes() != text.encode()
    )


def texts(machines: dict[str, Any]) -> dict[str, str]:
    copied = {name: (HERE / name).read_text(encoding="utf-8") for name in COPIED}
    return {**copied, MACHINES: json.dumps(machines, indent=2) + "\n"}


def known_machines(folder: Path) -> dict[str, dict[str, Any]]:
    """Machines by name as they were written the last time; {} where nothing was.

    Raises Refused where that can't be told.
    """
    path = folder / MACHINES
    found = read_json(path, FORGOTTEN)
    try:
        return {str(row["name"]): dict(row) for row in found["machines"]} if path.exists() else {}
    except (KeyError, TypeError, ValueError):
        raise Refused(
            f"{path} can't be understood", "it holds no list of machines", FORGOTTEN
        ) from None


def left_behind(folder: Path, names: Iterable[str]) -> list[dict[str, Any]]:
    """Those that Vagrant has and the settings name no more, as they were written: it removes none
    that its file does not name.

    Raises Refused for one that is not written there.
    """
    wanted = sorted(names)
    known = known_machines(folder) if wanted else {}
    if lost := [name for name in wanted if name not in known]:
        raise Refused(
            f"{folder / MACHINES} does not name {', '.join(lost)}",
            "Vagrant has made them, and the settings do not name them, either",
            "put that file back, or name them in the settings again (nodes.workers.count, "
            "nodes.database.count)",
        )
    return [known[name] for name in wanted]


def machines(
    settings: Settings,
    state: State,
    host: HostFacts,
    podman: bool,
    others: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """machines.json as data.

    `others`: machines that are there and no longer in the settings, so that vagrant can remove
    them.
    """
    chosen, containers = settings.vagrant, settings.vagrant.provider == "docker"
    return {
        "provider": chosen.provider,
        "box": box(settings),
        "box_version": chosen.box_version,
        "box_architecture": chosen.box_architecture,
        "image": chosen.image,
        "boot_timeout": chosen.boot_timeout,
        "linked_clone": chosen.linked_clone,
        "netmask": str(settings.node_network.netmask)
        if not containers
        else settings.node_network.prefixlen,
        "private_key": str(state.private_key),
        "public_key": str(state.public_key),
        "users": [settings.ssh.user, *(["root"] if settings.ssh.root else [])],
        # a container has those of its engine
        "name_servers": [] if containers else [str(one) for one in settings.network.dns_servers],
        "shared_folders": [
            {"host": str(PROJECT / Path(one.host_path).expanduser()), "guest": one.vm_path}
            for one in settings.shared_folders
        ],
        "machines": [
            *(
                _machine(spec, host, str(state.folder / FOLDER) if containers else "", podman)
                for spec in settings.machines_list()
            ),
            *others,
        ],
    }


def _machine(spec: NodeSpec, host: HostFacts, label: str, podman: bool) -> dict[str, Any]:
    """A machine; with a `label` for the container that it is."""
    row: dict[str, Any] = {
        "name": spec.name,
        "address": spec.address,
        "cpus": spec.cpus,
        "memory": spec.memory_mb,
    }
    if not label:
        return row
    # docker's `network connect` has no hardware address, podman's has
    mac = {"mac": engines.hardware_address(spec.address)} if podman else {}
    # podman writes /etc/hosts anew at each start
    hosts = ["--no-hosts"] if podman else []
    # podman's own limit of 2048 processes is less than 110 pods need
    limits = [
        "--cpus",
        str(spec.cpus),
        "--memory",
        f"{spec.memory_mb}m",
        "--pids-limit",
        "-1",
        "--stop-signal",
        STOP_SIGNAL,
        "--env",
        "container=oci",
        "--label",
        f"{facts.FOLDER}={label}",
    ]
    return {
        **row,
        **mac,
        "create_args": [*limits, *hosts, *engines.container_options(host, podman)],
    }
