"""The database server by its own client, run where the server runs."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.database import scripts
from kubeup.database.transport import Transport
from kubeup.database.version import Version
from kubeup.system import secrets

ROOT = "root"
ERROR = re.compile(r"^ERROR (\d+) \((\w+)\)", re.MULTILINE)
DENIED = 1045  # ER_ACCESS_DENIED_ERROR
# the client's own numbers: nothing listens at the socket or host, or the connection was lost
AWAY = (2002, 2003, 2006, 2013)


@dataclass(frozen=True)
class Server:
    """A server, its one database and that database's user.

    The passwords are those of `.env` when something is asked.
    """

    transport: Transport
    database: str
    user: str
    env: Path
    client: Client | None = field(default=None, compare=False, repr=False)  # see `session`

    def __str__(self) -> str:
        return f"the database {self.database} in {self.transport}"

    def password(self, user: str = ROOT) -> str:
        name = "MYSQL_ROOT_PASSWORD" if user == ROOT else "MYSQL_PASSWORD"
        return secrets.password(self.env, name)

    def password_line(self) -> bytes:
        """The first line of every script's input."""
        return f"{self.password()}\n".encode()

    def alive(self) -> shell.Alive:
        """What tells whether the server still runs that runs now."""
        # Without that its client may be waited for in vain: containerd does not always tell of a
        # process that has ended with its container, and nothing does of one whose machine has gone.
        moment = datetime.now(UTC)
        return lambda: self.transport.runs_since(moment)

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
        if self.client and user == ROOT and password is None:
            return self.client.ask(text, database, timeout)
        stdin = f"{self.password(user) if password is None else password}\n{text}\n"
        argv = self.transport.argv("sh", "-c", scripts.CLIENT, "client", user, database)
        output = shell.read(*argv, ok=None, stdin=stdin, timeout=timeout, alive=self.alive())
        if not output.ok:
            raise refusal(self, output.stderr or output.stdout)
        return output.stdout

    def rows(self, text: str, database: str = "", timeout: float = 120) -> list[list[str]]:
        return [line.split("\t") for line in self.sql(text, database, timeout=timeout).splitlines()]

    @contextlib.contextmanager
    def session(self) -> Iterator[Server]:
        """The same server by one client that stays for the length of a `with`."""
        # many questions cost one SSH login or `kubectl exec` then
        with contextlib.ExitStack() as open_processes:
            yield replace(self, client=Client(self, open_processes))

    def dump(self) -> tuple[str, ...]:
        """The command that prints the whole database as SQL.

        Its standard input is the password, and RECEIVED once all of it has come; it ends where that
        ends.
        """
        return self.transport.argv("sh", "-c", scripts.DUMP, "dump", ROOT, self.database)

    def load(self, schema: str) -> tuple[str, ...]:
        """The command that runs the SQL on its standard input, after the password, in a schema."""
        return self.transport.argv("sh", "-c", scripts.LOAD, "load", ROOT, schema)

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

    def __init__(self, server: Server, open_processes: contextlib.ExitStack) -> None:
        self._server, self._open = server, open_processes
        self._process: shell.InteractiveProcess | None = None
        self._alive: shell.Alive | None = None

    def ask(self, text: str, database: str, timeout: float) -> str:
        """What the SQL prints. Raises SqlError."""
        if not text.strip():
            return ""
        use = f"USE {name(database)};\n" if database else ""
        mark = f"kubeup {uuid.uuid4()}"
        statements = f"{use}{text.rstrip().removesuffix(';')};\nSELECT '{mark}';\n"
        try:
            lines = self._started().request(statements, mark, timeout, self._alive)
        except CommandError as error:
            self._process = None
            self._open.close()
            if error.status in (shell.LATE, shell.LOST, shell.STOPPED):
                raise
            raise refusal(self._server, error.stderr) from None
        return "".join(f"{line}\n" for line in lines)

    def _started(self) -> shell.InteractiveProcess:
        if self._process is None:
            server, mark = self._server, "kubeup listens"
            argv = server.transport.argv("sh", "-c", scripts.CLIENT, "session", ROOT)
            self._process = self._open.enter_context(shell.talk(*argv))
            self._alive = server.alive()
            self._process.request(f"{server.password()}\nSELECT '{mark}';\n", mark)
        return self._process


class SqlError(CommandError):
    """What the server answered with; `number` is its own, 0 where it was not reached."""

    def __init__(self, what: str, why: str, next: str, number: int) -> None:
        super().__init__(what, why, next)
        self.number = number


def refusal(server: Server, printed: str) -> SqlError:
    """The error that a client's words stand for."""
    # only the number and the state are kept: the rest may quote a statement, and so a password
    match = ERROR.search(printed)
    if match is None or int(match[1]) in AWAY:
        last = [line for line in printed.splitlines() if line.strip()][-3:]
        return SqlError(
            f"{server} can't be reached",
            "\n".join(last) or "no answer",
            "`inv status` shows whether it runs, `inv doctor` what is wrong",
            0,
        )
    number = int(match[1])
    if number == DENIED:
        return SqlError(
            f"{server} refuses the password in {server.env.name}",
            f"error {number}",
            "put back the password that it has, or let `inv up` set the new one",
            number,
        )
    return SqlError(
        f"{server} refuses a statement",
        f"error {number} ({match[2]})",
        "see the server's manual for that number, and `inv deploy.logs db`",
        number,
    )


def name(text: str) -> str:
    """A name as SQL has it."""
    return f"`{text.replace('`', '``')}`"


def literal(text: str) -> str:
    """A text as SQL has it, whatever is in it and whatever the server's mode is."""
    if "\n" in text or "\0" in text:
        raise KubeupError(
            "a password has a line break in it",
            "the client can't be given it",
            "choose one without",
        )
    # a quote ends no text where it is doubled, also with NO_BACKSLASH_ESCAPES
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def accounts(user: str, hosts: Iterable[str], each: str = "") -> str:
    """A user's accounts as SQL lists them, with something after each."""
    return ", ".join(f"{literal(user)}@{literal(host)}{each}" for host in hosts)


def version(server: Server) -> Version:
    return Version(server.sql("SELECT VERSION()").strip())


def tables(server: Server, schema: str) -> list[str]:
    where = f"table_schema = {literal(schema)} AND table_type = 'BASE TABLE'"
    query = f"SELECT table_name FROM information_schema.tables WHERE {where} ORDER BY 1"
    return [row[0] for row in server.rows(query)]


def counting(names: Iterable[str]) -> str:
    """SQL that prints each table and the number of its rows."""
    return "".join(f"SELECT {literal(table)}, COUNT(*) FROM {name(table)};\n" for table in names)


def counted(lines: Iterable[Iterable[str]]) -> dict[str, int]:
    return {table: int(number) for table, number in lines}


def count(server: Server, schema: str) -> dict[str, int]:
    statements = counting(tables(server, schema))
    if not statements:
        return {}
    return counted(server.rows(statements, schema))


def checksums(server: Server, schema: str) -> dict[str, str]:
    """A checksum of all rows of each table, by the server itself."""
    # EXTENDED reads every row: a table that keeps a live checksum would not be read otherwise, see
    # https://dev.mysql.com/doc/refman/8.4/en/checksum-table.html
    statements = "".join(
        f"CHECKSUM TABLE {name(table)} EXTENDED;\n" for table in tables(server, schema)
    )
    if not statements:
        return {}
    rows = server.rows(statements, schema, timeout=1800)
    return {table.split(".", 1)[1]: checksum for table, checksum in rows}


OTHERS = """SELECT 'view', table_name FROM information_schema.views WHERE table_schema = {0}
UNION ALL SELECT 'trigger', trigger_name FROM information_schema.triggers
  WHERE trigger_schema = {0}
UNION ALL SELECT LOWER(routine_type), routine_name FROM information_schema.routines
  WHERE routine_schema = {0}
UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = {0}
"""


def others(server: Server, schema: str) -> list[str]:
    """What a schema holds besides tables, in words: views, triggers, routines, events."""
    return [" ".join(row) for row in server.rows(OTHERS.format(literal(schema)))]


def describe(rows: dict[str, int]) -> str:
    """Row counts in words."""
    return ", ".join(f"{number} in {table}" for table, number in rows.items()) or "no tables"
