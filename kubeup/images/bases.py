"""What images are built on: Docker Hub's by digest where it answers, else Debian packages under the same contract."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubeup.engine import Engine
from kubeup.facts import apt, software
from kubeup.facts.host import HostFacts
from kubeup.images.rootfs import IMAGE, MMDEBSTRAP, Origin, Rootfs
from kubeup.settings import Settings

HUB = "https://registry-1.docker.io/v2/"

# Multi-platform digests; each is renewed by hand, with the tag it was read from beside it.
HUB_IMAGES = {
    "python": "docker.io/library/python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea",
    "node": "docker.io/library/node:22-slim@sha256:83f487e0a63425e5b4d146fb5e5be574bcbe1b7b843d3ebafdd95eaf7767a7e5",
    "mysql 8.4": "docker.io/library/mysql:8.4@sha256:b3b90af2a6552ae30c266fdb7d5dd55f3afb72404bb78d37fe8a23eb857fd3fb",
    "mysql 5.7": "docker.io/library/mysql:5.7@sha256:4bc6bc963e6d8443453676cae56536f4b8156d78bae03c0145cbe47c2aad73bb",
}

PERL = ("/usr/share/perl/*", "/usr/lib/*-linux-gnu/perl/*", "/usr/lib/*-linux-gnu/libperl.so*")
MYSQL_EXTRAS = tuple(f"/usr/bin/{name}" for name in (
    "myisam*", "mysql_migrate_keyring", "mysql_config_editor", "mysql_secure_installation", "mysqlslap", "mysqlimport", "mysqlshow",
    "mysqlbinlog", "ibd2sdi", "innochecksum", "perror",
)) + tuple(f"/usr/lib/mysql/plugin/{name}" for name in ("*telemetry*", "authentication_*_client.so", "group_replication.so"))


@dataclass(frozen=True)
class Bases:
    """Where base images come from, and why."""

    source: str  # hub or debian
    why: str
    origin: Origin  # of the root file systems that Debian packages go into

    def rootfs(self, kind: str) -> Rootfs:
        """The Debian root file system of a kind: python, node, npm, mysql or mariadb."""
        packages, suite, left_out, seconds = {
            "python": (("python3", "python3-venv"), "bookworm", (), 31.0),
            "node": (("nodejs",), "bookworm", (), 27.0),
            "npm": (("nodejs", "npm"), "bookworm", (), 60.0),
            "mysql": (("mysql-server-core", "mysql-client-core"), "sid", (*PERL, *MYSQL_EXTRAS), 23.0),
            "mariadb": (("mariadb-server-core", "mariadb-client"), "bookworm", (), 30.0),
        }[kind]
        return Rootfs(kind, suite, packages, seconds, self.origin, left_out)


def choose(settings: Settings, host: HostFacts, origin: Origin) -> Bases:
    wanted = settings.images.bases
    if wanted != "auto":
        return Bases(wanted, "named by images.bases", origin)
    if HUB in host.reachable:
        return Bases("hub", "Docker Hub answers", origin)
    return Bases("debian", "Docker Hub does not answer", origin)


# Debian itself has its keys, others a package of them: Ubuntu 22.04 one from before Bookworm's
KEYRING = "debian-archive-keyring (>= 2023)"


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
    if HUB in host.reachable:
        return replace(none, how=IMAGE, why=f"{lacking}, Docker Hub answers")
    manager = software.manager(host.distribution)
    fix = "run it where https://registry-1.docker.io can be reached (https_proxy is heeded)"
    if manager.named("mmdebstrap") and not host.distribution.has_apt:
        fix += f", or install mmdebstrap with apt: `{manager.command(('mmdebstrap',))}`"
    return replace(none, why=f"{lacking}, and Docker Hub does not answer", fix=fix)


def _lacks(tools: tuple[str, ...], host: HostFacts) -> str:
    """Why mmdebstrap can't be had, or ''. An index never fetched does not speak against it."""
    if host.distribution.has_apt:
        known = host.apt
        unknown = [] if known.empty else [one for one in tools if not apt.pick(one, known.candidates)]
        return f"apt has no {' and no '.join(unknown)}" if unknown else ""
    there = {"mmdebstrap", "apt-get"} <= host.tools  # it works through apt
    return "" if there else "mmdebstrap and apt are not there"
