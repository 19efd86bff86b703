"""A cluster that minikube makes."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from kubeup.settings import kinds
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Section

if TYPE_CHECKING:
    from kubeup.settings.model import Settings


Driver = Literal[
    "auto",
    "docker",
    "podman",
    "kvm2",
    "qemu2",
    "virtualbox",
    "vmware",
    "hyperkit",
    "hyperv",
    "vfkit",
    "none",
    "ssh",
]


class Minikube(Section):
    profile: kinds.ObjectName = "test-1.26-2nodes"
    """minikube's profile"""
    driver: Driver = "auto"
    """auto: a VM driver where there is one, else containers"""
    nodes: Annotated[int, Field(ge=1, le=20)] = 2
    """nodes, with the control plane"""
    cpus: kinds.ControlCpus | None = None
    """CPUs of each node; default: nodes.control.cpu"""
    memory: kinds.ControlMemory | None = None
    """MB of each node; default: nodes.control.memory"""
    disk_size: kinds.DiskSize = "10GB"
    """disk of each node"""
    container_runtime: Literal["containerd", "docker", "cri-o"] | None = None
    """default: minikube's own choice"""
    base_image: kinds.Reference | None = None
    """image of the nodes instead of minikube's own"""
    feature_gates: kinds.Pairs | None = None
    """Kubernetes' feature gates, as Name=true,…"""
    cni: kinds.Name | None = None
    """pod network; default: minikube's own choice"""
    image_repository: kinds.Reference | None = None
    """where Kubernetes' images come from"""
    image_mirror_country: kinds.Country | None = None
    """country of an image mirror, such as cn"""
    registry_mirror: kinds.Url | None = None
    """mirror of Docker Hub; default: the first in images.mirrors without a path"""
    binary_mirror: kinds.Url | None = None
    """mirror of Kubernetes' binaries"""
    preload: bool = True
    """fetch one archive of all images"""
    cache_images: bool = True
    """keep images on this machine"""
    home: kinds.Folder | None = None
    """minikube's own folder; default: MINIKUBE_HOME, ~/.minikube"""
    download_url: kinds.Url = "https://github.com/kubernetes/minikube/releases/download"
    """where minikube is fetched from, if none here fits; what it serves must have the pinned sum"""
    force: bool = False
    """take a minikube newer than 1.36 and pass --force, without which it refuses Kubernetes
    1.26.1"""
    extra_args: tuple[kinds.Argument, ...] = ()
    """more arguments for minikube start"""


def cpus(settings: Settings) -> int:
    return settings.minikube.cpus or settings.nodes.control.cpu


def memory(settings: Settings) -> int:
    """In MB."""
    return settings.minikube.memory or settings.nodes.control.memory


def node_count(settings: Settings) -> int:
    return settings.minikube.nodes


RULES = Rules(
    name="minikube",
    names_nodes=True,
    no_machines="minikube creates no machines besides its nodes",
    no_containerd="not used: minikube brings its own container runtime",
    no_folders="not used: minikube shares no folders",
    # where its drivers put machines (minikube's handbook, "VPN and Proxy")
    networks=tuple(map(IPv4Network, ("192.168.39.0/24", "192.168.49.0/24", "192.168.59.0/24"))),
    node_count=node_count,
)
