"""The steps that bring the database's service to a machine, and the actions that they take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubeup.application import schedule
from kubeup.application.saved_data import REMOVE, restore_traces
from kubeup.core import ids
from kubeup.core.errors import Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Log, Paced, Planned, Step, after
from kubeup.database import machine_schedule, packet_filter, passwords
from kubeup.database.access import keep_root_local
from kubeup.database.machine import (
    CONTAINER,
    FOLDER,
    PROJECT,
    UID,
    VOLUME,
    DatabaseVm,
    assignments,
)
from kubeup.database.server import ROOT, Server
from kubeup.database.service_state import ServiceState
from kubeup.facts import certificates
from kubeup.facts.compose import Tools
from kubeup.system import ssh

# Docker's own rules set FORWARD to DROP, which would cut off what pods forward
# (https://docs.docker.com/engine/network/packet-filtering-firewalls/); the service runs in the
# host's network and needs neither rules nor a bridge.
DAEMON = '{"iptables": false, "bridge": "none"}\n'
SERVICE_UNIT = """\
[Unit]
Description=docker for the database
Wants=network-online.target
After=network-online.target containerd.service
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart=/bin/sh -c 'exec dockerd --host unix:///run/docker.sock'
Restart=always
RestartSec=2
KillMode=process
Delegate=yes
[Install]
WantedBy=multi-user.target
"""
# on standard input the proxies: their passwords must not show in the list of processes
PROXIES = 'set -ea; eval "$(cat)"; DEBIAN_FRONTEND=noninteractive; set +a; '
UPDATE = f"{PROXIES}exec apt-get -q -o DPkg::Lock::Timeout=300 update"
# the packages that are missing, and a daemon that runs
INSTALL = (
    PROXIES
    + r"""
if ! test -e /etc/docker/daemon.json && ! command -v dockerd >/dev/null; then
  install -d /etc/docker; printf %s "$1" >/etc/docker/daemon.json
fi
service=$2; shift 2
# a machine in a container may not raise limits
if systemd-detect-virt --quiet --container; then
  dropins=/etc/systemd/system/docker.service.d
  install -d $dropins
  printf '%s\n' '[Service]' OOMScoreAdjust=0 LimitNOFILE= LimitNPROC= LimitCORE= \
    >$dropins/kubeup.conf
fi
if test $# -gt 0; then
  apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-remove --no-install-recommends "$@"
fi
unit=docker.service
# minikube masks it at each start where its nodes run on containerd: it leaves a unit of another
# name alone
if test "$(systemctl is-enabled $unit 2>/dev/null)" = masked; then
  unit=kubeup-docker.service
  printf %s "$service" >/etc/systemd/system/$unit
  systemctl daemon-reload
fi
systemctl enable --now $unit
"""
)
# $1: the volume, $2: its user, $3: the service's folder, $4: the project, which is the container's
# name as well, $5: how compose is called, $6: how often to look
UP = r"""
set -e
test -d "$1" || install -d -m 700 -o "$2" -g "$2" "$1"
cd "$3"
$5 -f compose.yaml -p "$4" up --detach --remove-orphans 2>&1
for _ in $(seq "$6"); do
  state=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$4")
  case $state in
    "running healthy") exit 0 ;;
    exited* | dead* | *unhealthy) break ;;
  esac
  sleep 0.5
done
echo "$state"
docker logs --tail 20 "$4" 2>&1
exit 1
"""
UP_SECONDS = 300.0  # that a new database may take to make its files


def plan(
    machine: DatabaseVm, observed: ServiceState | None, needs: tuple[StepId, ...] = ()
) -> list[Planned]:
    """What makes the service run there as it should.

    `observed` is None for a machine that has to be made first. Raises Refused.
    """
    state = observed or ServiceState()
    machine.refuse_foreign(state)
    planned = [_authorities(machine, state)]
    if machine.runs_well(state):
        runs = f"it runs on {machine.place.node} as it should"
        return [*planned, Holds(ids.MACHINE_SERVICE, runs)]
    machine.refuse_without(state)
    new = "a new machine" if observed is None else ""
    planned += [*_docker(machine, state, new), _service(machine, new or machine.changes(state))]
    return after(needs, planned)


def _authorities(machine: DatabaseVm, state: ServiceState) -> Planned:
    """What makes a machine that is no node trust the settings' authorities."""
    if machine.authorities is None:
        return Holds(ids.MACHINE_AUTHORITIES, "a node, which gets them with the others")
    if state.certificates == certificates.names(machine.authorities):
        return Holds(ids.MACHINE_AUTHORITIES, "it has them")
    title = f"make {machine.place.node} trust the settings' authorities"
    return Step(ids.MACHINE_AUTHORITIES, title, "it has others, or none", Trust(machine), seconds=3)


def _docker(machine: DatabaseVm, state: ServiceState, new: str) -> Iterator[Planned]:
    """Docker, and the image that it is to run."""
    node, tools = machine.place.node, state.tools
    if state.daemon and not tools.missing:
        yield Holds(ids.MACHINE_PACKAGES, f"docker runs on {node}")
    else:
        yield Step(
            ids.MACHINE_PACKAGES,
            f"{'install' if tools.missing else 'start'} docker on {node}",
            new or _why_install(tools),
            Install(machine),
            (ids.MACHINE_AUTHORITIES,),
            seconds=60,
        )
    if state.image:
        yield Holds(ids.MACHINE_IMAGE, f"{node} has it")
    else:
        yield Step(
            ids.MACHINE_IMAGE,
            f"bring the database's image to {node}",
            new or "not there",
            BringImage(machine),
            (ids.MACHINE_PACKAGES, ids.DATABASE_IMAGE),
            seconds=10,
        )


def _why_install(tools: Tools) -> str:
    """What is missing, why what is there does not do, and what apt will be asked for."""
    if not tools.missing:
        return "docker does not run"
    unfit = f" ({tools.unfit})" if tools.unfit else ""
    named = f", apt has {' '.join(tools.packages)}" if tools.packages else ""
    return f"{tools.missing} missing{unfit}{named}"


def _service(machine: DatabaseVm, reason: str) -> Planned:
    node = machine.place.node
    if not reason:
        return Holds(ids.MACHINE_SERVICE, f"it is on {node} as it should be")
    return Step(
        ids.MACHINE_SERVICE,
        f"run the database on {node}",
        reason,
        Run(machine),
        (ids.MACHINE_PACKAGES, ids.MACHINE_IMAGE, ids.PASSWORDS, ids.CERTIFICATE),
        seconds=20,
        makes=(machine.service,),
    )


@dataclass(frozen=True)
class Trust:
    """Trust the settings' authorities, and no earlier ones of ours."""

    machine: DatabaseVm

    def run(self, log: Log) -> None:
        script = certificates.script(self.machine.authorities or ())
        self.machine.place.run(
            "trust", "exec sh -s", failure="can't install certificates", stdin=script
        )


@dataclass(frozen=True)
class Install:
    """Install what is missing of docker and compose. A docker that is there stays as it is."""

    machine: DatabaseVm

    def already(self) -> str:
        if self.machine.inspect().daemon and not self.machine.tools().missing:
            return "there"
        return ""

    def run(self, log: Log) -> None:
        machine = self.machine
        state = replace(machine.inspect(), tools=machine.tools())
        if state.tools.missing and state.has_apt:
            self._run("can't fetch apt's index", UPDATE)
            state = replace(state, tools=machine.tools())
        machine.refuse_without(state, index_is_fresh=True)
        self._run("can't install docker", INSTALL, DAEMON, SERVICE_UNIT, *state.tools.packages)
        log(f"{machine.compose_command()} works")

    def _run(self, failure: str, script: str, *arguments: str) -> None:
        proxies = assignments(self.machine.proxies)
        self.machine.place.run(
            "install", script, *arguments, failure=failure, stdin=proxies, timeout=1200
        )


@dataclass(frozen=True)
class BringImage:
    """Pull the database's image, or send the one that was built here."""

    machine: DatabaseVm

    def already(self) -> str:
        if self.machine.inspect().image:
            return "there"
        return ""

    def run(self, log: Log) -> None:
        place, image, failure = self.machine.place, self.machine.image, "can't get the image"
        reach, reference = place.reach(), image.reference
        if image.pulled:
            pull = ("docker", "pull", "--quiet", reference)
            output = ssh.run(reach, *pull, root=True, timeout=1200)
        else:
            output = ssh.feed(reach, image.archive, "docker", "load", "--quiet", root=True)
        place.require(output, failure)
        place.require(ssh.run(reach, "docker", "image", "inspect", reference, root=True), failure)


@dataclass(frozen=True)
class Run(Paced):
    """Write the service's files and bring it up, until it answers SQL."""

    machine: DatabaseVm

    def already(self) -> str:
        state = self.machine.inspect()
        self.machine.refuse_foreign(state)
        if self.machine.changes(state):
            return ""
        return state.words

    def run(self, log: Log) -> None:
        machine, seconds = self.machine, round(self.pace.seconds(UP_SECONDS))
        # before its files are written: afterwards they would not have the password that it takes
        self._check_origin()
        self._change_passwords(log)
        compose, tries = machine.compose_command(), str(seconds * 2)
        for name, text in machine.files().items():
            machine.write(name, text)
            log(f"{FOLDER}/{name}")
        machine.place.run(  # before there is something to reach
            "filter",
            f'exec sh "$1/{packet_filter.NAME}" install',
            FOLDER,
            failure="can't keep others from the database's port (by nft or iptables)",
        )
        machine.place.run(
            "run",
            UP,
            *(machine.volume, UID, FOLDER, PROJECT, compose, tries),
            failure="can't start its database",
            timeout=seconds + 60,
        )
        self._require_password()
        keep_root_local(self._server, log)
        log("it is healthy and answers SQL")

    def _check_origin(self) -> None:
        """Refuse files of another database, or of an unknown one, where no record tells."""
        if self.machine.check_origin:
            state = self.machine.inspect()
            self.machine.check_origin(
                self.machine.place.node, state.written_by if state.holds_data else None
            )

    @property
    def _server(self) -> Server:
        secret = self.machine.secret()
        return self.machine.server(secret["MYSQL_DATABASE"], secret["MYSQL_USER"])

    def _change_passwords(self, log: Log) -> None:
        """Give a server that was not in use when the passwords changed those of today."""
        # its own `.env` still has the ones that it takes
        machine, server, secret = self.machine, self._server, self.machine.secret()
        held = ssh.run(machine.place.reach(), "cat", f"{FOLDER}/.env", root=True).stdout
        variables = dict(line.split("=", 1) for line in shlex.split(held))
        earlier = variables.get("MYSQL_ROOT_PASSWORD", "")
        if earlier in ("", secret["ROOT_PASSWORD"]) or not machine.inspect().healthy:
            return
        if not server.admits(ROOT, earlier):
            return
        for name, user in passwords.users(server).items():
            password = secret[passwords.KEYS[name]]
            if not server.admits(user, password):
                passwords.set_password(server, user, password, "", earlier, log)

    def _require_password(self) -> None:
        machine = self.machine
        if self._server.admits(ROOT, machine.secret()["ROOT_PASSWORD"]):
            return
        raise Refused(
            f"the data on {machine.place.node} were made with other passwords",
            "a database sets its passwords in an empty data folder only, and "
            f"{machine.volume} is not empty",
            "put back the .env that belongs to these data",
        )


@dataclass(frozen=True)
class Stop:
    """Stop the service, also for the machine's next start; its files and its volume stay."""

    machine: DatabaseVm

    def run(self, log: Log) -> None:
        place = self.machine.place
        machine_schedule.end(place)
        stop = ("docker", "stop", "--time", "60", CONTAINER)
        output = ssh.run(place.reach(), *stop, root=True)
        if "No such container" not in output.stderr:
            place.require(output, "can't stop its database")


@dataclass(frozen=True)
class Drop:
    """Remove the service and its data from the machine, asked for by name.

    So go the `backups` that it made by itself, where they are named as well.
    """

    machine: DatabaseVm
    backups: bool = False

    def run(self, log: Log) -> None:
        place = self.machine.place
        machine_schedule.end(place)
        made = (f"{place.folder}/{schedule.FOLDER}",) if self.backups else ()
        containers = (
            f'test ! -e "$2/{packet_filter.NAME}" || sh "$2/{packet_filter.NAME}" remove\n'
            f"docker rm --force --volumes {CONTAINER} 2>/dev/null\n"
            f"docker volume rm {PROJECT}_data 2>/dev/null\n"
        )
        place.run(
            "drop",
            containers + REMOVE,
            *(self.machine.volume, FOLDER, *restore_traces(place.folder, VOLUME), *made),
            failure="can't remove its database",
        )
