"""Manifests of pod networks with the cluster's own values in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from builders import error_of, settings, state

from kubeup.cluster.provision import cni
from kubeup.core.plan import todo

FLANNEL = """
kind: ConfigMap
metadata: {name: kube-flannel-cfg}
data: {net-conf.json: '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}'}
---
---
kind: DaemonSet
metadata: {name: kube-flannel-ds}
spec:
  template:
    spec:
      initContainers:
        - {name: install-cni-plugin, image: "docker.io/flannel/flannel-cni-plugin:v1.2.0"}
        - {name: install-cni, image: "docker.io/flannel/flannel:v0.22.3"}
      containers:
      - {name: kube-flannel, image: "docker.io/flannel/flannel:v0.22.3", args: [--ip-masq], env: []}
      volumes: [{name: cni-plugin, hostPath: {path: /opt/cni/bin}}]
"""
CALICO = """
kind: DaemonSet
metadata: {name: calico-node}
spec:
  template:
    spec:
      containers:
      - name: calico-node
        env: [{name: IP, value: autodetect}, {name: CALICO_IPV4POOL_CIDR, value: 192.168.0.0/16}]
      volumes: [{name: cni-bin-dir, hostPath: {path: /opt/cni/bin}}]
"""


def test_flannel() -> None:
    config, workload = yaml.safe_load_all(cni.filled(FLANNEL, "flannel", "0.23.0", "10.248.0.0/16"))
    assert json.loads(config["data"]["net-conf.json"]) == {
        "Network": "10.248.0.0/16",
        "Backend": {"Type": "vxlan"},
    }
    spec = workload["spec"]["template"]["spec"]
    images = [row["image"] for row in (*spec["initContainers"], *spec["containers"])]
    assert images == [
        "docker.io/flannel/flannel-cni-plugin:v1.2.0",
        "docker.io/flannel/flannel:v0.23.0",
        "docker.io/flannel/flannel:v0.23.0",
    ]
    assert spec["containers"][0]["args"] == ["--ip-masq", "--iface=$(NODE_ADDRESS)"]
    assert spec["containers"][0]["env"][0]["valueFrom"] == {
        "fieldRef": {"fieldPath": "status.hostIP"}
    }
    assert spec["volumes"][0]["hostPath"]["path"] == "/usr/lib/cni"


def test_calico() -> None:
    (workload,) = yaml.safe_load_all(cni.filled(CALICO, "calico", "3.25.0", "10.248.0.0/16"))
    env = {
        row["name"]: row["value"]
        for row in workload["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert env == {
        "IP": "autodetect",
        "CALICO_IPV4POOL_CIDR": "10.248.0.0/16",
        "IP_AUTODETECTION_METHOD": "kubernetes-internal-ip",
    }


def test_a_manifest_of_another_shape_is_refused() -> None:
    error = error_of(cni.filled, CALICO, "flannel", "0.23.0", "10.248.0.0/16")
    assert (
        "is not what was expected" in error.what
        and "kube-flannel-cfg" in error.why
        and "network.cni to bridge" in error.next
    )


def test_the_embedded_one_needs_nothing(tmp_path: Path) -> None:
    assert todo(cni.steps(settings(tmp_path), state(tmp_path))) == []


@pytest.mark.parametrize(("name", "version"), cni.PINNED)
def test_others_are_fetched_and_checked(tmp_path: Path, name: str, version: str) -> None:
    (step,) = cni.steps(settings(tmp_path, f"network: {{cni: {name}}}"), state(tmp_path))
    assert (
        step.title == f"prepare the manifest of {name} {version}"
        and cni.PINNED[name, version][0] in step.action.commands()[0]
    )  # type: ignore[attr-defined]
    assert len(cni.PINNED[name, version][1]) == 64
