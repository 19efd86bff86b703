"""What is done to node containers: their network and the containers themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kubeup.cluster.providers.kubeadm import DATA
from kubeup.cluster.providers.local.disks import copy_disk
from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.pace import Pace, Patience
from kubeup.core.plan import Log, Paced
from kubeup.core.state import State
from kubeup.system import ssh
from kubeup.system.engine import STOP_SIGNAL, Engine, hardware_address
from kubeup.system.ssh import SshTarget

# a container's monitor stays in the folder it was started from, and leaves a file named oom there
# when something in it runs out of memory
ASIDE = "/run"
SIZE = "node-size.service"  # of the role base
# of processes: podman's own 2048 is less than 110 pods need, and docker has none; their memory is
# limited
NO_LIMIT = "-1"
STUCK_SECONDS = 60.0  # without any change among systemd's jobs
STOP_SECONDS = 30  # a node may take to stop, then it is killed
COMING = 3  # sshd is neither up nor failed
# looks for some seconds, so that a node that comes up is asked once; then tells what is to come
LOOK_FOR_SSHD = (
    "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do "
    "systemctl is-active --quiet ssh.service && exit 0; "
    "systemctl is-failed --quiet ssh.service && { systemctl status --no-pager ssh.service; exit "
    "1; }; "
    "sleep 0.1; done; "
    f"systemctl list-jobs --no-legend; exit {COMING}"
)
PROFILE, OURS, ROLE, ADDRESS = "kubeup.profile", "kubeup.project", "kubeup.role", "kubeup.address"
NAMED = "kubeup.named"  # the profile as it is written, where nodes' names have other letters


@dataclass(frozen=True)
class CreateNetwork:
    engine: Engine
    name: str
    subnet: str

    def already(self) -> str:
        return (
            "there"
            if shell.read(*self.engine.argv("network", "inspect", self.name), ok=None).ok
            else ""
        )

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        shell.write(*self._argv(), log=log)

    def _argv(self) -> tuple[str, ...]:
        # names are the cluster's business; a resolver of the engine's own would take port 53 on the
        # bridge
        more = ("--disable-dns",) if self.engine.name == "podman" else ()
        return self.engine.argv(
            "network", "create", "--subnet", self.subnet, *more, "--label", "kubeup=1", self.name
        )


@dataclass(frozen=True)
class NodeContainer:
    """A node as a container: everything that decides how it is made."""

    name: str
    role: str
    profile: str
    address: str
    cpus: int
    memory: int  # MiB
    network: str
    image: str
    disk: str
    ours: str
    named: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Whose it is, on its container and on its volumes."""
        named = {NAMED: self.named} if self.named not in ("", self.profile) else {}
        return {PROFILE: self.profile, OURS: self.ours, **named}

    @property
    def var(self) -> str:
        return f"{self.name}-var"

    @property
    def data(self) -> str:
        return f"{self.name}-data"

    def argv(self, engine: Engine) -> tuple[str, ...]:
        labels = {**self.labels, ROLE: self.role, ADDRESS: self.address}
        return engine.argv(
            "run",
            "--detach",
            "--name",
            self.name,
            "--hostname",
            self.name,
            "--network",
            self.network,
            "--ip",
            self.address,
            "--mac-address",
            hardware_address(self.address),
            "--privileged",
            "--cpus",
            str(self.cpus),
            "--memory",
            f"{self.memory}m",
            "--pids-limit",
            NO_LIMIT,
            "--stop-signal",
            STOP_SIGNAL,
            "--env",
            "container=oci",
            *labelled(labels),
            *engine.node_options,
            "-v",
            f"{self.var}:/var",
            "-v",
            f"{self.data}:{DATA}",
            self.image,
            "/sbin/init",
        )


def labelled(labels: Mapping[str, str]) -> list[str]:
    return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]


@dataclass(frozen=True)
class CreateNode(Paced):
    """Make a node: its disk from the prepared one, its container, the user with the project's
    key, its host key on record.
    """

    engine: Engine
    node: NodeContainer
    reach: SshTarget
    state: State

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.node.argv(self.engine)),)

    def run(self, log: Log) -> None:
        argv = self.engine.argv
        existing = shell.read(*argv("container", "inspect", self.node.name), ok=None)
        if existing.ok:
            raise Refused(
                f"a container named {self.node.name} is there already",
                "it appeared after the plan was made",
                "look at it, then run this again",
            )
        # its disk would go, and with `--force` whoever uses it
        if "no such" not in existing.stderr.lower():
            raise KubeupError(
                f"{self.engine.name} does not tell whether {self.node.name} is there",
                existing.stderr.strip()[-500:] or f"it ends with {existing.code}",
                "mend that, and run the same again",
            )
        ssh.forget(self.state, self.reach)
        # a disk without its container is half a node, or one whose making was interrupted: it is
        # made anew
        shell.write(*argv("volume", "rm", "--force", self.node.var), log=log)
        for volume in (self.node.var, self.node.data):
            if not shell.read(*argv("volume", "inspect", volume), ok=None).ok:
                shell.write(*argv("volume", "create", *labelled(self.node.labels), volume), log=log)
        copy_disk(self.engine, self.node.image, self.node.disk, self.node.var, log)
        shell.write(*self.node.argv(self.engine), log=log, cwd=ASIDE)
        log("starting")
        wait_for_sshd(self.engine, self.node.name, self.pace, log)
        admit(self.engine, self.node.name, self.reach, self.state)


@dataclass(frozen=True)
class AdmitNode(Paced):
    """Finish a node whose making was interrupted after its container had started."""

    engine: Engine
    name: str
    reach: SshTarget
    state: State

    def run(self, log: Log) -> None:
        if not shell.read(*self.engine.argv("exec", self.name, "true"), ok=None).ok:
            shell.write(*self.engine.argv("start", self.name), log=log, cwd=ASIDE)
        wait_for_sshd(self.engine, self.name, self.pace, log)
        admit(self.engine, self.name, self.reach, self.state)


@dataclass(frozen=True)
class StartNode(Paced):
    engine: Engine
    name: str

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.engine.argv("start", self.name)),)

    def run(self, log: Log) -> None:
        shell.write(*self.engine.argv("start", self.name), log=log, cwd=ASIDE)
        wait_for_sshd(self.engine, self.name, self.pace, log)


@dataclass(frozen=True)
class Resize:
    """Give a running or stopped node other limits; nothing on it is lost.

    One that runs sees them at once.
    """

    engine: Engine
    name: str
    cpus: int
    memory: int

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        shell.write(*self._argv(), log=log)
        # there is none on a node that has stopped, nor where Kubernetes is not
        shell.read(*self.engine.argv("exec", self.name, "systemctl", "try-restart", SIZE), ok=None)

    def _argv(self) -> tuple[str, ...]:
        return self.engine.argv(
            "update", "--cpus", str(self.cpus), "--memory", f"{self.memory}m", self.name
        )


@dataclass(frozen=True)
class StopNode(Paced):
    engine: Engine
    name: str

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        shell.write(*self._argv(), log=log)

    def _argv(self) -> tuple[str, ...]:
        seconds = self.pace.seconds(STOP_SECONDS)
        return self.engine.argv("stop", "--time", f"{seconds:.0f}", self.name)


@dataclass(frozen=True)
class RemoveNode:
    """Remove a node's container and its /var; its data volume only where `data` says so."""

    engine: Engine
    node: str
    volumes: tuple[str, ...]

    def commands(self) -> tuple[str, ...]:
        return tuple(shell.shown(argv) for argv in self._argvs())

    def run(self, log: Log) -> None:
        stop, *rest = self._argvs()
        shell.read(*stop, ok=None)  # one that has stopped already is as good
        for argv in rest:
            shell.write(*argv, log=log)

    def _argvs(self) -> tuple[tuple[str, ...], ...]:
        argv = self.engine.argv
        return (
            argv("stop", "--time", "10", self.node),
            argv("rm", "--force", self.node),
            argv("volume", "rm", "--force", *self.volumes),
        )


@dataclass(frozen=True)
class RemoveVolumes:
    engine: Engine
    names: tuple[str, ...]

    def run(self, log: Log) -> None:
        shell.write(*self.engine.argv("volume", "rm", *self.names), log=log)


@dataclass(frozen=True)
class RemoveNetwork:
    engine: Engine
    name: str

    def run(self, log: Log) -> None:
        shell.write(*self.engine.argv("network", "rm", self.name), log=log)


def wait_for_sshd(engine: Engine, name: str, pace: Pace, log: Log) -> None:
    """Until sshd has come up, for as long as systemd gets on with what comes before it.

    Raises KubeupError where sshd failed, where the node ended, and where nothing has changed for a
    minute at `pace`. Jobs that come again (a service that is restarted and restarted) are no
    change.
    """
    limit = pace.seconds(STUCK_SECONDS)
    patience = Patience(limit)
    while True:
        look = engine.argv("exec", name, "sh", "-c", LOOK_FOR_SSHD)
        answer = shell.read(*look, ok=None, timeout=10 * limit)
        if answer.ok:
            return
        jobs = jobs_of(answer.stdout)
        log(f"systemd has {len(jobs)} jobs left")
        if answer.code != COMING or patience.ended(jobs):
            coming = answer.code == COMING
            stuck = f"nothing has changed on it for {limit:.0f} s\n" if coming else ""
            found = (answer.stderr or answer.stdout).strip()[-1500:]
            raise _not_up(engine, name, f"{stuck}{found}")


def jobs_of(listed: str) -> list[str]:
    """Unit, kind and state of each job of `systemctl list-jobs --no-legend`, without its number."""
    return sorted(" ".join(row.split()[1:]) for row in listed.splitlines() if row.strip())


def _not_up(engine: Engine, name: str, why: str) -> KubeupError:
    return KubeupError(
        f"the node {name} did not come up",
        why,
        f"look at it: {' '.join(engine.argv('logs', name))}; `inv cluster.destroy` and `inv up` "
        "make it anew, data is kept",
    )


def admit(engine: Engine, name: str, reach: SshTarget, state: State) -> None:
    """Make the user with the project's key on a new node and put its host key on record, both
    through the engine.
    """
    script = (
        'set -e; user=$1; key=$(cat); id "$user" >/dev/null 2>&1 || useradd --create-home '
        '--shell /bin/bash "$user"; '
        'echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/kubeup; chmod 0440 '
        "/etc/sudoers.d/kubeup; "
        'for who in "$user" root; do home=$(getent passwd "$who" | cut -d: -f6); install -d -m '
        '700 -o "$who" -g "$who" "$home/.ssh"; '
        'printf "%s\\n" "$key" >"$home/.ssh/authorized_keys"; chmod 600 '
        '"$home/.ssh/authorized_keys"; '
        'chown "$who:$who" "$home/.ssh/authorized_keys"; done'
    )
    key = state.public_key.read_text(encoding="utf-8").strip()
    shell.write(
        *engine.argv("exec", "--interactive", name, "sh", "-c", script, "admit", reach.user),
        stdin=key,
    )
    host_key = shell.read(
        *engine.argv("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    ).stdout
    ssh.remember(state, [ssh.known_hosts_line(reach, host_key)])
