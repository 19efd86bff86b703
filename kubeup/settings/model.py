"""A profile's settings, whole: what every other part of the project reads."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from pydantic import Field, PrivateAttr

from kubeup.settings import kinds, sections
from kubeup.settings.problem import Origin

Provider = Literal["auto", "local", "minikube", "vagrant", "hosts", "existing"]


class Keys(sections.Section):
    """The keys of a profile."""

    provider: Provider = Field(
        default="auto", description="what brings the cluster up; auto takes what the machine has"
    )
    prod_test: bool = Field(default=False, description="a test before production")
    environment: kinds.Text = Field(
        default="", description="free text: a label for the environment"
    )
    user_dir_path: kinds.Folder | None = Field(
        default=None, description="your home folder on this machine"
    )
    node_home_dir: kinds.RemoteFolder = Field(
        default="/home/vagrant", description="home folder of ssh.user on a node"
    )
    state_dir: kinds.Folder = Field(
        default=".kubeup", description="where keys, journal and kubeconfig are kept"
    )
    cluster_name: kinds.Name = Field(default="kubeup", description="the cluster's name")
    shared_folders: tuple[sections.SharedFolder, ...] = Field(
        default=(), description="folders seen from every VM"
    )
    ssh: sections.Ssh = Field(default_factory=sections.Ssh)
    nodes: sections.Nodes = Field(default_factory=sections.Nodes)
    network: sections.Network = Field(default_factory=sections.Network)
    software: sections.Software = Field(default_factory=sections.Software)
    release: sections.Release = Field(default_factory=sections.Release)
    images: sections.Images = Field(default_factory=sections.Images)
    database: sections.Database = Field(default_factory=sections.Database)
    ports: sections.Ports = Field(default_factory=sections.Ports)
    local: sections.Local = Field(default_factory=sections.Local)
    minikube: sections.Minikube = Field(default_factory=sections.Minikube)
    vagrant: sections.Vagrant = Field(default_factory=sections.Vagrant)
    hosts: tuple[sections.Host, ...] = Field(default=(), description="machines of your own")
    existing: sections.Existing = Field(default_factory=sections.Existing)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A machine as it should be: a node, or with the role `db` one beside them that has the
    database and no Kubernetes.
    """

    name: str
    role: Literal["control", "worker", "db"]
    address: str
    cpus: int
    memory_mb: int


class Settings(Keys):
    """A profile under its name.

    Frozen; `kubeup.settings.origins` says where each value came from.
    """

    profile: str
    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    def named(self, key: str) -> bool:
        """Whether somebody wrote a key, whatever it says."""
        return key in self._origins

    @property
    def slug(self) -> str:
        """The profile's name as Kubernetes allows it in a node's name."""
        return kinds.slug(self.profile)

    @property
    def context(self) -> str:
        """The context, cluster and user in the kubeconfig of a cluster that kubeup makes of
        machines.
        """
        return f"kubeup-{self.slug}"

    @property
    def node_network(self) -> IPv4Network:
        return self.network.node_cidr or IPv4Network(
            (int(self.network.control_ip), 24), strict=False
        )

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """Of nodes, pods and Services: nobody outside has a way there."""
        return (self.node_network, self.network.pod_cidr, self.network.service_cidr)

    @property
    def minikube_cpus(self) -> int:
        return self.minikube.cpus or self.nodes.control.cpu

    @property
    def minikube_memory(self) -> int:
        return self.minikube.memory or self.nodes.control.memory

    @property
    def box(self) -> str | None:
        """What Vagrant makes machines of; None where they are containers, which have an image."""
        return (
            None
            if self.vagrant.provider == "docker"
            else self.software.box or sections.BOXES[self.vagrant.provider]
        )

    def nodes_list(self) -> tuple[NodeSpec, ...]:
        """The nodes wanted: those under `hosts` for that provider, else one control plane and
        the workers.
        """
        if self.provider == "hosts":
            return tuple(self._host(host) for host in self.hosts)
        return (
            self._control(),
            *(self._worker(number) for number in range(1, self.nodes.workers.count + 1)),
        )

    def machines_list(self) -> tuple[NodeSpec, ...]:
        """Every machine that is made: the nodes, and the database's own where there is to be
        one.
        """
        wanted = self.nodes.database
        return (*self.nodes_list(), *([self._database()] if wanted.count else []))

    @property
    def database_machine(self) -> str:
        """The name of a machine that has the database and is no node: one that is made, or one
        of the user's.
        """
        return f"{self.slug}-db"

    def _database(self) -> NodeSpec:
        # before the control plane: workers may become more
        wanted, address = self.nodes.database, str(self.network.control_ip - 1)
        return NodeSpec(self.database_machine, "db", address, wanted.cpu, wanted.memory)

    def _control(self) -> NodeSpec:
        control = self.nodes.control
        return NodeSpec(
            f"{self.slug}-control",
            "control",
            str(self.network.control_ip),
            control.cpu,
            control.memory,
        )

    def _worker(self, number: int) -> NodeSpec:
        workers = self.nodes.workers
        address = str(self.network.control_ip + number)
        return NodeSpec(
            f"{self.slug}-worker-{number}", "worker", address, workers.cpu, workers.memory
        )

    def _host(self, host: sections.Host) -> NodeSpec:
        size = self.nodes.control if host.role == "control" else self.nodes.workers
        return NodeSpec(host.name, host.role, host.address, size.cpu, size.memory)
