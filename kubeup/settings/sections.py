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

DATABASE_VERSIONS = {"mysql": ("8.4", "8.0", "5.7"), "mariadb": ("10.11", "10.6", "11.4")}


class Section(BaseModel):
    # Built on first use: only the outermost model is ever asked to validate.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
    also: ClassVar[dict[str, str]] = {}  # other spellings of a key


# Validated with the model that it is in: a section that was made apart would need a validator of
# its own.
SECTION: Any = Field(default_factory=dict, validate_default=True)


class SharedFolder(Section):
    """A folder of this machine seen from every node (Vagrant only)."""

    host_path: kinds.Folder = Field(description="folder on this machine, from the project's folder")
    vm_path: kinds.RemoteFolder = Field(
        description="where a node sees it; not the home folder itself"
    )


class Ssh(Section):
    user: kinds.UserName = Field("vagrant", description="user on the nodes")
    password: SecretStr = Field(
        SecretStr(""), description="password of that user, only where a key is not possible"
    )
    private_key_path: kinds.Folder | None = Field(
        None, description="own key; without one the project makes its own"
    )
    public_key_path: kinds.Folder | None = Field(None, description="its public half")
    root: bool = Field(
        False,
        description="let root in by that key, too, on the machines that Vagrant makes",
    )


class Control(Section):
    cpu: kinds.ControlCpus = Field(2, description="CPUs of the control plane")
    memory: kinds.ControlMemory = Field(4096, description="memory of the control plane in MB")


class Workers(Section):
    count: Annotated[int, Field(ge=0, le=20)] = Field(2, description="number of workers")
    cpu: kinds.Cpus = Field(2, description="CPUs of each worker")
    memory: kinds.Memory = Field(4096, description="memory of each worker in MB")


class DatabaseMachine(Section):
    """A machine beside the nodes, with the database on it and no Kubernetes."""

    count: Annotated[int, Field(ge=0, le=1)] = Field(
        0,
        description="1: a machine of its own for the database, used with database.on: vm; its "
        "address is the one before control_ip",
    )
    cpu: kinds.Cpus = Field(1, description="its CPUs")
    memory: kinds.Memory = Field(2048, description="its memory in MB")


class Nodes(Section):
    control: Control = SECTION
    workers: Workers = SECTION
    database: DatabaseMachine = SECTION


Dns = Annotated[
    tuple[kinds.Address, ...],
    Field(min_length=1, max_length=3),
    Constraint("1 to 3 IPv4 addresses", "a resolver uses no more than three name servers"),
]


class Network(Section):
    cni: Literal["bridge", "flannel", "calico"] = Field("bridge", description="pod network")
    control_ip: kinds.Address = Field(
        IPv4Address("192.168.60.10"),
        description="the control plane's address; the workers have the next ones",
    )
    node_cidr: kinds.Cidr | None = Field(
        None, description="network of the nodes; default: control_ip's /24"
    )
    dns_servers: Dns = Field(
        (IPv4Address("8.8.8.8"), IPv4Address("1.1.1.1")), description="name servers"
    )
    pod_cidr: kinds.Cidr = Field(IPv4Network("10.244.0.0/16"), description="network of the pods")
    service_cidr: kinds.Cidr = Field(
        IPv4Network("10.96.0.0/16"), description="network of the services"
    )
    ca_certificates: tuple[kinds.Folder, ...] = Field(
        ("auto",),
        description="PEM files of certificate authorities that builds, downloads and nodes trust "
        "beside the public ones; auto: those that this machine's administrator added; [] for none",
    )


class Software(Section):
    also: ClassVar[dict[str, str]] = {"contained": "containerd"}

    kubernetes: kinds.KubernetesVersion = Field("1.26.1", description="1.26.x")
    containerd: kinds.Version = Field(
        "1.6", description="1.6 or newer; installed on VMs and own machines"
    )
    calico: kinds.Version = Field("3.25.0", description="used with cni: calico")
    flannel: kinds.Version = Field("0.23.0", description="used with cni: flannel")
    box: kinds.Name | None = Field(
        None,
        description="Vagrant box; default: Ubuntu 22.04 from a publisher that has it for "
        "vagrant.provider",
    )
    os: kinds.Name = Field("xUbuntu_22.04", description="the box's distribution")


class Release(Section):
    source: Literal["auto", "download", "build"] = Field(
        "auto", description="where Kubernetes' binaries come from"
    )
    base_url: kinds.Url = Field("https://dl.k8s.io", description="download site")


class Images(Section):
    via: Literal["load", "registry"] = Field(
        "load", description="load into the nodes, or push to a registry"
    )
    registry: kinds.Registry = Field("docker.io", description="registry's host")
    prefix: kinds.Prefix = Field("", description="account or path in the registry")
    mirrors: dict[str, tuple[kinds.Mirror, ...]] = Field(
        default_factory=dict,
        description="mirrors that are asked before a registry, such as "
        "docker.io: [https://mirror.example.com]; images lie below a mirror's path",
        json_schema_extra={"propertyNames": {"pattern": kinds.REGISTRY}},
    )
    bases: Literal["auto", "hub", "debian"] = Field(
        "auto", description="where base images come from"
    )
    api: kinds.Repository = Field("fast-api-products", description="name of the API's image")
    ui: kinds.Repository = Field("ui-node-products", description="name of the UI's image")

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
    replicas: kinds.Replicas = Field(1, description="1: more would be databases of their own")
    storage: kinds.Storage = Field("1Gi", description="size of its volume")
    name: kinds.DatabaseName = Field("api", description="database")
    user: kinds.DatabaseUser = Field("api", description="the API's own user")
    on: Literal["auto", "cluster", "vm"] = Field(
        "auto",
        description="where it runs: in the cluster, on a machine (vm); auto: where its data "
        "are, at first in the cluster",
    )
    vm: kinds.HostName | None = Field(
        None,
        description="the node it runs on with on: vm, such as worker-2; default: "
        "nodes.database's, else the first worker",
    )
    address: kinds.Address | None = Field(
        None,
        description="a machine of your own for on: vm, instead of a node; reached with ssh.user "
        "and the project's key",
    )


class Ports(Section):
    api: kinds.NodePort = Field(31000, description="NodePort of the API")
    ui: kinds.NodePort = Field(30001, description="NodePort of the UI")
    http: Annotated[int, Field(ge=0, le=65535)] = Field(
        80,
        description="the UI's port of the nodes' addresses; not named: 80 where free; 0: none",
    )
