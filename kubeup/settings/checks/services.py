"""What is deployed: ports, the database, where images go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeup.facts.registries import private
from kubeup.settings import kinds
from kubeup.settings.checks.networks import DATABASE
from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import DATABASE_VERSIONS

_ENDED = "5.7"
_RESERVED_USERS = ("root", "mysql")
_RESERVED_DATABASES = ("mysql", "sys", "information_schema", "performance_schema")
_REGISTRY, _MIRRORS = re.compile(kinds.REGISTRY), "images.mirrors"
WITHOUT_TLS = "without TLS anyone on the network path could serve other images"
# what listens on every node (https://kubernetes.io/docs/reference/networking/ports-and-protocols/)
_NODE_PORTS = range(30000, 32768)
_NODES_OWN = {
    22: "SSH",
    3306: "the database on a machine",
    6443: "the API server",
    2379: "etcd",
    2380: "etcd",
    10250: "kubelet",
    10256: "kube-proxy",
    10257: "the controller manager",
    10259: "the scheduler",
}


def ports(settings: Settings) -> Iterator[Problem]:
    chosen = settings.ports
    if chosen.api == chosen.ui:
        yield settings.error(
            "ports.ui",
            f"{chosen.ui}, which ports.api has too",
            allowed="another port",
            why="a NodePort belongs to one service",
            related=("ports.api",),
        )
    owner = "NodePorts" if chosen.http in _NODE_PORTS else _NODES_OWN.get(chosen.http)
    if owner:
        why = f"it belongs to {owner}"
        yield settings.error("ports.http", str(chosen.http), allowed="another port", why=why)


def database(settings: Settings) -> Iterator[Problem]:
    chosen, key = settings.database, "database.version"
    versions = DATABASE_VERSIONS[chosen.engine]
    if chosen.version not in versions:
        allowed = f"for {chosen.engine}: {', '.join(versions)}"
        found = chosen.version[:60]
        yield settings.error(key, found, allowed=allowed, related=("database.engine",))
    elif chosen.version == _ENDED:
        why = "MySQL 5.7 has had no fixes since October 2023 and no arm64 image"
        yield settings.warning(key, _ENDED, why=why, hint="8.4 is maintained", trap=18)
    if chosen.user in _RESERVED_USERS:
        yield settings.error(
            "database.user",
            chosen.user,
            allowed="any other name",
            why=f"{chosen.user} belongs to the server: the API gets a user of its own, with "
            "rights on its database only",
            trap=15,
        )
    if chosen.name in _RESERVED_DATABASES:
        why = "it is one of the server's own databases"
        yield settings.error("database.name", chosen.name, allowed="any other name", why=why)


def database_machine(settings: Settings, rules: Rules) -> Iterator[Problem]:
    """The machine of the database is one that is made or one of the user's.

    It is named by its whole name, or without the profile's.
    """
    wanted, address, made = (
        settings.database.vm,
        settings.database.address,
        settings.nodes.database.count,
    )
    if made and rules.no_machines:
        yield settings.error(
            DATABASE,
            "1",
            allowed="0",
            why=rules.no_machines,
            hint="name a machine of your own in database.address",
            related=("provider",),
        )
    if rules.names_nodes:
        return
    if address and (wanted or made):
        other = "database.vm" if wanted else DATABASE
        yield settings.error(
            "database.address",
            f"{address}, and {other} is {wanted or 1}",
            allowed="one of the two",
            why="the database runs on one machine",
            related=(other,),
        )
    names = [node.name for node in settings.machines_list()]
    if wanted and not {wanted, f"{settings.slug}-{wanted}"} & set(names):
        yield settings.error(
            "database.vm",
            wanted,
            allowed=f"one of {', '.join(names)}",
            why="the database runs on one of the machines",
            related=("nodes.workers.count",),
        )


def images(settings: Settings) -> Iterator[Problem]:
    chosen = settings.images
    if chosen.via == "registry" and chosen.registry == "docker.io" and not chosen.prefix:
        yield settings.error(
            "images.prefix",
            "nothing",
            allowed="an account",
            why="docker.io takes images under an account only",
            hint="set images.prefix to your account, or images.via to load",
            related=("images.via", "images.registry"),
        )
    if chosen.api == chosen.ui:
        yield settings.error(
            "images.ui",
            f"{chosen.ui}, which is the API's name too",
            allowed="another name",
            related=("images.api",),
        )


def insecure_registry(settings: Settings) -> Iterator[Problem]:
    """A registry without TLS is asked in a network of one's own alone."""
    images = settings.images
    if images.insecure and not private(images.registry):
        yield settings.error(
            "images.insecure",
            "true",
            allowed="false, or a registry at a private address",
            why=WITHOUT_TLS,
            related=("images.registry",),
        )


def mirrors(settings: Settings) -> Iterator[Problem]:
    """What is asked before a registry: over TLS, but for a private address, as registries are."""
    for registry, urls in settings.images.mirrors.items():
        key = f"{_MIRRORS}.{registry}"
        if not _REGISTRY.fullmatch(registry):
            yield settings.error(
                key[:80],
                "not a registry's name",
                allowed="a registry's host, such as docker.io or registry.example.com:5000",
                related=(_MIRRORS,),
            )
        for number, url in enumerate(urls):
            scheme, _, rest = url.partition("://")
            if scheme == "http" and not private(rest.partition("/")[0]):
                yield settings.error(
                    f"{key}.{number}",
                    url,
                    allowed="https://, or a private address",
                    why=WITHOUT_TLS,
                    related=(_MIRRORS,),
                )
