"""How containers are run on this machine, decided from facts alone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell
from kubeup.core.errors import Refused
from kubeup.core.plan import Log
from kubeup.core.shell import SUDO, Output
from kubeup.facts import apt, software
from kubeup.facts.host import HostFacts

STOP_SIGNAL = "SIGRTMIN+3"  # systemd's signal for a clean halt, see systemd(1)
NODE_OPEN_FILES = 65536
# podman lowers its own limit before it starts the node: the machine's hard limit is refused there
NODE_PROCESSES = 16384
OLDEST_PODMAN: apt.Version = (4, 3)  # that came with `podman update`, which a node is resized with

# by engine, as Debian names them: podman 3, as Ubuntu 22.04 has it, knows of CNI plug-ins alone
PACKAGES = {
    "podman": (
        "podman",
        "runc",
        "netavark | containernetworking-plugins",
        "aardvark-dns | containernetworking-plugins",
        "nftables",
        "iptables",
        "iproute2",
    )
}


OTHERS = "`--set provider=minikube` or `--set provider=vagrant`"


@dataclass(frozen=True)
class Engine:
    """A container engine: its command as this user runs it, and the options of nodes and builds."""

    name: str
    command: tuple[str, ...]
    node_options: tuple[str, ...]
    build_options: tuple[str, ...]
    why: str

    @property
    def by_sudo(self) -> bool:
        return self.command[0] == "sudo"

    @property
    def packages(self) -> tuple[str, ...]:
        return PACKAGES.get(self.name, ())

    def argv(self, *words: str) -> tuple[str, ...]:
        return (*self.command, *words)

    def build_argv(self, tag: str, folder: Path, *options: str) -> tuple[str, ...]:
        """The command line that builds an image from the Containerfile in a folder."""
        words = (*self.build_options, *options, "--tag", tag)
        return self.argv("build", *words, "-f", str(folder / "Containerfile"), str(folder))

    def shown(self, *words: str) -> str:
        """A command of the engine, ready to be pasted into a shell."""
        return shell.shown(self.argv(*words))

    def read(self, *words: str, ok: Collection[int] | None = (0,), timeout: float = 60) -> Output:
        return shell.read(*self.argv(*words), ok=ok, timeout=timeout)

    def write(self, *words: str, log: Log) -> str:
        return shell.write(*self.argv(*words), log=log)

    def has(self, kind: str, name: str) -> bool:
        """Whether there is an image, a network or a volume of that name."""
        return self.read(kind, "inspect", name, ok=None).ok


def choose(wanted: str, host: HostFacts, made: str = "") -> Engine:
    """The engine that runs nodes, for `wanted` (auto, podman, docker).

    Nodes that were `made` by one stay with it, and so do their volumes. Raises Refused where this
    machine or user can't run nodes, and where the settings name another engine than has them.
    """
    if made and wanted not in ("auto", made):
        raise Refused(
            f"the settings want nodes of {wanted}, this profile's are {made}'s",
            "they and their data would not be found",
            f"set local.engine to {made}; to delete them with their data, `inv down --data` with "
            "that, then choose again",
        )
    if not host.linux:
        raise Refused(
            f"the provider local does not work on {host.system_name}",
            "its nodes are privileged containers of a Linux machine",
            f"choose one that makes virtual machines: {OTHERS}",
        )
    if _takes_docker(made or wanted, host):
        root = () if "docker-engine" in host.tools else _root_by(host, "docker")
        if not host.sys_resource:
            raise Refused(
                "docker can't run nodes on this machine",
                "its --privileged asks for CAP_SYS_RESOURCE, which is not available here",
                "use podman: `--set local.engine=podman`",
            )
        return _docker(host, root, container_options(host, podman=False))
    if is_old(version := podman_version(host)):
        raise Refused(
            f"podman {'.'.join(map(str, version))} can't run the nodes",
            "it can't give a node other CPUs and memory: `podman update` came with podman 4.3",
            f"use docker: `{software.manager(host.distribution).command(('docker.io',))}`, then "
            "`--set local.engine=docker`",
        )
    return _podman(host, _root_by(host, "podman"))


def lacks(engine: Engine, host: HostFacts) -> tuple[str, str]:
    """Why an engine can't be had on this machine and how to fix that, or '' twice.

    podman is installed where apt has it.
    """
    tool = engine.name
    if tool in host.tools:
        if tool == "docker" and not host.tools & {"docker-engine", "docker-of-root"}:
            return "docker does not run", "`sudo systemctl start docker`"
        return "", ""
    if tool == "podman" and host.distribution.has_apt:
        if host.apt.empty or "podman" in host.apt.candidates:
            return "", ""
        fix = "`sudo add-apt-repository universe` on Ubuntu, then `sudo apt-get update`"
        return "apt has no podman", fix
    package = {"docker": "docker.io"}.get(tool, tool)
    manager = software.manager(host.distribution)
    return f"{tool} is not installed", manager.command((package,))


def for_nodes(engine: Engine) -> tuple[str, ...]:
    """An engine's packages where nodes are made with it."""
    oldest = f"podman (>= {'.'.join(map(str, OLDEST_PODMAN))})"
    return tuple(oldest if name == "podman" else name for name in engine.packages)


def podman_version(host: HostFacts) -> apt.Version:
    """Of the podman that is here, or else that apt would install; () where neither is known."""
    if "podman" in host.tools:
        return host.podman
    return apt.version(host.apt.candidates.get("podman", ""))


def is_old(podman: apt.Version) -> bool:
    return () < podman < OLDEST_PODMAN


def here(host: HostFacts) -> tuple[str, ...]:
    """The engines that may have something of ours on this machine."""
    docker = host.tools & {"docker-engine", "docker-of-root"}
    return (
        *(("podman",) if "podman" in host.tools else ()),
        *(("docker",) if docker else ()),
    )


def to_ask(name: str, host: HostFacts) -> Engine:
    """The engine as root has it, where nodes are, to look alone.

    Raises Refused for a user who can't become root.
    """
    if name == "docker":
        return _docker(host, () if "docker-engine" in host.tools else _root_by(host, name))
    return _podman(host, _root_by(host, name))


def for_images(wanted: str, host: HostFacts) -> Engine:
    """The engine that builds, saves and pushes images, which any user may do."""
    if _takes_docker(wanted, host):
        return _docker(host)
    return _podman(host)


def _takes_docker(wanted: str, host: HostFacts) -> bool:
    """Docker where it alone is there, or where it spares an ordinary user sudo."""
    if wanted != "auto":
        return wanted == "docker"
    no_podman = "podman" not in host.tools or is_old(host.podman)
    if "docker-engine" not in host.tools:
        return "docker-of-root" in host.tools and no_podman
    # without that right it can't make nodes
    return no_podman or (not host.root and host.sys_resource)


def _root_by(host: HostFacts, engine: str) -> tuple[str, ...]:
    """What makes a command root's. Raises Refused for a user who can't become root."""
    if host.root:
        return ()
    if not host.may_sudo:
        raise Refused(
            f"the provider local needs root for {engine}",
            "its nodes are privileged containers, and this user may not use sudo",
            "have an administrator put you into the group docker, with Docker installed; or run "
            f"it as root; or choose another provider: {OTHERS}",
        )
    # by their names: their values are secret
    kept = ",".join(sorted({*host.proxies, *host.variables}))
    if not kept:
        return SUDO
    return (*SUDO, f"--preserve-env={kept}")


def _podman(host: HostFacts, root: tuple[str, ...] = ()) -> Engine:
    if not host.linux:  # a client of a machine that has its own options
        return Engine("podman", ("podman",), (), (), "podman")
    command = ["podman"]
    why = ["podman by sudo" if root else "podman"]
    if host.cgroup == 1:
        # crun refuses the hybrid layout ("invalid file system type on /sys/fs/cgroup"), runc takes
        # it
        command += ["--runtime", "runc"]
        why.append("runc, as cgroups are v1")
    if not host.systemd:
        command += ["--cgroup-manager", "cgroupfs"]
        why.append("cgroupfs, as PID 1 is not systemd")
    options = container_options(host, podman=True)
    return Engine("podman", (*root, *command), options, _podman_builds(host), ", ".join(why))


def _podman_builds(host: HostFacts) -> tuple[str, ...]:
    """What podman's builds need here."""
    if not host.systemd:
        return ("--isolation", "chroot")
    if host.sys_resource:
        return ()
    # without the right to raise limits they may not ask for their own
    return tuple(_limits(host))


def _docker(
    host: HostFacts, root: tuple[str, ...] = (), node_options: tuple[str, ...] = ()
) -> Engine:
    # a proxy for builds, by its variables' names, as their values may be secret; podman hands them
    # on by itself
    builds = [word for name in host.proxies for word in ("--build-arg", name)]
    why = "docker by sudo" if root else "docker"
    return Engine("docker", (*root, "docker"), node_options, tuple(builds), why)


def hardware_address(address: str) -> str:
    """The hardware address of a container with this IPv4 address."""
    # whoever talks to an address goes on to while a neighbour table still has the container that
    # had it before
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def container_options(host: HostFacts, podman: bool) -> tuple[str, ...]:
    """What a container with systemd in it needs on this machine, besides being privileged."""
    options = ["--cgroupns=private", *_limits(host)]
    if podman:
        # podman's own systemd mode mounts name=systemd wrongly on hybrid cgroups, so the mounts are
        # given one by one
        options.insert(0, "--systemd=false")
    options += ["--tmpfs", "/run", "--tmpfs", "/tmp"]  # noqa: S108 - inside the container
    if host.modules_folder:
        options += ["-v", "/lib/modules:/lib/modules:ro"]
    return tuple(options)


def _limits(host: HostFacts) -> list[str]:
    if host.sys_resource:
        return _limit("nofile", NODE_OPEN_FILES)
    # a limit can't be raised over the machine's own
    limits = _limit("nofile", min(NODE_OPEN_FILES, host.open_files))
    if host.processes > 0:
        limits += _limit("nproc", min(NODE_PROCESSES, host.processes))
    return limits


def _limit(name: str, value: int) -> list[str]:
    return ["--ulimit", f"{name}={value}:{value}"]
