"""Reads the facts of this machine (`kubeup.facts.host`)."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
    # these start programs, or wait for the network
    slow: dict[str, Callable[[], Any]] = {
        "answers": partial(web.ask_all, questions),
        "apt": _index,
        "may_sudo": _may_sudo,
        "podman": _podman,
        "routes": routes,
        "stale_mirror": _stale_mirror,
    }
    with ThreadPoolExecutor(len(slow)) as pool:
        running = {name: pool.submit(look) for name, look in slow.items()}
        quick = _quick_facts()
    facts = host.HostFacts(**quick, **{name: look.result() for name, look in running.items()})
    return replace(facts, pace=pace(facts))


def _quick_facts() -> dict[str, Any]:
    import psutil

    # psutil knows macOS as well, which has no /proc
    memory = psutil.virtual_memory()
    cgroup = host.cgroup_version(_text("/proc/self/mounts"))
    return {
        "system": platform.system(),
        "arch": arch(),
        "root": os.geteuid() == 0,
        "distribution": distribution(),
        "cpus": cpus(),
        "memory": memory.total // 2**20,
        "memory_available": memory.available // 2**20,
        "cache_disk": disk(cache.folder()),
        "home_disk": disk(Path.home()),
        "storage": storage(),
        "kernel": kernel(cgroup),
        "cgroup": cgroup,
        "systemd": Path("/run/systemd/system").is_dir(),
        "sys_resource": host.has_capability(_text("/proc/self/status"), host.CAP_SYS_RESOURCE),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "processes": resource.getrlimit(resource.RLIMIT_NPROC)[1],
        "inotify": int(_text("/proc/sys/fs/inotify/max_user_instances") or 0),
        "modules_folder": Path("/lib/modules").is_dir(),
        "tools": frozenset(filter(shell.which, TOOLS)) | _docker_sockets(),
        "addresses": addresses(),
        "proxies": proxies.from_environment(os.environ),
    }


def pace(facts: host.HostFacts) -> Pace:
    """How slow this machine was when it was last measured; as meant where it never was."""
    return paces.read(_text(str(cache.folder(PACE))), _identity(facts))


def keep_pace(facts: host.HostFacts, measured: Pace) -> None:
    """Keep it for the next run. One that can't be kept is measured anew."""
    with contextlib.suppress(OSError):
        write_private(cache.folder(PACE), paces.text(measured, _identity(facts)))


def _identity(facts: host.HostFacts) -> dict[str, object]:
    """What tells the same machine. Memory in GiB, as some MiB come and go with a kernel."""
    return {"arch": facts.arch, "cpus": facts.cpus, "memory": round(facts.memory / 1024)}


def arch() -> str:
    """This machine's processor, by the name that Kubernetes' releases have for it."""
    return host.ARCHITECTURES.get(platform.machine(), platform.machine())


def _docker_sockets() -> frozenset[str]:
    """`docker-engine` where this user may speak to it, `docker-of-root` where only root may."""
    if any(os.access(socket, os.R_OK | os.W_OK) for socket in DOCKER_SOCKETS):
        return frozenset({"docker-engine"})
    if any(socket.exists() for socket in DOCKER_SOCKETS):
        return frozenset({"docker-of-root"})
    return frozenset()


def _may_sudo() -> bool:
    """Whether sudo lets this user become root: by a group, or by a rule without password."""
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
    """Those that this process may run on: a container's or a job's may be fewer."""
    import psutil

    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):  # macOS does not tell
        return len(process.cpu_affinity())
    return psutil.cpu_count() or 1


def disk(path: Path) -> disks.Disk:
    """Where something will lie that may not be there yet: its nearest folder that is."""
    import psutil

    place = path.absolute()
    there = next(filter(_is_there, (place, *place.parents))).resolve()
    mounts = [(mount.device, mount.mountpoint) for mount in psutil.disk_partitions(all=True)]
    filesystem = disks.filesystem(str(there), mounts)
    return disks.Disk(str(path), filesystem, shutil.disk_usage(there).free / 2**30)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # below a folder that this user may not look into
        return False


def storage() -> dict[str, disks.Disk]:
    """See `HostFacts`; nothing where engines keep everything in a virtual machine."""
    if platform.system() != "Linux":
        return {}
    home = str(Path.home())
    config = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    system = _text("/etc/containers/storage.conf") or _text("/usr/share/containers/storage.conf")
    users = _text(f"{config}/containers/storage.conf")
    root = os.geteuid() == 0
    folders = {
        "podman": disks.podman_storage(True, home, system),
        "podman of this user": disks.podman_storage(root, home, system, users, os.environ),
        "docker": disks.docker_storage(_text("/etc/docker/daemon.json")),
    }
    return {name: disk(Path(folder)) for name, folder in folders.items()}


def kernel(cgroup: int) -> host.Kernel:
    """What this machine's Linux brings; nothing on another system."""
    if platform.system() != "Linux":
        return host.Kernel()
    folder = f"/lib/modules/{platform.release()}"
    groups = ("/proc/cgroups", "/sys/fs/cgroup/cgroup.controllers")
    modules = ("/proc/modules", f"{folder}/modules.builtin", f"{folder}/modules.dep")
    return host.Kernel(
        platform.release(),
        host.filesystems(_text("/proc/filesystems")),
        host.controllers(cgroup, *map(_text, groups)),
        host.modules(*map(_text, modules)),
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

    rows = [
        (device, address.address, address.netmask or "")
        for device, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET
    ]
    return host.addresses(rows)


def listening() -> frozenset[host.Listener] | None:
    """TCP ports that something listens on here; None where only root is told (macOS).

    No part of `observe`: it looks at every process, and only who is about to take a port needs it.
    """
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return None
    listening = [end.laddr for end in connections if end.status == psutil.CONN_LISTEN]
    return frozenset(host.Listener(address.ip, address.port) for address in listening)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def routes() -> tuple[host.Route, ...]:
    """This machine's IPv4 routes but the default one; where it has no ip(8), its own networks."""
    # macOS has none
    if not shell.which("ip"):
        return host.on_link(addresses())
    return host.routes(shell.read("ip", "-j", "-4", "route").stdout)


def _podman() -> apt.Version:
    return apt.version(_output("podman", "--version"))


def distribution() -> host.Distribution:
    return host.distribution(_text("/etc/os-release"))


def _index() -> apt.Index:
    """What apt has of the packages that decide."""
    # Debian has all of them, so with an engine nothing has to be decided there
    engine = shell.which("podman") or _docker_sockets()
    if engine and distribution().id == "debian":
        return apt.Index()
    return apt.policy(_output("apt-cache", "policy", apt.ALWAYS, *DECIDING))


def _stale_mirror() -> bool:
    """Whether apt is configured for a frozen copy of its mirror: what is fetched here is frozen."""
    return 'Acquire::Check-Valid-Until "false"' in _output("apt-config", "dump")


def _output(*argv: str) -> str:
    """What a tool says, in English; '' where it is not installed."""
    if not shell.which(argv[0]):
        return ""
    return shell.read(*argv, env={"LC_ALL": "C"}, ok=None).stdout
