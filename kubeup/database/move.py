"""Takes the database from one side to the other: the side that is left refuses writes first, so no
row can be lost on the way.

Each step looks at what is there. Whatever is cut off anywhere can be run again, or taken back:
until the switch the one side has everything, from the switch on the other one.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from kubeup.application import apply, watch
from kubeup.application.apply import Deployment
from kubeup.application.overlay import PART_OF_SERVICE
from kubeup.core import record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Log
from kubeup.core.record import Location
from kubeup.core.state import State
from kubeup.database import restore
from kubeup.database import server as servers
from kubeup.database.backups import REVISIONS, CutOff
from kubeup.database.passwords import hosts
from kubeup.database.server import Server, SqlError
from kubeup.facts import manifests

T = TypeVar("T")
GRANT = re.compile(
    r"^GRANT (?P<rights>.+?) ON (?P<on>.+\.\*) TO (?P<who>\S+?)(?: WITH GRANT OPTION)?$"
)
READING = ("SELECT", "SHOW VIEW")
WRITING = (
    "INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, "
    "LOCK TABLES, EXECUTE, CREATE VIEW, "
    # what ALL means for a database, but for reading
    "CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"
)
NO_THREAD = 1094
MARKS = "kubeup_move"  # the schema with a server's mark
KILL_SECONDS = 20.0
TRIES = 3


@dataclass(frozen=True)
class StartInCluster:
    """The database's pod, on its volume, while the Service still leads elsewhere."""

    deployment: Deployment
    wait: float = 300

    def run(self, log: Log) -> None:
        kubectl = self.deployment.kubectl
        part = manifests.of_part(manifests.documents(self.deployment.render()), "db")
        apply.release_volume(kubectl, "db")
        kubectl.write(
            *apply.APPLY,
            stdin=manifests.text(one for one in part if one["kind"] not in PART_OF_SERVICE),
            log=log,
        )
        watch.until_ready(kubectl, "db", self.deployment.boots(), self.wait, log, apply.never)


@dataclass(frozen=True)
class Admit:
    """Refuse a side that holds rows of its own, before anything is stopped for it.

    An earlier run's copy is told by a mark on both servers, which was made when this one was empty:
    what is on record of a move would hold for any machine that the settings name by now.
    """

    source: Server
    target: Server

    def run(self, log: Log) -> None:
        mark = self._mark()
        if mark in servers.tables(self.target, MARKS):
            log("what it holds is an earlier run's copy")
            return
        rows = _rows(servers.count(self.target, self.target.database))
        if any(rows.values()):
            raise Refused(
                f"{self.target} holds data already",
                f"{servers.describe(rows)}, and no copy of {self.source}",
                "choose another machine (database.vm), or remove those rows there yourself; "
                "what a move has left behind goes by `inv db.move` to the side in use, with "
                "--drop-old",
            )
        self.target.sql(marking(mark))

    def _mark(self) -> str:
        """The source's, which its copies bear as well."""
        found = servers.tables(self.source, MARKS)
        if found:
            return found[0]
        mark = f"copies_{uuid.uuid4().hex}"
        self.source.sql(marking(mark))
        return mark


def marking(mark: str) -> str:
    """SQL that leaves a mark on a server: a table's name, in a schema that no dump of the
    database holds.
    """
    return (
        f"CREATE DATABASE IF NOT EXISTS {MARKS};\nCREATE TABLE "
        f"{MARKS}.{servers.name(mark)} (id INT);\n"
    )


@dataclass(frozen=True)
class Freeze:
    """From here on the API's user may read and not write, also after the server was killed and
    started again.
    """

    server: Server
    state: State
    to: Location

    def run(self, log: Log) -> None:
        record.change(self.state, target=self.to)
        with self.server.session() as server:
            server.sql("".join(reading(grants(server))))
            end_connections(server)
        log("the API reads, and writes wait")


@dataclass(frozen=True)
class Thaw:
    """Give the API's user its rights back: the move is off."""

    server: Server
    state: State

    def run(self, log: Log) -> None:
        with self.server.session() as server:
            server.sql("".join(writing(grants(server))))
            end_connections(server)
        record.change(self.state, target=None)


@dataclass(frozen=True)
class Copy:
    """All rows to the other side, compared by their number and by the servers' own checksums."""

    source: Server
    target: Server

    def run(self, log: Log) -> None:
        with self.source.session() as source, self.target.session() as target:
            sums, there = _of_both(
                servers.checksums, source, source.database, target, target.database
            )
            if sums == there:
                log("an earlier run has brought them")
                return
            restore.refuse_newer(servers.version(source), servers.version(target))
            restore.prepare(target)
        self._load(log)
        with self.source.session() as source, self.target.session() as target:
            counts, new = _of_both(servers.count, source, source.database, target, restore.NEW)
            restore.compare(_rows(counts), new, "the database")
            if sums != servers.checksums(target, restore.NEW):
                raise KubeupError(
                    "the copy has other rows than the database",
                    "a checksum differs",
                    f"{restore.KEPT}; run the same again",
                )
            restore.refuse_others(target)
            restore.exchange(target)
        log(servers.describe(_rows(new)))

    def _load(self, log: Log) -> None:
        """While it lasts nobody can write: a connection that was cut is not left to a person to
        try again.
        """
        for left in reversed(range(TRIES)):
            try:
                restore.load(
                    self.target,
                    self.source.dump(),
                    lambda: f"{self.source.password()}\n".encode(),
                    self.source,
                )
            except CutOff as error:
                if not left:
                    raise
                log(f"{error.what} ({error.why.splitlines()[0]}): once more")
                restore.prepare(self.target)
            else:
                return


@dataclass(frozen=True)
class Switch:
    """The name leads to the other side, and the one that is left lets nobody in any more."""

    source: Server
    deployment: Deployment  # with the database on the new side
    state: State
    to: Location
    left: Location

    def run(self, log: Log) -> None:
        record.change(self.state, database=self.to, left=self.left, target=None)
        kubectl = self.deployment.kubectl
        part = manifests.of_part(manifests.documents(self.deployment.render()), "db")
        kubectl.write(
            *apply.APPLY,
            stdin=manifests.text(one for one in part if one["kind"] in PART_OF_SERVICE),
            log=log,
        )
        apply.forget_endpoints(kubectl, bool(self.deployment.overlay.machine))
        lock_out(self.source)


@dataclass(frozen=True)
class Tidy:
    """Remove what loading has left on the side that is now in use."""

    server: Server

    def run(self, log: Log) -> None:
        restore.clear(self.server)
        self.server.sql(f"DROP DATABASE IF EXISTS {MARKS};\n")  # it is nobody's copy any more


def lock_out(server: Server) -> None:
    """No connection of the API's is left on a side that was left: it would read what is no
    longer so.
    """
    with server.session() as session:
        accounts = ", ".join(
            servers.account(session.user, host) for host in hosts(session, session.user)
        )
        session.sql(f"ALTER USER {accounts} ACCOUNT LOCK;")
        end_connections(session)


def grants(server: Server) -> list[str]:
    """The rights of the API's user, as the server tells them."""
    found = hosts(server, server.user)
    text = server.sql(
        "".join(f"SHOW GRANTS FOR {servers.account(server.user, host)};\n" for host in found)
    )
    lines = [line.replace("\\\\", "\\") for line in text.splitlines()]
    if wide := [
        line for line in lines if " ON *.* " in line and not line.startswith("GRANT USAGE ")
    ]:
        raise Refused(
            f"{server.user} has rights on every database",
            wide[0].split(" IDENTIFIED ")[0],
            "a move has to take its right to write: give the API a user with rights on its own "
            "database only",
        )
    return lines


def reading(lines: Sequence[str]) -> list[str]:
    """What takes the right to write, a statement for each grant, so that none is ever lost
    whole.
    """
    taken = [(_more_than_reading(one["rights"]), one) for one in _parsed(lines)]
    return [
        f"REVOKE {rights} ON {one['on']} FROM {one['who']};\n" for rights, one in taken if rights
    ]


def _more_than_reading(rights: str) -> str:
    listed = WRITING if rights.startswith("ALL") else rights
    return ", ".join(one for one in listed.split(", ") if one not in READING)


def writing(lines: Sequence[str]) -> list[str]:
    return [f"GRANT ALL PRIVILEGES ON {one['on']} TO {one['who']};\n" for one in _parsed(lines)]


def _parsed(lines: Sequence[str]) -> list[re.Match[str]]:
    return [match for match in map(GRANT.match, lines) if match and match["on"] != "*.*"]


def end_connections(server: Server) -> None:
    """End what the API has open, and wait until it is gone: rights count from the next
    connection on.
    """
    end, first = time.monotonic() + KILL_SECONDS, _connections(server)
    left = first
    while left:
        if time.monotonic() > end:
            raise KubeupError(
                f"{server} does not let go of {len(left)} connections",
                f"not within {KILL_SECONDS:.0f} s",
                "run the same again",
            )
        try:
            server.sql("".join(f"KILL {one};\n" for one in sorted(left)))
        except SqlError as error:
            if error.number != NO_THREAD:
                raise
        left = _connections(server) & first  # newer ones have the new rights


def _connections(server: Server) -> set[str]:
    return {row[0] for row in server.rows("SHOW PROCESSLIST") if row[1] == server.user}


def _of_both(
    look: Callable[[Server, str], T], source: Server, of: str, target: Server, into: str
) -> tuple[T, T]:
    """The same look at a schema of either side, side by side."""
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(look, source, of)
        here = look(target, into)
        return beside.result(), here


def _rows(found: dict[str, int]) -> dict[str, int]:
    return {table: rows for table, rows in found.items() if table != REVISIONS}
