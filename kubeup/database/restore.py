"""Puts a backup in place of what is there: loaded beside it first, then exchanged in one
statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.plan import Log, Step
from kubeup.database import backups
from kubeup.database import server as servers
from kubeup.database.backups import BackupManifest, CutOff
from kubeup.database.server import Server, SqlError

NEW, OLD = "kubeup_new", "kubeup_old"  # schemas: what is being loaded, and what was there before
FULL, SYNTAX = (1021, 1114, 3), 1064  # the server's numbers
KEPT = "the data that were there are untouched"


def plan(server: Server, file: Path, found: BackupManifest, now: dict[str, int]) -> list[Step]:
    """Restoring a backup that was checked, over the rows that are there `now`."""
    loses = f"what {server} holds now: {servers.describe(now)}" if any(now.values()) else ""
    reason = f"{servers.describe(found.rows)}, of {found.made}, by {found.server}"
    return [
        Step(
            ids.RESTORE_BACKUP,
            f"restore {file.name}",
            reason,
            Restore(server, file),
            (ids.PACKAGES,),
            10,
            loses,
        )
    ]


@dataclass(frozen=True)
class Restore:
    server: Server
    file: Path

    def run(self, log: Log) -> None:
        found = backups.check(self.file)
        with self.server.session() as server:
            refuse_newer(found.server, servers.version(server))
            log("loading it beside what is there")
            prepare(server)
        try:
            load(self.server, ("zstd", "--quiet", "--decompress", "--stdout", str(self.file)))
            # another one: loading may take longer than a silent client is kept
            with self.server.session() as server:
                compare(found.rows, servers.count(server, NEW), self.file.name)
                refuse_others(server)
                exchange(server)
                clear(server)
        except KubeupError:
            clear(self.server)
            raise
        log(servers.describe(found.rows))


def refuse_newer(made_by: servers.Version, now: servers.Version) -> None:
    if made_by.engine != now.engine:
        raise Refused(
            f"the data are of {made_by}, the server is {now}",
            "the two write dumps that the other one does not read whole",
            "set database.engine to what it was made with",
        )
    if made_by.newer_than(now):
        raise Refused(
            f"the data are of {made_by}, the server is the older {now}",
            "an older server may not know what a newer one wrote",
            "set database.version to that version or a newer one, then `inv up`",
        )


def refuse_others(server: Server) -> None:
    """Only tables are exchanged in one statement; SQL has none that takes the rest along."""
    for schema in (NEW, server.database):
        if found := servers.others(server, schema):
            raise Refused(
                f"there is more than tables: {', '.join(found)}",
                f"{KEPT}; only tables can be exchanged at once",
                "load it by hand: `zstd -dc FILE | inv db.shell --root`",
            )


def prepare(server: Server) -> None:
    """Empty schemas to load into, and to move aside into.

    What an interrupted run left there is a copy, or what it was told to overwrite.
    """
    server.sql(
        "".join(f"DROP DATABASE IF EXISTS {one};\nCREATE DATABASE {one};\n" for one in (NEW, OLD))
    )


def clear(server: Server) -> None:
    server.sql("".join(f"DROP DATABASE IF EXISTS {one};\n" for one in (NEW, OLD)))


def load(
    server: Server,
    source: tuple[str, ...],
    ask: Callable[[], bytes] = bytes,
    of: Server | None = None,
) -> None:
    """Run the SQL that a command prints (a dump `of` another server) in the new schema.

    Raises KubeupError where it is not taken whole, CutOff where it did not come whole.
    """
    dumped, both = backups.Dumped(), [one.alive() for one in (server, of) if one is not None]
    try:
        shell.chain(
            source,
            server.load(NEW),
            ask=ask,
            head=f"{server.password()}\n".encode(),
            see=dumped.see,
            timeout=backups.HOUR * 12,
            alive=lambda: all(alive() for alive in both),
        )
    except CommandError as error:
        raise _unloaded(server, error, dumped.whole) from None
    dumped.require_whole()


def _unloaded(server: Server, error: CommandError, whole: bool) -> KubeupError:
    why, number = error.why, 0
    if servers.ERROR.search(error.stderr):
        refused: SqlError = servers.refusal(server, error.stderr)
        why, number = (
            refused.why + (" (its disk is full)" if refused.number in FULL else ""),
            refused.number,
        )
    # half a statement is the only one of a dump that no server understands
    if not whole and number in (0, SYNTAX):
        return CutOff("the data did not come whole", why, f"{KEPT}; run the same again")
    return KubeupError(
        "the data could not be loaded",
        why,
        f"{KEPT}; see what is named above, then run the same again",
    )


def compare(wanted: dict[str, int], found: dict[str, int], of: str) -> None:
    """Raises KubeupError where a table lacks rows or has too many."""
    rows = {table: number for table, number in found.items() if table != backups.REVISIONS}
    wrong = [
        f"{table}: {rows.get(table, 0)} rows of {number}"
        for table, number in wanted.items()
        if rows.get(table) != number
    ]
    wrong += [f"{table}: not expected" for table in rows if table not in wanted]
    if wrong:
        raise KubeupError(
            f"what was loaded is not what {of} should hold",
            "\n".join(wrong),
            f"{KEPT}; take another backup: `inv db.list`",
        )


def exchange(server: Server) -> None:
    """All tables of the new schema become the database's, and those that were there go aside, in
    one statement: all or none.
    """
    server.sql(
        renaming(
            server.database, servers.tables(server, server.database), servers.tables(server, NEW)
        )
    )


def renaming(database: str, there: Iterable[str], new: Iterable[str]) -> str:
    """The statement that exchanges tables; '' where there are none at all."""
    names = servers.name
    pairs = [f"{names(database)}.{names(one)} TO {OLD}.{names(one)}" for one in there]
    pairs += [f"{NEW}.{names(one)} TO {names(database)}.{names(one)}" for one in new]
    return f"RENAME TABLE {', '.join(pairs)};" if pairs else ""
