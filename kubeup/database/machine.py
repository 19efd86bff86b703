"""The database on a machine: docker compose, one service, one volume, reached by nodes alone."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from kubeup.application.data import Admit
from kubeup.application.place import Place
from kubeup.core import ids
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Log, Paced, Planned, Step
from kubeup.core.shell import Output
from kubeup.core.things import Thing
from kubeup.database import passwords
from kubeup.database.server import ROOT, Container, Server
from kubeup.facts import apt, certificates, compose
from kubeup.facts.compose import Compose, Tools
from kubeup.facts.datafolder import TELLS
from kubeup.images.catalog import AppImage
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget

PROJECT = CONTAINER = "kubeup-db"
FOLDER = "/var/lib/kubeup/db"
VOLUME = "mysql-vm"  # below the folder of what must outlive the machine
PORT = 3306
UID = "999"  # the image's user
PLACES = {"compose.yaml": 0o644, ".env": 0o600}
# docker's own rules would drop what pods forward; the service needs neither them nor a bridge
DAEMON = '{"iptables": false, "bridge": "none"}\n'
ENTRY = 'set -a; . /run/kubeup.env; set +a; exec docker-entrypoint.sh mysqld "$@"'
HEALTH = (
    'ping=$(command -v mysqladmin || command -v mariadb-admin) && exec "$ping" '
    "--no-defaults --socket=/run/mysqld/mysqld.sock ping"
)

# one look at everything, a fact a line
LOOK = (
    TELLS
    + r"""
command -v apt-get >/dev/null && echo tool apt-get
ss -Hlx 2>/dev/null | grep -q '/docker\.sock ' && echo tool daemon
for file in compose.yaml .env; do
  sum=$(sha256sum "$1/$file" 2>/dev/null | cut -d' ' -f1)
  echo "file $file $sum $(stat -c %a "$1/$file" 2>/dev/null)"
done
echo "data $(ls -A "$2" 2>/dev/null | wc -l)"
echo "told $(tells "$2")"
ls /usr/local/share/ca-certificates 2>/dev/null | sed -n 's/^kubeup-/certificate &/p'
ss -Hltnp "sport = :3306" 2>/dev/null | sed 's/^/port /'
command -v docker >/dev/null || exit 0
# side by side: most of the time is docker's own start
docker image inspect --format 'image {{.Id}}' "$3" 2>/dev/null &
docker ps --all --filter "label=com.docker.compose.project=$4" --format \
  'project {{.Names}} {{.Label "com.docker.compose.project.working_dir"}}' 2>/dev/null &
health='{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}'
container="container {{.State.Status}} $health {{.Config.Image}} {{.State.Pid}}"
docker inspect --format "$container" "$4" 2>/dev/null &
wait
exit 0
"""
)

# which docker and compose start, and what apt would install: asked where something is to be done
TOOLS = r"""
if command -v docker >/dev/null; then
  version=$(docker version --format '{{.Server.Version}}' 2>/dev/null) ||
    version=$(docker --version)
  echo "docker $version"
fi
for command in 'docker compose' docker-compose; do
  version=$($command version --short 2>/dev/null) && echo "compose $version $command"
done
command -v apt-cache >/dev/null || exit 0
LC_ALL=C exec apt-cache policy "$@"
"""

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

# on standard input the proxies: their passwords are for nobody's process list
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
# minikube masks it at each start where its nodes run on containerd: a unit of another name is not
# its business
if test "$(systemctl is-enabled $unit 2>/dev/null)" = masked; then
  unit=kubeup-docker.service
  printf %s "$service" >/etc/systemd/system/$unit
  systemctl daemon-reload
fi
systemctl enable --now $unit
"""
)


UP_SECONDS = 300.0  # that a new database may take to make its files


@dataclass(frozen=True)
class ServiceState:
    """What is on the machine."""

    tools: Tools = field(default_factory=Tools)
    has_apt: bool = True
    daemon: bool = False
    files: Mapping[str, str] = field(default_factory=dict)  # name -> sha256 and mode
    holds_data: bool = False
    told: str = ""  # by the data, of the database that wrote them
    image: bool = False
    listening: tuple[str, ...] = ()  # who has the port, as ss tells it
    # containers of a compose project of our name, and its folder
    project: tuple[tuple[str, str], ...] = ()
    state: str = ""
    health: str = ""
    runs: str = ""  # the container's image
    pid: str = ""
    certificates: tuple[str, ...] = ()  # names of our files of them

    @property
    def healthy(self) -> bool:
        return (self.state, self.health) == ("running", "healthy")

    @property
    def words(self) -> str:
        return f"{self.state}, {self.health}" if self.state else "not there"


def parse(text: str) -> ServiceState:
    """From what LOOK prints."""
    rows: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        kind, *rest = line.split() or [""]
        rows.setdefault(kind, []).append(rest)
    there = {row[0] for row in rows.get("tool", [])}
    state, health, runs, pid = (rows.get("container") or [["", "", "", ""]])[0]
    return ServiceState(
        Tools(),
        "apt-get" in there,
        "daemon" in there,
        {row[0]: " ".join(row[1:]) for row in rows.get("file", []) if len(row) == 3},
        (rows.get("data") or [["0"]])[0] != ["0"],
        " ".join((rows.get("told") or [[]])[0]),
        "image" in rows,
        tuple(" ".join(row) for row in rows.get("port", [])),
        tuple((row[0], row[1] if len(row) > 1 else "") for row in rows.get("project", [])),
        state,
        health,
        runs,
        pid,
        tuple(sorted(row[0] for row in rows.get("certificate", []))),
    )


def parse_tools(text: str) -> Tools:
    """From what TOOLS prints."""
    lines = [line.split(" ", 1) for line in text.splitlines() if " " in line]
    docker = next((rest.strip() for kind, rest in lines if kind == "docker"), "")
    told = [rest.split(" ", 1) for kind, rest in lines if kind == "compose"]
    composes = tuple(Compose(command, version) for version, command in told)
    return Tools(docker, composes, apt.policy(text).candidates)


@dataclass(frozen=True)
class DatabaseVm:
    """The machine with the role `db`, and what is to run on it."""

    place: Place
    image: AppImage
    secret: Callable[[], Mapping[str, str]]
    env: Path
    own: str = ""  # its address, where it is one of the user's own
    # the environment of what fetches something there
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    # certificates that it has to trust, in PEM; None for a node, which learns of them as nodes do
    authorities: tuple[str, ...] | None = None
    admit: Admit | None = None  # as for `deploy.data.CheckData`

    @property
    def address(self) -> str:
        """Its address among the nodes: where it listens, and nowhere else."""
        return self.place.reach().address

    @property
    def volume(self) -> str:
        return f"{self.place.folder}/{VOLUME}"

    @property
    def service(self) -> Thing:
        """What runs there, as it is on record."""
        return Thing(
            "service", CONTAINER, f"{self.place.node}@{self.own}" if self.own else self.place.node
        )

    def server(self, database: str, user: str) -> Server:
        return Server(
            Container(self.place.reach, self.place.node, CONTAINER), database, user, self.env
        )

    def compose(self) -> str:
        service = {
            "image": self.image.reference,
            "container_name": CONTAINER,
            "network_mode": "host",
            "restart": "unless-stopped",
            "user": f"{UID}:{UID}",
            # passwords come from a file, as what is in a container's environment is written down by
            # docker
            "entrypoint": ["sh", "-c", ENTRY.replace("$", "$$"), "mysqld"],
            "command": [f"--bind-address={self.address}", "--loose-mysqlx=OFF"],
            "stop_grace_period": "60s",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "tmpfs": [f"/run/mysqld:uid={UID},gid={UID}", "/tmp"],  # noqa: S108 - inside the container
            "volumes": ["data:/var/lib/mysql", "./.env:/run/kubeup.env:ro"],
            "healthcheck": {
                "test": ["CMD-SHELL", HEALTH.replace("$", "$$")],
                "interval": "3s",
                "timeout": "5s",
                "retries": 20,
                "start_period": "300s",
            },
            "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        }
        volume = {
            "driver": "local",
            "driver_opts": {"type": "none", "o": "bind", "device": self.volume},
        }
        return yaml.safe_dump(
            {"version": "3.7", "services": {"mysql": service}, "volumes": {"data": volume}},
            sort_keys=False,
        )

    def own_env(self) -> str:
        """The machine's own `.env`, as a shell reads it."""
        secret = self.secret()
        values = {
            "MYSQL_ROOT_PASSWORD": secret["ROOT_PASSWORD"],
            **{key: secret[key] for key in ("MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD")},
        }
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())

    def files(self) -> dict[str, str]:
        return {"compose.yaml": self.compose(), ".env": self.own_env()}

    def told(self) -> str:
        """How the service is, in a line. Raises KubeupError where it is not well."""
        found = self.seen()
        text = (
            f"{CONTAINER} on {self.place.node} ({self.address}:{PORT}) is {found.words}, "
            f"its volume is {self.volume}"
        )
        if not found.healthy:
            raise KubeupError(
                f"the database on {self.place.node} is {found.words}",
                text,
                "`inv db.vm` brings it up again",
            )
        return text

    def seen(self) -> ServiceState:
        """What is there, but for docker's and compose's versions."""
        output = ssh.run(
            self.place.reach(),
            "sh",
            "-c",
            LOOK,
            "look",
            FOLDER,
            self.volume,
            self.image.reference,
            PROJECT,
            root=True,
        )
        if not output.ok:
            raise failed(self, "can't be looked at", output)
        return parse(output.stdout)

    def look(self) -> ServiceState:
        """The same, and what it has of docker and compose where something is to be done."""
        found = self.seen()
        return found if self._is_well(found) else replace(found, tools=self.tools())

    def _is_well(self, found: ServiceState) -> bool:
        try:
            return well(self, found)
        except Refused:  # whoever plans is told
            return False

    def tools(self) -> Tools:
        command = ("sh", "-c", TOOLS, "tools", *compose.PACKAGES)
        output = ssh.run(self.place.reach(), *command, root=True)
        if not output.ok:
            raise failed(self, "does not tell what its apt has", output)
        return parse_tools(output.stdout)

    def compose_command(self) -> str:
        """The compose to use. Raises KubeupError where none starts and works with its docker."""
        tools, node = self.tools(), self.place.node
        if tools.compose is None:
            why = tools.unfit or "`docker compose version` and `docker-compose version` fail there"
            raise KubeupError(
                f"no docker compose works on {node}", why, f"look there: `inv cluster.ssh {node}`"
            )
        return tools.compose.command


def wanted(files: Mapping[str, str]) -> dict[str, str]:
    """Files as LOOK tells of them."""
    return {
        name: f"{hashlib.sha256(text.encode()).hexdigest()} {PLACES[name]:o}"
        for name, text in files.items()
    }


def plan(
    machine: DatabaseVm, found: ServiceState | None, needs: tuple[StepId, ...] = ()
) -> list[Planned]:
    """What makes the service run there as it should; `found` is None for a machine that has to
    be made first. Raises Refused.
    """
    seen, fresh = found or ServiceState(), found is None
    refuse_foreign(machine, seen)
    node, steps = machine.place.node, list[Planned]()
    why = "a new machine" if fresh else _why(machine, seen)
    steps.append(_authorities(machine, seen, needs))
    if well(machine, seen):
        return [*steps, Holds(ids.MACHINE_SERVICE, f"it runs on {node} as it should")]
    refuse_without(machine, seen)
    if seen.tools.missing or not seen.daemon:
        title = f"{'install' if seen.tools.missing else 'start'} docker on {node}"
        reason = "a new machine" if fresh else _why_install(seen.tools)
        steps.append(
            Step(
                ids.MACHINE_PACKAGES,
                title,
                reason,
                Install(machine),
                (*needs, ids.MACHINE_AUTHORITIES),
                60,
            )
        )
    else:
        steps.append(Holds(ids.MACHINE_PACKAGES, f"docker runs on {node}"))
    if not seen.image:
        steps.append(
            Step(
                ids.MACHINE_IMAGE,
                f"bring the database's image to {node}",
                "a new machine" if fresh else "not there",
                BringImage(machine),
                (*needs, ids.MACHINE_PACKAGES, ids.image("db")),
                10,
            )
        )
    else:
        steps.append(Holds(ids.MACHINE_IMAGE, f"{node} has it"))
    if why:
        before = (*needs, ids.MACHINE_PACKAGES, ids.MACHINE_IMAGE, ids.PASSWORDS)
        steps.append(
            Step(
                ids.MACHINE_SERVICE,
                f"run the database on {node}",
                why,
                Run(machine),
                before,
                20,
                makes=(machine.service,),
            )
        )
    else:
        steps.append(Holds(ids.MACHINE_SERVICE, f"it is on {node} as it should be"))
    return steps


def _authorities(machine: DatabaseVm, seen: ServiceState, needs: tuple[StepId, ...]) -> Planned:
    """What tells a machine that is no node of the settings' authorities."""
    if machine.authorities is None:
        return Holds(ids.MACHINE_AUTHORITIES, "a node, which is told with the others")
    if seen.certificates == certificates.names(machine.authorities):
        return Holds(ids.MACHINE_AUTHORITIES, "it has them")
    title = f"make {machine.place.node} trust the settings' authorities"
    return Step(ids.MACHINE_AUTHORITIES, title, "it has others, or none", Trust(machine), needs, 3)


def well(machine: DatabaseVm, seen: ServiceState) -> bool:
    """Whether nothing is to be done: what runs is left alone, whatever compose is there."""
    return seen.daemon and seen.image and not _why(machine, seen)


def _why_install(tools: Tools) -> str:
    """What is missing, why what is there does not do, and what apt will be asked for."""
    if not tools.missing:
        return "docker does not run"
    unfit = f" ({tools.unfit})" if tools.unfit else ""
    named = f", apt has {' '.join(tools.packages)}" if tools.packages else ""
    return f"{tools.missing} missing{unfit}{named}"


def refuse_without(machine: DatabaseVm, seen: ServiceState, certain: bool = False) -> None:
    """Raises Refused where what is missing can't be had.

    That apt offers nothing is `certain` once it has fetched its index: a new machine may have none.
    """
    tools, what = seen.tools, f"{machine.place.node} can't get {seen.tools.missing}"
    unfit = f"; {tools.unfit}" if tools.unfit else ""
    if tools.missing and not seen.has_apt:
        raise Refused(
            what,
            f"it has no apt-get, and this is how they are installed{unfit}",
            "install them there yourself, or choose another machine: database.vm",
        )
    if tools.missing and not tools.packages and (tools.offers or certain):
        offered = ", ".join(f"{name} {version}" for name, version in tools.offers.items())
        raise Refused(
            what,
            f"its apt has {offered or 'none of their packages'}{unfit}",
            "install them there yourself, compose as docker-compose-v2 (Ubuntu's) or "
            "docker-compose-plugin (Docker's); or choose another machine: database.vm",
        )


def _why(machine: DatabaseVm, seen: ServiceState) -> str:
    # without files there is nothing to compare with, and on a new profile there are no passwords to
    # compare, either
    differ = (
        [name for name, digest in wanted(machine.files()).items() if seen.files.get(name) != digest]
        if seen.files
        else list(PLACES)
    )
    if differ:
        return f"{', '.join(differ)} new or changed"
    if seen.runs != machine.image.reference and seen.state:
        return f"it runs {seen.runs}"
    return "" if seen.healthy else f"the service is {seen.words}"


def refuse_foreign(machine: DatabaseVm, seen: ServiceState) -> None:
    """What is on the machine and not ours stays as it is."""
    strangers = [
        f"{name} (of {folder or 'no folder'})" for name, folder in seen.project if folder != FOLDER
    ]
    if strangers or (seen.state and not seen.project):
        raise Refused(
            f"{machine.place.node} has a compose project or container named {PROJECT} already",
            ", ".join(strangers) or CONTAINER,
            "rename that one, or choose another machine: database.vm",
        )
    # a container in the host's network shows its own process; without a process of ours the port is
    # somebody else's
    others = [line for line in seen.listening if not seen.state or f"pid={seen.pid}," not in line]
    if others:
        raise Refused(
            f"port {PORT} of {machine.place.node} is taken",
            "\n".join(others),
            "stop that, or choose another machine: database.vm",
        )


@dataclass(frozen=True)
class Trust:
    """The authorities of the settings, and no earlier ones; others that the machine trusts stay."""

    machine: DatabaseVm

    def run(self, log: Log) -> None:
        script = certificates.script(self.machine.authorities or ())
        output = ssh.run(self.machine.place.reach(), "sh", "-s", stdin=script, root=True)
        if not output.ok:
            raise failed(self.machine, "did not take certificates", output)


@dataclass(frozen=True)
class Install:
    """What is missing of docker and compose, from apt. A docker that is there stays as it is."""

    machine: DatabaseVm

    def already(self) -> str:
        return "there" if self.machine.seen().daemon and not self.machine.tools().missing else ""

    def run(self, log: Log) -> None:
        found = replace(self.machine.seen(), tools=self.machine.tools())
        if found.tools.missing and found.has_apt:
            self._do("could not fetch apt's index", UPDATE)
            found = replace(found, tools=self.machine.tools())
        refuse_without(self.machine, found, certain=True)
        self._do("could not get docker", INSTALL, DAEMON, SERVICE_UNIT, *found.tools.packages)
        log(f"{self.machine.compose_command()} works")

    def _do(self, failure: str, script: str, *arguments: str) -> None:
        proxies = "".join(
            f"{name}={shlex.quote(value)}\n" for name, value in self.machine.proxies.items()
        )
        output = ssh.run(
            self.machine.place.reach(),
            "sh",
            "-c",
            script,
            "install",
            *arguments,
            stdin=proxies,
            root=True,
            timeout=1200,
        )
        if not output.ok:
            raise failed(self.machine, failure, output)


@dataclass(frozen=True)
class BringImage:
    machine: DatabaseVm

    def already(self) -> str:
        return "there" if self.machine.seen().image else ""

    def run(self, log: Log) -> None:
        reach, image = self.machine.place.reach(), self.machine.image
        if image.pulled:
            output = ssh.run(
                reach, "docker", "pull", "--quiet", image.reference, root=True, timeout=1200
            )
        else:
            output = ssh.feed(reach, image.archive, "docker", "load", "--quiet", root=True)
        if (
            not output.ok
            or not ssh.run(reach, "docker", "image", "inspect", image.reference, root=True).ok
        ):
            raise failed(self.machine, "did not take the database's image", output)


@dataclass(frozen=True)
class Run(Paced):
    """Write the service's files and bring it up, until it answers SQL."""

    machine: DatabaseVm

    def already(self) -> str:
        seen = self.machine.seen()
        refuse_foreign(self.machine, seen)
        return "" if _why(self.machine, seen) else seen.words

    def run(self, log: Log) -> None:
        reach, seconds = self.machine.place.reach(), round(self.pace.seconds(UP_SECONDS))
        self._admit()
        self._take_passwords(log)
        for name, text in self.machine.files().items():
            write(self.machine, reach, name, text)
            log(f"{FOLDER}/{name}")
        script = (
            'set -e; test -d "$1" || install -d -m 700 -o "$2" -g "$2" "$1"; cd "$3"; '
            f"{self.machine.compose_command()} -f compose.yaml -p {PROJECT} "
            "up --detach --remove-orphans 2>&1; "
            f"for _ in $(seq {seconds * 2}); do "
            f"state=$(docker inspect --format '{{{{.State.Status}}}} "
            f"{{{{.State.Health.Status}}}}' {CONTAINER}); "
            'test "$state" = "running healthy" && exit 0; case "$state" in '
            "exited*|dead*|*unhealthy) break;; esac; sleep 0.5; done; "
            f'echo "$state"; docker logs --tail 20 {CONTAINER} 2>&1; exit 1'
        )
        output = ssh.run(
            reach,
            "sh",
            "-c",
            script,
            "run",
            self.machine.volume,
            UID,
            FOLDER,
            root=True,
            timeout=seconds + 60,
        )
        if not output.ok:
            raise failed(self.machine, "does not get its database up", output)
        self._ask()
        log("it is healthy and answers SQL")

    def _admit(self) -> None:
        """Refuse files of another database, or of nobody knows which, where no record says."""
        if self.machine.admit:
            seen = self.machine.seen()
            self.machine.admit(self.machine.place.node, seen.told if seen.holds_data else None)

    def _take_passwords(self, log: Log) -> None:
        """A server that stands ready beside the one in use was told nothing when that one's
        passwords changed: its own `.env` opens it still.
        """
        secret, reach = self.machine.secret(), self.machine.place.reach()
        held = ssh.run(reach, "cat", f"{FOLDER}/.env", root=True).stdout
        earlier = dict(line.split("=", 1) for line in shlex.split(held)).get(
            "MYSQL_ROOT_PASSWORD", ""
        )
        server = self.machine.server(secret["MYSQL_DATABASE"], secret["MYSQL_USER"])
        if earlier in ("", secret["ROOT_PASSWORD"]) or not self.machine.seen().healthy:
            return
        if not server.admits(ROOT, earlier):
            return
        for user, password in (
            (server.user, secret["MYSQL_PASSWORD"]),
            (ROOT, secret["ROOT_PASSWORD"]),
        ):
            if not server.admits(user, password):
                server.sql(
                    passwords.altering(user, passwords.hosts(server, user, earlier), password, ""),
                    password=earlier,
                )
                log(f"{user} has a new password")

    def _ask(self) -> None:
        secret = self.machine.secret()
        if not self.machine.server(secret["MYSQL_DATABASE"], secret["MYSQL_USER"]).admits(
            ROOT, secret["ROOT_PASSWORD"]
        ):
            raise Refused(
                f"the data on {self.machine.place.node} were made with other passwords",
                f"a database reads them on an empty data folder only ({self.machine.volume} is "
                "not empty)",
                "put back the .env that belongs to them",
            )


@dataclass(frozen=True)
class Stop:
    """Stop the service; its files and its volume stay.

    It stays stopped, also when the machine starts anew.
    """

    machine: DatabaseVm

    def run(self, log: Log) -> None:
        output = ssh.run(
            self.machine.place.reach(), "docker", "stop", "--time", "60", CONTAINER, root=True
        )
        if not output.ok and "No such container" not in output.stderr:
            raise failed(self.machine, "does not stop its database", output)


@dataclass(frozen=True)
class Drop:
    """Remove the service and its data from the machine, asked for by name."""

    machine: DatabaseVm

    def run(self, log: Log) -> None:
        script = (
            f"docker rm --force --volumes {CONTAINER} 2>/dev/null; docker volume rm "
            f"{PROJECT}_data 2>/dev/null; "
            'rm -rf --one-file-system -- "$@"'
        )
        # by a restore that was cut off
        left = (
            f"{self.machine.place.folder}/.{VOLUME}.{what}" for what in ("restoring", "restored")
        )
        output = ssh.run(
            self.machine.place.reach(),
            "sh",
            "-c",
            script,
            "drop",
            self.machine.volume,
            FOLDER,
            *left,
            root=True,
        )
        if not output.ok:
            raise failed(self.machine, "does not let go of its data", output)


def write(machine: DatabaseVm, reach: SshTarget, name: str, text: str) -> None:
    """A file of the service, whole or not at all; its content travels on standard input.

    `.env` is the image's user's alone.
    """
    script = (
        'set -e; umask 077; install -d -m 755 "$1"; new="$1/.$2.new"; cat >"$new"; chmod "$3" '
        '"$new"; chown "$4" "$new"; '
        'mv "$new" "$1/$2"'
    )
    output = ssh.run(
        reach,
        "sh",
        "-c",
        script,
        "write",
        FOLDER,
        name,
        f"{PLACES[name]:o}",
        UID if name == ".env" else "0",
        stdin=text,
        root=True,
    )
    if not output.ok:
        raise failed(machine, f"did not take {name}", output)


def failed(machine: DatabaseVm, what: str, output: Output) -> KubeupError:
    return KubeupError(
        f"{machine.place.node} {what}",
        (output.stderr.strip() or output.stdout.strip())[-1500:],
        f"look there: `inv cluster.ssh {machine.place.node}`, then run the same again",
    )
