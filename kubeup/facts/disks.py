"""The file systems of this machine, and where container engines keep images and volumes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

# where root's images and volumes lie unless told otherwise
PODMAN, DOCKER = "/var/lib/containers/storage", "/var/lib/docker"


@dataclass(frozen=True)
class Disk:
    """The room at a path: GiB that any user may fill, of a file system that paths may share."""

    path: str = ""
    filesystem: str = ""
    free: float = 0.0


def filesystem(path: str, mounts: Iterable[tuple[str, str]]) -> str:
    """The file system that an absolute path is on, of `mounts` as (device, mount point).

    Its device, so that two mounts of one (btrfs' subvolumes, bind mounts) are the same; its mount
    point where no device has that name (tmpfs, overlay). '' where no mount holds the path.
    """
    place = PurePath(path)
    holding = [(device, point) for device, point in mounts if place.is_relative_to(point)]
    if not holding:
        return ""
    # of two at one place the later one, which stays the later, hides the earlier
    device, point = sorted(holding, key=lambda mount: len(PurePath(mount[1]).parts))[-1]
    return device if device.startswith("/") else point


def podman_storage(
    root: bool, home: str, system: str = "", own: str = "", environ: Mapping[str, str] | None = None
) -> str:
    """The folder of podman's images and volumes.

    `system` and `own` are the texts of the system's storage.conf and a user's, '' for no such file.
    See containers-storage.conf(5): a user who is not root has a file of his own, which counts in
    place of the system's.
    """
    graph = _toml(system if root else own).get("graphroot", "")
    if root:
        return str(graph or PODMAN)
    folder = graph or _toml(system).get("rootless_storage_path", "")
    data = (environ or {}).get("XDG_DATA_HOME") or f"{home}/.local/share"
    expanded = str(folder).replace("$HOME", home)
    return expanded if expanded and "$" not in expanded else f"{data}/containers/storage"


def docker_storage(daemon: str = "") -> str:
    """The folder of docker's images and volumes, by /etc/docker/daemon.json ('': no such file)."""
    try:
        parsed = json.loads(daemon or "{}")
    except ValueError:  # docker itself would not start
        return DOCKER
    return str(parsed.get("data-root") or DOCKER) if isinstance(parsed, dict) else DOCKER


def _toml(text: str) -> dict[str, Any]:
    """The section `storage` of a storage.conf, nothing of one that podman could not read either."""
    try:
        section = tomllib.loads(text).get("storage", {})
    except tomllib.TOMLDecodeError:
        return {}
    return section if isinstance(section, dict) else {}
