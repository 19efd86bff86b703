"""Backups that run by themselves: who may read for them, and that it begins where the database is.

In the cluster the application's manifests bring the rest (`kubeup.application.overlay`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kubeup.application.schedule import ACCOUNT, Backups
from kubeup.core import record
from kubeup.core.plan import Action, Log
from kubeup.core.record import Schedule
from kubeup.core.state import State
from kubeup.database import machine_schedule
from kubeup.database import server as servers
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import Server
from kubeup.database.version import Version
from kubeup.system import secrets

# what mysqldump takes for a dump of one database, but for routines, see
# https://dev.mysql.com/doc/refman/8.4/en/mysqldump.html
READING = "SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES"


@dataclass(frozen=True)
class Choose:
    """Write down how often, from now on."""

    state: State
    schedule: Schedule

    def run(self, log: Log) -> None:
        record.change(self.state, schedule=self.schedule)


@dataclass(frozen=True)
class Begin:
    """Let the account of the backups in, and start the timer where a `machine` has it."""

    server: Server
    backups: Backups
    state: State
    where: str  # the database lies
    machine: DatabaseVm | None = None

    def run(self, log: Log) -> None:
        with self.server.session() as session:
            version = servers.version(session)
            session.sql(account(self.server.database, self.backups.password(), version))
        log(f"{ACCOUNT} may read the database")
        if self.machine:
            machine_schedule.begin(self.machine)
            log(f"the timer runs on {self.machine.place.node}")
        # last: a run that is cut off before does all of it again
        known = record.read(self.state).schedule
        mark = account_mark(self.backups, self.where)
        record.change(self.state, schedule=replace(known, account=mark))


@dataclass(frozen=True)
class End:
    """Stop them on one side; the account goes, too, from the `server` in use."""

    stop: Action
    server: Server | None

    def run(self, log: Log) -> None:
        self.stop.run(log)
        if self.server:
            self.server.sql(f"DROP USER IF EXISTS {servers.accounts(ACCOUNT, ['%'])}")


def account_mark(backups: Backups, where: str) -> str:
    """What tells the account, as it is to be, from what another password or place made of it."""
    return secrets.fingerprint({"password": backups.password(), "database": where})


def account(database: str, password: str, version: Version) -> str:
    """SQL that makes the account, or gives it another password: it may read that database alone.

    Root's own password would let in from this machine alone, and do anything.
    """
    who, quoted = servers.accounts(ACCOUNT, ["%"]), servers.literal(password)
    escaped = database.replace("_", r"\_")  # which is a wildcard there
    return "".join(
        f"{statement};\n"
        for statement in (
            f"CREATE USER IF NOT EXISTS {who} IDENTIFIED BY {quoted} REQUIRE SSL",
            f"ALTER USER {who} IDENTIFIED BY {quoted} REQUIRE SSL",
            f"GRANT {READING} ON {servers.name(escaped)}.* TO {who}",
            # FLUSH TABLES WITH READ LOCK
            f"GRANT RELOAD ON *.* TO {who}",
            _routines(version, who),
        )
    )


def _routines(version: Version, who: str) -> str:
    """What lets it read routines; older servers keep them in a table."""
    if version.is_mariadb or version.numbers < (8, 0):
        return f"GRANT SELECT ON mysql.proc TO {who}"
    return f"GRANT SHOW_ROUTINE ON *.* TO {who}"
