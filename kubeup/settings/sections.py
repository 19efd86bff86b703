"""The sections of a profile.

Every key has a default; the text of a key is what an editor shows for it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kubeup.facts.registries import private
from kubeup.settings import kinds
from kubeup.settings.kinds import Constraint

# Ubuntu 22.04 for Vagrant's providers. bento has had no file for libvirt since 202510 (chef/bento's
# CHANGELOG), and the last one
# does not boot (chef/bento#1604); cloud-image is Ubuntu's own cloud image with Vagrant's user, for
# amd64 and arm64
# (alchemy-solutions/vagrant-cloud-images).
BOXES = {"virtualbox": "bento/ubuntu-22.04", "libvirt": "cloud-image/ubuntu-22.04"}
DATABASE_VERSIONS = {"mysql": ("8.4", "8.0", "5.7"), "mariadb": ("10.11", "10.6", "11.4")}


class Section(BaseModel):
    # Built on first use: only the outermost model is ever asked to validate.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    also: ClassVar[dict[str, str]] = {}  # other spellings of a key


class SharedFolder(Section):
    """A folder of this machine seen from every node (Vagrant only)."""

    host_path: kinds.Folder = Field(description="folder on this machine, from the project's folder")
    vm_path: kinds.RemoteFolder = Field(
        description="where a node sees it; not the home folder itself"
    )


class Ssh(Section):
    user: kinds.UserName = Field(default="vagrant", description="user on the nodes")
    password: SecretStr = Field(
        default=SecretStr(""), description="password of that user, only where a key is not possible"
    )
    private_key_path: kinds.Folder | None = Field(
        default=None, description="own key; without one the project makes its own"
    )
    public_key_path: kinds.Folder | None = Field(default=None, description="its public half")
    root: bool = Field(
        default=False,
        description="let root in by that key, too, on the machines that Vagrant makes",
    )


class Control(Section):
    cpu: kinds.ControlCpus = Field(default=2, description="CPUs of the control plane")
    memory: kinds.ControlMemory = Field(
        default=4096, description="memory of the control plane in MB"
    )


class Workers(Section):
    count: Annotated[int, Field(ge=0, le=20), Constraint("0 to 20")] = Field(
        default=2, description="number of workers"
    )
    cpu: kinds.Cpus = Field(default=2, description="CPUs of each worker")
    memory: kinds.Memory = Field(default=4096, description="memory of each worker in MB")


class DatabaseMachine(Section):
    """A machine beside the nodes, with the database on it and no Kubernetes."""

    count: Annotated[int, Field(ge=0, le=1), Constraint("0 or 1")] = Field(
        default=0,
        description="1: a machine of its own for the database, used with database.on: vm; its "
        "address is the one before control_ip",
    )
    cpu: kinds.Cpus = Field(default=1, description="its CPUs")
    memory: kinds.Memory = Field(default=2048, description="its memory in MB")


class Nodes(Section):
    control: Control = Field(default_factory=Control)
    workers: Workers = Field(default_factory=Workers)
    database: DatabaseMachine = Field(default_factory=DatabaseMachine)


Dns = Annotated[
    tuple[kinds.Address, ...],
    Field(min_length=1, max_length=3),
    Constraint("1 to 3 IPv4 addresses", "a resolver uses no more than three name servers"),
]


class Network(Section):
    cni: Literal["bridge", "flannel", "calico"] = Field(default="bridge", description="pod network")
    control_ip: kinds.Address = Field(
        default=IPv4Address("192.168.60.10"),
        description="the control plane's address; the workers have the next ones",
    )
    node_cidr: kinds.Cidr | None = Field(
        default=None, description="network of the nodes; default: control_ip's /24"
    )
    dns_servers: Dns = Field(
        default=(IPv4Address("8.8.8.8"), IPv4Address("1.1.1.1")), description="name servers"
    )
    pod_cidr: kinds.Cidr = Field(
        default=IPv4Network("10.244.0.0/16"), description="network of the pods"
    )
    service_cidr: kinds.Cidr = Field(
        default=IPv4Network("10.96.0.0/16"), description="network of the services"
    )
    ca_certificates: tuple[kinds.Folder, ...] = Field(
        default=("auto",),
        description="PEM files of certificate authorities that builds, downloads and nodes trust "
        "beside the public ones; auto: those that this machine's administrator added; [] for none",
    )


class Software(Section):
    also: ClassVar[dict[str, str]] = {"contained": "containerd"}

    kubernetes: kinds.KubernetesVersion = Field(default="1.26.1", description="1.26.x")
    containerd: kinds.Version = Field(
        default="1.6", description="1.6 or newer; installed on VMs and own machines"
    )
    calico: kinds.Version = Field(default="3.25.0", description="used with cni: calico")
    flannel: kinds.Version = Field(default="0.23.0", description="used with cni: flannel")
    box: kinds.Name | None = Field(
        default=None,
        description="Vagrant box; default: Ubuntu 22.04 from a publisher that has it for "
        "vagrant.provider",
    )
    os: kinds.Name = Field(default="xUbuntu_22.04", description="the box's distribution")


class Release(Section):
    source: Literal["auto", "download", "build"] = Field(
        default="auto", description="where Kubernetes' binaries come from"
    )
    base_url: kinds.Url = Field(default="https://dl.k8s.io", description="download site")


class Images(Section):
    via: Literal["load", "registry"] = Field(
        default="load", description="load into the nodes, or push to a registry"
    )
    registry: kinds.Registry = Field(default="docker.io", description="registry's host")
    prefix: kinds.Prefix = Field(default="", description="account or path in the registry")
    mirrors: dict[str, tuple[kinds.Mirror, ...]] = Field(
        default_factory=dict,
        description="mirrors that are asked before a registry, such as "
        "docker.io: [https://mirror.example.com]; images lie below a mirror's path",
        json_schema_extra={"propertyNames": {"pattern": kinds.REGISTRY}},
    )
    bases: Literal["auto", "hub", "debian"] = Field(
        default="auto", description="where base images come from"
    )
    api: kinds.Repository = Field(
        default="fast-api-products", description="name of the API's image"
    )
    ui: kinds.Repository = Field(default="ui-node-products", description="name of the UI's image")

    @property
    def names(self) -> dict[str, str]:
        """Of the services whose image users name, by the service's name."""
        return {"api": self.api, "ui": self.ui}

    @property
    def plain_registries(self) -> tuple[str, ...]:
        """The registry where it has a private address: those speak plain HTTP, a public one
        never does.
        """
        return (self.registry,) if private(self.registry) else ()

    def repository(self, name: str) -> str:
        return "/".join(part for part in (self.registry, self.prefix, name) if part)


def _default_version(data: dict[str, Any]) -> str:
    return DATABASE_VERSIONS[data.get("engine", "mysql")][0]


class Database(Section):
    engine: Literal["mysql", "mariadb"] = "mysql"
    version: Annotated[str, Constraint("a version in quotes, such as '8.4'")] = Field(
        default_factory=_default_version,
        description="mysql: 8.4 (default), 8.0, 5.7; mariadb: 10.11 (default), …",
    )
    replicas: kinds.Replicas = Field(
        default=1, description="1: more would be databases of their own"
    )
    storage: kinds.Storage = Field(default="1Gi", description="size of its volume")
    name: kinds.DatabaseName = Field(default="api", description="database")
    user: kinds.DatabaseUser = Field(default="api", description="the API's own user")
    on: Literal["auto", "cluster", "vm"] = Field(
        default="auto",
        description="where it runs: in the cluster, on a machine (vm); auto: where its data "
        "are, at first in the cluster",
    )
    vm: kinds.HostName | None = Field(
        default=None,
        description="the node it runs on with on: vm, such as worker-2; default: "
        "nodes.database's, else the first worker",
    )
    address: kinds.Address | None = Field(
        default=None,
        description="a machine of your own for on: vm, instead of a node; reached with ssh.user "
        "and the project's key",
    )


class Ports(Section):
    api: kinds.NodePort = Field(default=31000, description="NodePort of the API")
    ui: kinds.NodePort = Field(default=30001, description="NodePort of the UI")
    http: Annotated[int, Field(ge=0, le=65535), Constraint("0 to 65535")] = Field(
        default=80,
        description="the UI's port of the nodes' addresses; not named: 80 where free; 0: none",
    )

    @property
    def node_ports(self) -> dict[str, int]:
        """By the service's name (`kubeup.core.services`)."""
        return {"api": self.api, "ui": self.ui}


class Local(Section):
    engine: Literal["auto", "podman", "docker"] = Field(
        default="auto", description="what runs the node containers"
    )
    network: kinds.ObjectName = Field(default="kubeup", description="name of the container network")


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
    profile: kinds.ObjectName = Field(default="test-1.26-2nodes", description="minikube's profile")
    driver: Driver = Field(
        default="auto", description="auto: a VM driver where there is one, else containers"
    )
    nodes: Annotated[int, Field(ge=1, le=20), Constraint("1 to 20")] = Field(
        default=2, description="nodes, with the control plane"
    )
    cpus: kinds.ControlCpus | None = Field(
        default=None, description="CPUs of each node; default: nodes.control.cpu"
    )
    memory: kinds.ControlMemory | None = Field(
        default=None, description="MB of each node; default: nodes.control.memory"
    )
    disk_size: kinds.DiskSize = Field(default="10GB", description="disk of each node")
    container_runtime: Literal["containerd", "docker", "cri-o"] | None = Field(
        default=None, description="default: minikube's own choice"
    )
    base_image: kinds.Reference | None = Field(
        default=None, description="image of the nodes instead of minikube's own"
    )
    feature_gates: kinds.Pairs | None = Field(
        default=None, description="Kubernetes' feature gates, as Name=true,…"
    )
    cni: kinds.Name | None = Field(
        default=None, description="pod network; default: minikube's own choice"
    )
    image_repository: kinds.Reference | None = Field(
        default=None, description="where Kubernetes' images come from"
    )
    image_mirror_country: kinds.Country | None = Field(
        default=None, description="country of an image mirror, such as cn"
    )
    registry_mirror: kinds.Url | None = Field(
        default=None,
        description="mirror of Docker Hub; default: the first in images.mirrors without a path",
    )
    binary_mirror: kinds.Url | None = Field(
        default=None, description="mirror of Kubernetes' binaries"
    )
    preload: bool = Field(default=True, description="fetch one archive of all images")
    cache_images: bool = Field(default=True, description="keep images on this machine")
    home: kinds.Folder | None = Field(
        default=None, description="minikube's own folder; default: MINIKUBE_HOME, ~/.minikube"
    )
    download_url: kinds.Url = Field(
        default="https://github.com/kubernetes/minikube/releases/download",
        description="where minikube is fetched from, if none here fits; what it serves must "
        "have the pinned sum",
    )
    force: bool = Field(
        default=False,
        description="take a minikube newer than 1.36 and pass --force, without which it refuses "
        "Kubernetes 1.26.1",
    )
    extra_args: tuple[kinds.Argument, ...] = Field(
        default=(), description="more arguments for minikube start"
    )


class Vagrant(Section):
    provider: Literal["virtualbox", "libvirt", "docker"] = "virtualbox"
    networks_conf: Literal["needed", "open"] = Field(
        default="needed",
        description="what VirtualBox' networks.conf gets: the one range needed, or every address",
    )
    box_version: kinds.BoxVersion | None = Field(
        default=None, description="version of the box; default: the newest"
    )
    box_architecture: Literal["amd64", "arm64"] | None = Field(
        default=None,
        description="architecture of the box, with Vagrant 2.4.0 and newer; default: Vagrant's "
        "own choice",
    )
    image: kinds.Reference | None = Field(
        default=None,
        description="with provider docker: an image with systemd, sshd and Vagrant's user and key",
    )
    linked_clone: bool = Field(
        default=True, description="VirtualBox: share the box's disk instead of copying it"
    )
    boot_timeout: Annotated[int, Field(ge=30, le=3600), Constraint("30 to 3600 seconds")] = Field(
        default=300, description="seconds a machine may take to let Vagrant in"
    )
    home: kinds.Folder | None = Field(
        default=None, description="Vagrant's own folder; default: VAGRANT_HOME, ~/.vagrant.d"
    )


class Host(Section):
    """A machine of your own."""

    name: kinds.HostName = Field(description="its node name")
    address: kinds.HostAddress = Field(description="where SSH reaches it")
    role: Literal["control", "worker"] = "worker"
    user: kinds.UserName | None = Field(default=None, description="default: ssh.user")
    port: kinds.Port = Field(default=22, description="SSH port")


class Existing(Section):
    context: kinds.Context | None = Field(default=None, description="context in your kubeconfig")
