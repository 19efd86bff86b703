"""Backups: a compressed dump, and beside it a file that says what it is.

Neither is ever found half made.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kubeup.core import ids, private, shell
from kubeup.core.errors import CommandError, KubeupError, Refused, UsageError
from kubeup.core.plan import Log, Step
from kubeup.core.state import flush, write_private
from kubeup.database import compression, scripts
from kubeup.database import server as servers
from kubeup.database.server import Server
from kubeup.database.version import Version
from kubeup.system import cache

FORMAT = 2  # since it is told whether a backup was ever restored
ABOUT = ".json"
PART = ".part-"
ENDS = b"-- Dump completed"  # mysqldump's and mariadb-dump's last line
REVISIONS = "alembic_version"
LOCK = """\
SET SESSION lock_wait_timeout = 20, SESSION wait_timeout = 60;
FLUSH TABLES WITH READ LOCK;
SELECT 'version', VERSION();
"""
SNAPSHOT = """\
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION WITH CONSISTENT SNAPSHOT;
"""
HOUR = 3600.0
ANOTHER = "use another backup: `inv db.list`"


@dataclass(frozen=True)
class BackupManifest:
    """What is known of a backup."""

    file: str
    sha256: str
    bytes: int  # of the file
    sql_bytes: int
    made: str
    profile: str
    database: str
    version: str  # of the server
    revision: str  # of the schema, '' where there is none
    rows: dict[str, int]
    format: int = FORMAT
    scheduled: bool = False  # made by itself
    restored: str = ""  # when it last was, and had the rows that it should; '' for never
    wrong: str = ""  # why it could not be

    @property
    def server(self) -> Version:
        return Version(self.version)


def manifest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}{ABOUT}")


def about(file: Path) -> BackupManifest:
    """What the file beside a backup says.

    Raises UsageError where there is no backup, Refused where it can't be judged.
    """
    path = manifest_of(file)
    if not file.is_file():
        raise UsageError(
            f"there is no backup {file}", "no such file", "`inv db.list` shows those there are"
        )
    try:
        return parsed(file.name, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(
            f"{path.name} is missing",
            "without it there is no way to check that the backup is whole",
            f"put it back beside {file.name}",
        ) from None


def parsed(name: str, text: str) -> BackupManifest:
    """What the text beside a backup of that name says. Raises Refused as above."""
    try:
        values = json.loads(text)
        if values["format"] > FORMAT:
            raise Refused(
                f"{name} was made by a newer kubeup",
                f"its format is {values['format']}, this one reads {FORMAT}",
                "use that kubeup for it",
            )
        return BackupManifest(**values)
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"{name}{ABOUT} can't be read", "it does not describe a backup", ANOTHER
        ) from None


def check(file: Path) -> BackupManifest:
    """What a backup is, once its content is known to be what was written.

    Raises Refused for one that was altered or cut off.
    """
    manifest = about(file)
    if wrong := wrong_size(file.stat().st_size, manifest):
        raise Refused(f"{file.name} is not whole", f"it has {wrong}", ANOTHER)
    refuse_failed(manifest)
    if cache.sha256(file) != manifest.sha256:
        why = "its sha256 is not the one it was written with"
        raise Refused(f"{file.name} was altered", why, ANOTHER)
    return manifest


def wrong_size(size: int, manifest: BackupManifest) -> str:
    """What is wrong with the size of a backup's file, '' where nothing is."""
    return "" if size == manifest.bytes else f"{size} of {manifest.bytes} bytes"


def refuse_failed(manifest: BackupManifest) -> None:
    """Raises Refused for a backup that failed when it was restored to test it."""
    if manifest.wrong:
        raise Refused(f"{manifest.file} failed its test", manifest.wrong, ANOTHER)


def mark_restored(file: Path, manifest: BackupManifest) -> None:
    """Write down that a backup was restored and had the rows that it should."""
    known = replace(manifest, restored=_now(), format=FORMAT)
    write_private(manifest_of(file), _text(known))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _text(manifest: BackupManifest) -> str:
    return json.dumps(asdict(manifest), indent=2) + "\n"


@dataclass(frozen=True)
class Listed:
    """A backup in the list; `wrong` says why it is of no use, '' for a good one.

    `node`: the machine that has it, '' for this one.
    """

    file: Path
    about: BackupManifest | None
    wrong: str = ""
    node: str = ""


def listed(folder: Path) -> list[Listed]:
    """The backups of a folder, the oldest first; sums are not computed."""
    rows = []
    for file in compression.files(folder, "*{}"):
        try:
            manifest = about(file)
            wrong = wrong_size(file.stat().st_size, manifest) or manifest.wrong
            rows.append(Listed(file, manifest, wrong))
        except KubeupError as error:
            rows.append(Listed(file, None, error.what))
    return rows


def target(folder: Path, profile: str, database: str, to: str) -> Path:
    """Where a backup goes. Raises Refused where something of that name is there."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = f"{profile}-{database}-{stamp}{compression.DEFAULT.suffix}"
    file = Path(to).expanduser().absolute() if to else folder / name
    if file.is_dir():
        file /= name
    for path in (file, manifest_of(file)):
        if path.exists():
            raise Refused(
                f"{path} is there already", "a backup is never overwritten", "name another file"
            )
    return file


def plan(server: Server, file: Path, profile: str) -> list[Step]:
    action, title = Backup(server, file, profile), f"back {server.database} up to {file}"
    return [Step(ids.BACKUP, title, "asked for", action, (ids.PACKAGES,), seconds=5)]


@dataclass(frozen=True)
class Backup:
    """Dump one moment of the database into a file that nobody else can read."""

    server: Server
    file: Path
    profile: str

    @property
    def compress(self) -> tuple[str, ...]:
        return compression.of(self.file).compress

    def commands(self) -> tuple[str, ...]:
        pipe = f"{shell.shown(self.server.dump())} | {shell.shown(self.compress)}"
        return (f"{pipe} > {shell.shown((str(self.file),))}",)

    def run(self, log: Log) -> None:
        try:
            with unfinished(self.file) as part:
                manifest = self._written(part)
                finish(part, self.file, manifest)
        except CommandError as error:
            raise KubeupError(
                f"the backup {self.file.name} could not be made",
                f"{error.what}: {error.why}",
                f"nothing is left of it; {_advice(error)}",
            ) from None
        except OSError as error:
            raise KubeupError(
                f"the backup {self.file.name} could not be written",
                f"{error.strerror} ({self.file.parent})",
                "nothing is left of it; name a file elsewhere with --to",
            ) from None
        log(f"{manifest.bytes >> 10} KiB, {servers.describe(manifest.rows)}")

    def _written(self, part: Path) -> BackupManifest:
        dumped, moments = Dumped(), list[ConsistentSnapshot]()
        with part.open("wb") as file, contextlib.ExitStack() as until_the_end:

            def begin() -> bytes:
                moment = until_the_end.enter_context(_one_moment(self.server))
                moments.append(moment)
                dumped.begun = moment.allow_writes
                return self.server.password_line()

            shell.chain(
                self.server.dump(),
                self.compress,
                ask=begin,
                see=dumped.see,
                into=file.fileno(),
                timeout=HOUR * 12,
                alive=self.server.alive(),
            )
            os.fsync(file.fileno())
            dumped.require_whole()
            # counted in the snapshot, which ends with the block
            (moment,) = moments
            rows = moment.rows()
        return BackupManifest(
            file=self.file.name,
            sha256=cache.sha256(part),
            bytes=part.stat().st_size,
            sql_bytes=dumped.size,
            made=_now(),
            profile=self.profile,
            database=self.server.database,
            version=moment.version,
            revision=moment.revision,
            rows=rows,
        )


class CutOff(KubeupError):
    """A dump ended before its last line: the same again may bring it whole."""


@dataclass
class Dumped:
    """What went by of a dump: its size, its end, and whether rows have begun to come."""

    size: int = 0
    end: bytes = b""
    begun: Callable[[], None] | None = None

    def see(self, piece: bytes) -> bytes:
        """Take note of the next piece. Returns what is written to the dump then, b"" mostly."""
        self.size += len(piece)
        if self.begun is not None and b"CREATE TABLE" in self.end + piece:
            self.begun()  # its transaction is older than the first word about a table
            self.begun = None
        was_whole, self.end = self.whole, (self.end + piece[-256:])[-256:]
        return scripts.RECEIVED if self.whole and not was_whole else b""

    @property
    def whole(self) -> bool:
        return ENDS in self.end

    def require_whole(self) -> None:
        if not self.whole:
            raise CutOff(
                "the dump is not whole",
                "its last line is missing: the connection was cut",
                "run the same again",
            )


@dataclass
class ConsistentSnapshot:
    """The version, revision and row counts of one moment.

    They are read by a session whose transaction began in that moment.
    """

    session: Server
    version: str
    revision: str
    tables: list[str]
    worker: ThreadPoolExecutor
    counts: Future[list[list[str]]] | None = None

    def allow_writes(self) -> None:
        """Let writes go on, and begin to count: no row that is written from now on is seen."""
        query = f"UNLOCK TABLES;\n{servers.counting(self.tables)}"
        self.counts = self.worker.submit(self.session.rows, query, self.session.database, HOUR * 12)

    def rows(self) -> dict[str, int]:
        """The number of rows of each table, once all are counted."""
        return servers.counted(self.counts.result()) if self.counts else {}


@contextlib.contextmanager
def _one_moment(server: Server) -> Iterator[ConsistentSnapshot]:
    """Hold all writes until `allow_writes` is called, at the latest to the end of the block."""
    # What is counted is then what is dumped. Counting reads every row. It goes on beside the dump,
    # in a transaction that began in the same moment as the dump's.
    # The server lets go by itself when this process ends, or after a minute (wait_timeout).
    # LOCK TABLES would not do: mysqldump flushes tables before its transaction begins, and waits
    # for them. What FLUSH waits for in its turn is whoever reads, such as a dump that nobody takes
    # any more: see `kubeup.database.scripts.DUMP`.
    with ThreadPoolExecutor(1) as worker, server.session() as session:
        tables, revision = servers.tables(session, server.database), ""
        if REVISIONS in tables:
            revision = f"SELECT 'revision', version_num FROM {REVISIONS};\n"
            tables.remove(REVISIONS)
        facts = dict(session.rows(f"{LOCK}{revision}{SNAPSHOT}", server.database))
        yield ConsistentSnapshot(
            session, facts["version"], facts.get("revision", ""), tables, worker
        )


@contextlib.contextmanager
def unfinished(file: Path) -> Iterator[Path]:
    """A private file beside `file`, gone at the end unless it was renamed."""
    private.make_folder(file.parent)
    # what a killed run left
    for left in compression.files(file.parent, f".*{{}}{PART}*"):
        left.unlink(missing_ok=True)
    suffix = compression.of(file).suffix
    prefix = f".{file.name.removesuffix(suffix)}{suffix}{PART}"
    handle, name = tempfile.mkstemp(prefix=prefix, dir=file.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def finish(part: Path, file: Path, manifest: BackupManifest) -> None:
    """What is whole by now becomes the backup, with the file beside it."""
    write_private(manifest_of(file), _text(manifest))
    part.replace(file)
    flush(file.parent)


def _advice(error: CommandError) -> str:
    if "No space left" in error.why:
        return "make room there, or name a file elsewhere with --to"
    return "run the same again once the database answers (`inv status`)"


def without_revision(rows: dict[str, int]) -> dict[str, int]:
    """Row counts of all tables but the one with the schema's revision."""
    return {table: number for table, number in rows.items() if table != REVISIONS}
