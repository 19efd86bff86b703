"""Docker and compose on a machine: which compose works, which packages bring what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kubeup.facts import apt

# Docker's own, which shares a file with Ubuntu's and so comes first; Debian's and Ubuntu's last
COMPOSES = ("docker-compose-plugin", "docker-compose-v2", "docker-compose")
# Debian 13 has the client in a package of its own, which docker.io only recommends
DOCKERS = ("docker.io", "docker-cli")
PACKAGES = (*DOCKERS, *COMPOSES)
# Version 1 reads a field of images that docker 25 has deprecated, and ends where it is not told
# (docker/compose#11693, moby/moby#46939); docker 29 does not speak its API any more.
TOO_NEW_FOR_1 = 25


@dataclass(frozen=True)
class Compose:
    """A compose by its command line and version."""

    command: str
    version: str

    def works_with(self, docker: str) -> bool:
        """Whether it can do all that is asked with a docker of that version; "" is unknown."""
        return major(self.version) > 1 or 0 < major(docker) < TOO_NEW_FOR_1

    def __str__(self) -> str:
        return f"{self.command} {self.version}"


def major(version: str) -> int:
    """The first number of `2.26.1-4`, `v2.5.0`, `5:28.1.1-1` or `Docker version 20.10.24`, or 0."""
    return next(iter(apt.version(version)), 0)


@dataclass(frozen=True)
class Tools:
    """What a machine has of docker and compose, and what its apt offers (package -> version)."""

    docker: str = ""  # its version, or what it says of itself; "" where there is none
    composes: tuple[Compose, ...] = ()  # those that start
    offers: Mapping[str, str] = field(default_factory=dict)

    @property
    def compose(self) -> Compose | None:
        """The one to use."""
        return next((each for each in self.composes if each.works_with(self.docker)), None)

    @property
    def missing(self) -> str:
        """What is missing, in words; "" where nothing is."""
        there = (("docker", self.docker), ("docker compose", self.compose))
        return " and ".join(name for name, found in there if not found)

    @property
    def unfit(self) -> str:
        """What is there and can't be used, in words; "" where nothing is."""
        if self.compose or not self.composes:
            return ""
        names = ", ".join(map(str, self.composes))
        return f"{names} does not work with docker {major(self.docker)} (docker/compose#11693)"

    @property
    def packages(self) -> tuple[str, ...]:
        """What apt is to install for it. Empty where it does not offer all that is missing."""
        docker = () if self.docker else tuple(name for name in DOCKERS if name in self.offers)
        compose = () if self.compose else self._compose_package()
        complete = (self.docker or docker) and (self.compose or compose)
        return (*docker, *compose) if complete else ()

    def _compose_package(self) -> tuple[str, ...]:
        docker = self.docker or self.offers.get(DOCKERS[0], "")
        offered = [Compose(name, self.offers[name]) for name in COMPOSES if name in self.offers]
        return tuple(each.command for each in offered if each.works_with(docker))[:1]
