"""The database on a machine: docker compose, one service, one volume, reached by nodes alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from kubeup.application import schedule
from kubeup.application.data import CheckOrigin
from kubeup.application.place import Place
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.record import VM, Location
from kubeup.core.things import Thing
from kubeup.database import packet_filter, service_state
from kubeup.database.server import Server
from kubeup.database.service_state import ServiceState
from kubeup.database.transport import Container
from kubeup.facts import compose
from kubeup.facts.compose import Tools
from kubeup.images.catalog import AppImage
from kubeup.system import secrets, tls

PROJECT = CONTAINER = "kubeup-db"
FOLDER = "/var/lib/kubeup/db"
VOLUME = "mysql-vm"  # below the folder of what must outlive the machine
PORT = 3306
UID = "999"  # the image's user
# the service's files, and those that have passwords or keys
FILES = ("compose.yaml", ".env", tls.CERTIFICATE, tls.KEY, packet_filter.NAME)
PRIVATE = (".env", tls.KEY, schedule.OPTIONS)
ENTRY = 'set -a; . /run/kubeup.env; set +a; exec docker-entrypoint.sh mysqld "$@"'
HEALTH = (
    'ping=$(command -v mysqladmin || command -v mariadb-admin) && exec "$ping" '
    "--no-defaults --socket=/run/mysqld/mysqld.sock ping"
)
# Version 1 of compose reads `version`, which version 2 ignores.
# The service is in the host's network, bound to the node's address: a published port would need
# docker's own rules, which cut off what pods forward.
# A server reads its certificate when it starts: by the label compose makes the container anew.
# Passwords come from a file: docker writes what is in a container's environment to its disk.
COMPOSE = """\
version: "3.7"
services:
  mysql:
    image: {image}
    container_name: {name}
    network_mode: host
    restart: unless-stopped
    user: "{uid}:{uid}"
    entrypoint: [sh, -c, {entry}, mysqld]
    command:
      - --bind-address={address}
      - --loose-mysqlx=OFF
      - --ssl-cert=/run/kubeup-tls/tls.crt
      - --ssl-key=/run/kubeup-tls/tls.key
      - --require-secure-transport={required}
    stop_grace_period: 60s
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: ["/run/mysqld:uid={uid},gid={uid}", /tmp]
    volumes:
      - data:/var/lib/mysql
      - ./.env:/run/kubeup.env:ro
      - ./tls.crt:/run/kubeup-tls/tls.crt:ro
      - ./tls.key:/run/kubeup-tls/tls.key:ro
    labels: {{kubeup.certificate: {certificate}}}
    healthcheck:
      test: [CMD-SHELL, {health}]
      interval: 3s
      timeout: 5s
      retries: 20
      start_period: 300s
    logging:
      driver: json-file
      options: {{max-size: 10m, max-file: "3"}}
volumes:
  data:
    driver: local
    driver_opts: {{type: none, o: bind, device: {volume}}}
"""
# whole or not at all; the content comes on standard input
WRITE = r"""
set -e
umask 077
install -d -m 755 "$1"
new=$1/.$2.new
cat >"$new"
chmod "$3" "$new"
chown "$4" "$new"
mv "$new" "$1/$2"
"""


@dataclass(frozen=True)
class DatabaseVm:
    """The machine with the role `db`, and what is to run on it."""

    place: Place
    image: AppImage
    secret: Callable[[], Mapping[str, str]]
    env: Path
    tls_folder: Path  # of the database's certificate
    clients: Callable[[], tuple[str, ...]]  # addresses and networks that its port is for
    own_address: str = ""  # where it is a machine of the user's
    # the environment of what fetches something there
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    # certificates that it has to trust, in PEM; None for a node, which gets them as nodes do
    authorities: tuple[str, ...] | None = None
    check_origin: CheckOrigin | None = None  # as for `kubeup.application.data.CheckData`
    # whether the server refuses plain text, as for `kubeup.application.overlay.Overlay`
    guarded: Callable[[], bool] = lambda: True
    backups: schedule.Backups | None = None  # that run by themselves, where any are wanted

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
        return Thing("service", CONTAINER, str(Location(VM, self.place.node, self.own_address)))

    def server(self, database: str, user: str) -> Server:
        container = Container(self.place.reach, self.place.node, CONTAINER)
        return Server(container, database, user, self.env)

    def compose(self) -> str:
        text = COMPOSE.format(
            image=_quoted(self.image.reference),
            name=CONTAINER,
            uid=UID,
            entry=_quoted(ENTRY),
            address=self.address,
            health=_quoted(HEALTH),
            volume=_quoted(self.volume),
            certificate=secrets.fingerprint({"certificate": self._pair()[tls.CERTIFICATE]}),
            required="ON" if self.guarded() else "OFF",
        )
        return yaml.safe_dump(yaml.safe_load(text), sort_keys=False)

    def env_text(self) -> str:
        """The machine's `.env`, as a shell reads it."""
        secret = self.secret()
        values = {"MYSQL_ROOT_PASSWORD": secret["ROOT_PASSWORD"], "MYSQL_ROOT_HOST": "localhost"}
        for name in ("MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD"):
            values[name] = secret[name]
        return assignments(values)

    def files(self) -> dict[str, str]:
        rules = packet_filter.script(PORT, self.clients())
        service = {"compose.yaml": self.compose(), ".env": self.env_text(), **self._pair()}
        return {**service, packet_filter.NAME: rules}

    def write(self, name: str, text: str) -> None:
        """Write a file of the service. What is private is the image's user's alone."""
        mode = mode_of(name)
        user = UID if mode == "600" else "0"
        words = (FOLDER, name, mode, user)
        self.place.run("write", WRITE, *words, failure=f"can't write {name}", stdin=text)

    def _pair(self) -> dict[str, str]:
        """The database's certificate and its key."""
        texts = tls.texts(self.tls_folder)
        return {name: texts[name] for name in (tls.CERTIFICATE, tls.KEY)}

    def status(self) -> str:
        """How the service is, in a line. Raises KubeupError where it is not healthy."""
        state, node = self.inspect(), self.place.node
        text = (
            f"{CONTAINER} on {node} ({self.address}:{PORT}) is {state.words}, "
            f"its volume is {self.volume}"
        )
        if not state.healthy:
            what = f"the database on {node} is {state.words}"
            raise KubeupError(what, text, "`inv db.vm` starts it again")
        return text

    def inspect(self) -> ServiceState:
        """What is there, but for docker's and compose's versions."""
        arguments = (FOLDER, self.volume, self.image.reference, PROJECT)
        failure = "can't inspect its database service"
        return service_state.parse(
            self.place.run("look", service_state.LOOK, *arguments, failure=failure)
        )

    def look(self) -> ServiceState:
        """The same, and its docker and compose where something is to be done."""
        state = self.inspect()
        with contextlib.suppress(Refused):  # who plans with it gets the same
            if self.runs_well(state):
                return state
        return replace(state, tools=self.tools())

    def tools(self) -> Tools:
        failure = "can't list the docker and compose that it has"
        return service_state.parse_tools(
            self.place.run("tools", service_state.TOOLS, *compose.PACKAGES, failure=failure)
        )

    def compose_command(self) -> str:
        """The compose to use. Raises KubeupError where none starts and works with its docker."""
        tools, node = self.tools(), self.place.node
        if tools.compose is None:
            why = tools.unfit or "`docker compose version` and `docker-compose version` fail there"
            raise KubeupError(
                f"no docker compose works on {node}", why, f"see why: `inv cluster.ssh {node}`"
            )
        return tools.compose.command

    def runs_well(self, state: ServiceState) -> bool:
        """Whether nothing is to be done: what runs is left alone, whatever compose is there."""
        return state.daemon and state.image and not self.changes(state)

    def changes(self, state: ServiceState) -> str:
        """Why the service has to be brought up (anew); '' where it runs as it should."""
        if files := self._changed_files(state):
            return f"{', '.join(files)} new or changed"
        if state.state and state.running_image != self.image.reference:
            return f"it runs {state.running_image}"
        if not state.healthy:
            return f"the service is {state.words}"
        return "" if state.filtered else "its packet filter lets others to its port"

    def _changed_files(self, state: ServiceState) -> list[str]:
        # on a new profile there are no passwords yet to compare with
        if not state.files:
            return list(FILES)
        wanted = checksums(self.files())
        return [name for name, digest in wanted.items() if state.files.get(name) != digest]

    def refuse_foreign(self, state: ServiceState) -> None:
        """What is on the machine and not ours stays as it is."""
        node, elsewhere = self.place.node, "choose another machine: database.vm"
        foreign = [
            f"{name} (of {folder or 'no folder'})"
            for name, folder in state.containers.items()
            if folder != FOLDER
        ]
        if foreign or (state.state and not state.containers):
            raise Refused(
                f"{node} has a compose project or container named {PROJECT} already",
                ", ".join(foreign) or CONTAINER,
                f"rename that one, or {elsewhere}",
            )
        # a container in the host's network shows its own process; while no container of ours
        # runs, the port is another program's
        ours = f"pid={state.pid},"
        if others := [line for line in state.listening if not state.state or ours not in line]:
            what = f"port {PORT} of {node} is taken"
            raise Refused(what, "\n".join(others), f"stop that, or {elsewhere}")

    def refuse_without(self, state: ServiceState, index_is_fresh: bool = False) -> None:
        """Raises Refused where docker or compose is missing and can't be installed."""
        # a new machine may have no index of apt yet: that it offers nothing says something only
        # once that was fetched
        tools = state.tools
        if not tools.missing:
            return
        if not state.has_apt:
            why, names = "it has no apt-get, which kubeup installs them with", ""
        elif not tools.packages and (tools.offers or index_is_fresh):
            offered = ", ".join(map(" ".join, tools.offers.items()))
            why = f"its apt has {offered or 'none of their packages'}"
            names = ", compose as docker-compose-v2 (Ubuntu's) or docker-compose-plugin (Docker's)"
        else:
            return
        raise Refused(
            f"{self.place.node} can't get {tools.missing}",
            "; ".join(filter(None, (why, tools.unfit))),
            f"install them there yourself{names}; or choose another machine: database.vm",
        )


def _quoted(text: str) -> str:
    """A text in a compose file, which is YAML and has variables of its own."""
    return json.dumps(text.replace("$", "$$"))


def assignments(values: Mapping[str, str]) -> str:
    """Variables as a shell reads them."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def checksums(files: Mapping[str, str]) -> dict[str, str]:
    """Files as LOOK prints them: sha256 and mode."""
    return {
        name: f"{hashlib.sha256(text.encode()).hexdigest()} {mode_of(name)}"
        for name, text in files.items()
    }


def mode_of(name: str) -> str:
    """Of a file of the service."""
    return "600" if name in PRIVATE else "644"
