"""What is deployed: ports, the database's version, where images go."""

from __future__ import annotations

from collections.abc import Iterator

from kubeup.settings.checks.place import at
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem, error, warning
from kubeup.settings.sections import DATABASE_VERSIONS

_ENDED = "5.7"


def ports(settings: Settings) -> Iterator[Problem]:
    if settings.ports.api == settings.ports.ui:
        origin = at(settings, "ports.ui", "ports.api")
        found = f"{settings.ports.ui}, which ports.api has too"
        why = "a NodePort belongs to one service"
        yield error(origin, "ports.ui", found, allowed="another port", why=why, related=("ports.api",))


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
    """The machine of the database is one of the nodes, by its whole name or without the profile's."""
    if provider == "minikube":
        if settings.database.on == "vm" and not settings.database.address:
            why = "minikube's nodes are its own: nothing is installed on them"
            yield error(at(settings, "database.on"), "database.on", "vm", allowed="cluster", why=why, related=("provider",))
        return
    wanted = settings.database.vm
    if wanted and settings.database.address:
        found = f"{settings.database.address}, and database.vm is {wanted}"
        yield error(at(settings, "database.address", "database.vm"), "database.address", found, allowed="one of the two", related=("database.vm",),
                    why="the database runs on one machine")
    names = [node.name for node in settings.nodes_list()] if wanted else []
    if wanted and not any(name in (wanted, f"{settings.slug}-{wanted}") for name in names):
        origin = at(settings, "database.vm", "nodes.workers.count")
        why = "the database runs on one of the nodes"
        yield error(origin, "database.vm", wanted, why=why, allowed=f"one of {', '.join(names)}", related=("nodes.workers.count",))


def images(settings: Settings) -> Iterator[Problem]:
    chosen = settings.images
    if chosen.via == "registry" and chosen.registry == "docker.io" and not chosen.prefix:
        why = "docker.io takes images under an account only"
        hint = "set images.prefix to your account, or images.via to load"
        origin = at(settings, "images.prefix", "images.via")
        related = ("images.via", "images.registry")
        yield error(origin, "images.prefix", "nothing", allowed="an account", why=why, hint=hint, related=related)
    if chosen.api == chosen.ui:
        origin = at(settings, "images.ui", "images.api")
        found = f"{chosen.ui}, which is the API's name too"
        yield error(origin, "images.ui", found, allowed="another name", related=("images.api",))
