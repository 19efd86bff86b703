"""Puts a backup in place of what is there.

It is loaded into a schema beside it first, then both are exchanged in one statement.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.plan import Log, Step
from kubeup.database import backups, compression
from kubeup.database import server as servers
from kubeup.database.backups import BackupManifest, CutOff
from kubeup.database.server import Server
from kubeup.database.version import Version

NEW, OLD = "kubeup_new", "kubeup_old"  # schemas: what is being loaded, and what was there before
# the server's numbers: ER_DISK_FULL, ER_RECORD_FILE_FULL and EE_WRITE; ER_PARSE_ERROR
FULL, SYNTAX = (1021, 1114, 3), 1064
KEPT = "the database's data are unchanged"


def plan(server: Server, file: Path, manifest: BackupManifest, now: dict[str, int]) -> list[Step]:
    """Restoring a backup that was checked, over the rows that are there `now`."""
    return [
        Step(
            ids.RESTORE_BACKUP,
            f"restore {file.name}",
            f"{servers.describe(manifest.rows)}, of {manifest.made}, by {manifest.server}",
            Restore(server, file),
            (ids.PACKAGES,),
            seconds=10,
            loses=f"what {server} holds now: {servers.describe(now)}" if any(now.values()) else "",
        )
    ]


@dataclass(frozen=True)
class Restore:
    server: Server
    file: Path

    def run(self, log: Log) -> None:
        manifest = backups.check(self.file)
        with self.server.session() as server:
            refuse_newer(manifest.server, servers.version(server))
            log("loading it into a schema beside the database")
            prepare(server)
        try:
            self._replace(manifest)
        except KubeupError:
            clear(self.server)
            raise
        with contextlib.suppress(OSError):  # it may lie where nothing can be written
            backups.mark_restored(self.file, manifest)
        log(servers.describe(manifest.rows))

    def _replace(self, manifest: BackupManifest) -> None:
        load(self.server, (*compression.of(self.file).decompress, str(self.file)))
        # another session: loading may take longer than a silent client is kept
        with self.server.session() as server:
            compare(manifest.rows, servers.count(server, NEW), self.file.name)
            refuse_others(server, self.file)
            exchange(server)
            clear(server)


def refuse_newer(made_by: Version, now: Version) -> None:
    """Raises Refused where a server may not read whole what another one wrote."""
    if made_by.is_mariadb != now.is_mariadb:
        raise Refused(
            f"the data are of {made_by}, the server is {now}",
            "neither reads all of what the other one dumps",
            "set database.engine to what it was made with",
        )
    if made_by.newer_than(now):
        raise Refused(
            f"the data are of {made_by}, the server is the older {now}",
            "an older server may not know what a newer one wrote",
            "set database.version to that version or a newer one, then `inv up`",
        )


def refuse_others(server: Server, file: Path = Path("FILE")) -> None:
    """Raises Refused for more than tables: SQL has no statement that takes the rest along."""
    for schema in (NEW, server.database):
        if more := servers.others(server, schema):
            unpack = shell.shown((*compression.of(file).decompress, str(file)))
            raise Refused(
                f"there is more than tables: {', '.join(more)}",
                f"{KEPT}; only tables can be exchanged at once",
                f"load it by hand: `{unpack} | inv db.shell --root`",
            )


def prepare(server: Server) -> None:
    """Empty schemas to load into, and to move aside into."""
    # what an interrupted run left there is a copy, or what it was told to overwrite
    statement = "DROP DATABASE IF EXISTS {0};\nCREATE DATABASE {0};\n"
    server.sql(statement.format(NEW) + statement.format(OLD))


def clear(server: Server) -> None:
    server.sql(f"DROP DATABASE IF EXISTS {NEW};\nDROP DATABASE IF EXISTS {OLD};\n")


def load(
    server: Server,
    source: tuple[str, ...],
    dumped_server: Server | None = None,
) -> None:
    """Run the SQL that a command prints, such as a dump of another server, in the new schema.

    Raises KubeupError where it is not taken whole, CutOff where it did not come whole.
    """
    dumped, alive = backups.Dumped(), server.alive()
    source_alive = (dumped_server or server).alive()
    # a file is decompressed without a password
    ask = dumped_server.password_line if dumped_server else bytes
    try:
        shell.chain(
            source,
            server.load(NEW),
            ask=ask,
            head=server.password_line(),
            see=dumped.see,
            timeout=backups.HOUR * 12,
            alive=lambda: alive() and source_alive(),
        )
    except CommandError as error:
        raise _not_loaded(server, error, dumped.whole) from None
    dumped.require_whole()


def _not_loaded(server: Server, error: CommandError, whole: bool) -> KubeupError:
    why, number = error.why, 0
    if servers.ERROR.search(error.stderr):
        refused = servers.refusal(server, error.stderr)
        why, number = refused.why, refused.number
    if number in FULL:
        why += " (its disk is full)"
    # half a statement is the only one of a dump that no server understands
    if not whole and number in (0, SYNTAX):
        return CutOff("the dump was cut off", why, f"{KEPT}; run the same again")
    return KubeupError(
        "the data could not be loaded", why, f"{KEPT}; correct that, then run the same again"
    )


def compare(wanted: dict[str, int], loaded: dict[str, int], of: str) -> None:
    """Raises KubeupError where a table lacks rows or has too many."""
    rows = backups.without_revision(loaded)
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
            f"{KEPT}; use another backup: `inv db.list`",
        )


def exchange(server: Server) -> None:
    """All tables of the new schema become the database's; those that were there go aside."""
    # one RENAME TABLE happens whole or not at all, see
    # https://dev.mysql.com/doc/refman/8.4/en/rename-table.html
    there, new = servers.tables(server, server.database), servers.tables(server, NEW)
    server.sql(renaming(server.database, there, new))


def renaming(database: str, there: Iterable[str], new: Iterable[str]) -> str:
    """The statement that exchanges tables; '' where there are none at all."""
    names, schema = servers.name, servers.name(database)
    pairs = [f"{schema}.{names(table)} TO {OLD}.{names(table)}" for table in there]
    pairs += [f"{NEW}.{names(table)} TO {schema}.{names(table)}" for table in new]
    if not pairs:
        return ""
    return f"RENAME TABLE {', '.join(pairs)};"
