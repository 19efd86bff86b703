"""What is deployed: ports, the database's version, where images go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeup.facts.registries import private
from kubeup.settings import kinds
from kubeup.settings.checks.networks import BESIDE, makes_nodes
from kubeup.settings.checks.place import at
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem, error, warning
from kubeup.settings.sections import DATABASE_VERSIONS

_ENDED = "5.7"
_REGISTRY, _MIRRORS = re.compile(kinds.REGISTRY), "images.mirrors"
# https://kubernetes.io/docs/reference/networking/ports-and-protocols/
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
    if settings.ports.api == settings.ports.ui:
        origin = at(settings, "ports.ui", "ports.api")
        found = f"{settings.ports.ui}, which ports.api has too"
        why = "a NodePort belongs to one service"
        yield error(
            origin, "ports.ui", found, allowed="another port", why=why, related=("ports.api",)
        )
    http = settings.ports.http
    if http in _NODES_OWN or http in _NODE_PORTS:
        why = f"it belongs to {_NODES_OWN.get(http, 'NodePorts')}"
        origin = at(settings, "ports.http")
        yield error(origin, "ports.http", str(http), allowed="another port", why=why)


def database(settings: Settings) -> Iterator[Problem]:
    engine, version = settings.database.engine, settings.database.version
    origin, key = at(settings, "database.version", "database.engine"), "database.version"
    if version not in DATABASE_VERSIONS[engine]:
        allowed = f"for {engine}: {', '.join(DATABASE_VERSIONS[engine])}"
        yield error(origin, key, version[:60], allowed=allowed, related=("database.engine",))
    elif version == _ENDED:
        why = "MySQL 5.7 has had no fixes since October 2023 and no arm64 image"
        yield warning(origin, key, version, why=why, hint="8.4 is maintained", trap=18)


def machine(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """The machine of the database is one that is made or one of the user's, named by its whole
    name or without the profile's.
    """
    if settings.nodes.database.count and not makes_nodes(provider):
        why = (
            f"{provider} makes no machine beside its nodes"
            if provider == "minikube"
            else f"with {provider} the machines are there already"
        )
        yield error(
            at(settings, BESIDE),
            BESIDE,
            "1",
            allowed="0",
            why=why,
            hint="name a machine of your own in database.address",
            related=("provider",),
        )
    if provider == "minikube":
        return  # it names its nodes itself
    wanted = settings.database.vm
    if settings.database.address and (wanted or settings.nodes.database.count):
        other = "database.vm" if wanted else BESIDE
        yield error(
            at(settings, "database.address", other),
            "database.address",
            f"{settings.database.address}, and {other} is {wanted or 1}",
            allowed="one of the two",
            why="the database runs on one machine",
            related=(other,),
        )
    names = [node.name for node in settings.machines_list()] if wanted else []
    if wanted and not any(name in (wanted, f"{settings.slug}-{wanted}") for name in names):
        origin = at(settings, "database.vm", "nodes.workers.count")
        why = "the database runs on one of the machines"
        yield error(
            origin,
            "database.vm",
            wanted,
            why=why,
            allowed=f"one of {', '.join(names)}",
            related=("nodes.workers.count",),
        )


def images(settings: Settings) -> Iterator[Problem]:
    chosen = settings.images
    if chosen.via == "registry" and chosen.registry == "docker.io" and not chosen.prefix:
        why = "docker.io takes images under an account only"
        hint = "set images.prefix to your account, or images.via to load"
        origin = at(settings, "images.prefix", "images.via")
        related = ("images.via", "images.registry")
        yield error(
            origin,
            "images.prefix",
            "nothing",
            allowed="an account",
            why=why,
            hint=hint,
            related=related,
        )
    if chosen.api == chosen.ui:
        origin = at(settings, "images.ui", "images.api")
        found = f"{chosen.ui}, which is the API's name too"
        yield error(origin, "images.ui", found, allowed="another name", related=("images.api",))


def mirrors(settings: Settings) -> Iterator[Problem]:
    """What is asked before a registry: over TLS, but for a private address, as registries are."""
    for registry, urls in settings.images.mirrors.items():
        key = f"{_MIRRORS}.{registry}"
        if not _REGISTRY.fullmatch(registry):
            yield error(
                at(settings, key, _MIRRORS),
                key[:80],
                "no registry's name",
                allowed="a registry's host, such as docker.io or registry.example.com:5000",
                related=(_MIRRORS,),
            )
        for number, url in enumerate(urls):
            scheme, _, rest = url.partition("://")
            if scheme == "http" and not private(rest.partition("/")[0]):
                yield error(
                    at(settings, f"{key}.{number}", key),
                    f"{key}.{number}",
                    url,
                    allowed="https://, or a private address",
                    related=(_MIRRORS,),
                    why="whoever is on the way could give nodes other images",
                )
