"""How the database's files outlive a machine that can't keep them.

They are packed and fetched before it goes, and put back on the next one.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from kubeup.application import archives
from kubeup.application.place import Place
from kubeup.application.schedule import FOLDER
from kubeup.core import ids, private, record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Log, Paced, Planned, Step
from kubeup.core.record import Side
from kubeup.core.state import State
from kubeup.system import cache, ssh
from kubeup.system.kubectl import Kubectl

END_SECONDS = 120.0  # that a database may take to write down what it has, and end
# Whether something is there, or a folder holds anything: yes, no, or the script's end, as what
# can't be read is not "none".
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
# arguments: folder, archive, who may read it, and the names to pack, of which the first holds the
# data; the backups that were made there by themselves come along
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
# renamed one by one: whole, and beside those that are there, of which none is touched
if is_there "$work/new/backups"; then
  is_there "$folder/backups" || mv "$work/new/backups" "$folder/backups"
  for file in "$work/new/backups"/*; do
    if is_there "$file" && ! is_there "$folder/backups/${file##*/}"; then
      mv "$file" "$folder/backups/"
    fi
  done
fi
echo "$sum $(stat -c %i "$work/new/$data")" >"$note"
sync
if is_there "$folder/$data"; then rmdir "$folder/$data"; fi
mv "$work/new/$data" "$folder/$data"
sync
rm -rf -- "$work"
"""
)
OCCUPIED = 9
WHY = {
    7: "an earlier run is still at work on the node",
    8: "they did not arrive as they were sent",
}  # by UNPACK's exit codes
REMOVE = 'rm -rf --one-file-system -- "$@"'
STOP = """\
systemctl stop kubelet
pkill -TERM -x "mysqld|mariadbd"
for _ in $(seq 300); do
  pgrep -x "mysqld|mariadbd" >/dev/null || exit 0
  sleep 0.2
done
exit 1
"""
LOSE = "repair the cluster (`inv doctor`), or, to lose the data: `inv down --data`"


def restore_traces(folder: str, data: str) -> tuple[str, str]:
    """What UNPACK may leave in a folder when it is cut off."""
    return f"{folder}/.{data}.restoring", f"{folder}/.{data}.restored"


@dataclass(frozen=True)
class Files:
    """A database's files in a node's folder, by name; the first holds the data.

    Their archive has them while their machine is gone.
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
    """Stop the database and copy its files to this machine before their machine goes.

    They are whole, and with their sum.
    """

    files: Files
    stop: Action

    def run(self, log: Log) -> None:
        # files of a running database would be those of a moment that never was
        stop = self.stop.at(self.pace) if isinstance(self.stop, Paced) else self.stop
        stop.run(log)
        files, place = self.files, self.files.place
        node = place.reach()
        packed = place.run(
            "pack",
            PACK,
            *(place.folder, files.remote, node.user, *files.names, FOLDER),
            failure="can't pack the database's data",
            advice=LOSE,
            timeout=1800,
        )
        if not packed.strip():
            log("there are none")
            return
        self._fetch(packed.split()[0], log)
        ssh.run(node, "rm", "-f", files.remote)

    def _fetch(self, sha256: str, log: Log) -> None:
        archive = self.files.archive
        private.make_folder(archive.parent)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            part = Path(folder, archive.name)
            part.touch(mode=0o600)
            ssh.get(self.files.place.reach(), self.files.remote, part)
            if cache.sha256(part) != sha256:
                raise KubeupError(
                    "the saved data are not what was packed",
                    f"the sums of {archive.name} differ",
                    "run the same again",
                )
            archives.keep(part, archive, sha256)
        # on record once the archive is on the disk, and before its machine goes
        record.relocate(self.files.state, self.files.side, saved=True)
        log(f"{archive.stat().st_size >> 20} MiB in {archive}")


@dataclass(frozen=True)
class StopDatabase(Paced):
    """End the database in the cluster, before its files are packed."""

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        if not self.kubectl.answers():
            # kubelet would start it again, so that ends first: the node is about to go
            failure = "can't stop its database"
            self.place.run("stop", STOP, failure=failure, advice=LOSE)
            return
        words = ("get", "statefulset/mysql", "--ignore-not-found", "-o", "name")
        if self.kubectl.read(*words).stdout.strip():
            StopInCluster(self.kubectl, pace=self.pace).run(log)


@dataclass(frozen=True)
class StopInCluster(Paced):
    """End the database's pod, which writes down first what it has; its claim and data stay."""

    kubectl: Kubectl

    def run(self, log: Log) -> None:
        limit = self.pace.seconds(END_SECONDS)
        # there is nothing to back up any more; where the database is next is planned anew
        self.kubectl.write("delete", "cronjob/mysql-backup", "--ignore-not-found", log=log)
        self.kubectl.write("scale", "statefulset/mysql", "--replicas=0", log=log)
        pods = ("pod", "-l", "app=db")
        end = ("--for=delete", f"--timeout={limit:.0f}s")
        self.kubectl.write("wait", *pods, *end, log=log, timeout=limit + 60)


@dataclass(frozen=True)
class RestoreData:
    """Put saved files back before the database starts, all of them or none.

    Data that is there already is never touched.
    """

    files: Files

    def already(self) -> str:
        """Raises Refused for an archive that is damaged, before anything is touched."""
        if not self.files.archive.exists():
            return "there are none"
        archives.check(self.files.archive)
        return ""

    def run(self, log: Log) -> None:
        files, place, archive = self.files, self.files.place, self.files.archive
        node, sha256 = place.reach(), archives.check(archive)
        words = ("sh", "-c", UNPACK, "unpack", place.folder, sha256, *files.names)
        output = ssh.feed(node, archive, *words, root=True, timeout=1800)
        if output.code == OCCUPIED:
            raise self._occupied()
        if not output.ok:
            raise KubeupError(
                f"the saved data can't be put on {node.name}",
                WHY.get(output.code) or output.stderr.strip()[-500:],
                f"{archive} still has them, and nothing of them is in use: run the same again",
            )
        # on record before the archive is put away: a run that is cut off between the two finds the
        # files there by their note (`UNPACK`)
        record.relocate(files.state, files.side, node=node.name, saved=False)
        archives.put_away(archive)
        _, note = restore_traces(place.folder, files.names[0])
        ssh.run(node, "rm", "-f", note, root=True)
        log(f"from {archive}")

    def _occupied(self) -> Refused:
        place, archive = self.files.place, self.files.archive
        folder = f"{place.folder}/{self.files.names[0]}"
        return Refused(
            f"{place.node} has data of its own in {folder}",
            f"{archive} holds data, too; an older kubeup that was cut off while it put them back "
            "may have left a part of them there",
            f"look at that folder (`inv cluster.ssh {place.node} --root`) and rename it there, "
            "so that both are kept; "
            "then run the same again, which puts back the whole archive",
        )


def restore(files: Files, needs: tuple[StepId, ...]) -> Planned:
    """What puts saved files back, where there are any."""
    archive = files.archive
    if not archive.exists():
        return Holds(ids.RESTORE_DATA, f"no data were saved to {archive}")
    return Step(
        ids.RESTORE_DATA,
        f"put the saved data on {files.place.node}",
        f"{archive} has them",
        RestoreData(files),
        needs,
        seconds=10,
    )


@dataclass(frozen=True)
class ForgetData:
    """Remove saved data, asked for by name."""

    archive: Path

    def run(self, log: Log) -> None:
        archives.forget(self.archive)
