"""How containers are run on this machine, decided from facts alone."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup.errors import Refused
from kubeup.facts.host import HostFacts

STOP_SIGNAL = "SIGRTMIN+3"  # systemd's signal for a clean halt, see systemd(1)
NODE_OPEN_FILES = 65536
NODE_PROCESSES = 16384  # podman lowers its own limit before it starts the node: the machine's hard limit is refused there


PACKAGES = {"podman": ("podman", "runc", "netavark", "aardvark-dns", "iptables", "iproute2")}  # Debian's, by engine


@dataclass(frozen=True)
class Engine:
    """A container engine's command with the options it needs on every call, and those for a node."""

    name: str
    command: tuple[str, ...]
    node_options: tuple[str, ...]
    build_options: tuple[str, ...]
    why: str

    @property
    def packages(self) -> tuple[str, ...]:
        return PACKAGES.get(self.name, ())

    def argv(self, *words: str) -> tuple[str, ...]:
        return (*self.command, *words)


def choose(wanted: str, host: HostFacts) -> Engine:
    """The engine for `wanted` (auto, podman, docker). Raises Refused where this machine can't run nodes."""
    if host.system != "Linux" or not host.root:
        what = f"{host.system}" if host.system != "Linux" else "a user who is not root"
        raise Refused(f"the provider local does not work for {what}", "its nodes are privileged containers of a Linux machine",
                      "run as root on Linux, or choose another: `--set provider=minikube`, `vagrant`, `hosts` or `existing`")
    return _docker(host) if _takes_docker(wanted, host) else _podman(host)


def for_images(wanted: str, host: HostFacts) -> Engine:
    """The engine that builds, saves and pushes images: that needs no privileges, and works for any user."""
    return Engine("docker", ("docker",), (), _told(host), "docker") if _takes_docker(wanted, host) else _podman(host)


def _takes_docker(wanted: str, host: HostFacts) -> bool:
    return wanted == "docker" or (wanted == "auto" and "docker-engine" in host.tools and "podman" not in host.tools)


def _podman(host: HostFacts) -> Engine:
    command = ["podman"]
    why = ["podman"]
    if host.cgroup == 1:
        # crun refuses the hybrid layout ("invalid file system type on /sys/fs/cgroup"), runc takes it
        command += ["--runtime", "runc"]
        why.append("runc, as cgroups are v1")
    if not host.systemd:
        command += ["--cgroup-manager", "cgroupfs"]
        why.append("cgroupfs, as PID 1 is not systemd")
    builds = ("--isolation", "chroot") if not host.systemd else ()
    return Engine("podman", tuple(command), container_options(host, podman=True), builds, ", ".join(why))


def _docker(host: HostFacts) -> Engine:
    if not host.sys_resource:
        raise Refused("docker can't run nodes on this machine", "its --privileged asks for CAP_SYS_RESOURCE, which is not to be had here",
                      "use podman: `--set local.engine=podman`")
    return Engine("docker", ("docker",), container_options(host, podman=False), _told(host), "docker")


def _told(host: HostFacts) -> tuple[str, ...]:
    """A proxy for docker's builds, by its variables' names, as values are nobody's business; podman hands them on by itself."""
    return tuple(word for name in host.proxies for word in ("--build-arg", name))


def container_options(host: HostFacts, podman: bool) -> tuple[str, ...]:
    """What a container with systemd in it needs on this machine, beside being privileged."""
    # podman's own systemd mode mounts name=systemd wrongly on hybrid cgroups, so the mounts are given one by one
    own = ["--systemd=false"] if podman else []
    return (*own, "--cgroupns=private", *_limits(host), *_mounts(host))


def _limits(host: HostFacts) -> list[str]:
    """Without CAP_SYS_RESOURCE a limit can't be raised over the machine's own."""
    files = NODE_OPEN_FILES if host.sys_resource else min(NODE_OPEN_FILES, host.open_files)
    rows = ["--ulimit", f"nofile={files}:{files}"]
    if not host.sys_resource and host.processes > 0:
        processes = min(NODE_PROCESSES, host.processes)
        rows += ["--ulimit", f"nproc={processes}:{processes}"]
    return rows


def _mounts(host: HostFacts) -> list[str]:
    rows = ["--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108 - inside the container
    return [*rows, "-v", "/lib/modules:/lib/modules:ro"] if host.modules_folder else rows
