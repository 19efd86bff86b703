"""The sections of a profile.

Every key has a default; the text below a key is what an editor shows for it.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from kubeup.settings import kinds
from kubeup.settings.kinds import Constraint

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

DATABASE_VERSIONS = {"mysql": ("8.4", "8.0", "5.7"), "mariadb": ("10.11", "10.6", "11.4")}


class Section(BaseModel):
    # Built on first use: only the outermost model is ever asked to validate. Strict: what is in
    # quotes is text and no number, and a number is no switch.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for name, text in _descriptions(cls):
            properties[name]["description"] = text
        return schema


# Validated with the model that it is in: a section that was made apart would need a validator of
# its own.
SECTION: Any = Field(default_factory=dict, validate_default=True)


def _descriptions(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Each key with the text below it.

    pydantic's own `use_attribute_docstrings` reads the source of every section whenever settings
    are loaded, which takes longer than loading them.
    """
    (tree,) = ast.parse(inspect.getsource(section)).body
    for field, text in pairwise(ast.iter_child_nodes(tree)):
        match field, text:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(words))):
                yield name, inspect.cleandoc(words).replace("\n", " ")


class SharedFolder(Section):
    """A folder of this machine seen from every node (Vagrant only)."""

    host_path: kinds.Folder
    """folder on this machine, from the project's folder"""
    vm_path: kinds.RemoteFolder
    """where a node sees it; not the home folder itself"""


class Ssh(Section):
    user: kinds.UserName = "vagrant"
    """user on the nodes"""
    password: SecretStr = SecretStr("")
    """password of that user, only where a key is not possible"""
    private_key_path: kinds.Folder | None = None
    """own key; without one the project makes its own"""
    public_key_path: kinds.Folder | None = None
    """its public half"""
    root: bool = False
    """let root in by that key, too, on machines that are made here"""

    @property
    def users(self) -> tuple[str, ...]:
        """Whom the key lets in; the first of them is the one that is used."""
        return (self.user, "root") if self.root else (self.user,)


class Control(Section):
    cpu: kinds.ControlCpus = 2
    """CPUs of the control plane"""
    memory: kinds.ControlMemory = 4096
    """memory of the control plane in MB"""


class Workers(Section):
    count: Annotated[int, Field(ge=0, le=20)] = 2
    """number of workers"""
    cpu: kinds.Cpus = 2
    """CPUs of each worker"""
    memory: kinds.Memory = 4096
    """memory of each worker in MB"""


class DatabaseMachine(Section):
    """A machine beside the nodes, with the database on it and no Kubernetes."""

    count: Annotated[int, Field(ge=0, le=1)] = 0
    """1: a machine of its own for the database, used with database.on: vm; its address is the
    one before control_ip"""
    cpu: kinds.Cpus = 1
    """its CPUs"""
    memory: kinds.Memory = 2048
    """its memory in MB"""


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
    cni: Literal["bridge", "flannel", "calico"] = "bridge"
    """pod network"""
    control_ip: kinds.Address = IPv4Address("192.168.60.10")
    """the control plane's address; the workers have the next ones"""
    node_cidr: kinds.Cidr | None = None
    """network of the nodes; default: control_ip's /24"""
    dns_servers: Dns = (IPv4Address("8.8.8.8"), IPv4Address("1.1.1.1"))
    """name servers"""
    pod_cidr: kinds.Cidr = IPv4Network("10.244.0.0/16")
    """network of the pods"""
    service_cidr: kinds.Cidr = IPv4Network("10.96.0.0/16")
    """network of the services"""
    ca_certificates: tuple[kinds.Folder, ...] = ("auto",)
    """PEM files of certificate authorities that builds, downloads and nodes trust beside the
    public ones; auto: those that this machine's administrator added; [] for none"""


class Software(Section):
    kubernetes: kinds.KubernetesVersion = "1.26.1"
    """1.26.x"""
    containerd: kinds.Version = "1.6"
    """1.6 or newer; installed on VMs and own machines"""
    calico: kinds.Version = "3.25.0"
    """used with cni: calico"""
    flannel: kinds.Version = "0.23.0"
    """used with cni: flannel"""
    box: kinds.Name | None = None
    """Vagrant box; default: Ubuntu 22.04 from a publisher that has it for vagrant.provider"""
    os: kinds.Name = "xUbuntu_22.04"
    """the box's distribution"""


class Release(Section):
    source: Literal["auto", "download", "build"] = "auto"
    """where Kubernetes' binaries come from"""
    base_url: kinds.Url = "https://dl.k8s.io"
    """download site"""


class Images(Section):
    via: Literal["load", "registry"] = "load"
    """load into the nodes, or push to a registry"""
    registry: kinds.Registry = "docker.io"
    """registry's host"""
    prefix: kinds.Prefix = ""
    """account or path in the registry"""
    insecure: bool = False
    """ask that registry without TLS; only at a private address, and no login goes there"""
    mirrors: dict[str, tuple[kinds.Mirror, ...]] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"pattern": kinds.REGISTRY}}
    )
    """mirrors that are asked before a registry, such as docker.io: [https://mirror.example.com];
    images lie below a mirror's path"""
    bases: Literal["auto", "hub", "debian"] = "auto"
    """where base images come from"""
    api: kinds.Repository = "fast-api-products"
    """name of the API's image"""
    ui: kinds.Repository = "ui-node-products"
    """name of the UI's image"""

    @property
    def names(self) -> dict[str, str]:
        """Of the services whose image users name, by the service's name."""
        return {"api": self.api, "ui": self.ui}

    @property
    def plain_registries(self) -> tuple[str, ...]:
        """The registry where it is asked without TLS."""
        return (self.registry,) if self.insecure else ()

    def repository(self, name: str) -> str:
        return "/".join(part for part in (self.registry, self.prefix, name) if part)


def _default_version(data: dict[str, Any]) -> str:
    return DATABASE_VERSIONS[data.get("engine", "mysql")][0]


class Database(Section):
    engine: Literal["mysql", "mariadb"] = "mysql"
    version: Annotated[str, Constraint("a version in quotes, such as '8.4'")] = Field(
        default_factory=_default_version
    )
    """mysql: 8.4 (default), 8.0, 5.7; mariadb: 10.11 (default), …"""
    replicas: kinds.Replicas = 1
    """1: more would be databases of their own"""
    storage: kinds.Storage = "1Gi"
    """size of its volume"""
    name: kinds.DatabaseName = "api"
    """database"""
    user: kinds.DatabaseUser = "api"
    """the API's own user"""
    on: Literal["auto", "cluster", "vm"] = "auto"
    """where it runs: in the cluster, on a machine (vm); auto: where its data are, at first in
    the cluster"""
    vm: kinds.HostName | None = None
    """the node it runs on with on: vm, such as worker-2; default: nodes.database's, else the
    first worker"""
    address: kinds.Address | None = None
    """a machine of your own for on: vm, instead of a node; reached with ssh.user and the
    project's key"""


class Ports(Section):
    api: kinds.NodePort = 31000
    """NodePort of the API"""
    ui: kinds.NodePort = 30001
    """NodePort of the UI"""
    http: Annotated[int, Field(ge=0, le=65535)] = 80
    """the UI's port of the nodes' addresses; not named: 80 where free; 0: none"""
    hosts: tuple[kinds.WebName, ...] = ()
    """names that lead to UI and API, such as shop.example.com; they refuse others, but for
    addresses and names without a dot"""

    @property
    def node_ports(self) -> dict[str, int]:
        """By the service's name (`kubeup.core.services`)."""
        return {"api": self.api, "ui": self.ui}
