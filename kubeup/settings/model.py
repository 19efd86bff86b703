"""A profile's settings, whole: what every other part of the project reads."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Unpack

from pydantic import PrivateAttr

from kubeup.settings import kinds, sections
from kubeup.settings.nodes import NodeSpec as NodeSpec
from kubeup.settings.nodes import database_machines
from kubeup.settings.problem import DEFAULT, Origin, Problem, Words
from kubeup.settings.providers import RULES, Provider
from kubeup.settings.providers.existing import Existing
from kubeup.settings.providers.hosts import Host
from kubeup.settings.providers.local import Local
from kubeup.settings.providers.minikube import Minikube
from kubeup.settings.providers.vagrant import Vagrant
from kubeup.settings.sections import SECTION


class Keys(sections.Section):
    """The keys of a profile."""

    provider: Provider = "auto"
    """what brings the cluster up; auto takes what the machine has"""
    prod_test: bool = False
    """a test before production"""
    environment: kinds.Text = ""
    """free text: a label for the environment"""
    user_dir_path: kinds.Folder | None = None
    """your home folder on this machine"""
    node_home_dir: kinds.RemoteFolder = "/home/vagrant"
    """home folder of ssh.user on a node"""
    state_dir: kinds.StateFolder = ".kubeup"
    """where keys, journal and kubeconfig are kept"""
    cluster_name: kinds.Name = "kubeup"
    """the cluster's name"""
    shared_folders: tuple[sections.SharedFolder, ...] = ()
    """folders seen from every VM"""
    ssh: sections.Ssh = SECTION
    nodes: sections.Nodes = SECTION
    network: sections.Network = SECTION
    software: sections.Software = SECTION
    release: sections.Release = SECTION
    images: sections.Images = SECTION
    database: sections.Database = SECTION
    ports: sections.Ports = SECTION
    local: Local = SECTION
    minikube: Minikube = SECTION
    vagrant: Vagrant = SECTION
    hosts: tuple[Host, ...] = ()
    """machines of your own"""
    existing: Existing = SECTION


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
        """The context, cluster and user in the kubeconfig of a cluster made by kubeadm."""
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

    def nodes_list(self) -> tuple[NodeSpec, ...]:
        """The nodes wanted, the control plane first."""
        return RULES[self.provider].nodes(self)

    def machines_list(self) -> tuple[NodeSpec, ...]:
        """Every machine that is made: the nodes, and the database's own where there is one."""
        return (*self.nodes_list(), *database_machines(self))

    @property
    def database_machine(self) -> str:
        """The name of the machine that has the database and is no node: made, or the user's."""
        return f"{self.slug}-db"

    def origin(self, *keys: str) -> Origin:
        """The place of the first of these keys that somebody wrote."""
        places = (self._origins[key] for key in keys if key in self._origins)
        return next(places, DEFAULT)

    def error(
        self, key: str, found: str, *, related: tuple[str, ...] = (), **words: Unpack[Words]
    ) -> Problem:
        """What is wrong with a key's value, which may be so because of those of `related` ones."""
        at = self.origin(key, *related)
        return Problem("error", at, key, found, related=related, **words)

    def warning(
        self, key: str, found: str, *, related: tuple[str, ...] = (), **words: Unpack[Words]
    ) -> Problem:
        return replace(self.error(key, found, related=related, **words), severity="warning")
