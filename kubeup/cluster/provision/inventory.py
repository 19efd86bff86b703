"""The Ansible inventory of a profile: pure data from settings and facts, usable by plain
ansible-playbook as well.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeup.cluster.providers.base import Machines
from kubeup.cluster.provision import cni
from kubeup.cluster.release.components import IMAGES, NODE_BINARIES, PAUSE, REGISTRY
from kubeup.cluster.release.source import Release
from kubeup.core.state import State
from kubeup.facts import certificates, proxies, registries
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import cache, ssh
from kubeup.system.ssh import SshTarget

ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"
# what differs with this machine and the network it is in, and doesn't make a node another one
SURROUNDINGS = (
    "kubeup_binaries",
    "kubeup_kubeconfig",
    "kubeup_system_images",
    "kubeup_cni_manifest",
    "kubeup_proxies",
    "kubeup_pace",
)


@dataclass(frozen=True)
class InventoryInputs:
    """Everything an inventory is made of."""

    settings: Settings
    state: State
    host: HostFacts
    machines: Machines
    release: Release
    ssh_targets: Sequence[SshTarget]
    images: Path
    authorities: tuple[str, ...] = ()  # certificates in PEM


def inventory(made_of: InventoryInputs) -> dict[str, Any]:
    """The inventory as Ansible's YAML plug-in reads it, with the digest that tells a provisioned
    node from an outdated one.
    """
    whole = _inventory(made_of)
    what = {
        key: value
        for key, value in whole["nodes"]["vars"].items()
        if key not in SURROUNDINGS and not key.startswith(("ansible_", "mitogen_"))
    }
    hosts = {
        name: {key: value for key, value in row.items() if key.startswith("kubeup_")}
        for name, row in whole["nodes"]["hosts"].items()
    }
    whole["nodes"]["vars"]["kubeup_provision_digest"] = cache.digest(
        cache.tree_digest(ANSIBLE),
        made_of.release.identity(),
        repr(sorted(what.items())),
        repr(sorted(hosts.items())),
    )
    return whole


def digest(made_of: InventoryInputs) -> str:
    return str(inventory(made_of)["nodes"]["vars"]["kubeup_provision_digest"])


def _inventory(made_of: InventoryInputs) -> dict[str, Any]:
    settings, machines = made_of.settings, made_of.machines
    specs = settings.nodes_list()
    reach = {one.name: one for one in made_of.ssh_targets}
    ranges = pod_ranges(settings, specs)
    hosts = {
        spec.name: {
            "ansible_host": reach[spec.name].address,
            "ansible_port": reach[spec.name].port,
            "ansible_user": reach[spec.name].user,
            "kubeup_address": spec.address,
            "kubeup_pod_range": ranges[spec.name],
        }
        for spec in specs
    }
    control = next(spec for spec in specs if spec.role == "control")
    asked = registries.registries(settings.images.mirrors, settings.images.plain_registries)
    variables = {
        "ansible_ssh_private_key_file": str(reach[control.name].key),
        "ansible_ssh_common_args": shlex.join(
            (
                f"-oUserKnownHostsFile={ssh.quoted(made_of.state.known_hosts)}",
                "-oStrictHostKeyChecking=yes",
                "-oIdentitiesOnly=yes",
            )
        ),
        "ansible_python_interpreter": "/usr/bin/python3",
        # Kubernetes' programs go there: a network of machines takes them faster than zlib does
        "mitogen_ssh_compression": False,
        "kubeup_cluster": settings.slug,
        "kubeup_context": settings.context,
        "kubeup_version": str(settings.software.kubernetes),
        "kubeup_cni": cni.chosen(settings)[0],
        "kubeup_cni_version": cni.chosen(settings)[1],
        "kubeup_cni_manifest": str(cni.target(made_of.state)),
        "kubeup_pod_cidr": str(settings.network.pod_cidr),
        "kubeup_service_cidr": str(settings.network.service_cidr),
        "kubeup_cgroup_driver": machines.cgroup_driver,
        "kubeup_container_nodes": machines.containers,
        "kubeup_limited_nodes": machines.limited,
        "kubeup_node_has_release": machines.release_inside,
        "kubeup_node_has_images": machines.images_inside,
        "kubeup_pause_image": f"{REGISTRY}/pause:{PAUSE}",
        "kubeup_binaries": [
            {"name": name, "path": str(made_of.release.binary(name))} for name in NODE_BINARIES
        ],
        "kubeup_system_images": str(made_of.images),
        "kubeup_system_image_names": [one.name for one in IMAGES],
        "kubeup_ca_certificates": [
            {"name": certificates.file_name(pem), "pem": pem} for pem in made_of.authorities
        ],
        "kubeup_registries": [
            {"name": one.name, "hosts": registries.hosts_toml(one)} for one in asked
        ],
        "kubeup_kubeconfig": str(made_of.state.kubeconfig),
        "kubeup_pace": made_of.host.pace.times,  # limits of time are so many times as long
        "kubeup_proxies": proxies.on_nodes(made_of.host.proxies, settings.networks),
    }
    groups: dict[str, Any] = {
        group: {"hosts": {spec.name: {} for spec in specs if spec.role == role}}
        for group, role in (("control", "control"), ("workers", "worker"))
    }
    return {"nodes": {"hosts": hosts, "vars": variables}, **groups}


def pod_ranges(settings: Settings, specs: Sequence[NodeSpec]) -> dict[str, str]:
    """A /24 of the pod network for each node, by its place in the settings."""
    network = settings.network.pod_cidr
    subnets = network.subnets(new_prefix=max(24, network.prefixlen))
    return {spec.name: str(subnet) for spec, subnet in zip(specs, subnets, strict=False)}
