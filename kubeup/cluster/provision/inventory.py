"""The Ansible inventory of a profile, which plain ansible-playbook can use as well.

Pure data from settings and facts.
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
from kubeup.system import cache
from kubeup.system.ssh import SshTarget

ANSIBLE = Path(__file__).resolve().parents[3] / "ansible"


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


def inventory(inputs: InventoryInputs) -> dict[str, Any]:
    """The inventory as Ansible's YAML plug-in reads it.

    With the digest that tells a provisioned node from an outdated one.
    """
    specs = inputs.settings.nodes_list()
    ranges = pod_ranges(inputs.settings, specs)
    content = _content(inputs)
    nodes = {
        spec.name: {"kubeup_address": spec.address, "kubeup_pod_range": ranges[spec.name]}
        for spec in specs
    }
    # how a node is reached, and what surrounds it, may change without making it an outdated one
    digest = cache.digest(
        cache.tree_digest(ANSIBLE),
        inputs.release.identity(),
        repr(sorted(content.items())),
        repr(sorted(nodes.items())),
    )
    variables = _connection(inputs) | content | _surroundings(inputs)
    variables["kubeup_provision_digest"] = digest
    hosts = {target.name: _login(target) | nodes[target.name] for target in inputs.ssh_targets}
    return {
        "nodes": {"hosts": hosts, "vars": variables},
        "control": _group(specs, "control"),
        "workers": _group(specs, "worker"),
    }


def _group(specs: Sequence[NodeSpec], role: str) -> dict[str, Any]:
    return {"hosts": {spec.name: {} for spec in specs if spec.role == role}}


def digest(inputs: InventoryInputs) -> str:
    return str(inventory(inputs)["nodes"]["vars"]["kubeup_provision_digest"])


def _login(target: SshTarget) -> dict[str, Any]:
    return {
        "ansible_host": target.address,
        "ansible_port": target.port,
        "ansible_user": target.user,
    }


def _connection(inputs: InventoryInputs) -> dict[str, Any]:
    # all nodes are entered with the profile's one key, which Ansible itself would hand to ssh
    # without quotes around what is in its path
    options = inputs.ssh_targets[0].options
    return {
        "ansible_ssh_common_args": shlex.join(f"-o{key}={value}" for key, value in options.items()),
        "ansible_python_interpreter": "/usr/bin/python3",
        # Kubernetes' programs go there: a network of machines takes them faster than zlib does
        "mitogen_ssh_compression": False,
    }


def _surroundings(inputs: InventoryInputs) -> dict[str, Any]:
    """What differs with this machine and the network it is in, and makes no node another one."""
    release, host = inputs.release, inputs.host
    return {
        "kubeup_binaries": [
            {"name": name, "path": str(release.binary(name))} for name in NODE_BINARIES
        ],
        "kubeup_kubeconfig": str(inputs.state.kubeconfig),
        "kubeup_system_images": str(inputs.images),
        "kubeup_cni_manifest": str(cni.target(inputs.state)),
        "kubeup_proxies": proxies.on_nodes(host.proxies, inputs.settings.networks),
        "kubeup_pace": host.pace.times,  # limits of time are so many times as long
    }


def _content(inputs: InventoryInputs) -> dict[str, Any]:
    """What a node is provisioned with: another value makes it an outdated one."""
    settings, machines = inputs.settings, inputs.machines
    images = settings.images
    return {
        "kubeup_cluster": settings.slug,
        "kubeup_context": settings.context,
        "kubeup_version": str(settings.software.kubernetes),
        "kubeup_cni": str(settings.network.cni),
        "kubeup_cni_version": cni.version(settings),
        "kubeup_pod_cidr": str(settings.network.pod_cidr),
        "kubeup_service_cidr": str(settings.network.service_cidr),
        "kubeup_cgroup_driver": machines.cgroup_driver,
        "kubeup_container_nodes": machines.containers,
        "kubeup_limited_nodes": machines.limited,
        "kubeup_node_has_release": machines.release_inside,
        "kubeup_pause_image": f"{REGISTRY}/pause:{PAUSE}",
        "kubeup_system_image_names": [image.name for image in IMAGES],
        "kubeup_ca_certificates": [
            {"name": certificates.file_name(pem), "pem": pem} for pem in inputs.authorities
        ],
        "kubeup_registries": [
            {"name": registry.name, "hosts": registries.hosts_toml(registry)}
            for registry in registries.registries(images.mirrors, images.plain_registries)
        ],
    }


def pod_ranges(settings: Settings, specs: Sequence[NodeSpec]) -> dict[str, str]:
    """A /24 of the pod network for each node, by its place in the settings."""
    network = settings.network.pod_cidr
    # a pod network smaller than that is one node's alone
    subnets = network.subnets(new_prefix=max(24, network.prefixlen))
    return {spec.name: str(subnet) for spec, subnet in zip(specs, subnets, strict=False)}
