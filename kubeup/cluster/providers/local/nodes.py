"""What is done to node containers: their network and the containers themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from kubeup.cluster.providers.kubeadm import DATA
from kubeup.cluster.providers.local import disks
from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.pace import Pace, Patience
from kubeup.core.plan import Log, Paced
from kubeup.core.state import State
from kubeup.facts.containers import Volume
from kubeup.settings.model import NodeSpec
from kubeup.system import ssh
from kubeup.system.commands import Argv, Command
from kubeup.system.engine import STOP_SIGNAL, Engine, hardware_address
from kubeup.system.ssh import SshTarget

# a container's monitor stays in the folder it was started from, and leaves a file named oom there
# when something in it runs out of memory (containers/conmon#504)
ASIDE = "/run"
SIZE = "node-size.service"  # of the role base
# of processes: podman's own 2048 is less than 110 pods need (kubernetes-sigs/kind#2830), and docker
# has none; their memory is limited
NO_LIMIT = "-1"
STUCK_SECONDS = 60.0  # without any change among systemd's jobs
STOP_SECONDS = 30  # a node may take to stop, then it is killed
COMING = 3  # sshd is neither up nor failed
# Waits for some seconds, so that a node that comes up is asked once; then lists what is to come.
LOOK_FOR_SSHD = (
    "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do "
    "systemctl is-active --quiet ssh.service && exit 0; "
    "systemctl is-failed --quiet ssh.service && { systemctl status --no-pager ssh.service; exit "
    "1; }; "
    "sleep 0.1; done; "
    f"systemctl list-jobs --no-legend; exit {COMING}"
)
# labels; OWNER's value is the folder of the checkout
PROFILE, OWNER, ROLE, ADDRESS = "kubeup.profile", "kubeup.project", "kubeup.role", "kubeup.address"
NAMED = "kubeup.named"  # the profile as it is written, where nodes' names have other letters
OURS = "kubeup"  # all that a network of an earlier kubeup bears
VAR_VOLUME, DATA_VOLUME = "-var", "-data"


@dataclass(frozen=True)
class CreateNetwork(Command):
    engine: Engine
    name: str
    subnet: str
    labels: tuple[tuple[str, str], ...] = ()

    def already(self) -> str:
        return "there" if self.engine.has("network", self.name) else ""

    def argv(self) -> Argv:
        # the cluster resolves names; a resolver of the engine's own would take port 53 on the
        # bridge (containers/aardvark-dns#13)
        no_dns = ("--disable-dns",) if self.engine.name == "podman" else ()
        labels = _label_options({OURS: "1", **dict(self.labels)})
        words = ("--subnet", self.subnet, *no_dns, *labels, self.name)
        return self.engine.argv("network", "create", *words)


def owned(profile: str, named: str, owner: str) -> dict[str, str]:
    """The labels that say whose something is."""
    labels = {PROFILE: profile, OWNER: owner}
    if named not in ("", profile):
        labels[NAMED] = named
    return labels


@dataclass(frozen=True)
class NodeContainer:
    """A node as a container: everything that decides how it is made."""

    spec: NodeSpec
    profile: str
    network: str
    image: str
    disk: str
    owner: str
    named: str = ""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def labels(self) -> dict[str, str]:
        """Whose it is, on its container and on its volumes."""
        return owned(self.profile, self.named, self.owner)

    @property
    def var(self) -> str:
        return self.name + VAR_VOLUME

    @property
    def data(self) -> str:
        return self.name + DATA_VOLUME

    def argv(self, engine: Engine) -> Argv:
        spec = self.spec
        place = {
            "--name": spec.name,
            "--hostname": spec.name,
            "--network": self.network,
            "--ip": spec.address,
            "--mac-address": hardware_address(spec.address),
        }
        # by `container` systemd knows where it runs: https://systemd.io/CONTAINER_INTERFACE/
        init = {"--pids-limit": NO_LIMIT, "--stop-signal": STOP_SIGNAL, "--env": "container=oci"}
        labels = {**self.labels, ROLE: spec.role, ADDRESS: spec.address}
        return engine.argv(
            "run",
            "--detach",
            *_options(place),
            # systemd, containerd and kubelet mount, and change the kernel's settings
            "--privileged",
            *_options(_size(spec)),
            *_options(init),
            *_label_options(labels),
            *engine.node_options,
            # containerd's overlayfs can't lie on the container's own, which is one, too
            "-v",
            f"{self.var}:/var",
            "-v",
            f"{self.data}:{DATA}",
            self.image,
            "/sbin/init",
        )


def bears(volume: Volume, profile: str, owners: Collection[str]) -> bool:
    """Whether its label names the profile, and its owner one of these.

    An earlier kubeup wrote no owner.
    """
    labels = dict(volume.labels)
    return labels.get(PROFILE) == profile and (OWNER not in labels or labels[OWNER] in owners)


def _size(spec: NodeSpec) -> dict[str, str]:
    return {"--cpus": str(spec.cpus), "--memory": f"{spec.memory_mb}m"}


def _options(values: Mapping[str, str]) -> Iterator[str]:
    return chain.from_iterable(values.items())


def _label_options(labels: Mapping[str, str]) -> list[str]:
    return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]


@dataclass(frozen=True)
class CreateNode(Command, Paced):
    """Make a node: its disk from the prepared one, its container, its user and its host key."""

    engine: Engine
    node: NodeContainer
    reach: SshTarget
    state: State
    users: Argv  # whom the project's key lets in
    owners: frozenset[str] = frozenset()  # whose volumes of an earlier node are taken

    def argv(self) -> Argv:
        return self.node.argv(self.engine)

    def commands(self) -> tuple[str, ...]:
        """But for the copy of the disk: where a volume lies is known once it is made."""
        created = (self.engine.shown(*self._create(name)) for name in self._volumes)
        users = shell.shown(admitting(self.engine, self.node.name, self.users))
        return (self.engine.shown(*self._forget), *created, *super().commands(), users)

    @property
    def _volumes(self) -> Argv:
        return (self.node.var, self.node.data)

    @property
    def _forget(self) -> Argv:
        # a disk without its container is of a node that was not finished: it is made anew
        return ("volume", "rm", "--force", self.node.var)

    def _create(self, volume: str) -> Argv:
        return ("volume", "create", *_label_options(self.node.labels), volume)

    def run(self, log: Log) -> None:
        self._refuse_existing()
        node, write = self.node, self.engine.write
        # another machine had this address before, with another host key
        ssh.forget(self.state, self.reach)
        write(*self._forget, log=log)
        # the data volume may have outlived an earlier node of this name
        for volume in self._volumes:
            if not self.engine.has("volume", volume):
                write(*self._create(volume), log=log)
        disks.copy_disk(self.engine, node.image, node.disk, node.var, log)
        shell.write(*self.argv(), log=log, cwd=ASIDE)
        log("starting")
        wait_for_sshd(self.engine, node.name, self.pace, log)
        admit(self.engine, node.name, self.reach, self.state, self.users)

    def _refuse_existing(self) -> None:
        """Raise for a container of that name or another's volume, or where the engine can't tell.

        `volume rm --force` would take its disk, and whoever uses it.
        """
        inspected = self.engine.read("container", "inspect", self.node.name, ok=None)
        if inspected.ok:
            raise Refused(
                f"a container named {self.node.name} already exists",
                "it appeared after the plan was made",
                "look at it, then run this again",
            )
        if "no such" not in inspected.stderr.lower():
            raise KubeupError(
                f"{self.engine.name} can't tell whether the container {self.node.name} exists",
                inspected.stderr.strip()[-500:] or f"exit status {inspected.code}",
                "correct that, then run the same again",
            )
        node, owners = self.node, {*self.owners, self.node.owner}
        for volume in disks.named(self.engine, (node.var, node.data)):
            if not bears(volume, node.profile, owners):
                raise Refused(
                    f"the volume {volume.name} is not this profile's",
                    f"its labels are {dict(volume.labels) or 'none'}; a node would take it for its "
                    "disk or its data",
                    "give this profile another name (settings.env), or rename that volume",
                )


@dataclass(frozen=True)
class StartNode(Command, Paced):
    engine: Engine
    name: str

    def argv(self) -> Argv:
        return self.engine.argv("start", self.name)

    def run(self, log: Log) -> None:
        shell.write(*self.argv(), log=log, cwd=ASIDE)
        wait_for_sshd(self.engine, self.name, self.pace, log)


@dataclass(frozen=True)
class AdmitNode(Paced):
    """Finish a node whose creation was interrupted after its container had started."""

    engine: Engine
    name: str
    reach: SshTarget
    state: State
    users: Argv

    def commands(self) -> tuple[str, ...]:
        start = StartNode(self.engine, self.name).commands()
        return (*start, shell.shown(admitting(self.engine, self.name, self.users)))

    def run(self, log: Log) -> None:
        if self.engine.read("exec", self.name, "true", ok=None).ok:
            wait_for_sshd(self.engine, self.name, self.pace, log)
        else:
            StartNode(self.engine, self.name, pace=self.pace).run(log)
        admit(self.engine, self.name, self.reach, self.state, self.users)


@dataclass(frozen=True)
class Resize(Command):
    """Give a running or stopped node other limits; nothing on it is lost.

    One that runs sees them at once.
    """

    engine: Engine
    spec: NodeSpec

    def argv(self) -> Argv:
        return self.engine.argv("update", *_options(_size(self.spec)), self.spec.name)

    def run(self, log: Log) -> None:
        super().run(log)
        # a stopped node does not run it, nor does one without Kubernetes
        self.engine.read("exec", self.spec.name, "systemctl", "try-restart", SIZE, ok=None)


@dataclass(frozen=True)
class StopNode(Command, Paced):
    engine: Engine
    name: str

    def argv(self) -> Argv:
        seconds = self.pace.seconds(STOP_SECONDS)
        return self.engine.argv("stop", "--time", f"{seconds:.0f}", self.name)


@dataclass(frozen=True)
class RemoveNode:
    """Remove a node's container, and of these volumes those that are ours by their label."""

    engine: Engine
    node: str
    volumes: tuple[str, ...]
    profile: str
    owners: frozenset[str]

    def commands(self) -> tuple[str, ...]:
        return tuple(self.engine.shown(*words) for words in self._words(self.volumes))

    def run(self, log: Log) -> None:
        named = disks.named(self.engine, self.volumes)
        ours = [one.name for one in named if bears(one, self.profile, self.owners)]
        stop, *rest = self._words(ours)
        self.engine.read(*stop, ok=None)  # it may be stopped already
        for words in rest:
            self.engine.write(*words, log=log)

    def _words(self, volumes: Sequence[str]) -> tuple[Argv, ...]:
        # stopped first, so that a database writes down what it has: `rm --force` kills at once
        removed = [("volume", "rm", "--force", *volumes)] if volumes else []
        return (("stop", "--time", "10", self.node), ("rm", "--force", self.node), *removed)


def wait_for_sshd(engine: Engine, name: str, pace: Pace, log: Log) -> None:
    """Wait until sshd runs, for as long as systemd makes progress with what comes before it.

    Raises KubeupError where sshd failed, where the node ended, and where nothing has changed for a
    minute at `pace`. Jobs that come again (a service that is restarted and restarted) are no
    change.
    """
    limit = pace.seconds(STUCK_SECONDS)
    patience = Patience(limit)
    while True:
        answer = engine.read("exec", name, "sh", "-c", LOOK_FOR_SSHD, ok=None, timeout=10 * limit)
        if answer.ok:
            return
        output = (answer.stderr or answer.stdout).strip()[-1500:]
        if answer.code != COMING:
            raise _not_up(engine, name, output)
        jobs = jobs_of(answer.stdout)
        log(f"systemd has {len(jobs)} jobs left")
        if patience.ended(jobs):
            stuck = f"nothing has changed on it for {limit:.0f} s"
            raise _not_up(engine, name, f"{stuck}\n{output}")


def jobs_of(listed: str) -> list[str]:
    """Unit, kind and state of each job of `systemctl list-jobs --no-legend`, without its number."""
    return sorted(" ".join(row.split()[1:]) for row in listed.splitlines() if row.strip())


def _not_up(engine: Engine, name: str, why: str) -> KubeupError:
    return KubeupError(
        f"the node {name} did not come up",
        why,
        f"see {engine.shown('logs', name)}; `inv cluster.destroy` and `inv up` make it anew, data "
        "is kept",
    )


ADMIT = (
    'set -e; user=$1; key=$(cat); id "$user" >/dev/null 2>&1 || useradd --create-home '
    '--shell /bin/bash "$user"; '
    'echo "$user ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/kubeup; chmod 0440 '
    "/etc/sudoers.d/kubeup; "
    'for who; do home=$(getent passwd "$who" | cut -d: -f6); install -d -m '
    '700 -o "$who" -g "$who" "$home/.ssh"; '
    'printf "%s\\n" "$key" >"$home/.ssh/authorized_keys"; chmod 600 '
    '"$home/.ssh/authorized_keys"; '
    'chown "$who:$who" "$home/.ssh/authorized_keys"; done'
)


def admitting(engine: Engine, name: str, users: Argv) -> Argv:
    return engine.argv("exec", "--interactive", name, "sh", "-c", ADMIT, "admit", *users)


def admit(engine: Engine, name: str, reach: SshTarget, state: State, users: Argv) -> None:
    """Let users in by the project's key on a new node, and record the node's host key.

    The first of them is made, and may use sudo.

    Both through the engine, which is trusted already.
    """
    key = state.public_key.read_text(encoding="utf-8").strip()
    shell.write(*admitting(engine, name, users), stdin=key)
    host_key = engine.read("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
    ssh.remember(state, [ssh.known_hosts_line(reach, host_key)])
