"""What images are built on: Docker Hub's by digest where it answers, else Debian packages under
the same contract.
"""

from __future__ import annotations

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
HUB_IMAGES = {
    "python": "docker.io/library/python:3.12-slim"
    "@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea",
    "node": "docker.io/library/node:22-slim"
    "@sha256:83f487e0a63425e5b4d146fb5e5be574bcbe1b7b843d3ebafdd95eaf7767a7e5",
    "mysql 8.4": "docker.io/library/mysql:8.4"
    "@sha256:b3b90af2a6552ae30c266fdb7d5dd55f3afb72404bb78d37fe8a23eb857fd3fb",
    "mysql 5.7": "docker.io/library/mysql:5.7"
    "@sha256:4bc6bc963e6d8443453676cae56536f4b8156d78bae03c0145cbe47c2aad73bb",
}
# MySQL has its own packages for arm64 from 8.0 on: docker-library/mysql#318, #1102
AMD64_ALONE = frozenset({"mysql 5.7"})

PERL = ("/usr/share/perl/*", "/usr/lib/*-linux-gnu/perl/*", "/usr/lib/*-linux-gnu/libperl.so*")
MYSQL_EXTRAS = tuple(
    f"/usr/bin/{name}"
    for name in (
        "myisam*",
        "mysql_migrate_keyring",
        "mysql_config_editor",
        "mysql_secure_installation",
        "mysqlslap",
        "mysqlimport",
        "mysqlshow",
        "mysqlbinlog",
        "ibd2sdi",
        "innochecksum",
        "perror",
    )
) + tuple(
    f"/usr/lib/mysql/plugin/{name}"
    for name in ("*telemetry*", "authentication_*_client.so", "group_replication.so")
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
        packages, suite, left_out, seconds = {
            "python": (("python3", "python3-venv"), "bookworm", (), 31.0),
            "node": (("nodejs",), "bookworm", (), 27.0),
            "npm": (("nodejs", "npm"), "bookworm", (), 60.0),
            "mysql": (
                ("mysql-server-core", "mysql-client-core"),
                "sid",
                (*PERL, *MYSQL_EXTRAS),
                23.0,
            ),
            "mariadb": (("mariadb-server-core", "mariadb-client"), "bookworm", (), 30.0),
        }[kind]
        return Rootfs(kind, suite, packages, seconds, self.origin, left_out)


HUB_IMAGE = sites.manifest(HUB, "library/python", HUB_IMAGES["python"].partition("@")[2])


def questions(wanted: str, kept: str, system: str) -> tuple[Question, ...]:
    """What has to be asked before `choose` can; nothing where it is decided already."""
    return () if wanted != "auto" or kept or system != "Linux" else (HUB_IMAGE,)


def choose(settings: Settings, host: HostFacts, origin: Origin, made: Made = NOTHING) -> Bases:
    """Under auto what was `made` of one of them stays so: a database's files may be of a version
    that only it has.
    """
    wanted, answer = settings.images.bases, host.answer(HUB_IMAGE)
    if not host.linux:
        if wanted == "debian":
            raise UsageError(
                f"root file systems of Debian packages are not made on {host.system_name}",
                "mmdebstrap runs on Linux only",
                "set images.bases to hub, or to auto",
            )
        return Bases(
            "hub", f"{host.system_name} can't make any of Debian packages", origin, host.arch
        )
    if wanted != "auto":
        return Bases(wanted, "named by images.bases", origin, host.arch)
    if made.bases:
        return Bases(made.bases, f"made so before ({made.bases_why})", origin, host.arch)
    if answer.yes:
        return Bases("hub", "Docker Hub answers", origin, host.arch)
    return Bases("debian", answer.told, origin, host.arch)


# Debian itself has its keys, others a package of them: Ubuntu 22.04 one from before Bookworm's
KEYRING = "debian-archive-keyring (>= 2023)"


DEBIAN_IMAGE = sites.manifest(HUB, "library/debian", IMAGES["bookworm"].partition("@")[2])


def origin_questions(system: str, distribution: str) -> tuple[Question, ...]:
    """What has to be asked before `origin` can: nothing on Debian, which has mmdebstrap and its
    keys.
    """
    return (DEBIAN_IMAGE,) if system == "Linux" and distribution != "debian" else ()


def origin(host: HostFacts, engine: Engine) -> Origin:
    """Where Debian's root file systems come from here: the one place that decides it."""
    # without root mmdebstrap works in a user namespace, which uidmap's programs make
    alone = () if host.root else ("uidmap",)
    keys = () if host.distribution.id == "debian" else (KEYRING,)
    tools = ("mmdebstrap", *alone, *keys)
    none = Origin("", stale=host.stale_mirror, packages=(), engine=engine)
    lacking = _lacks(tools, host)
    if not lacking:
        return replace(none, how=MMDEBSTRAP, packages=tools if host.distribution.has_apt else ())
    answer = host.answer(DEBIAN_IMAGE)
    if answer.yes:
        return replace(none, how=IMAGE, why=f"{lacking}, Docker Hub answers")
    manager = software.manager(host.distribution)
    fix = "run it where https://registry-1.docker.io can be reached (https_proxy is heeded)"
    if manager.named("mmdebstrap") and not host.distribution.has_apt:
        fix += f", or install mmdebstrap with apt: `{manager.command(('mmdebstrap',))}`"
    return replace(none, why=f"{lacking}, and {answer.told}", fix=fix)


def _lacks(tools: tuple[str, ...], host: HostFacts) -> str:
    """Why mmdebstrap can't be had, or ''. An index never fetched does not speak against it."""
    if host.distribution.has_apt:
        known = host.apt
        unknown = (
            [] if known.empty else [one for one in tools if not apt.pick(one, known.candidates)]
        )
        return f"apt has no {' and no '.join(unknown)}" if unknown else ""
    there = {"mmdebstrap", "apt-get"} <= host.tools  # it works through apt
    return "" if there else "mmdebstrap and apt are not there"
