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
UPGRADE = (
    "import os\nfrom products import config, "
    "migrate\nmigrate.upgrade(config.load(os.environ).url)\n"
)


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
        return (self.kubectl.shown(*self._words()),)

    def run(self, log: Log) -> None:
        before = revision(self.server)
        answer = self.kubectl.read(*self._words(), stdin=UPGRADE, ok=None, timeout=600)
        if not answer.ok:
            last = answer.stderr.strip().splitlines()[-1:]
            raise KubeupError(
                "the migrations did not run",
                "\n".join(last) or "no answer",
                "`inv deploy.logs api`, then run the same again",
            )
        after = revision(self.server)
        log(
            f"revision {after}, as before"
            if before == after
            else f"from revision {before or 'none'} to {after}"
        )

    @staticmethod
    def _words() -> tuple[str, ...]:
        return ("exec", "-i", "deployment/api", "--", "/opt/venv/bin/python", "-")
