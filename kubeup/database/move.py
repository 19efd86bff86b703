"""Takes the database from one side to the other.

The side that is left refuses writes first, so no row can be lost on the way. Each step looks at
what is there. Whatever is cut off anywhere can be run again, or taken back: until the switch the
one side has everything, from the switch on the other one.
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
from kubeup.application.deployment import Deployment
from kubeup.application.overlay import PART_OF_SERVICE
from kubeup.core import record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Log, Paced
from kubeup.core.record import Location
from kubeup.core.services import DATABASE
from kubeup.core.state import State
from kubeup.database import restore
from kubeup.database import server as servers
from kubeup.database.access import keep_root_local
from kubeup.database.backups import CutOff, without_revision
from kubeup.database.passwords import hosts
from kubeup.database.server import Server, SqlError
from kubeup.facts import manifests

T = TypeVar("T")
GRANT = re.compile(
    r"^GRANT (?P<rights>.+?) ON (?P<on>.+\.\*) TO (?P<who>\S+?)(?: WITH GRANT OPTION)?$"
)
READING = ("SELECT", "SHOW VIEW")
# what ALL means for a database, but for reading, see
# https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html
WRITING = (
    "INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, "
    "LOCK TABLES, EXECUTE, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, EVENT, TRIGGER"
)
NO_THREAD = 1094  # ER_NO_SUCH_THREAD: the connection has ended by itself
MARKS = "kubeup_move"  # the schema with a server's mark
KILL_SECONDS = 20.0
TRIES = 3


@dataclass(frozen=True)
class StartInCluster(Paced):
    """The database's pod, on its volume, while the Service still leads elsewhere."""

    deployment: Deployment
    wait: float = 300

    def run(self, log: Log) -> None:
        kubectl, boots = self.deployment.kubectl, self.deployment.boots
        database = _rendered(self.deployment, of_service=False)
        apply.release_volume(kubectl, DATABASE.name)
        kubectl.write(*apply.APPLY_INPUT, stdin=database, log=log)
        watch.until_ready(kubectl, DATABASE.name, boots(), self.wait, log, apply.never, self.pace)


def _rendered(deployment: Deployment, of_service: bool) -> str:
    """What makes the database's name lead somewhere, or all the rest of the database."""
    part = manifests.of_part(manifests.documents(deployment.render()), DATABASE.name)
    return manifests.text(
        each for each in part if (manifests.key(each) in PART_OF_SERVICE) is of_service
    )


@dataclass(frozen=True)
class Admit:
    """Refuse a side that holds rows of its own, before anything is stopped for it."""

    source: Server
    target: Server

    def run(self, log: Log) -> None:
        # An earlier run's copy is known by a mark on both servers, which was made when this one was
        # empty: what is on record of a move would hold for any machine that the settings name by
        # now.
        mark = self._mark()
        if mark in servers.tables(self.target, MARKS):
            log("what it holds is an earlier run's copy")
            return
        rows = without_revision(servers.count(self.target, self.target.database))
        if any(rows.values()):
            raise Refused(
                f"{self.target} holds data already",
                f"{servers.describe(rows)}, and no copy of {self.source}",
                "choose another machine (database.vm), or remove those rows there yourself; "
                "what a move has left behind is removed by `inv db.move` to the side in use, with "
                "--drop-old",
            )
        self.target.sql(marking(mark))

    def _mark(self) -> str:
        """The source's, which its copies bear as well."""
        if marks := servers.tables(self.source, MARKS):
            return marks[0]
        mark = f"copies_{uuid.uuid4().hex}"
        self.source.sql(marking(mark))
        return mark


def marking(mark: str) -> str:
    """SQL that leaves a mark on a server: a table's name, in a schema that no dump holds."""
    table = f"{MARKS}.{servers.name(mark)}"
    return f"CREATE DATABASE IF NOT EXISTS {MARKS};\nCREATE TABLE {table} (id INT);\n"


@dataclass(frozen=True)
class Freeze:
    """From here on the API's user may read and not write."""

    server: Server
    state: State
    to: Location

    def run(self, log: Log) -> None:
        # on record first: a run that is cut off here has something to take back
        record.change(self.state, target=self.to)
        # REVOKE outlives a kill of the server, which SET GLOBAL read_only would not
        _change_rights(self.server, reading)
        log("the API reads, and writes wait")


@dataclass(frozen=True)
class Thaw:
    """Give the API's user its rights back: the move is off."""

    server: Server
    state: State

    def run(self, log: Log) -> None:
        _change_rights(self.server, writing)
        record.change(self.state, target=None)


def _change_rights(server: Server, statements: Callable[[Sequence[str]], list[str]]) -> None:
    """Change what the API's user may do, and have it connect anew."""
    # a connection keeps the rights on a database that it has begun to use, see
    # https://dev.mysql.com/doc/refman/8.4/en/privilege-changes.html
    with server.session() as session:
        session.sql("".join(statements(grants(session))))
        end_connections(session)


@dataclass(frozen=True)
class Copy:
    """All rows to the other side, compared by their number and by the servers' own checksums."""

    source: Server
    target: Server

    def run(self, log: Log) -> None:
        with self.source.session() as source, self.target.session() as target:
            sums, there = _of_both(servers.checksums, source, target, target.database)
            if sums == there:
                log("an earlier run has brought them")
                return
            restore.refuse_newer(servers.version(source), servers.version(target))
            restore.prepare(target)
        self._load(log)
        with self.source.session() as source, self.target.session() as target:
            counts, new = _of_both(servers.count, source, target, restore.NEW)
            restore.compare(without_revision(counts), new, "the database")
            if sums != servers.checksums(target, restore.NEW):
                raise KubeupError(
                    "the copy has other rows than the database",
                    "a checksum differs",
                    f"{restore.KEPT}; run the same again",
                )
            restore.refuse_others(target)
            restore.exchange(target)
        log(servers.describe(without_revision(new)))

    def _load(self, log: Log) -> None:
        """Copy again where the connection was cut."""
        # nobody can write while a person is asked to try again
        for tries_left in reversed(range(TRIES)):
            try:
                restore.load(self.target, self.source.dump(), self.source)
            except CutOff as error:
                if not tries_left:
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
        # this one write is the switch: what is cut off after it goes on towards the new side
        record.change(self.state, database=self.to, left=self.left, target=None)
        kubectl, service = self.deployment.kubectl, _rendered(self.deployment, of_service=True)
        kubectl.write(*apply.APPLY_INPUT, stdin=service, log=log)
        for words in apply.endpoints_to_forget(bool(self.deployment.overlay.machine)):
            kubectl.write(*words)
        lock_out(self.source)


@dataclass(frozen=True)
class Tidy:
    """Remove what loading has left on the side that is now in use."""

    server: Server

    def run(self, log: Log) -> None:
        restore.clear(self.server)
        self.server.sql(f"DROP DATABASE IF EXISTS {MARKS};\n")  # it is no copy any more
        keep_root_local(self.server, log)  # its files may be an older kubeup's


def lock_out(server: Server) -> None:
    """Keep the API off a side that was left."""
    # a connection that stays open would read, and take for true, what is outdated
    with server.session() as session:
        accounts = servers.accounts(session.user, hosts(session, session.user))
        session.sql(f"ALTER USER {accounts} ACCOUNT LOCK;")
        end_connections(session)


def grants(server: Server) -> list[str]:
    """The rights of the API's user, as the server tells them."""
    text = server.sql(
        "".join(
            f"SHOW GRANTS FOR {servers.accounts(server.user, [host])};\n"
            for host in hosts(server, server.user)
        )
    )
    lines = [line.replace("\\\\", "\\") for line in text.splitlines()]
    for line in lines:
        if " ON *.* " in line and not line.startswith("GRANT USAGE "):
            raise Refused(
                f"{server.user} has rights on every database",
                line.split(" IDENTIFIED ")[0],
                "a move has to take its right to write: give the API a user with rights on its own "
                "database only",
            )
    return lines


def reading(lines: Sequence[str]) -> list[str]:
    """SQL that takes the right to write."""
    # a statement for each grant, which keeps the right to read, so that none is ever lost whole
    return [
        f"REVOKE {rights} ON {grant['on']} FROM {grant['who']};\n"
        for grant in _grants_on_databases(lines)
        if (rights := _more_than_reading(grant["rights"]))
    ]


def _more_than_reading(rights: str) -> str:
    listed = WRITING if rights.startswith("ALL") else rights
    return ", ".join(right for right in listed.split(", ") if right not in READING)


def writing(lines: Sequence[str]) -> list[str]:
    return [
        f"GRANT ALL PRIVILEGES ON {grant['on']} TO {grant['who']};\n"
        for grant in _grants_on_databases(lines)
    ]


def _grants_on_databases(lines: Sequence[str]) -> list[re.Match[str]]:
    return [match for match in map(GRANT.match, lines) if match and match["on"] != "*.*"]


def end_connections(server: Server) -> None:
    """End what the API has open, and wait until it is gone."""
    end, first = time.monotonic() + KILL_SECONDS, _connections(server)
    still_open = first
    while still_open:
        if time.monotonic() > end:
            raise KubeupError(
                f"{len(still_open)} connections to {server} are still open",
                f"they did not end within {KILL_SECONDS:.0f} s",
                "run the same again",
            )
        try:
            server.sql("".join(f"KILL {number};\n" for number in sorted(still_open)))
        except SqlError as error:
            if error.number != NO_THREAD:
                raise
        # newer ones have the new rights already
        still_open = _connections(server) & first


def _connections(server: Server) -> set[str]:
    return {row[0] for row in server.rows("SHOW PROCESSLIST") if row[1] == server.user}


def _of_both(
    ask: Callable[[Server, str], T], source: Server, target: Server, into: str
) -> tuple[T, T]:
    """The same question about a schema of either side, at the same time."""
    with ThreadPoolExecutor(2) as pool:
        of_source, of_target = pool.map(ask, (source, target), (source.database, into))
        return of_source, of_target
