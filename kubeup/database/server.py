"""The database server by its own client, run where the server runs: in its pod, or in its
container on a machine.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.facts.kubernetes import left_alone
from kubeup.system import secrets
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

# what every script below begins with: the password is the first line of the input
PASSWORD = "IFS= read -r MYSQL_PWD; export MYSQL_PWD; "  # noqa: S105 - how one is read
FIND = (
    '{name}=$(command -v {first} || command -v {second}) || {{ echo "no {first} here" '
    ">&2; exit 127; }}; "
)
OPTIONS = (
    "--no-defaults --protocol=socket --socket=/run/mysqld/mysqld.sock "
    "--default-character-set=utf8mb4 --max-allowed-packet=1G"
)
BEGIN = PASSWORD + FIND.format(name="client", first="mysql", second="mariadb")
BATCH = f'"$client" {OPTIONS} -N -B -n --user="$1" ${{2:+"$2"}}'
CLIENT = f"{BEGIN}exec {BATCH}"
# What a client that was refused something has not read is taken all the same: containerd waits for
# that to be read before it tells that
# a command has ended, see `ExecIO.Attach` in its pkg/cri/io.
DRAIN = "; code=$?; cat >/dev/null; exit $code"
LOAD = f"{BEGIN}{BATCH}{DRAIN}"
# It ends when its input does: one whose reader was killed would wait with half a row, and everybody
# who changes or flushes its tables
# would wait for it, and all others for those.
# It does not end before it is told that all of it was received: `kubectl exec` drops what is still
# on its way when the command has
# ended, and exits with 0, see https://github.com/kubernetes/kubernetes/issues/124571.
DUMP = (
    PASSWORD
    + FIND.format(name="dump", first="mysqldump", second="mariadb-dump")
    + "exec 3<&0; "
    + f'"$dump" {OPTIONS} --user="$1" --single-transaction --quick --no-tablespaces --routines '
    '--events --triggers "$2" 3<&- </dev/null & '
    + 'dumping=$!; { while read -r line <&3; do test "$line" != received || exit; done; kill '
    '"$dumping"; } >/dev/null 2>&1 & '
    + 'watching=$!; wait "$dumping"; code=$?; test "$code" = 0 || kill "$watching" 2>/dev/null; '
    'wait "$watching" 2>/dev/null; exit "$code"'
)
RECEIVED = b"received\n"
# for a person: the password waits in a file that is gone before the client starts
LEAVE = 'umask 077; cat >"$1"'
SHELL = (
    'IFS= read -r MYSQL_PWD <"$1"; rm -f "$1"; export MYSQL_PWD; '
    + FIND.format(name="client", first="mysql", second="mariadb")
    + f'set -- "$client" {OPTIONS} --user="$2" "$3"; ! test -t 0 || exec "$@"; "$@"{DRAIN}'
)
# a machine that goes away must not hold up a copy for as long as TCP does
PATIENCE = (
    "-oBatchMode=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
)
ROOT, CONTAINER = "root", "mysql"
ERROR = re.compile(r"^ERROR (\d+) \((\w+)\)", re.MULTILINE)
DENIED = 1045
ASKED_WITHIN = 15.0  # seconds: for the question whether a server still runs
AWAY = (2002, 2003, 2006, 2013)  # the client's own numbers: nobody listens, or not any more


class Transport(Protocol):
    """The way to the server's container."""

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        """The command line that runs a command in there, with this side's standard input."""

    def runs_since(self, moment: datetime) -> bool:
        """Whether the container that runs now did so at that moment already."""

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Pod:
    kubectl: Kubectl
    name: str = "mysql-0"

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return self.kubectl.argv(
            "exec", "-it" if terminal else "-i", self.name, "-c", CONTAINER, "--", *command
        )

    def runs_since(self, moment: datetime) -> bool:
        try:
            pod = self.kubectl.json(
                "get",
                "pod",
                self.name,
                f"--request-timeout={ASKED_WITHIN:g}s",
                timeout=ASKED_WITHIN + 5,
            )
        except KubeupError:
            return False
        return pod_runs_since(pod["status"], moment)

    def __str__(self) -> str:
        return f"pod {self.name}"


@dataclass(frozen=True)
class Container:
    """One on a machine that is reached by SSH; `reach` is asked when it is needed."""

    reach: Callable[[], SshTarget]
    machine: str
    name: str

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return self._docker(
            "exec", "-it" if terminal else "-i", self.name, *command, terminal=terminal
        )

    def runs_since(self, moment: datetime) -> bool:
        argv = self._docker(
            "inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", self.name
        )
        try:
            running, started = shell.read(*argv, timeout=ASKED_WITHIN).stdout.split()
        except CommandError:
            return False
        return running == "true" and datetime.fromisoformat(started) <= moment

    def _docker(self, *words: str, terminal: bool = False) -> tuple[str, ...]:
        reach = self.reach()
        sudo = () if reach.user == "root" else ("sudo", "-n")
        line = reach.argv(*sudo, "docker", *words)
        return (line[0], *(("-t",) if terminal else ("-T",)), *PATIENCE, *line[1:])

    def __str__(self) -> str:
        return f"container {self.name} on {self.machine}"


@dataclass(frozen=True)
class Server:
    """A server, its one database and that database's user.

    The passwords are those of `.env` when something is asked.
    """

    door: Transport
    database: str
    user: str
    env: Path

    def __str__(self) -> str:
        return f"the database {self.database} in {self.door}"

    def password(self, user: str = ROOT) -> str:
        return secrets.password(
            self.env, "MYSQL_ROOT_PASSWORD" if user == ROOT else "MYSQL_PASSWORD"
        )

    def alive(self) -> shell.Alive:
        """Tells whether the server still runs that runs now.

        Without that its client may be waited for in vain: containerd does not always tell of a
        process that has ended with its container, and nobody does of one whose machine has gone.
        """
        moment = datetime.now(UTC)
        return lambda: self.door.runs_since(moment)

    def sql(
        self,
        text: str,
        database: str = "",
        user: str = ROOT,
        password: str | None = None,
        timeout: float = 120,
    ) -> str:
        """What SQL prints, columns parted by tabs.

        Raises SqlError with the server's words, which `text` is never part of.
        """
        stdin = f"{self.password(user) if password is None else password}\n{text}\n"
        argv = self.door.argv("sh", "-c", CLIENT, "client", user, database)
        output = shell.read(*argv, ok=None, stdin=stdin, timeout=timeout, alive=self.alive())
        if not output.ok:
            raise refusal(self, output.stderr or output.stdout)
        return output.stdout

    def rows(self, text: str, database: str = "", timeout: float = 120) -> list[list[str]]:
        return [line.split("\t") for line in self.sql(text, database, timeout=timeout).splitlines()]

    @contextlib.contextmanager
    def session(self) -> Iterator[Server]:
        """The same server by one client that stays for the length of a `with`: for whoever asks
        much while others wait.
        """
        with Client(self) as client:
            yield Session(self.door, self.database, self.user, self.env, client)

    def dump(self, schema: str = "") -> tuple[str, ...]:
        """The command that prints the whole database as SQL.

        Its standard input is the password, and RECEIVED once all of it has come; it ends where that
        ends.
        """
        return self.door.argv("sh", "-c", DUMP, "dump", ROOT, schema or self.database)

    def load(self, schema: str) -> tuple[str, ...]:
        """The command that runs the SQL on its standard input, after the password, in a schema."""
        return self.door.argv("sh", "-c", LOAD, "load", ROOT, schema)

    def admits(self, user: str, password: str) -> bool:
        """Whether the server takes a password. Raises KubeupError where it can't be asked."""
        try:
            self.sql("SELECT 1", user=user, password=password)
        except SqlError as error:
            if error.number == DENIED:
                return False
            raise
        return True


class Client:
    """Root's client, started when it is first asked.

    A statement that the server refuses ends it; the next one starts another.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open = contextlib.ExitStack()
        self._talk: shell.InteractiveProcess | None = None
        self._alive: shell.Alive | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ask(self, text: str, timeout: float) -> str:
        """What the SQL prints. Raises SqlError."""
        mark = f"kubeup {uuid.uuid4()}"
        try:
            lines = self._begun().request(
                f"{text.rstrip().removesuffix(';')};\nSELECT '{mark}';\n",
                mark,
                timeout,
                self._alive,
            )
        except CommandError as error:
            self._talk = None
            self._open.close()
            if error.status in (shell.LATE, shell.LOST, shell.STOPPED):
                raise
            raise refusal(self._server, error.stderr) from None
        return "".join(f"{line}\n" for line in lines)

    def _begun(self) -> shell.InteractiveProcess:
        if self._talk is None:
            server, mark = self._server, "kubeup listens"
            self._talk = self._open.enter_context(
                shell.talk(*server.door.argv("sh", "-c", CLIENT, "session", ROOT))
            )
            self._alive = server.alive()
            self._talk.request(f"{server.password()}\nSELECT '{mark}';\n", mark)
        return self._talk


@dataclass(frozen=True)
class Session(Server):
    client: Client

    def sql(
        self,
        text: str,
        database: str = "",
        user: str = ROOT,
        password: str | None = None,
        timeout: float = 120,
    ) -> str:
        if user != ROOT or password is not None:
            return super().sql(text, database, user, password, timeout)
        return (
            self.client.ask(f"USE {name(database)};\n{text}" if database else text, timeout)
            if text.strip()
            else ""
        )


class SqlError(CommandError):
    """What the server answered with; `number` is its own, 0 where it was not reached."""

    def __init__(self, what: str, why: str, next: str, number: int) -> None:
        super().__init__(what, why, next)
        self.number = number


def pod_runs_since(status: Mapping[str, Any], moment: datetime) -> bool:
    """Whether the server's container in a pod was started before, and its node is still there."""
    for one in status.get("containerStatuses", []):
        if one["name"] == CONTAINER:
            started = one["state"].get("running", {}).get("startedAt", "")
            return (
                bool(started)
                and datetime.fromisoformat(started) <= moment
                and not left_alone(status)
            )
    return False


def refusal(server: Server, said: str) -> SqlError:
    """The error that a client's words stand for.

    Only the number and the state are kept: the rest may quote a statement.
    """
    found = ERROR.search(said)
    if found is None or int(found[1]) in AWAY:
        last = [line for line in said.strip().splitlines() if line.strip()][-3:]
        return SqlError(
            f"{server} can't be reached",
            "\n".join(last) or "no answer",
            "`inv status` tells whether it runs, `inv doctor` what is wrong",
            0,
        )
    number = int(found[1])
    if number == DENIED:
        return SqlError(
            f"{server} refuses the password in {server.env.name}",
            f"error {number}",
            "put the password back that it has, or let `inv up` carry a new one through",
            number,
        )
    return SqlError(
        f"{server} refuses a statement",
        f"error {number} ({found[2]})",
        "see the server's manual for that number, and `inv deploy.logs db`",
        number,
    )


def name(text: str) -> str:
    """A name as SQL has it."""
    return f"`{text.replace('`', '``')}`"


def literal(text: str) -> str:
    """A text as SQL has it, whatever is in it."""
    if "\n" in text or "\0" in text:
        raise KubeupError(
            "a password has a line break in it", "it could not be handed over", "choose one without"
        )
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def account(user: str, host: str) -> str:
    return f"{literal(user)}@{literal(host)}"


# MySQL's long-term releases, each with the one after it
UPGRADES: dict[tuple[int, ...], tuple[int, ...]] = {(5, 7): (8, 0), (8, 0): (8, 4), (8, 4): (9, 7)}


@dataclass(frozen=True)
class Version:
    """What a server calls itself: `8.4.3`, `10.11.6-MariaDB-0+deb12u1`."""

    text: str

    @property
    def engine(self) -> str:
        return "mariadb" if "mariadb" in self.text.lower() else "mysql"

    @property
    def all_numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.text)[:3])

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.all_numbers[:2]

    def takes_files_of(self, other: Version) -> bool:
        """Whether it starts on a data folder of the other: the same or a later one, of MySQL the
        next that is supported for long.

        See https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html.
        """
        if self.engine != other.engine or other.newer_than(self):
            return False
        return (
            self.engine == "mariadb"
            or self.numbers == other.numbers
            or UPGRADES.get(other.numbers) == self.numbers
        )

    def newer_than(self, other: Version) -> bool:
        """By major and minor: a patch release reads what its successors wrote."""
        return self.numbers > other.numbers

    def __str__(self) -> str:
        return (
            f"{'MariaDB' if self.engine == 'mariadb' else 'MySQL'} "
            f"{self.text.split(' ')[-1].split('-')[0]}"
        )


def require_files(wanted: Version, wrote: Version) -> None:
    """Raises Refused where a database would be started on another one's files and spoil them."""
    if wanted.takes_files_of(wrote):
        return
    back = "put back database.engine, database.version and images.bases as they were"
    tasks = "`inv db.backup`, `inv down --data`, `inv up` and `inv db.restore FILE`"
    rows = wrote.engine == wanted.engine and wanted.newer_than(wrote)
    raise Refused(
        f"the settings want {wanted}, the database's files are of {wrote}",
        "it would not start on them, or spoil them",
        f"{back}; or "
        f"{f'{tasks} bring the rows over' if rows else 'to lose the data: `inv down --data`'}",
    )


def version(server: Server) -> Version:
    return Version(server.sql("SELECT VERSION()").strip())


def tables(server: Server, schema: str) -> list[str]:
    where = f"table_schema = {literal(schema)} AND table_type = 'BASE TABLE'"
    return [
        row[0]
        for row in server.rows(
            f"SELECT table_name FROM information_schema.tables WHERE {where} ORDER BY 1"
        )
    ]


def counting(names: Iterable[str]) -> str:
    """SQL that prints each table and the number of its rows."""
    return "".join(f"SELECT {literal(one)}, COUNT(*) FROM {name(one)};\n" for one in names)


def counted(lines: Iterable[Iterable[str]]) -> dict[str, int]:
    return {table: int(number) for table, number in lines}


def count(server: Server, schema: str) -> dict[str, int]:
    found = tables(server, schema)
    return counted(server.rows(counting(found), schema)) if found else {}


def checksums(server: Server, schema: str) -> dict[str, str]:
    """A checksum of all rows of each table, by the server itself; the same for the same rows,
    whichever server it is.
    """
    found = tables(server, schema)
    if not found:
        return {}
    rows = server.rows(
        "".join(f"CHECKSUM TABLE {name(one)} EXTENDED;\n" for one in found), schema, timeout=1800
    )
    return {row[0].split(".", 1)[1]: row[1] for row in rows}


def others(server: Server, schema: str) -> list[str]:
    """What a schema holds besides tables, in words: views, triggers, routines, events."""
    one = literal(schema)
    return [
        f"{row[0]} {row[1]}"
        for row in server.rows(
            "SELECT 'view', table_name FROM information_schema.views WHERE table_schema = "
            f"{one} "
            "UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers WHERE "
            f"trigger_schema = {one} "
            "UNION ALL SELECT LOWER(routine_type), routine_name FROM "
            f"information_schema.routines WHERE routine_schema = {one} "
            "UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE "
            f"event_schema = {one}"
        )
    ]


def describe(rows: dict[str, int]) -> str:
    """Row counts in words."""
    return ", ".join(f"{number} in {table}" for table, number in rows.items()) or "no tables"
