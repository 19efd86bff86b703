"""The database's files on their node: whose they are, and how they are removed by name.

Data that is there already keeps the passwords and names it was made with; a mark beside it tells
whether they are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubeup.application.overlay import Overlay
from kubeup.application.place import Place
from kubeup.application.saved_data import LOOK, REMOVE, restore_traces
from kubeup.core.errors import Refused
from kubeup.core.plan import Log
from kubeup.facts.datafolder import TELLS
from kubeup.system import secrets
from kubeup.system.kubectl import Kubectl

# Prints a line that tells of data that are there, and their mark, where they have one;
# or leaves the new one where there are none.
CHECK = (
    LOOK
    + TELLS
    + r"""
folder=$1 mark=$1/mysql.passwords
if ! is_there "$folder/backups"; then
  mkdir -p -m 700 "$folder" && install -d -m 700 -o 999 -g 999 "$folder/backups" || exit
fi
if holds "$folder/mysql"; then
  echo "$(tells "$folder/mysql")"
  if is_there "$mark"; then cat "$mark"; fi
  exit
fi
if ! is_there "$folder/mysql"; then
  install -d -m 700 "$folder" && install -d -m 700 -o 999 -g 999 "$folder/mysql" || exit
fi
echo "$2" >"$mark.new" && mv "$mark.new" "$mark" && echo new
"""
)
NEW = "new"  # what it prints then
# Leaves the marks given in place of those that are there, or are missing; nothing where there are
# no data.
ACCEPT = (
    LOOK
    + r"""
folder=$1 mark=$1/mysql.passwords
shift
holds "$folder/mysql" || exit 0
printf "%s\n" "$@" >"$mark.new" && mv "$mark.new" "$mark"
"""
)
MARKS = LOOK + '! is_there "$1/mysql.passwords" || cat "$1/mysql.passwords"'
DOCTOR = "`inv doctor`"
# gets a node, and what its files tell of the database that wrote them, None where there are none;
# raises Refused
CheckOrigin = Callable[[str, str | None], None]


@dataclass(frozen=True)
class CheckData:
    """Refuse to start the database on data that was made with another Secret."""

    overlay: Overlay
    check_origin: CheckOrigin | None = None

    def run(self, log: Log) -> None:
        # when it runs: passwords may have been generated a moment ago
        mark = secrets.fingerprint(self.overlay.secret())
        place, failure = self.overlay.place, "can't read the database's data"
        printed = place.run("check", CHECK, place.folder, mark, failure=failure, advice=DOCTOR)
        written_by, *marks = printed.splitlines()
        if written_by != NEW:
            self._require_mark(mark, marks)
        # The mark tells nothing of what is in the data: the files are looked at as well, where
        # nothing on record says which database wrote them.
        if self.check_origin:
            self.check_origin(place.node, None if written_by == NEW else written_by)

    def _require_mark(self, mark: str, marks: Sequence[str]) -> None:
        place = self.overlay.place
        folder = f"{place.folder}/mysql"
        if not "".join(marks).strip():
            raise Refused(
                f"the passwords of the data on {place.node} are unknown",
                f"{folder} is not empty, and the mark beside it, mysql.passwords, is missing or "
                "empty",
                "put that file back; where the database runs, `inv db.rotate` gives it new "
                "passwords and a mark; or, where these data "
                f"belong to .env as it is: `inv cluster.ssh {place.node} --root`, "
                f"then type: echo {mark} >{folder}.passwords",
            )
        if mark not in marks:  # there are two while passwords are being changed
            raise Refused(
                f"the data on {place.node} was made with other passwords, or another database "
                "or user name",
                f"a database sets these in an empty data folder only ({folder} is not empty)",
                "put back the .env that belongs to it, and database.name and database.user; "
                "or, to lose that data: `inv down --data`, then `inv up`",
            )


def accept(overlay: Overlay, also: Mapping[str, str] | None = None) -> None:
    """Let the data be started with the passwords of `.env`, and for now with others `also`.

    Those go by their names in `.env`.
    """
    secret, place = overlay.secret(), overlay.place
    marks = [secrets.fingerprint(secret)]
    if also:
        failure = "can't read the mark of the database's data"
        there = place.run("marks", MARKS, place.folder, failure=failure, advice=DOCTOR)
        new = {
            "ROOT_PASSWORD": also["MYSQL_ROOT_PASSWORD"],
            "MYSQL_PASSWORD": also["MYSQL_PASSWORD"],
        }
        marks += [*there.split(), secrets.fingerprint({**secret, **new})]
    failure = "can't write the mark of the database's data"
    place.run("accept", ACCEPT, place.folder, *dict.fromkeys(marks), failure=failure, advice=DOCTOR)


# what backs the database in the cluster up; the backups themselves stay on their node
SCHEDULED = (
    ("cronjob", "mysql-backup"),
    ("networkpolicy", "db-backup"),
    ("networkpolicy", "db-from-backup"),
    ("persistentvolumeclaim", "mysql-backups"),
    ("persistentvolume", "mysql-backups"),
    ("secret", "mysql-backup"),
    ("configmap", "mysql-backup"),
)


def remove(kubectl: Kubectl, objects: Iterable[tuple[str, str]], log: Log) -> None:
    """Remove objects by kind and name, those that are there."""
    for kind, name in objects:
        gone = ("--ignore-not-found", "--wait=true", "--timeout=120s")
        kubectl.write("delete", kind, name, *gone, log=log)


@dataclass(frozen=True)
class Unschedule:
    """Stop the backups that the cluster makes by itself; those that were made stay."""

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        remove(self.kubectl, SCHEDULED, log)


@dataclass(frozen=True)
class DropData:
    """Remove the database from the cluster with its volume and files, asked for by name."""

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        kinds = {
            "statefulset": "mysql",
            "persistentvolumeclaim": "data-mysql-0",
            "persistentvolume": "data-mysql-0",
            "secret": "mysql-tls",
        }
        remove(self.kubectl, [*SCHEDULED, *kinds.items()], log)
        folder = self.place.folder
        self.place.run(
            "drop",
            REMOVE,
            *(f"{folder}/mysql", f"{folder}/mysql.passwords", *restore_traces(folder, "mysql")),
            failure="can't remove the database's data",
            advice="run the same again",
        )
