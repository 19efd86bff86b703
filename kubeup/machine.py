"""Reads the facts of this machine (`kubeup.facts.host`), side by side where something has to be waited for."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from kubeup import shell
from kubeup.facts import host, proxies

DOCKER_SOCKET = Path("/var/run/docker.sock")
PROBE_SECONDS = 4.0
SUDOERS = {"sudo", "wheel", "admin"}  # the groups that distributions let use sudo
TOOLS = ("podman", "docker", "runc", "crun", "mmdebstrap", "apt-get", "ssh", "ssh-keygen", "minikube", "vagrant", "VBoxManage", "virsh", "kubectl")


def observe(urls: tuple[str, ...] = (), authorities: str = "") -> host.HostFacts:
    """Facts of this machine; `urls` are asked side by side whether they answer.

    `authorities` are certificates in PEM that are trusted beside the machine's own.
    """
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda url: answers_at(url, authorities), urls)
        leading = pool.submit(routes)
        stale = pool.submit(_stale_mirror)
        permitted = pool.submit(_may_sudo)
        reachable = frozenset(url for url, answer in zip(urls, answers, strict=True) if answer)
        return host.HostFacts(
            system=platform.system(),
            arch=host.ARCHITECTURES.get(platform.machine(), platform.machine()),
            root=os.geteuid() == 0,
            may_sudo=permitted.result(),
            distribution=host.distribution(_text("/etc/os-release")),
            cpus=len(os.sched_getaffinity(0)),
            memory=host.memory_mib(_text("/proc/meminfo")),
            free_disk=shutil.disk_usage("/").free // 2**30,
            cgroup=host.cgroup_version(_text("/proc/self/mounts")),
            systemd=Path("/run/systemd/system").is_dir(),
            sys_resource=host.has_capability(_text("/proc/self/status"), host.CAP_SYS_RESOURCE),
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            processes=resource.getrlimit(resource.RLIMIT_NPROC)[1],
            inotify=int(_text("/proc/sys/fs/inotify/max_user_instances") or 0),
            modules_folder=Path("/lib/modules").is_dir(),
            tools=frozenset(tool for tool in TOOLS if shell.which(tool)) | _docker_sockets(),
            routes=leading.result(),
            stale_mirror=stale.result(),
            reachable=reachable,
            proxies=proxies.told(os.environ),
        )


def answers_at(url: str, authorities: str = "") -> bool:
    """Whether a server answers HTTP at `url` (any status below 500), through a proxy where one is set."""
    import ssl
    import urllib.error
    import urllib.request

    try:
        socket.getaddrinfo(urlsplit(url).hostname or "", 443) if "https_proxy" not in proxies.told(os.environ) else None
        trusting = ssl.create_default_context()
        if authorities:
            trusting.load_verify_locations(cadata=authorities)
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=PROBE_SECONDS, context=trusting):
            return True
    except urllib.error.HTTPError as error:
        # a registry asks for a login with 401; a proxy that refuses says 403
        return error.code in (200, 301, 302, 307, 308, 401, 404, 405)
    except (OSError, ValueError):
        return False


def _docker_sockets() -> frozenset[str]:
    """`docker-engine` where this user may speak to it, `docker-of-root` where there is one that only root may."""
    if os.access(DOCKER_SOCKET, os.R_OK | os.W_OK):
        return frozenset({"docker-engine"})
    return frozenset({"docker-of-root"}) if DOCKER_SOCKET.exists() else frozenset()


def _may_sudo() -> bool:
    """Whether sudo lets this user become root: by a group, or by a rule that asks for no password."""
    if os.geteuid() == 0 or not shell.which("sudo"):
        return False
    by_group = any(_group_name(number) in SUDOERS for number in os.getgroups())
    return by_group or shell.read(*shell.SUDO, "true", ok=None).ok


def _group_name(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # a group of a directory service that is away
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def routes() -> tuple[host.Route, ...]:
    """This machine's IPv4 routes but the default one, none where it has no ip(8)."""
    return host.routes(shell.read("ip", "-j", "-4", "route").stdout) if shell.which("ip") else ()


def _stale_mirror() -> bool:
    """Whether this machine's apt is told that its mirror is a frozen copy; what is fetched here is frozen too."""
    if not shell.which("apt-config"):
        return False
    return 'Acquire::Check-Valid-Until "false"' in shell.read("apt-config", "dump", ok=None).stdout
