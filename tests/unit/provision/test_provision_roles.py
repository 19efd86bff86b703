"""What the roles put on a node, as data: units, kernel parameters and kubelet's configuration."""

from __future__ import annotations

from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from kubeup.cluster.provision.inventory import ANSIBLE

ROLES = ANSIBLE / "roles"
NODES = {
    "kubeup_container_nodes": True,
    "kubeup_limited_nodes": False,
    "kubeup_cni": "bridge",
    "kubeup_cgroup_driver": "systemd",
    "kubeup_context": "kubeup-dev",
    "kubeup_version": "1.26.1",
}


def unit(path: Path) -> RawConfigParser:
    """A unit file; the options of systemd are told apart by their letters' case."""
    found = RawConfigParser(strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(path.read_text("utf-8"))
    return found


def task(path: str, name: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = yaml.safe_load((ROLES / path).read_text("utf-8"))
    return next(row for row in rows if row["name"] == name)


def rendered(text: str, **variables: Any) -> Any:
    """A value of the play as Ansible makes it of variables."""
    return NativeEnvironment().from_string(text).render(**variables)


def test_kubelet_is_started_however_often_it_ends() -> None:
    """systemd reads this in [Unit] alone; five ends in ten seconds are the last ones else."""
    kubelet = unit(ROLES / "kubernetes/templates/kubelet.service.j2")
    assert kubelet["Unit"]["StartLimitIntervalSec"] == "0"
    assert "StartLimitIntervalSec" not in kubelet["Service"]


@pytest.mark.parametrize("containers", [True, False])
def test_bridge_parameters_may_be_missing_in_containers_alone(containers: bool) -> None:
    """On a machine they have to be there, as its modules have been loaded just before."""
    placing = task("base/tasks/main.yml", "Set the kernel parameters of a Kubernetes node")
    optional = rendered(placing["vars"]["base_optional"], kubeup_container_nodes=containers)
    text = rendered(placing["ansible.builtin.copy"]["content"], base_optional=optional)
    sign = "-" if containers else ""
    bridge = [f"{sign}net.bridge.bridge-nf-call-{name} = 1" for name in ("iptables", "ip6tables")]
    assert str(text).splitlines() == ["net.ipv4.ip_forward = 1", *bridge]
    assert ("--ignore" in sysctl(containers)) is containers


def sysctl(containers: bool) -> list[str]:
    """The command that sets them."""
    defaults = yaml.safe_load((ROLES / "base/defaults/main.yml").read_text("utf-8"))
    unknown = rendered(defaults["base_unknown_parameters"], kubeup_container_nodes=containers)
    handler = task("base/handlers/main.yml", "Set kernel parameters")
    argv = handler["ansible.builtin.command"]["argv"]
    found: list[str] = rendered(argv, base_unknown_parameters=unknown)
    return found


def kubelet_configuration(**more: Any) -> dict[str, Any]:
    source = (ROLES / "control_plane/templates/kubeadm.yaml.j2").read_text("utf-8")
    environment = jinja2.Environment(trim_blocks=True)  # noqa: S701 - YAML, as Ansible does it
    rows = yaml.safe_load_all(environment.from_string(source).render(**NODES | more))
    found: dict[str, Any] = next(row for row in rows if row["kind"] == "KubeletConfiguration")
    return found


def test_pods_are_evicted_for_memory_and_not_for_the_hosts_disk() -> None:
    """What is named in evictionHard stands in place of all defaults of kubelet's."""
    disk = dict.fromkeys(("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%")
    assert kubelet_configuration()["evictionHard"] == {"memory.available": "100Mi", **disk}
    assert "evictionHard" not in kubelet_configuration(kubeup_container_nodes=False)


def test_a_nodes_size_is_shown_before_kubelet_asks() -> None:
    size = unit(ROLES / "base/files/node-size.service")
    assert size["Unit"]["Before"] == "kubelet.service"
    assert size["Service"]["ExecStartPre"].endswith("/node-size once")
