"""Pod networks that come as a manifest: the one of a release, pinned by its sum, with the
cluster's own values filled in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kubeup.cluster.release.download import fetch
from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.core.state import State, write_private
from kubeup.settings import Settings
from kubeup.system import cache

EMBEDDED = "bridge"  # the standard plug-ins and routes: no manifest
# where the distributions' packages put the standard ones, and containerd looks
PLUGINS = "/usr/lib/cni"
RAW = "https://raw.githubusercontent.com"
# sha256 of the files as they are at the releases' tags
PINNED = {
    ("flannel", "0.23.0"): (f"{RAW}/flannel-io/flannel/v0.23.0/Documentation/kube-flannel.yml",
                            "925b9ce96545f1bf2be71008a53de140360913eceb160d25b0a53fdd6d64ad1a"),
    ("calico", "3.25.0"): (f"{RAW}/projectcalico/calico/v3.25.0/manifests/calico.yaml",
                           "40d3a8422cba84e080a45b2ac454429386f51230355f7c8888512d121a0351c8"),
}  # fmt: skip

Object = dict[str, Any]


@dataclass(frozen=True)
class PrepareManifest:
    """Fetch a pod network's manifest into the cache, and write it with our values where the play
    looks for it.
    """

    cni: str
    version: str
    pod_cidr: str
    target: Path

    @property
    def cached(self) -> Path:
        return cache.folder("manifests", f"{self.cni}-{self.version}.yaml")

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(("curl", "-fLo", str(self.cached), PINNED[self.cni, self.version][0])),)

    def run(self, log: Log) -> None:
        if not self.cached.exists():
            url, sha256 = PINNED[self.cni, self.version]
            fetch(
                url,
                sha256,
                self.cached,
                log,
                f"set network.cni to {EMBEDDED}, which needs nothing fetched",
            )
        write_private(
            self.target,
            filled(self.cached.read_text(encoding="utf-8"), self.cni, self.version, self.pod_cidr),
            0o644,
        )


def target(state: State) -> Path:
    return state.folder / "cni.yaml"


def steps(settings: Settings, state: State) -> list[Planned]:
    """What brings the manifest, for pod networks that have one."""
    cni, version = chosen(settings)
    if not version:
        return [Holds(ids.CNI, f"network.cni is {cni}, which has no manifest")]
    what = PrepareManifest(cni, version, str(settings.network.pod_cidr), target(state))
    return [
        Step(
            ids.CNI,
            f"prepare the manifest of {cni} {version}",
            f"network.cni is {cni}",
            what,
            seconds=3,
        )
    ]


def chosen(settings: Settings) -> tuple[str, str]:
    """The pod network and its version, '' for the embedded one."""
    cni = str(settings.network.cni)
    return cni, "" if cni == EMBEDDED else str(getattr(settings.software, cni))


def filled(text: str, cni: str, version: str, pod_cidr: str) -> str:
    """A manifest with the pods' network, the nodes' own addresses and the plug-ins' folder.

    Raises KubeupError where that has no place in it.
    """
    objects = [one for one in yaml.safe_load_all(text) if one]
    fill = {"flannel": _flannel, "calico": _calico}[cni]
    try:
        fill(objects, version, pod_cidr)
    except (KeyError, StopIteration, TypeError) as error:
        raise KubeupError(
            f"the manifest of {cni} {version} is not what was expected",
            f"no {error} in it",
            f"set network.cni to {EMBEDDED}; this is a mistake in kubeup: report it",
        ) from None
    return yaml.safe_dump_all(objects, sort_keys=False)


def _flannel(objects: list[Object], version: str, pod_cidr: str) -> None:
    config = _named(objects, "ConfigMap", "kube-flannel-cfg")["data"]
    config["net-conf.json"] = json.dumps(
        {**json.loads(config["net-conf.json"]), "Network": pod_cidr}, indent=2
    )
    spec = _pod(_named(objects, "DaemonSet", "kube-flannel-ds"))
    for container in (*spec["initContainers"], *spec["containers"]):
        # at the tag the file still names the release before
        if container["image"].partition(":")[0].endswith("/flannel"):
            container["image"] = f"{container['image'].partition(':')[0]}:v{version}"
    main = _container(spec, "kube-flannel")
    # the first interface may be one that all nodes have the same address on
    main["args"].append("--iface=$(NODE_ADDRESS)")
    main["env"].append(
        {"name": "NODE_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
    )
    _volume(spec, "cni-plugin")["hostPath"]["path"] = PLUGINS


def _calico(objects: list[Object], version: str, pod_cidr: str) -> None:
    spec = _pod(_named(objects, "DaemonSet", "calico-node"))
    values = {"CALICO_IPV4POOL_CIDR": pod_cidr, "IP_AUTODETECTION_METHOD": "kubernetes-internal-ip"}
    main = _container(spec, "calico-node")
    main["env"] = [row for row in main["env"] if row["name"] not in values] + [
        {"name": name, "value": value} for name, value in values.items()
    ]
    _volume(spec, "cni-bin-dir")["hostPath"]["path"] = PLUGINS


def _named(objects: list[Object], kind: str, name: str) -> Object:
    return _first(
        (one for one in objects if one["kind"] == kind and one["metadata"]["name"] == name),
        f"{kind} {name}",
    )


def _container(spec: Object, name: str) -> Object:
    return _first((one for one in spec["containers"] if one["name"] == name), f"container {name}")


def _volume(spec: Object, name: str) -> Object:
    return _first((one for one in spec["volumes"] if one["name"] == name), f"volume {name}")


def _pod(workload: Object) -> Object:
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def _first(found: Iterator[Object], what: str) -> Object:
    for one in found:
        return one
    raise KeyError(what)
