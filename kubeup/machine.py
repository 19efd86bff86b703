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

from kubeup import cache, shell
from kubeup.facts import apt, host, proxies

OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")
CONTAINERS = Path("/var/lib/containers")  # docker's folder lies beside it
DOCKER_SOCKET = Path("/var/run/docker.sock")
PROBE_SECONDS = 4.0
SUDOERS = {"sudo", "wheel", "admin"}  # the groups that distributions let use sudo
DECIDING = ("podman", "mmdebstrap", "uidmap", "debian-archive-keyring")  # packages that decide whether and how nodes are made
TOOLS = ("podman", "docker", "runc", "crun", "mmdebstrap", "apt-get", "ssh", "ssh-keygen", "minikube", "vagrant", "VBoxManage", "virsh", "kubectl")


def observe(urls: tuple[str, ...] = ()) -> host.HostFacts:
    """Facts of this machine; `urls` are asked side by side whether they answer."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(answers_at, urls)
        leading = pool.submit(routes)
        stale = pool.submit(_stale_mirror)
        permitted = pool.submit(_may_sudo)
        podman = pool.submit(_podman)
        distribution = host.distribution(_text("/etc/os-release"))
        index = pool.submit(_index, distribution)
        reachable = frozenset(url for url, answer in zip(urls, answers, strict=True) if answer)
        return host.HostFacts(
            system=platform.system(),
            arch=host.ARCHITECTURES.get(platform.machine(), platform.machine()),
            root=os.geteuid() == 0,
            may_sudo=permitted.result(),
            distribution=distribution,
            cpus=len(os.sched_getaffinity(0)),
            memory=host.memory_mib(_text("/proc/meminfo")),
            free_disk=min(map(_free, (cache.folder(), CONTAINERS))) // 2**30,
            cgroup=host.cgroup_version(_text("/proc/self/mounts")),
            systemd=Path("/run/systemd/system").is_dir(),
            sys_resource=host.has_capability(_text("/proc/self/status"), host.CAP_SYS_RESOURCE),
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            processes=resource.getrlimit(resource.RLIMIT_NPROC)[1],
            inotify=int(_text("/proc/sys/fs/inotify/max_user_instances") or 0),
            modules_folder=Path("/lib/modules").is_dir(),
            tools=frozenset(tool for tool in TOOLS if shell.which(tool)) | _docker_sockets(),
            podman=podman.result(),
            apt=index.result(),
            routes=leading.result(),
            own_certificates=any(OWN_CERTIFICATES.glob("*.crt")),
            stale_mirror=stale.result(),
            reachable=reachable,
            proxies=proxies.told(os.environ),
        )


def answers_at(url: str) -> bool:
    """Whether a server answers HTTP at `url` (any status below 500), through a proxy where one is set."""
    import urllib.error
    import urllib.request

    try:
        socket.getaddrinfo(urlsplit(url).hostname or "", 443) if "https_proxy" not in proxies.told(os.environ) else None
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS):
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


def _free(folder: Path) -> int:
    """Bytes that are free where a folder lies, or will lie."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def routes() -> tuple[host.Route, ...]:
    """This machine's IPv4 routes but the default one, none where it has no ip(8)."""
    return host.routes(shell.read("ip", "-j", "-4", "route").stdout) if shell.which("ip") else ()


def _podman() -> apt.Version:
    return apt.version(shell.read("podman", "--version", ok=None).stdout) if shell.which("podman") else ()


def _index(distribution: host.Distribution) -> apt.Index:
    """What apt has of the packages that decide; on Debian only where there is no engine yet, as it has all of them."""
    if not shell.which("apt-cache"):
        return apt.Index()
    if distribution.id == "debian" and (shell.which("podman") or _docker_sockets()):
        return apt.Index()
    return apt.policy(shell.read("apt-cache", "policy", apt.ALWAYS, *DECIDING, env={"LC_ALL": "C"}, ok=None).stdout)


def _stale_mirror() -> bool:
    """Whether this machine's apt is told that its mirror is a frozen copy; what is fetched here is frozen too."""
    if not shell.which("apt-config"):
        return False
    return 'Acquire::Check-Valid-Until "false"' in shell.read("apt-config", "dump", ok=None).stdout
