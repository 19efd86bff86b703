"""How containers are run on this machine, decided from facts alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell
from kubeup.core.errors import Refused
from kubeup.core.shell import SUDO, Log, Output
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


@dataclass(frozen=True)
class Engine:
    """A container engine: its command as this user runs it, the options of each call, and those
    for a node and a build.
    """

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

    def read(self, *words: str, ok: Iterable[int] | None = (0,), timeout: float = 60) -> Output:
        return shell.read(*self.argv(*words), ok=ok, timeout=timeout)

    def write(self, *words: str, log: Log) -> str:
        return shell.write(*self.argv(*words), log=log)

    def has(self, kind: str, name: str) -> bool:
        """Whether there is an image, a network or a volume of that name."""
        return self.read(kind, "inspect", name, ok=None).ok


def choose(wanted: str, host: HostFacts, made: str = "") -> Engine:
    """The engine that runs nodes, for `wanted` (auto, podman, docker); nodes that were `made` by
    one stay with it, and so do their volumes.

    Raises Refused where this machine or user can't run nodes, and where the settings name another
    engine than has them.
    """
    if made and wanted not in ("auto", made):
        raise Refused(
            f"the settings want nodes of {wanted}, this profile's are {made}'s",
            "they and their data would not be found",
            f"set local.engine to {made}; to lose them and their data, `inv down --data` with "
            "that, then choose anew",
        )
    if not host.linux:
        raise Refused(
            f"the provider local does not work on {host.system_name}",
            "its nodes are privileged containers of a Linux machine",
            "choose one that makes virtual machines: `--set provider=minikube` or `--set "
            "provider=vagrant`",
        )
    if _takes_docker(made or wanted, host):
        return _docker(host, () if "docker-engine" in host.tools else _root_by(host, "docker"))
    if is_old(found := podman_version(host)):
        raise Refused(
            f"podman {'.'.join(map(str, found))} can't run the nodes",
            "it can't give a node other CPUs and memory: `podman update` came with podman 4.3",
            f"use docker: `{software.manager(host.distribution).command(('docker.io',))}`, then "
            "`--set local.engine=docker`",
        )
    return _podman(host, _root_by(host, "podman"))


def lacks(engine: Engine, host: HostFacts) -> tuple[str, str]:
    """Why an engine can't be had on this machine and how to mend that, or '' twice: podman is
    installed where apt has it.
    """
    tool, manager = engine.name, software.manager(host.distribution)
    if tool not in host.tools and tool == "podman" and host.distribution.has_apt:
        nowhere = not host.apt.empty and "podman" not in host.apt.candidates
        return (
            (
                "apt has no podman",
                "`sudo add-apt-repository universe` on Ubuntu, then `sudo apt-get update`",
            )
            if nowhere
            else ("", "")
        )
    if tool not in host.tools:
        return f"{tool} is not installed", manager.command(
            ("docker.io" if tool == "docker" else tool,)
        )
    if tool == "docker" and not host.tools & {"docker-engine", "docker-of-root"}:
        return "docker does not run", "`sudo systemctl start docker`"
    return "", ""


def for_nodes(engine: Engine) -> tuple[str, ...]:
    """An engine's packages where nodes are made with it."""
    oldest = f"podman (>= {'.'.join(map(str, OLDEST_PODMAN))})"
    return tuple(oldest if name == "podman" else name for name in engine.packages)


def podman_version(host: HostFacts) -> apt.Version:
    """Of the podman that is here, or else that apt would install; () where neither is known."""
    return (
        host.podman
        if "podman" in host.tools
        else apt.version(host.apt.candidates.get("podman", ""))
    )


def is_old(podman: apt.Version) -> bool:
    return () < podman < OLDEST_PODMAN


def for_images(wanted: str, host: HostFacts) -> Engine:
    """The engine that builds, saves and pushes images: that needs no privileges, and works for
    any user.
    """
    if _takes_docker(wanted, host):
        return Engine("docker", ("docker",), (), _told(host), "docker")
    return _podman(host, ())


def _takes_docker(wanted: str, host: HostFacts) -> bool:
    """Docker where it alone is there, or where it spares an ordinary user sudo and can make
    nodes.
    """
    if wanted != "auto":
        return wanted == "docker"
    no_podman = "podman" not in host.tools or is_old(host.podman)
    if "docker-engine" not in host.tools:
        return "docker-of-root" in host.tools and no_podman
    return no_podman or (not host.root and host.sys_resource)


def _root_by(host: HostFacts, engine: str) -> tuple[str, ...]:
    """What makes a command root's. Raises Refused for a user who can't become root."""
    if host.root:
        return ()
    if not host.may_sudo:
        raise Refused(
            f"the provider local needs root for {engine}",
            "its nodes are privileged containers, and sudo does not let this user in",
            "have an administrator put you into the group docker, with Docker installed; or run "
            "it as root; or choose another "
            "provider: `--set provider=minikube` or `--set provider=vagrant`",
        )
    # by their names: what is in them is nobody's business
    kept = ",".join(sorted({*host.proxies, *host.variables}))
    return (*SUDO, f"--preserve-env={kept}") if kept else SUDO


def _podman(host: HostFacts, root: tuple[str, ...]) -> Engine:
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
    return Engine(
        "podman",
        (*root, *command),
        container_options(host, podman=True),
        _builds(host),
        ", ".join(why),
    )


def _builds(host: HostFacts) -> tuple[str, ...]:
    """What podman's builds need here.

    Without the right to raise limits they may not ask for their own.
    """
    if not host.systemd:
        return ("--isolation", "chroot")
    return () if host.sys_resource else tuple(_limits(host))


def _docker(host: HostFacts, root: tuple[str, ...]) -> Engine:
    if not host.sys_resource:
        raise Refused(
            "docker can't run nodes on this machine",
            "its --privileged asks for CAP_SYS_RESOURCE, which is not to be had here",
            "use podman: `--set local.engine=podman`",
        )
    why = "docker by sudo" if root else "docker"
    return Engine(
        "docker", (*root, "docker"), container_options(host, podman=False), _told(host), why
    )


def _told(host: HostFacts) -> tuple[str, ...]:
    """A proxy for docker's builds, by its variables' names, as values are nobody's business;
    podman hands them on by itself.
    """
    return tuple(word for name in host.proxies for word in ("--build-arg", name))


def hardware_address(address: str) -> str:
    """The one of a container with this IPv4 address: who talks to it goes on to while a neighbour
    table still has the container that had the address before."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def container_options(host: HostFacts, podman: bool) -> tuple[str, ...]:
    """What a container with systemd in it needs on this machine, beside being privileged."""
    # podman's own systemd mode mounts name=systemd wrongly on hybrid cgroups, so the mounts are
    # given one by one
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
