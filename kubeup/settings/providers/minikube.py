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
    profile: kinds.ObjectName = Field("test-1.26-2nodes", description="minikube's profile")
    driver: Driver = Field(
        "auto", description="auto: a VM driver where there is one, else containers"
    )
    nodes: Annotated[int, Field(ge=1, le=20)] = Field(
        2, description="nodes, with the control plane"
    )
    cpus: kinds.ControlCpus | None = Field(
        None, description="CPUs of each node; default: nodes.control.cpu"
    )
    memory: kinds.ControlMemory | None = Field(
        None, description="MB of each node; default: nodes.control.memory"
    )
    disk_size: kinds.DiskSize = Field("10GB", description="disk of each node")
    container_runtime: Literal["containerd", "docker", "cri-o"] | None = Field(
        None, description="default: minikube's own choice"
    )
    base_image: kinds.Reference | None = Field(
        None, description="image of the nodes instead of minikube's own"
    )
    feature_gates: kinds.Pairs | None = Field(
        None, description="Kubernetes' feature gates, as Name=true,…"
    )
    cni: kinds.Name | None = Field(None, description="pod network; default: minikube's own choice")
    image_repository: kinds.Reference | None = Field(
        None, description="where Kubernetes' images come from"
    )
    image_mirror_country: kinds.Country | None = Field(
        None, description="country of an image mirror, such as cn"
    )
    registry_mirror: kinds.Url | None = Field(
        None,
        description="mirror of Docker Hub; default: the first in images.mirrors without a path",
    )
    binary_mirror: kinds.Url | None = Field(None, description="mirror of Kubernetes' binaries")
    preload: bool = Field(True, description="fetch one archive of all images")
    cache_images: bool = Field(True, description="keep images on this machine")
    home: kinds.Folder | None = Field(
        None, description="minikube's own folder; default: MINIKUBE_HOME, ~/.minikube"
    )
    download_url: kinds.Url = Field(
        "https://github.com/kubernetes/minikube/releases/download",
        description="where minikube is fetched from, if none here fits; what it serves must "
        "have the pinned sum",
    )
    force: bool = Field(
        False,
        description="take a minikube newer than 1.36 and pass --force, without which it refuses "
        "Kubernetes 1.26.1",
    )
    extra_args: tuple[kinds.Argument, ...] = Field(
        (), description="more arguments for minikube start"
    )


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
    no_machines="minikube makes no machine beside its nodes",
    no_containerd="not used: minikube brings its own container runtime",
    no_folders="not used: minikube shares no folders",
    # where its drivers put machines (minikube's handbook, "VPN and Proxy")
    networks=tuple(map(IPv4Network, ("192.168.39.0/24", "192.168.49.0/24", "192.168.59.0/24"))),
    node_count=node_count,
)
