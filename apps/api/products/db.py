"""Connections to the database, and what its errors mean."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

_CANNOT_CONNECT = "the database does not answer"
_NO_TLS = "the database and this service do not agree on TLS"
_REASONS = {
    1040: "the database has too many connections",
    1044: "the database refuses this user the schema",
    1045: "the database refuses this user or password",
    1049: "the database has no such schema",
    1142: "the database takes no such change now (it may be about to move)",
    1146: "the tables are missing",
    1205: "a lock was held for too long",
    1213: "the database chose this request to end a deadlock",
    3118: "the database has moved, its new address is not known everywhere yet",
    2002: _CANNOT_CONNECT,
    2003: _CANNOT_CONNECT,
    2005: _CANNOT_CONNECT,
    2006: "the connection to the database was lost",
    2013: "the connection to the database was lost",
    2026: _NO_TLS,
    3159: _NO_TLS,
}
_TABLE_MISSING = 1146
POOL_SIZE = 10


class NotReadyError(Exception):
    """The database cannot be used now; the text says why and holds no secret."""


def error_code(error: DBAPIError) -> int:
    """Return the number that MySQL or its driver gave the error; 0 where there is none."""
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else 0


def reason(error: Exception) -> str:
    """Say why the database is of no use, without host, user or any other text of the server's."""
    if isinstance(error, PoolTimeout):
        return "all connections to the database are busy"
    if isinstance(error, DBAPIError):
        code = error_code(error)
        # the driver gives it the number of a server that does not answer
        if isinstance(getattr(error.orig, "original_exception", None), ssl.SSLCertVerificationError):
            return f"the database has no certificate that this service trusts (error {code})"
        return f"{_REASONS.get(code, 'the database reports an error')} (error {code})"
    return "the database cannot be used"


def make_engine(url: URL, *, size: int, read_timeout: int) -> Engine:
    """Make an engine that notices dead connections and gives up early on a database that is away."""
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=size,
        max_overflow=size // 2,
        pool_timeout=3,
        pool_recycle=1800,
        # Without this the bytes of a picture would be written to the log with the error of its statement.
        hide_parameters=True,
        connect_args={"connect_timeout": 2, "read_timeout": read_timeout, "write_timeout": read_timeout},
    )


class Database:
    """The database as the API sees it: closed until :meth:`open` says that its tables are there."""

    def __init__(self, url: URL) -> None:
        self._engine = make_engine(url, size=POOL_SIZE, read_timeout=10)
        # Probes have a connection of their own: busy requests must not make the service look dead.
        self._probe_engine = make_engine(url, size=2, read_timeout=2)
        self._why_closed = "the migrations have not run yet"
        self._opened = threading.Event()
        self.wanted = threading.Event()
        self.wanted.set()

    def open(self) -> None:
        """Let requests in: the tables are up to date."""
        self.wanted.clear()
        self._opened.set()

    def close(self, why: str) -> None:
        """Keep requests out and ask for the migrations to run."""
        self._why_closed = why
        self._opened.clear()
        self.wanted.set()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session; what was not committed in it is rolled back."""
        self._refuse_if_closed()
        try:
            with Session(self._engine, expire_on_commit=False) as session:
                yield session
        except DBAPIError as error:
            self._notice(error)
            raise

    def check(self) -> None:
        """Ask the database whether it can serve requests; raise :class:`NotReadyError` if not."""
        self._refuse_if_closed()
        try:
            with self._probe_engine.connect() as connection:
                migrated = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        except (DBAPIError, PoolTimeout) as error:
            if isinstance(error, DBAPIError):
                self._notice(error)
            raise NotReadyError(reason(error)) from None
        if migrated is None:
            self.close("the migrations have to run again")
            self._refuse_if_closed()

    def dispose(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._probe_engine.dispose()

    def _refuse_if_closed(self) -> None:
        if not self._opened.is_set():
            raise NotReadyError(self._why_closed)

    def _notice(self, error: DBAPIError) -> None:
        # A database that came back empty (its volume was lost, say) is to be migrated again.
        if error_code(error) == _TABLE_MISSING:
            self.close("the tables are missing, the migrations will run again")
