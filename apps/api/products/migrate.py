"""Migrations: one process at a time, again and again until the database has answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from products.db import Database, NotReadyError, reason

log = logging.getLogger("products.migrate")

_LOCK_SECONDS = 20
_GREETING_SECONDS = 3
# Longer than for a request: a migration may have to copy a table.
_STATEMENT_SECONDS = 300
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 5.0


def upgrade(url: URL) -> None:
    """Bring the tables up to date. Harmless to call again, and from several processes at once."""
    # The driver waits for a server's greeting as long as for any answer. One that takes the connection and then
    # says nothing must not hold this up for minutes, so it is greeted with less patience first.
    _engine(url, _GREETING_SECONDS).connect().close()
    engine = _engine(url, _STATEMENT_SECONDS)
    with engine.connect() as connection, _lock(connection, f"kubeup-api:{url.database}"[:64]):
        _upgrade_locked(connection)


def _engine(url: URL, seconds: int) -> Engine:
    timeouts = {"connect_timeout": 2, "read_timeout": seconds, "write_timeout": seconds}
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=timeouts)


def _upgrade_locked(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "products:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    if current is not None and current not in known:
        # A newer release has migrated already and this one is being rolled out of the way: it must still serve.
        log.warning("the database is at revision %s, which this release does not know; left as it is", current)
        return
    command.upgrade(config, "head")


@contextmanager
def _lock(connection: Connection, name: str) -> Iterator[None]:
    taken = connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), {"name": name, "seconds": _LOCK_SECONDS})
    if taken.scalar() != 1:
        raise NotReadyError("another process is migrating the database")
    # The lock belongs to the connection, not to the transaction: end it, so that Alembic begins its own.
    connection.commit()
    yield
    # Not in a finally: after an error the connection is closed at once, and the lock with it.
    connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})


class Migrator(threading.Thread):
    """Runs the migrations in the background whenever the database asks for them."""

    def __init__(self, url: URL, database: Database) -> None:
        super().__init__(name="migrator", daemon=True)
        self._url = url
        self._database = database
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let the thread end. What is under way ends with the process at the latest; the next start goes on with it."""
        self._stopped.set()
        self._database.wanted.set()

    def run(self) -> None:
        """Migrate, retrying with growing pauses, until told to stop."""
        pause = _FIRST_PAUSE
        while self._database.wanted.wait() and not self._stopped.is_set():
            if self._try():
                pause = _FIRST_PAUSE
            else:
                self._stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _try(self) -> bool:
        try:
            upgrade(self._url)
        except (DBAPIError, NotReadyError) as error:
            why = str(error) if isinstance(error, NotReadyError) else reason(error)
            log.warning("migrations cannot run yet: %s", why)
        except Exception:
            why = "a migration failed, see the log of the API"
            log.exception("migrations failed; trying again")
        else:
            log.info("the database is up to date")
            self._database.open()
            return True
        self._database.close(f"not migrated yet: {why}")
        return False
