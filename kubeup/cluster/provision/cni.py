"""Pod networks that come as a manifest: pinned by its sum, with the cluster's own values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from kubeup.cluster.release.download import fetch, fetching
from kubeup.core import ids
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Holds, Log, Planned, Step, unless_done
from kubeup.core.state import State, write_private
from kubeup.settings import Settings
from kubeup.system import cache

EMBEDDED = "bridge"  # the standard plug-ins and routes: no manifest
# where the distributions' packages put the standard ones, and containerd looks
PLUGINS = "/usr/lib/cni"
RAW = "https://raw.githubusercontent.com"
BRIDGE_INSTEAD = f"set network.cni to {EMBEDDED}"


class Pinned(NamedTuple):
    """A file as it is at a release's tag."""

    url: str
    sha256: str


PINNED = {
    ("flannel", "0.23.0"): Pinned(
        f"{RAW}/flannel-io/flannel/v0.23.0/Documentation/kube-flannel.yml",
        "925b9ce96545f1bf2be71008a53de140360913eceb160d25b0a53fdd6d64ad1a",
    ),
    ("calico", "3.25.0"): Pinned(
        f"{RAW}/projectcalico/calico/v3.25.0/manifests/calico.yaml",
        "40d3a8422cba84e080a45b2ac454429386f51230355f7c8888512d121a0351c8",
    ),
}

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]  # by kind and name


@dataclass(frozen=True)
class PrepareManifest:
    """Fetch a pod network's manifest into the cache, and write it, filled in, for the play."""

    cni: str
    version: str
    pod_cidr: str
    target: Path

    @property
    def pinned(self) -> Pinned:
        return PINNED[self.cni, self.version]

    @property
    def cached(self) -> Path:
        return cache.folder("manifests", f"{self.cni}-{self.version}.yaml")

    def already(self) -> str:
        if not self.cached.exists() or not self.target.exists():
            return ""
        return "prepared" if self.target.read_text(encoding="utf-8") == self._text() else ""

    def commands(self) -> tuple[str, ...]:
        if self.cached.exists():
            return ()
        return fetching(self.pinned.url, self.pinned.sha256, self.cached)

    def run(self, log: Log) -> None:
        if not self.cached.exists():
            otherwise = f"{BRIDGE_INSTEAD}, which needs nothing fetched"
            fetch(self.pinned.url, self.pinned.sha256, self.cached, log, otherwise)
        write_private(self.target, self._text(), 0o644)

    def _text(self) -> str:
        manifest = self.cached.read_text(encoding="utf-8")
        return filled(manifest, self.cni, self.version, self.pod_cidr)


def target(state: State) -> Path:
    return state.folder / "cni.yaml"


def steps(settings: Settings, state: State) -> list[Planned]:
    """What brings the manifest, for pod networks that have one."""
    cni = settings.network.cni
    why = f"network.cni is {cni}"
    if cni == EMBEDDED:
        return [Holds(ids.CNI, f"{why}, which has no manifest")]
    prepare = prepared(settings, state)
    title = f"prepare the manifest of {cni} {prepare.version}"
    return [unless_done(Step(ids.CNI, title, why, prepare, seconds=3))]


def prepared(settings: Settings, state: State) -> PrepareManifest:
    """Of a pod network that has a manifest."""
    pod_cidr = str(settings.network.pod_cidr)
    return PrepareManifest(settings.network.cni, version(settings), pod_cidr, target(state))


def version(settings: Settings) -> str:
    """Of the pod network; '' for the embedded one."""
    cni = settings.network.cni
    return "" if cni == EMBEDDED else str(getattr(settings.software, cni))


def filled(text: str, cni: str, version: str, pod_cidr: str) -> str:
    """A manifest with the pods' network, the nodes' own addresses and the plug-ins' folder.

    Raises KubeupError where that has no place in it.
    """
    objects = list(filter(None, yaml.safe_load_all(text)))
    by_name = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    # a manifest is pinned, so a part that is missing is a mistake of ours
    fill = {"flannel": _flannel, "calico": _calico}[cni]
    try:
        fill(by_name, version, pod_cidr)
    except (KeyError, TypeError) as error:
        raise KubeupError(
            f"the manifest of {cni} {version} is not what was expected",
            f"no {error} in it",
            f"{BRIDGE_INSTEAD}; this is a mistake in kubeup: report it",
        ) from None
    return yaml.safe_dump_all(objects, sort_keys=False)


def _flannel(objects: Objects, version: str, pod_cidr: str) -> None:
    config = objects["ConfigMap", "kube-flannel-cfg"]["data"]
    network = json.loads(config["net-conf.json"]) | {"Network": pod_cidr}
    config["net-conf.json"] = json.dumps(network, indent=2)
    pod = _pod(objects["DaemonSet", "kube-flannel-ds"])
    for container in (*pod["initContainers"], *pod["containers"]):
        # at the tag the file still names the release before (flannel-io/flannel#1561)
        repository = container["image"].partition(":")[0]
        if repository.endswith("/flannel"):
            container["image"] = f"{repository}:v{version}"
    main = _by_name(pod["containers"])["kube-flannel"]
    # the first interface may be one that all nodes have the same address on
    main["args"].append("--iface=$(NODE_ADDRESS)")
    address = {"fieldRef": {"fieldPath": "status.hostIP"}}
    main["env"].append({"name": "NODE_ADDRESS", "valueFrom": address})
    _by_name(pod["volumes"])["cni-plugin"]["hostPath"]["path"] = PLUGINS


def _calico(objects: Objects, version: str, pod_cidr: str) -> None:
    pod = _pod(objects["DaemonSet", "calico-node"])
    values = {"CALICO_IPV4POOL_CIDR": pod_cidr, "IP_AUTODETECTION_METHOD": "kubernetes-internal-ip"}
    main = _by_name(pod["containers"])["calico-node"]
    kept = [row for row in main["env"] if row["name"] not in values]
    main["env"] = kept + [{"name": name, "value": value} for name, value in values.items()]
    _by_name(pod["volumes"])["cni-bin-dir"]["hostPath"]["path"] = PLUGINS


def _by_name(rows: Iterable[Object]) -> dict[str, Object]:
    return {row["name"]: row for row in rows}


def _pod(workload: Object) -> Object:
    pod: Object = workload["spec"]["template"]["spec"]
    return pod
