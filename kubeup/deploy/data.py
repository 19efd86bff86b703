"""Data that is there already keeps the passwords it was made with: a mark beside it tells whether they are still the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup import secrets, ssh
from kubeup.errors import KubeupError, Refused
from kubeup.plan import Log
from kubeup.ssh import Reach

STEP = "deploy/data"
FOLDER = "/var/lib/kubeup/data"
# prints the mark of data that is there, or leaves the new one where there is neither data nor mark
SCRIPT = (
    'umask 077; mark="$1/mysql.passwords"; '
    'if [ -n "$(ls -A "$1/mysql" 2>/dev/null)" ] && [ -s "$mark" ]; then cat "$mark"; else echo "$2" >"$mark"; cat "$mark"; fi'
)


@dataclass(frozen=True)
class CheckData:
    """Refuse to start the database on data that has other passwords than `env` holds; the mark tells nothing of them."""

    node: Reach
    env: Path

    def run(self, log: Log) -> None:
        values = secrets.read(self.env)  # when it runs: they may have been generated a moment ago
        mark = secrets.fingerprint({name: values[name] for name in secrets.PASSWORDS})
        output = ssh.run(self.node, "sh", "-c", SCRIPT, "check", FOLDER, mark, root=True)
        if not output.ok:
            raise KubeupError(f"the data on {self.node.name} can't be looked at", output.stderr.strip(), "`inv doctor`")
        if output.stdout.strip() != mark:
            raise Refused(f"the data on {self.node.name} was made with other passwords than those in .env",
                          f"a database reads its passwords on an empty data folder only ({FOLDER}/mysql is not empty)",
                          "put back the .env that belongs to it; or, to lose that data: `inv down --data`, then `inv up`")
