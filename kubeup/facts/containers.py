"""Containers as podman's and docker's `inspect` print them, in the same shape where it matters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from kubeup.facts.nested import value

# sizes as both engines print them (HumanSize in docker/go-units)
UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZE = re.compile(r"([\d.]+)(B|kB|MB|GB|TB)")


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
    labels: Mapping[str, str]
    address: str
    cpus: float
    memory: int
    cgroup: str = ""
    started: datetime | None = None

    def label(self, key: str) -> str:
        return self.labels.get(key, "")


def containers(inspect_json: str) -> tuple[Container, ...]:
    """From `podman container inspect NAME …` or `docker container inspect NAME …`."""
    return tuple(_container(row) for row in json.loads(inspect_json or "[]"))


@dataclass(frozen=True)
class Volume:
    """A volume, or a network, with its labels."""

    name: str
    labels: Mapping[str, str]

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether it carries all of these labels."""
        return labels.items() <= self.labels.items()


def volumes(inspect_json: str) -> tuple[Volume, ...]:
    """From `podman volume inspect NAME …` or `docker volume inspect NAME …`."""
    return tuple(
        Volume(str(row.get("Name", "")), value(row, "Labels", default={}))
        for row in json.loads(inspect_json or "[]")
    )


def _container(row: dict[str, Any]) -> Container:
    state, limits = value(row, "State", default={}), value(row, "HostConfig", default={})
    running = state.get("Status") == "running"
    networks = value(row, "NetworkSettings", "Networks", default={}).values()
    addresses = (
        value(network, "IPAMConfig", "IPv4Address") or value(network, "IPAddress")
        for network in networks
    )
    return Container(
        name=row.get("Name", "").lstrip("/"),
        state=state.get("Status", ""),
        image=value(row, "Config", "Image"),
        labels=value(row, "Config", "Labels", default={}),
        address=next(filter(None, addresses), ""),
        cpus=_cpus(limits),
        memory=limits.get("Memory", 0) // 2**20,
        cgroup=_cgroup(state.get("CgroupPath", ""), row.get("Id", "")) if running else "",
        started=datetime.fromisoformat(state["StartedAt"]) if running else None,
    )


def _cgroup(path: str, identity: str) -> str:
    """The container's own group: an init system inside may have been moved into one below it."""
    before, found, after = path.partition(identity) if identity else (path, "", "")
    return before + found + after.split("/")[0] if found else path


def _cpus(limits: dict[str, Any]) -> float:
    """podman tells a quota and a period, docker a number of billionths."""
    if nano := limits.get("NanoCpus"):
        return float(nano / 1e9)
    period = limits.get("CpuPeriod")
    return float(limits.get("CpuQuota", 0) / period) if period else 0.0


def networks(inspect_json: str) -> dict[str, tuple[IPv4Network, ...]]:
    """IPv4 ranges of an engine's networks by name, from podman's or docker's `network inspect`."""
    return {
        row.get("name") or row["Name"]: _ranges(row) for row in json.loads(inspect_json or "[]")
    }


def labelled_networks(inspect_json: str) -> tuple[Volume, ...]:
    """An engine's networks with their labels, from podman's or docker's `network inspect`."""
    return tuple(
        Volume(row.get("name") or row["Name"], row.get("labels") or row.get("Labels") or {})
        for row in json.loads(inspect_json or "[]")
    )


def volume_sizes(text: str) -> dict[str, int]:
    """MiB by volume, from the last table of podman's or docker's `system df --verbose`.

    What they do not tell (N/A) is left out.
    """
    _, _, table = text.partition("VOLUME NAME")
    rows = (line.split() for line in table.partition("\n\n")[0].splitlines()[1:])
    sizes = {row[0]: SIZE.fullmatch(row[-1]) for row in rows if len(row) == 3}
    return {
        name: round(float(size[1]) * UNITS[size[2]] / 2**20) for name, size in sizes.items() if size
    }


def _ranges(row: dict[str, Any]) -> tuple[IPv4Network, ...]:
    found = [one.get("subnet") for one in value(row, "subnets", default=[])]
    found += [one.get("Subnet") for one in value(row, "IPAM", "Config", default=[])]
    return tuple(IPv4Network(one) for one in found if one and "." in one)
