"""Reads the facts of this machine (`kubeup.facts.host`), side by side where something has to be
waited for.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kubeup.core import pace as paces
from kubeup.core import shell
from kubeup.core.pace import Pace
from kubeup.core.state import write_private
from kubeup.facts import apt, disks, host, proxies
from kubeup.facts.sites import Question
from kubeup.system import cache, web

# Docker Desktop for Mac asks before it makes the first:
# https://docs.docker.com/desktop/setup/install/mac-permission-requirements/
DOCKER_SOCKETS = (Path("/var/run/docker.sock"), Path.home() / ".docker" / "run" / "docker.sock")
# packages that decide whether and how nodes are made
DECIDING = ("podman", "mmdebstrap", "uidmap", "debian-archive-keyring")
SUDOERS = {"sudo", "wheel", "admin"}  # the groups that distributions let use sudo
PACE = "pace.json"  # in the cache
TOOLS = (
    "podman",
    "docker",
    "runc",
    "crun",
    "mmdebstrap",
    "apt-get",
    "ssh",
    "ssh-keygen",
    "minikube",
    "vagrant",
    "VBoxManage",
    "virsh",
    "vfkit",
    "kubectl",
)


def observe(questions: Sequence[Question] = ()) -> host.HostFacts:
    """Facts of this machine, and what sites answer to `questions`."""
    import psutil

    memory, cgroup = psutil.virtual_memory(), host.cgroup_version(_text("/proc/self/mounts"))
    with ThreadPoolExecutor(8) as pool:
        answers = pool.submit(web.ask_all, questions)
        leading = pool.submit(routes)
        stale = pool.submit(_stale_mirror)
        permitted = pool.submit(_may_sudo)
        podman = pool.submit(_podman)
        index = pool.submit(_index, distribution())
        found = host.HostFacts(
            system=platform.system(),
            arch=arch(),
            root=os.geteuid() == 0,
            may_sudo=permitted.result(),
            distribution=distribution(),
            cpus=cpus(),
            memory=memory.total // 2**20,
            memory_available=memory.available // 2**20,
            cache_disk=disk(cache.folder()),
            home_disk=disk(Path.home()),
            storage=storage(),
            kernel=kernel(cgroup),
            cgroup=cgroup,
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
            addresses=addresses(),
            stale_mirror=stale.result(),
            answers=answers.result(),
            proxies=proxies.from_environment(os.environ),
        )
    return replace(found, pace=pace(found))


def pace(found: host.HostFacts) -> Pace:
    """How slow this machine was when it was last measured; as meant where it never was."""
    return paces.read(_text(str(cache.folder(PACE))), _identity(found))


def keep_pace(found: host.HostFacts, measured: Pace) -> None:
    """Keep it for the next run. One that can't be kept is measured anew."""
    with contextlib.suppress(OSError):
        write_private(cache.folder(PACE), paces.text(measured, _identity(found)), 0o644)


def _identity(found: host.HostFacts) -> dict[str, object]:
    """What tells the same machine. Memory in GiB, as some MiB come and go with a kernel."""
    return {"arch": found.arch, "cpus": found.cpus, "memory": round(found.memory / 1024)}


def arch() -> str:
    """This machine's processor, by the name that Kubernetes' releases have for it."""
    return host.ARCHITECTURES.get(platform.machine(), platform.machine())


def _docker_sockets() -> frozenset[str]:
    """`docker-engine` where this user may speak to it, `docker-of-root` where there is one that
    only root may.
    """
    if any(os.access(one, os.R_OK | os.W_OK) for one in DOCKER_SOCKETS):
        return frozenset({"docker-engine"})
    return (
        frozenset({"docker-of-root"})
        if any(one.exists() for one in DOCKER_SOCKETS)
        else frozenset()
    )


def _may_sudo() -> bool:
    """Whether sudo lets this user become root: by a group, or by a rule that asks for no
    password.
    """
    if os.geteuid() == 0 or not shell.which("sudo"):
        return False
    by_group = any(_group_name(number) in SUDOERS for number in os.getgroups())
    return by_group or shell.read("sudo", "-n", "true", ok=None).ok


def _group_name(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # a group of a directory service that is away
        return ""


def cpus() -> int:
    """Those that this process may run on, which a container's or a job's may be fewer than the
    machine's.
    """
    import psutil

    mine = psutil.Process()
    # psutil has it where the system tells: not on macOS
    return len(mine.cpu_affinity()) if hasattr(mine, "cpu_affinity") else psutil.cpu_count() or 1


def disk(path: Path) -> disks.Disk:
    """Where something will lie that may not be there yet: its nearest folder that is."""
    import psutil

    place = path.absolute()
    there = next(one for one in (place, *place.parents) if _is_there(one)).resolve()
    mounts = [(one.device, one.mountpoint) for one in psutil.disk_partitions(all=True)]
    return disks.Disk(
        str(path), disks.filesystem(str(there), mounts), shutil.disk_usage(there).free / 2**30
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # below a folder that this user may not look into
        return False


def storage() -> dict[str, disks.Disk]:
    """See `HostFacts`; elsewhere than on Linux engines keep everything in a machine of their
    own.
    """
    if platform.system() != "Linux":
        return {}
    home = str(Path.home())
    config = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    system = _text("/etc/containers/storage.conf") or _text("/usr/share/containers/storage.conf")
    own = _text(f"{config}/containers/storage.conf")
    root = os.geteuid() == 0
    folders = {
        "podman": disks.podman_storage(True, home, system),
        "podman of this user": disks.podman_storage(root, home, system, own, os.environ),
        "docker": disks.docker_storage(_text("/etc/docker/daemon.json")),
    }
    return {name: disk(Path(folder)) for name, folder in folders.items()}


def kernel(cgroup: int) -> host.Kernel:
    """What this machine's Linux brings; nothing on another system."""
    if platform.system() != "Linux":
        return host.Kernel()
    folder = f"/lib/modules/{platform.release()}"
    return host.Kernel(
        platform.release(),
        host.filesystems(_text("/proc/filesystems")),
        host.controllers(
            cgroup, _text("/proc/cgroups"), _text("/sys/fs/cgroup/cgroup.controllers")
        ),
        host.modules(
            _text("/proc/modules"),
            _text(f"{folder}/modules.builtin"),
            _text(f"{folder}/modules.dep"),
        ),
        host.options(_kernel_config()),
    )


def _kernel_config() -> str:
    import gzip

    try:
        return gzip.decompress(Path("/proc/config.gz").read_bytes()).decode(errors="replace")
    except (OSError, EOFError):
        return _text(f"/boot/config-{platform.release()}")


def addresses() -> tuple[host.Address, ...]:
    """This machine's own IPv4 addresses, the loopback's included."""
    import psutil

    rows = [(device, one) for device, found in psutil.net_if_addrs().items() for one in found]
    return host.addresses(
        (device, one.address, one.netmask or "")
        for device, one in rows
        if one.family == socket.AF_INET
    )


def listening() -> frozenset[host.Listener] | None:
    """TCP ports that something listens on here, looked at now; None where only root is told
    (macOS): then nothing is known.

    No part of `observe`: it looks at every process, and only who is about to take a port needs it.
    """
    import psutil

    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    return frozenset(
        host.Listener(one.laddr.ip, one.laddr.port)
        for one in found
        if one.status == psutil.CONN_LISTEN
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def routes() -> tuple[host.Route, ...]:
    """This machine's IPv4 routes but the default one; where it has no ip(8), its own networks."""
    return (
        host.routes(shell.read("ip", "-j", "-4", "route").stdout)
        if shell.which("ip")
        else host.on_link(addresses())
    )


def _podman() -> apt.Version:
    return (
        apt.version(shell.read("podman", "--version", ok=None).stdout)
        if shell.which("podman")
        else ()
    )


def distribution() -> host.Distribution:
    return host.distribution(_text("/etc/os-release"))


def _index(distribution: host.Distribution) -> apt.Index:
    """What apt has of the packages that decide; on Debian only where there is no engine yet, as
    it has all of them.
    """
    if not shell.which("apt-cache"):
        return apt.Index()
    if distribution.id == "debian" and (shell.which("podman") or _docker_sockets()):
        return apt.Index()
    return apt.policy(
        shell.read(
            "apt-cache", "policy", apt.ALWAYS, *DECIDING, env={"LC_ALL": "C"}, ok=None
        ).stdout
    )


def _stale_mirror() -> bool:
    """Whether this machine's apt is told that its mirror is a frozen copy; what is fetched here
    is frozen too.
    """
    if not shell.which("apt-config"):
        return False
    return 'Acquire::Check-Valid-Until "false"' in shell.read("apt-config", "dump", ok=None).stdout
