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
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, KubeupError, Refused, UsageError
from kubeup.core.plan import Log, Step
from kubeup.core.state import write_private
from kubeup.database import server as servers
from kubeup.database.server import Server
from kubeup.system import cache

FORMAT = 1
SUFFIX, ABOUT = ".sql.zst", ".json"
PART = ".part-"
PACKAGES = ("zstd",)
# ten times as fast as what comes; more threads take from the server's on the same machine
COMPRESS = ("zstd", "--quiet", "--stdout")
ENDS = b"-- Dump completed"  # mysqldump's and mariadb-dump's last line
REVISIONS = "alembic_version"
SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\nSTART TRANSACTION "
    "WITH CONSISTENT SNAPSHOT;\n"
)
HOUR = 3600.0


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

    @property
    def server(self) -> servers.Version:
        return servers.Version(self.version)


def described(file: Path) -> Path:
    return file.with_name(f"{file.name}{ABOUT}")


def about(file: Path) -> BackupManifest:
    """What lies beside a backup.

    Raises UsageError where there is no backup, Refused where it can't be judged.
    """
    beside = described(file)
    if not file.is_file():
        raise UsageError(
            f"there is no backup {file}", "no such file", "`inv db.list` shows those there are"
        )
    try:
        found = json.loads(beside.read_text(encoding="utf-8"))
        if found["format"] > FORMAT:
            raise Refused(
                f"{file.name} was made by a newer kubeup",
                f"its format is {found['format']}, this one reads {FORMAT}",
                "use that kubeup for it",
            )
        return BackupManifest(**found)
    except FileNotFoundError:
        raise Refused(
            f"{beside.name} is missing",
            "it says what the backup has to be: without it nobody can tell whether it is whole",
            f"put it back beside {file.name}",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"{beside.name} can't be read",
            "it is no description of a backup",
            "take another backup: `inv db.list`",
        ) from None


def check(file: Path) -> BackupManifest:
    """What a backup is, once its content was found to be what was written.

    Raises Refused for one that was altered or cut off.
    """
    found = about(file)
    size = file.stat().st_size
    if size != found.bytes:
        raise Refused(
            f"{file.name} is not whole",
            f"it has {size} bytes, {found.bytes} were written",
            "take another backup: `inv db.list`",
        )
    if cache.sha256(file) != found.sha256:
        raise Refused(
            f"{file.name} was altered",
            "its sha256 is another one than when it was written",
            "take another backup: `inv db.list`",
        )
    return found


@dataclass(frozen=True)
class Listed:
    """A backup in the list; `wrong` says why it is of no use, '' for a good one."""

    file: Path
    about: BackupManifest | None
    wrong: str = ""


def listed(folder: Path) -> list[Listed]:
    """The backups of a folder, the oldest first; sums are not computed."""
    rows = []
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            found = about(file)
        except KubeupError as error:
            rows.append(Listed(file, None, error.what))
            continue
        size = file.stat().st_size
        rows.append(
            Listed(file, found, "" if size == found.bytes else f"{size} of {found.bytes} bytes")
        )
    return rows


def target(folder: Path, profile: str, database: str, to: str) -> Path:
    """Where a backup goes. Raises Refused where something of that name is there."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    file = (
        Path(to).expanduser().absolute() if to else folder / f"{profile}-{database}-{stamp}{SUFFIX}"
    )
    if file.is_dir():
        file = file / f"{profile}-{database}-{stamp}{SUFFIX}"
    for path in (file, described(file)):
        if path.exists():
            raise Refused(
                f"{path} is there already", "a backup is never overwritten", "name another file"
            )
    return file


def plan(server: Server, file: Path, profile: str) -> list[Step]:
    return [
        Step(
            ids.BACKUP,
            f"back {server.database} up to {file}",
            "asked for",
            Backup(server, file, profile),
            (ids.PACKAGES,),
            5,
        )
    ]


@dataclass(frozen=True)
class Backup:
    """Dump one moment of the database into a file that nobody else can read."""

    server: Server
    file: Path
    profile: str

    def commands(self) -> tuple[str, ...]:
        return (
            f"{shell.shown(self.server.dump())} | {shell.shown(COMPRESS)} > "
            f"{shell.shown((str(self.file),))}",
        )

    def run(self, log: Log) -> None:
        try:
            with _unfinished(self.file) as part:
                found = self._written(part)
                write_private(described(self.file), json.dumps(asdict(found), indent=2) + "\n")
                part.replace(self.file)
        except CommandError as error:
            raise KubeupError(
                f"the backup {self.file.name} could not be made",
                f"{error.what}: {error.why}",
                f"nothing is left of it; {_mend(error)}",
            ) from None
        except OSError as error:
            raise KubeupError(
                f"the backup {self.file.name} could not be written",
                f"{error.strerror} ({self.file.parent})",
                "nothing is left of it; name a file elsewhere with --to",
            ) from None
        log(f"{found.bytes >> 10} KiB, {servers.describe(found.rows)}")

    def _written(self, part: Path) -> BackupManifest:
        dumped, moments = Dumped(), list[ConsistentSnapshot]()
        with part.open("wb") as file, contextlib.ExitStack() as until_the_end:

            def begin() -> bytes:
                moment = until_the_end.enter_context(_one_moment(self.server))
                moments.append(moment)
                dumped.begun = moment.let_go
                return f"{self.server.password()}\n".encode()

            shell.chain(
                self.server.dump(),
                COMPRESS,
                ask=begin,
                see=dumped.see,
                into=file.fileno(),
                timeout=HOUR * 12,
                alive=self.server.alive(),
            )
            os.fsync(file.fileno())
            dumped.require_whole()
            (moment,) = moments
            rows = moment.rows()
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return BackupManifest(
            self.file.name,
            cache.sha256(part),
            part.stat().st_size,
            dumped.size,
            made,
            self.profile,
            self.server.database,
            moment.version,
            moment.revision,
            rows,
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
        """Take note of the next piece. Returns what the dump is told then, b"" mostly."""
        self.size += len(piece)
        if self.begun is not None and b"CREATE TABLE" in self.end + piece:
            self.begun()  # its transaction is older than the first word about a table
            self.begun = None
        before, self.end = self.whole, (self.end + piece[-256:])[-256:]
        return servers.RECEIVED if self.whole and not before else b""

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
    """The version, revision and row counts of the moment that is held, by a session whose
    transaction began in it.
    """

    session: Server
    version: str
    revision: str
    tables: list[str]
    workers: ThreadPoolExecutor
    counts: list[Future[list[list[str]]]] = field(default_factory=list)

    def let_go(self) -> None:
        """Let writes go on, and begin to count: no row that is written from now on is seen."""
        asked = f"UNLOCK TABLES;\n{servers.counting(self.tables)}"
        self.counts = [
            self.workers.submit(self.session.rows, asked, self.session.database, HOUR * 12)
        ]

    def rows(self) -> dict[str, int]:
        """The number of rows of each table, once all are counted."""
        return servers.counted(row for one in self.counts for row in one.result())


@contextlib.contextmanager
def _one_moment(server: Server) -> Iterator[ConsistentSnapshot]:
    """Hold all writes until `let_go` is called, at the latest to the end of the block: what is
    counted is then what is dumped.

    Counting reads every row. It goes on beside the dump, in a transaction that began in the same
    moment as the dump's. The server lets go by itself when this process ends, or after a minute.
    LOCK TABLES would not do: mysqldump flushes tables before its transaction begins, and waits for
    them. What FLUSH waits for in its turn is whoever reads, such as a dump that nobody takes any
    more: see `kubeup.database.server.DUMP`.
    """
    with ThreadPoolExecutor(1) as workers, server.session() as session:
        found = servers.tables(session, server.database)
        asked = f"SELECT 'revision', version_num FROM {REVISIONS};\n" if REVISIONS in found else ""
        facts = dict(
            session.rows(
                "SET SESSION lock_wait_timeout = 20, SESSION wait_timeout = 60;\nFLUSH TABLES "
                "WITH READ LOCK;\n"
                f"SELECT 'version', VERSION();\n{asked}{SNAPSHOT}",
                server.database,
            )
        )
        counted = [one for one in found if one != REVISIONS]
        yield ConsistentSnapshot(
            session, facts["version"], facts.get("revision", ""), counted, workers
        )


@contextlib.contextmanager
def _unfinished(file: Path) -> Iterator[Path]:
    """A file of nobody else's beside `file`, gone at the end unless it was renamed; those that a
    killed run left are removed.
    """
    if not file.parent.exists():
        file.parent.mkdir(mode=0o700, parents=True)
    for left in file.parent.glob(f".*{SUFFIX}{PART}*"):
        left.unlink(missing_ok=True)
    handle, part = tempfile.mkstemp(
        prefix=f".{file.name.removesuffix(SUFFIX)}{SUFFIX}{PART}", dir=file.parent
    )
    os.close(handle)
    try:
        yield Path(part)
    finally:
        Path(part).unlink(missing_ok=True)


def _mend(error: CommandError) -> str:
    if "No space left" in error.why:
        return "make room there, or name a file elsewhere with --to"
    return "run the same again once the database answers (`inv status`)"
