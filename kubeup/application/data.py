"""The database's files on their node: whose they are, and how they outlive a machine that can't
keep them.

Data that is there already keeps the passwords and names it was made with; a mark beside it tells
whether they are the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.application import archives
from kubeup.application.overlay import Overlay
from kubeup.application.place import Place
from kubeup.core import ids, record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.pace import Pace
from kubeup.core.plan import Action, Holds, Log, Paced, Planned, Step
from kubeup.core.record import Side
from kubeup.core.state import State
from kubeup.facts.datafolder import TELLS
from kubeup.system import cache, secrets, ssh
from kubeup.system.kubectl import Kubectl

END_SECONDS = 120.0  # that a database may take to write down what it has, and end
# whether something is there, or a folder holds anything: yes, no, or the script's end, as what
# can't be read is not "none"
LOOK = r"""
umask 077
is_there() {
  said=$(LC_ALL=C ls -d -- "$1" 2>&1) && return 0
  case $said in *"No such file or directory"*) return 1 ;; esac
  echo "$said" >&2; exit 1
}
holds() {
  is_there "$1" || return 1
  held=$(ls -A -- "$1") || exit 1
  test -n "$held"
}
"""
# prints a line that tells of data that are there, and their mark, where they have one;
# or leaves the new one where there are none
SCRIPT = (
    LOOK
    + TELLS
    + r"""
folder=$1 mark=$1/mysql.passwords
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
NEW = "new"  # what it says then
# is told a node, and what its files tell of who wrote them, None where there are none; raises
# Refused
Admit = Callable[[str, str | None], None]


@dataclass(frozen=True)
class CheckData:
    """Refuse to start the database on data that was made with another Secret; the mark tells
    nothing of what is in it.

    `admit`: who looks at the files as well, where nothing on record says which database wrote them.
    """

    overlay: Overlay
    admit: Admit | None = None

    def run(self, log: Log) -> None:
        # when it runs: passwords may have been generated a moment ago
        mark = secrets.fingerprint(self.overlay.secret())
        place = self.overlay.place
        output = ssh.run(place.reach(), "sh", "-c", SCRIPT, "check", place.folder, mark, root=True)
        if not output.ok:
            raise KubeupError(
                f"the data on {place.node} can't be looked at",
                output.stderr.strip(),
                "`inv doctor`",
            )
        told, *marks = output.stdout.splitlines()
        if told != NEW:
            self._require_mark(mark, marks)
        if self.admit:
            self.admit(place.node, None if told == NEW else told)

    def _require_mark(self, mark: str, marks: Sequence[str]) -> None:
        place = self.overlay.place
        if not "".join(marks).strip():
            raise self._unmarked(mark)
        if mark not in marks:  # there are two while passwords are being changed
            raise Refused(
                f"the data on {place.node} was made with other passwords, or another database "
                "or user name",
                f"a database reads them on an empty data folder only ({place.folder}/mysql is "
                "not empty)",
                "put back the .env that belongs to it, and database.name and database.user; "
                "or, to lose that data: `inv down --data`, then `inv up`",
            )

    def _unmarked(self, mark: str) -> Refused:
        place = self.overlay.place
        return Refused(
            f"nothing tells with which passwords the data on {place.node} were made",
            f"{place.folder}/mysql is not empty, and the mark beside it, mysql.passwords, is "
            "missing or empty",
            "put that file back; where the database runs, `inv db.rotate` gives it new "
            "passwords and a mark; or, where these data "
            f"belong to .env as it is, say so: `inv cluster.ssh {place.node} --root`, "
            f"then type: echo {mark} >{place.folder}/mysql.passwords",
        )


# leaves the marks given in place of those that are there, or are missing; nothing where there are
# no data
ACCEPT = (
    LOOK
    + r"""
folder=$1 mark=$1/mysql.passwords
shift
holds "$folder/mysql" || exit 0
printf "%s\n" "$@" >"$mark.new" && mv "$mark.new" "$mark"
"""
)
MARKS = (
    LOOK
    + r"""
! is_there "$1/mysql.passwords" || cat "$1/mysql.passwords"
"""
)


def accept(overlay: Overlay, also: Mapping[str, str] | None = None) -> None:
    """Let the data be started with the passwords of `.env`, and for now with others `also` (by
    their names in `.env`).
    """
    secret, place = overlay.secret(), overlay.place
    marks = [secrets.fingerprint(secret)]
    if also:
        new = {
            "ROOT_PASSWORD": also["MYSQL_ROOT_PASSWORD"],
            "MYSQL_PASSWORD": also["MYSQL_PASSWORD"],
        }
        marks = list(
            dict.fromkeys([*marks, *_marks_there(place), secrets.fingerprint({**secret, **new})])
        )
    done = ssh.run(place.reach(), "sh", "-c", ACCEPT, "accept", place.folder, *marks, root=True)
    if not done.ok:
        raise KubeupError(
            f"the mark of the data on {place.node} can't be written",
            done.stderr.strip(),
            "`inv doctor`",
        )


def _marks_there(place: Place) -> list[str]:
    output = ssh.run(place.reach(), "sh", "-c", MARKS, "marks", place.folder, root=True)
    if not output.ok:
        raise KubeupError(
            f"the mark of the data on {place.node} can't be read",
            output.stderr.strip(),
            "`inv doctor`",
        )
    return output.stdout.split()


# arguments: folder, archive, who may read it, and the names to pack, of which the first holds the
# data
PACK = (
    LOOK
    + r"""
folder=$1 archive=$2 user=$3
rm -f "$archive"
holds "$1/$4" || exit 0
cd "$folder" || exit
shift 3
for name; do shift; ! is_there "$name" || set -- "$@" "$name"; done
tar -czf "$archive" -- "$@" && chown "$user" "$archive" && sha256sum "$archive"
"""
)
# arguments: folder, the archive's sum, and the names that it may hold, of which the first holds the
# data; the archive is read.
# All is unpacked beside and flushed, then renamed: the data last, so that a cut leaves none of
# them, or all with their mark.
UNPACK = (
    LOOK
    + r"""
folder=$1 sum=$2 data=$3
shift 3
work=$folder/.$data.restoring note=$folder/.$data.restored
install -d -m 700 "$folder" || exit
exec 9<"$folder"
flock -w 300 9
case $? in 0) ;; 1) exit 7 ;; *) exit 1 ;; esac
if holds "$folder/$data"; then
  rm -rf -- "$work"
  # an earlier run has put these very files there, and was cut off before it could tell
  test "$(cat "$note" 2>/dev/null)" = "$sum $(stat -c %i "$folder/$data")" || exit 9
  exit 0
fi
set -e
rm -rf -- "$work"
mkdir "$work" "$work/new"
cat >"$work/archive"
echo "$sum  $work/archive" | sha256sum -c >/dev/null 2>&1 || exit 8
tar -C "$work/new" --numeric-owner -xzf "$work/archive"
rm "$work/archive"
if ! holds "$work/new/$data"; then exit 8; fi
sync
for mark; do
  if is_there "$work/new/$mark"; then
    mv -f "$work/new/$mark" "$folder/$mark"
  else
    rm -f "$folder/$mark"
  fi
done
echo "$sum $(stat -c %i "$work/new/$data")" >"$note"
sync
if is_there "$folder/$data"; then rmdir "$folder/$data"; fi
mv "$work/new/$data" "$folder/$data"
sync
rm -rf -- "$work"
"""
)
BUSY, DAMAGED, OCCUPIED = 7, 8, 9
STOP = (
    'systemctl stop kubelet; pkill -TERM -x "mysqld|mariadbd"; for _ in $(seq 300); do pgrep -x '
    '"mysqld|mariadbd" >/dev/null || exit 0; '
    "sleep 0.2; done; exit 1"
)


@dataclass(frozen=True)
class Files:
    """A database's files in a node's folder, by name (the first holds the data), and the archive
    that has them while their machine is gone.
    """

    place: Place
    state: State
    side: Side
    names: tuple[str, ...]

    @property
    def archive(self) -> Path:
        return self.state.saved_data(self.side)

    @property
    def remote(self) -> str:
        """The archive on the node, written by root and read by nobody but our user."""
        return f"/var/tmp/kubeup-{self.names[0]}.tar.gz"  # noqa: S108


@dataclass(frozen=True)
class SaveData(Paced):
    """Stop the database and copy its files to this machine, whole and with their sum, before
    their machine goes.
    """

    files: Files
    stop: Action

    def run(self, log: Log) -> None:
        (self.stop.at(self.pace) if isinstance(self.stop, Paced) else self.stop).run(log)
        files, node = self.files, self.files.place.reach()
        packed = ssh.run(
            node,
            "sh",
            "-c",
            PACK,
            "pack",
            files.place.folder,
            files.remote,
            node.user,
            *files.names,
            root=True,
            timeout=1800,
        )
        if not packed.ok:
            raise KubeupError(
                f"the data on {node.name} can't be packed", packed.stderr.strip()[-500:], LOSE
            )
        if not packed.stdout.strip():
            log("there are none")
            return
        self._fetch(packed.stdout.split()[0], log)
        ssh.run(node, "rm", "-f", files.remote)

    def _fetch(self, sum_: str, log: Log) -> None:
        archive = self.files.archive
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            part = Path(folder, archive.name)
            part.touch(mode=0o600)
            ssh.get(self.files.place.reach(), self.files.remote, part)
            if cache.sha256(part) != sum_:
                raise KubeupError(
                    "the saved data are not what was packed",
                    f"the sums of {archive.name} differ",
                    "run the same again",
                )
            archives.keep(part, archive, sum_)
        record.relocate(self.files.state, self.files.side, saved=True)
        log(f"{archive.stat().st_size >> 20} MiB in {archive}")


@dataclass(frozen=True)
class StopDatabase(Paced):
    """End the database in the cluster: files of a running one would be those of a moment that
    never was.
    """

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        if not self.kubectl.answers():
            self._stop_on_node()
            return
        if not self.kubectl.read(
            "get", "statefulset/mysql", "--ignore-not-found", "-o", "name"
        ).stdout.strip():
            return
        self.kubectl.write("scale", "statefulset/mysql", "--replicas=0", log=log)
        wait_for_end(self.kubectl, self.pace, log)

    def _stop_on_node(self) -> None:
        """Without an API server: kubelet would start it again, so that ends first.

        The node is about to go.
        """
        node = self.place.reach()
        output = ssh.run(node, "sh", "-c", STOP, "stop", root=True)
        if not output.ok:
            raise KubeupError(
                f"the database on {node.name} does not end", output.stderr.strip()[-500:], LOSE
            )


def wait_for_end(kubectl: Kubectl, pace: Pace, log: Log) -> None:
    """Until the database's pod is gone, which writes down first what it has."""
    limit = pace.seconds(END_SECONDS)
    kubectl.write(
        "wait",
        "pod",
        "-l",
        "app=db",
        "--for=delete",
        f"--timeout={limit:.0f}s",
        log=log,
        timeout=limit + 60,
    )


@dataclass(frozen=True)
class DropData:
    """Remove the database from the cluster with its claim, its volume and its files, asked for
    by name.
    """

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        for kind, name in (
            ("statefulset", "mysql"),
            ("persistentvolumeclaim", "data-mysql-0"),
            ("persistentvolume", "data-mysql-0"),
        ):
            self.kubectl.write(
                "delete", kind, name, "--ignore-not-found", "--wait=true", "--timeout=120s", log=log
            )
        script = (
            'rm -rf --one-file-system -- "$1/mysql" "$1/mysql.passwords" '
            '"$1/.mysql.restoring" "$1/.mysql.restored"'
        )
        done = ssh.run(self.place.reach(), "sh", "-c", script, "drop", self.place.folder, root=True)
        if not done.ok:
            raise KubeupError(
                f"the data on {self.place.node} can't be removed",
                done.stderr.strip()[-500:],
                "run the same again",
            )


LOSE = "mend the cluster (`inv doctor`), or, to lose the data: `inv down --data`"


@dataclass(frozen=True)
class RestoreData:
    """Put saved files back before the database starts, all of them or none; data that is there
    already is never touched.
    """

    files: Files

    def already(self) -> str:
        """Raises Refused for an archive that is damaged, before anything is touched."""
        if not self.files.archive.exists():
            return "there are none"
        archives.check(self.files.archive)
        return ""

    def run(self, log: Log) -> None:
        files, node, archive = self.files, self.files.place.reach(), self.files.archive
        words = (
            "sh",
            "-c",
            UNPACK,
            "unpack",
            files.place.folder,
            archives.check(archive),
            *files.names,
        )
        done = ssh.feed(node, archive, *words, root=True, timeout=1800)
        if done.code == OCCUPIED:
            raise self._occupied()
        if not done.ok:
            raise KubeupError(
                f"the saved data can't be put on {node.name}",
                WHY.get(done.code) or done.stderr.strip()[-500:],
                f"{archive} still has them, and nothing of them is in use: run the same again",
            )
        record.relocate(files.state, files.side, node=node.name, saved=False)
        archives.put_away(archive)
        ssh.run(node, "rm", "-f", f"{files.place.folder}/.{files.names[0]}.restored", root=True)
        log(f"from {archive}")

    def _occupied(self) -> Refused:
        place, archive = self.files.place, self.files.archive
        folder = f"{place.folder}/{self.files.names[0]}"
        return Refused(
            f"{place.node} has data of its own in {folder}",
            f"{archive} holds data, too; a kubeup before this one, cut off while it put them "
            "back, left a part of them there",
            f"look at that folder (`inv cluster.ssh {place.node} --root`) and rename it there, "
            "so that both are kept; "
            "then run the same again, which puts back the whole archive",
        )


WHY = {
    BUSY: "an earlier run is still at it on the node",
    DAMAGED: "they did not arrive as they were sent",
}


def restore(files: Files, needs: tuple[StepId, ...]) -> Planned:
    """What puts saved files back, where there are any."""
    node, archive = files.place.node, files.archive
    if not archive.exists():
        return Holds(ids.RESTORE_DATA, f"no data were saved to {archive}")
    return Step(
        ids.RESTORE_DATA,
        f"put the saved data on {node}",
        f"{archive} has them",
        RestoreData(files),
        needs,
        10,
    )


@dataclass(frozen=True)
class ForgetData:
    """Remove saved data, asked for by name."""

    archive: Path

    def run(self, log: Log) -> None:
        archives.forget(self.archive)
