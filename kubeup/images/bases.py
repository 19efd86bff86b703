"""What images are built on: Docker Hub's by digest where it answers, else Debian packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kubeup.core.errors import UsageError
from kubeup.core.record import NOTHING, Made
from kubeup.facts import apt, sites, software
from kubeup.facts.host import HostFacts
from kubeup.facts.sites import Question
from kubeup.images.rootfs import IMAGE, IMAGES, MMDEBSTRAP, Origin, Rootfs
from kubeup.settings import Settings
from kubeup.system.engine import Engine

HUB = "registry-1.docker.io"

# Multi-platform digests; each is renewed by hand, with the tag it was read from beside it.
# MariaDB's are of docker-library/repo-info, 2026-08 and 2026-09: 10.6.28, 10.11.19 and 11.4.13.
# MySQL 8.0 is its last release, 8.0.46.
HUB_IMAGES = {
    "python": "docker.io/library/python:3.12-slim"
    "@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea",
    "node": "docker.io/library/node:22-slim"
    "@sha256:83f487e0a63425e5b4d146fb5e5be574bcbe1b7b843d3ebafdd95eaf7767a7e5",
    "mysql 8.4": "docker.io/library/mysql:8.4"
    "@sha256:b3b90af2a6552ae30c266fdb7d5dd55f3afb72404bb78d37fe8a23eb857fd3fb",
    "mysql 8.0": "docker.io/library/mysql:8.0"
    "@sha256:7dcddc01f13bab2f15cde676d44d01f61fc9f99fe7785e86196dfc07d358ae2b",
    "mysql 5.7": "docker.io/library/mysql:5.7"
    "@sha256:4bc6bc963e6d8443453676cae56536f4b8156d78bae03c0145cbe47c2aad73bb",
    "mariadb 10.6": "docker.io/library/mariadb:10.6"
    "@sha256:2fdc84794931c0abde9ba6a8c9cb5a4635a02d851a103f0301a8b606dfc5cd98",
    "mariadb 10.11": "docker.io/library/mariadb:10.11"
    "@sha256:7f22313fc130a377a44999965bcb0a08dd5b21e8502824c1b864f792f9bc66ab",
    "mariadb 11.4": "docker.io/library/mariadb:11.4"
    "@sha256:611a2fcc5fa7c6ceb8644c6f74b25ede004ff6c3a6b38c8f8c23d3bbf6c26430",
}
# MySQL has its own packages for arm64 from 8.0 on: docker-library/mysql#318, #1102
AMD64_ALONE = frozenset({"mysql 5.7"})

PERL = ("/usr/share/perl/*", "/usr/lib/*-linux-gnu/perl/*", "/usr/lib/*-linux-gnu/libperl.so*")
MYSQL_EXTRAS = (
    "/usr/bin/myisam*",
    "/usr/bin/mysql_migrate_keyring",
    "/usr/bin/mysql_config_editor",
    "/usr/bin/mysql_secure_installation",
    "/usr/bin/mysqlslap",
    "/usr/bin/mysqlimport",
    "/usr/bin/mysqlshow",
    "/usr/bin/mysqlbinlog",
    "/usr/bin/ibd2sdi",
    "/usr/bin/innochecksum",
    "/usr/bin/perror",
    "/usr/lib/mysql/plugin/*telemetry*",
    "/usr/lib/mysql/plugin/authentication_*_client.so",
    "/usr/lib/mysql/plugin/group_replication.so",
)
ROOTS = (
    Rootfs("python", "bookworm", ("python3", "python3-venv"), seconds=31),
    Rootfs("node", "bookworm", ("nodejs",), seconds=27),
    Rootfs("npm", "bookworm", ("nodejs", "npm"), seconds=60),
    Rootfs(
        "mysql",
        "sid",
        ("mysql-server-core", "mysql-client-core"),
        seconds=23,
        left_out=(*PERL, *MYSQL_EXTRAS),
    ),
    Rootfs("mariadb", "bookworm", ("mariadb-server-core", "mariadb-client"), seconds=30),
)


@dataclass(frozen=True)
class Bases:
    """Where base images come from, and why."""

    source: str  # hub or debian
    why: str
    origin: Origin  # of the root file systems that Debian packages go into
    arch: str = "amd64"  # of this machine, and of the nodes that it makes

    def rootfs(self, kind: str) -> Rootfs:
        """The Debian root file system of a kind: python, node, npm, mysql or mariadb."""
        root = next(root for root in ROOTS if root.name == kind)
        return replace(root, origin=self.origin)


HUB_IMAGE = sites.manifest(HUB, "library/python", HUB_IMAGES["python"].partition("@")[2])


def questions(wanted: str, kept: str, system: str) -> tuple[Question, ...]:
    """What has to be asked before `choose` can; nothing where it is decided already."""
    return () if wanted != "auto" or kept or system != "Linux" else (HUB_IMAGE,)


def choose(settings: Settings, host: HostFacts, origin: Origin, made: Made = NOTHING) -> Bases:
    """Where base images come from; under auto what was `made` of one source stays so.

    A database's files may be of a version that only that source has.
    """
    source, why = _source(settings.images.bases, host, made)
    return Bases(source, why, origin, host.arch)


def _source(wanted: str, host: HostFacts, made: Made) -> tuple[str, str]:
    if not host.linux:
        if wanted == "debian":
            raise UsageError(
                f"root file systems of Debian packages can't be made on {host.system_name}",
                "mmdebstrap runs on Linux only",
                "set images.bases to hub, or to auto",
            )
        return "hub", f"{host.system_name} can't make any of Debian packages"
    if wanted != "auto":
        return wanted, "named by images.bases"
    if made.bases:
        return made.bases, f"made so before ({made.bases_why})"
    answer = host.answer(HUB_IMAGE)
    return ("hub", "Docker Hub answers") if answer.yes else ("debian", answer.detail)


# Debian itself has its keys, others a package of them: Ubuntu 22.04 one from before Bookworm's
KEYRING = "debian-archive-keyring (>= 2023)"
DEBIAN_IMAGE = sites.manifest(HUB, "library/debian", IMAGES["bookworm"].partition("@")[2])


def origin_questions(system: str, distribution: str) -> tuple[Question, ...]:
    """What has to be asked before `origin` can: nothing on Debian, which has mmdebstrap."""
    return (DEBIAN_IMAGE,) if system == "Linux" and distribution != "debian" else ()


def origin(host: HostFacts, engine: Engine) -> Origin:
    """Where Debian's root file systems come from here: the one place that decides it."""
    tools = ["mmdebstrap"]
    if not host.root:
        tools.append("uidmap")  # without root mmdebstrap works in a user namespace
    if host.distribution.id != "debian":
        tools.append(KEYRING)
    none = Origin("", stale=host.stale_mirror, packages=(), engine=engine)
    lacking = _lacks(tools, host)
    if not lacking:
        packages = tuple(tools) if host.distribution.has_apt else ()
        return replace(none, how=MMDEBSTRAP, packages=packages)
    answer = host.answer(DEBIAN_IMAGE)
    if answer.yes:
        return replace(none, how=IMAGE, why=f"{lacking}, Docker Hub answers")
    manager = software.manager(host.distribution)
    fix = "run it where https://registry-1.docker.io can be reached (https_proxy is heeded)"
    if manager.named("mmdebstrap") and not host.distribution.has_apt:
        fix += f", or install mmdebstrap with apt: `{manager.command(('mmdebstrap',))}`"
    return replace(none, why=f"{lacking}, and {answer.detail}", fix=fix)


def _lacks(tools: Sequence[str], host: HostFacts) -> str:
    """Why mmdebstrap can't be had, or ''. An index never fetched does not speak against it."""
    if not host.distribution.has_apt:
        # mmdebstrap works through apt
        installed = {"mmdebstrap", "apt-get"} <= host.tools
        return "" if installed else "mmdebstrap and apt are not installed"
    if host.apt.empty:
        return ""
    unknown = [tool for tool in tools if not apt.pick(tool, host.apt.candidates)]
    return f"apt has no {' and no '.join(unknown)}" if unknown else ""
