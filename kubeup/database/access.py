"""Who the server lets in: root from the server's own machine alone."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup.core import record
from kubeup.core.plan import Action, Log, Paced
from kubeup.core.state import State
from kubeup.database import server as servers
from kubeup.database.passwords import hosts
from kubeup.database.server import ROOT, Server

LOCAL = ("localhost", "127.0.0.1", "::1")
# all that names who made it, and runs or is read by that account's rights
MADE = " UNION ALL ".join(
    f"SELECT definer FROM information_schema.{table}"
    for table in ("views", "routines", "triggers", "events")
)


@dataclass(frozen=True)
class KeepRootLocal:
    """Take root's accounts away that let it in from elsewhere.

    The images' own default makes one, `root@'%'`, in a new data folder.
    """

    server: Server

    def run(self, log: Log) -> None:
        keep_root_local(self.server, log)


@dataclass(frozen=True)
class RequireTls(Paced):
    """Have the server refuse plain text, by the action that brings it up as it is to be."""

    state: State
    bring_up: Action

    def run(self, log: Log) -> None:
        # on record first: it decides with which options the server is started
        record.change(self.state, guarded=True)
        bring_up = self.bring_up
        if isinstance(bring_up, Paced):
            bring_up = bring_up.at(self.pace)
        bring_up.run(log)


def keep_root_local(server: Server, log: Log) -> None:
    """Let root in from the server's own machine alone. Nothing to do is done twice."""
    with server.session() as session:
        far = [host for host in hosts(session, ROOT) if host not in LOCAL]
        if not far:
            return
        mine = session.sql("SELECT CURRENT_USER()").strip().rpartition("@")[2]
        if mine in far:
            # the account that this very client came in by: without it nobody could
            session.sql(f"RENAME USER {_account(mine)} TO {_account(LOCAL[0])}")
            far.remove(mine)
        made = {row[0] for row in session.rows(MADE)} if far else set()
        for host in far:
            # what an account has made runs by its rights, so it is kept, and lets nobody in
            kept = f"{ROOT}@{host}" in made
            session.sql(
                f"ALTER USER {_account(host)} ACCOUNT LOCK"
                if kept
                else f"DROP USER {_account(host)}"
            )
            log(f"root is no longer let in from {host}")


def _account(host: str) -> str:
    return servers.accounts(ROOT, [host])
