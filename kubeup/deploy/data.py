"""Data that is there already keeps the passwords and names it was made with: a mark beside it tells whether they are the same."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup import secrets, ssh
from kubeup.deploy.overlay import Overlay
from kubeup.errors import KubeupError, Refused
from kubeup.plan import Log

STEP = "deploy/data"
# prints the mark of data that is there, or leaves the new one where there is neither data nor mark
SCRIPT = (
    'umask 077; mark="$1/mysql.passwords"; '
    'if [ -n "$(ls -A "$1/mysql" 2>/dev/null)" ] && [ -s "$mark" ]; then cat "$mark"; else echo "$2" >"$mark"; cat "$mark"; fi'
)


@dataclass(frozen=True)
class CheckData:
    """Refuse to start the database on data that was made with another Secret; the mark tells nothing of what is in it."""

    overlay: Overlay

    def run(self, log: Log) -> None:
        mark = secrets.fingerprint(self.overlay.secret())  # when it runs: passwords may have been generated a moment ago
        place = self.overlay.place
        output = ssh.run(place.reach(), "sh", "-c", SCRIPT, "check", place.folder, mark, root=True)
        if not output.ok:
            raise KubeupError(f"the data on {place.node} can't be looked at", output.stderr.strip(), "`inv doctor`")
        if output.stdout.strip() != mark:
            raise Refused(f"the data on {place.node} was made with other passwords, or another database or user name",
                          f"a database reads them on an empty data folder only ({place.folder}/mysql is not empty)",
                          "put back the .env that belongs to it, and database.name and database.user; "
                          "or, to lose that data: `inv down --data`, then `inv up`")
