"""The database's files on their node: whose they are, and how they outlive a machine that can't keep them.

Data that is there already keeps the passwords and names it was made with; a mark beside it tells whether they are the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeup import cache, record, secrets, ssh
from kubeup.deploy.overlay import Overlay
from kubeup.deploy.place import Place
from kubeup.errors import KubeupError, Refused
from kubeup.facts.pace import Pace
from kubeup.kube import Kubectl
from kubeup.plan import Action, Log, Paced, Step
from kubeup.record import Side
from kubeup.state import State

END_SECONDS = 120.0  # that a database may take to write down what it has, and end
STEP, SAVE, RESTORE = "deploy/data", "data/save", "data/restore"
# prints the mark of data that is there, or leaves the new one where there is neither data nor mark
SCRIPT = (
    'umask 077; mark="$1/mysql.passwords"; test -d "$1/mysql" || install -d -m 700 "$1" && install -d -m 700 -o 999 -g 999 "$1/mysql"; '
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
        if mark not in output.stdout.split():  # there are two while passwords are being changed
            raise Refused(f"the data on {place.node} was made with other passwords, or another database or user name",
                          f"a database reads them on an empty data folder only ({place.folder}/mysql is not empty)",
                          "put back the .env that belongs to it, and database.name and database.user; "
                          "or, to lose that data: `inv down --data`, then `inv up`")


# leaves the marks given in place of those that are there; nothing where there are no data
ACCEPT = 'umask 077; mark="$1/mysql.passwords"; shift; test -e "$mark" || exit 0; printf "%s\\n" "$@" >"$mark.new" && mv "$mark.new" "$mark"'


def accept(overlay: Overlay, also: Mapping[str, str] | None = None) -> None:
    """Let the data be started with the passwords of `.env`, and for now with others `also` (by their names in `.env`)."""
    secret, place = overlay.secret(), overlay.place
    marks = [secrets.fingerprint(secret)]
    if also:
        new = {"ROOT_PASSWORD": also["MYSQL_ROOT_PASSWORD"], "MYSQL_PASSWORD": also["MYSQL_PASSWORD"]}
        marks = list(dict.fromkeys([*marks, *_marks_there(place), secrets.fingerprint({**secret, **new})]))
    done = ssh.run(place.reach(), "sh", "-c", ACCEPT, "accept", place.folder, *marks, root=True)
    if not done.ok:
        raise KubeupError(f"the mark of the data on {place.node} can't be written", done.stderr.strip(), "`inv doctor`")


def _marks_there(place: Place) -> list[str]:
    return ssh.run(place.reach(), "cat", f"{place.folder}/mysql.passwords", root=True).stdout.split()


# arguments: folder, archive, who may read it, and the names to pack, of which the first holds the data; what can't be read is not "none"
PACK = (
    'umask 077; archive=$2 user=$3; rm -f "$archive"; test -e "$1/$4" || exit 0; cd "$1" || exit; shift 3; '
    'there=$(ls -A "$1") || exit; test -n "$there" || exit 0; '
    'for name; do shift; ! test -e "$name" || set -- "$@" "$name"; done; tar -czf "$archive" -- "$@" && chown "$user" "$archive" && '
    'sha256sum "$archive"'
)
# arguments: folder, archive, the name that holds data
UNPACK = (
    'test -z "$(ls -A "$1/$3" 2>/dev/null)" || exit 9; install -d -m 700 "$1" && tar -C "$1" --numeric-owner -xzf "$2"; end=$?; '
    'rm -f "$2"; exit $end'
)
OCCUPIED = 9
STOP = (
    'systemctl stop kubelet; pkill -TERM -x "mysqld|mariadbd"; for _ in $(seq 300); do pgrep -x "mysqld|mariadbd" >/dev/null || exit 0; '
    'sleep 0.2; done; exit 1'
)


@dataclass(frozen=True)
class Files:
    """A database's files in a node's folder, by name (the first holds the data), and the archive that has them while their machine is gone."""

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
    """Stop the database and copy its files to this machine, whole and with their sum, before their machine goes."""

    files: Files
    stop: Action

    def run(self, log: Log) -> None:
        (self.stop.at(self.pace) if isinstance(self.stop, Paced) else self.stop).run(log)
        files, node = self.files, self.files.place.reach()
        packed = ssh.run(node, "sh", "-c", PACK, "pack", files.place.folder, files.remote, node.user, *files.names, root=True, timeout=1800)
        if not packed.ok:
            raise KubeupError(f"the data on {node.name} can't be packed", packed.stderr.strip()[-500:], LOSE)
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
                raise KubeupError("the saved data are not what was packed", f"the sums of {archive.name} differ", "run the same again")
            part.replace(archive)
        record.relocate(self.files.state, self.files.side, saved=True)
        log(f"{archive.stat().st_size >> 20} MiB in {archive}")


@dataclass(frozen=True)
class StopDatabase(Paced):
    """End the database in the cluster: files of a running one would be those of a moment that never was."""

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        if not self.kubectl.answers():
            self._stop_on_node()
            return
        if not self.kubectl.read("get", "statefulset/mysql", "--ignore-not-found", "-o", "name").stdout.strip():
            return
        self.kubectl.write("scale", "statefulset/mysql", "--replicas=0", log=log)
        wait_for_end(self.kubectl, self.pace, log)

    def _stop_on_node(self) -> None:
        """Without an API server: kubelet would start it again, so that ends first. The node is about to go."""
        node = self.place.reach()
        output = ssh.run(node, "sh", "-c", STOP, "stop", root=True)
        if not output.ok:
            raise KubeupError(f"the database on {node.name} does not end", output.stderr.strip()[-500:], LOSE)


def wait_for_end(kubectl: Kubectl, pace: Pace, log: Log) -> None:
    """Until the database's pod is gone, which writes down first what it has."""
    limit = pace.seconds(END_SECONDS)
    kubectl.write("wait", "pod", "-l", "app=db", "--for=delete", f"--timeout={limit:.0f}s",
                  log=log, timeout=limit + 60)


@dataclass(frozen=True)
class DropData:
    """Remove the database from the cluster with its claim, its volume and its files, asked for by name."""

    place: Place
    kubectl: Kubectl

    def run(self, log: Log) -> None:
        for kind, name in (("statefulset", "mysql"), ("persistentvolumeclaim", "data-mysql-0"), ("persistentvolume", "data-mysql-0")):
            self.kubectl.write("delete", kind, name, "--ignore-not-found", "--wait=true", "--timeout=120s", log=log)
        script = 'rm -rf --one-file-system -- "$1/mysql" "$1/mysql.passwords"'
        done = ssh.run(self.place.reach(), "sh", "-c", script, "drop", self.place.folder, root=True)
        if not done.ok:
            raise KubeupError(f"the data on {self.place.node} can't be removed", done.stderr.strip()[-500:], "run the same again")


LOSE = "mend the cluster (`inv doctor`), or, to lose the data: `inv down --data`"


@dataclass(frozen=True)
class RestoreData:
    """Put saved files back before the database starts; data that is there already is never touched."""

    files: Files

    def already(self) -> str:
        return "" if self.files.archive.exists() else "there are none"

    def run(self, log: Log) -> None:
        files, node, archive = self.files, self.files.place.reach(), self.files.archive
        ssh.put(node, archive, files.remote)
        done = ssh.run(node, "sh", "-c", UNPACK, "unpack", files.place.folder, files.remote, files.names[0], root=True, timeout=1800)
        if done.code == OCCUPIED:
            raise Refused(f"{node.name} has data of its own", f"{archive} holds data from before, too", "keep one: move that file away")
        if not done.ok:
            raise KubeupError(f"the saved data can't be put on {node.name}", done.stderr.strip()[-500:],
                              f"{archive} still has them: run the same again")
        record.relocate(files.state, files.side, node=node.name, saved=False)
        archive.replace(archive.with_name(f"restored-{archive.name}"))
        log(f"from {archive}")


def restore(files: Files, needs: tuple[str, ...]) -> list[Step]:
    """What puts saved files back, where there are any."""
    node, archive = files.place.node, files.archive
    return [Step(RESTORE, f"put the saved data on {node}", f"{archive} has them", RestoreData(files), needs, 10)] if archive.exists() else []


@dataclass(frozen=True)
class ForgetData:
    """Remove saved data, asked for by name."""

    archive: Path

    def run(self, log: Log) -> None:
        for path in (self.archive, self.archive.with_name(f"restored-{self.archive.name}")):
            path.unlink(missing_ok=True)
