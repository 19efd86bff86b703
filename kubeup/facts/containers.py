"""Containers and images as podman's and docker's `inspect` print them (both the same shape where
it matters).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network


@dataclass(frozen=True)
class Container:
    """A node's container: state is running, exited, …; `labels` are ours; memory in MiB.

    `cgroup` is the path of its control group where the engine tells it (podman, of one that runs),
    else "".
    `started`: when it began to run the last time, None where it doesn't.
    """

    name: str
    state: str
    image: str
    labels: tuple[tuple[str, str], ...]
    address: str
    cpus: float
    memory: int
    cgroup: str = ""
    started: datetime | None = None

    def label(self, key: str) -> str:
        return dict(self.labels).get(key, "")


def containers(inspect_json: str) -> tuple[Container, ...]:
    """From `podman container inspect NAME …` or `docker container inspect NAME …`."""
    return tuple(_container(row) for row in json.loads(inspect_json or "[]"))


@dataclass(frozen=True)
class Volume:
    """A volume with its labels."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it carries all of these labels."""
        return labels.items() <= dict(self.labels).items()


def volumes(inspect_json: str) -> tuple[Volume, ...]:
    """From `podman volume inspect NAME …` or `docker volume inspect NAME …`."""
    return tuple(
        Volume(str(row.get("Name", "")), _labels(row)) for row in json.loads(inspect_json or "[]")
    )


def _labels(row: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(key), str(value)) for key, value in _map(row, "Labels").items()))


def _container(row: dict[str, object]) -> Container:
    config, state, limits, network = (
        _map(row, key) for key in ("Config", "State", "HostConfig", "NetworkSettings")
    )
    networks = [net for net in _map(network, "Networks").values() if isinstance(net, dict)]
    configured = [
        str((net.get("IPAMConfig") or {}).get("IPv4Address", "") or net.get("IPAddress", ""))
        for net in networks
    ]
    return Container(
        name=str(row.get("Name", "")).lstrip("/"),
        state=str(state.get("Status", "")),
        image=str(config.get("Image", "")),
        labels=_labels(config),
        address=next((address for address in configured if address), ""),
        cpus=_cpus(limits),
        memory=_int(limits, "Memory") // 2**20,
        cgroup=_cgroup(str(state.get("CgroupPath", "")), str(row.get("Id", "")))
        if state.get("Status") == "running"
        else "",
        started=datetime.fromisoformat(str(state["StartedAt"]))
        if state.get("Status") == "running"
        else None,
    )


def _cgroup(path: str, identity: str) -> str:
    """The container's own group: an init system inside may have been moved into one below it."""
    before, found, after = path.partition(identity) if identity else (path, "", "")
    return before + found + after.split("/")[0] if found else path


def _cpus(limits: dict[str, object]) -> float:
    """podman tells a quota and a period, docker a number of billionths."""
    if nano := _int(limits, "NanoCpus"):
        return nano / 1e9
    period = _int(limits, "CpuPeriod")
    return _int(limits, "CpuQuota") / period if period else 0.0


def _map(row: dict[str, object], key: str) -> dict[str, object]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _int(row: dict[str, object], key: str) -> int:
    value = row.get(key)
    return int(value) if isinstance(value, (int, float)) else 0


def networks(inspect_json: str) -> dict[str, tuple[IPv4Network, ...]]:
    """IPv4 ranges of an engine's networks by name, from `network inspect`: podman's words, or
    docker's.
    """
    found = dict[str, tuple[IPv4Network, ...]]()
    for row in json.loads(inspect_json or "[]"):
        ranges = [one.get("subnet", "") for one in row.get("subnets") or ()]
        ranges += [one.get("Subnet", "") for one in (row.get("IPAM") or {}).get("Config") or ()]
        found[row.get("name") or row["Name"]] = tuple(
            IPv4Network(one) for one in ranges if "." in one
        )
    return found
