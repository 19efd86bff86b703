"""The tables' revision, and the API's own migrations, run by the API that is deployed."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.database import server as servers
from kubeup.database.backups import REVISIONS
from kubeup.database.server import Server
from kubeup.system.kubectl import Kubectl

# the same function that the API runs at its start; its environment has the connection
UPGRADE = """\
import os
from products import config, migrate
migrate.upgrade(config.load(os.environ).url)
"""
WORDS = ("exec", "-i", "deployment/api", "--", "/opt/venv/bin/python", "-")


def revision(server: Server) -> str:
    """'' where the tables were never made."""
    if REVISIONS not in servers.tables(server, server.database):
        return ""
    return server.sql(f"SELECT version_num FROM {REVISIONS}", server.database).strip()


@dataclass(frozen=True)
class Migrate:
    """Bring the tables up to what the API wants; harmless to run again."""

    server: Server
    kubectl: Kubectl

    def commands(self) -> tuple[str, ...]:
        return (self.kubectl.shown(*WORDS),)

    def run(self, log: Log) -> None:
        before = revision(self.server)
        output = self.kubectl.read(*WORDS, stdin=UPGRADE, ok=None, timeout=600)
        if not output.ok:
            raise KubeupError(
                "the migrations failed",
                "".join(output.stderr.strip().splitlines()[-1:]) or "no answer",
                "`inv deploy.logs api`, then run the same again",
            )
        after = revision(self.server)
        if before == after:
            log(f"revision {after}, as before")
        else:
            log(f"from revision {before or 'none'} to {after}")
