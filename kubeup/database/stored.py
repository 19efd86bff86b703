"""Backups that were made by themselves, on the machine that has them: listed, judged, fetched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kubeup.application.saved_data import LOOK
from kubeup.application.schedule import FOLDER, PERIODS
from kubeup.core import shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Log
from kubeup.core.record import BY_HAND, Schedule
from kubeup.core.shell import Output
from kubeup.database import backups
from kubeup.database.backups import BackupManifest, Listed
from kubeup.system import cache
from kubeup.system.ssh import SshTarget

# A line each: the time there, how the last run went, and each backup with its file's size. What
# can't be read is an error, and not none.
LIST = (
    LOOK
    + r"""
folder=$1/$2
echo "now $(date -u +%Y-%m-%dT%H:%M:%SZ)"
is_there "$folder" || exit 0
cd "$folder" || exit
if is_there last.run; then echo "last $(tr '\n' ' ' <last.run)"; fi
for file in *.sql.zst *.sql.gz; do
  test -e "$file" || continue
  echo "backup $(stat -c %s "$file") $file $(tr '\n' ' ' <"$file.json")"
done
"""
)
LATE = timedelta(minutes=10)  # that a run may take, or begin late, beside half a period


@dataclass(frozen=True)
class LastRun:
    """How the last run went; while it lasts, and where it was cut off, it has not `ended`."""

    began: str = ""
    ended: str = ""
    ok: bool = False
    why: str = ""
    every: str = ""  # of the schedule that it is of
    keep: int = 0

    @property
    def schedule(self) -> Schedule:
        """The schedule that it is of, if that can still be had."""
        known = self.every in PERIODS and self.keep > 0
        return Schedule(self.every, self.keep, self.began) if known else BY_HAND


@dataclass(frozen=True)
class Stored:
    """What is on one machine, at that machine's time."""

    now: datetime
    backups: tuple[Listed, ...] = ()
    last: LastRun | None = None

    @property
    def good(self) -> Listed | None:
        """The last that was restored."""
        known = [one for one in self.backups if one.about and one.about.restored and not one.wrong]
        return known[-1] if known else None


def words(folder: str) -> tuple[str, ...]:
    """The command that lists them, for root; `folder` is the machine's data folder."""
    return ("sh", "-c", LIST, "list", folder, FOLDER)


def parse(node: str, text: str) -> Stored:
    """From what LIST prints. Raises KubeupError for what it can't have printed."""
    now, last, listed = "", None, list[Listed]()
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "now":
            now = rest
        elif kind == "last":
            last = _last(rest)
        elif kind == "backup":
            listed.append(_listed(node, *rest.split(" ", 2)))
    try:
        return Stored(moment(now), tuple(listed), last)
    except ValueError:
        raise KubeupError(
            f"{node} does not tell what backups it has", text[-300:], "run the same again"
        ) from None


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _last(text: str) -> LastRun:
    try:
        return LastRun(**json.loads(text))
    except (ValueError, TypeError):
        return LastRun(why="what it wrote down can't be read")


def _listed(node: str, size: str, name: str, text: str) -> Listed:
    try:
        about = backups.parsed(name, text)
    except Refused as error:
        return Listed(Path(name), None, error.what, node)
    return Listed(Path(name), about, backups.wrong_size(int(size), about) or about.wrong, node)


def lists(outputs: dict[str, Output]) -> list[Listed]:
    """What machines have, and, in a row of its own, which could not be asked."""
    rows = list[Listed]()
    for node, output in outputs.items():
        if output.ok:
            rows += parse(node, output.stdout).backups
        else:
            why = (output.stderr.strip().splitlines() or ["no word of why"])[0]
            rows.append(Listed(Path("?"), None, f"can't be asked for its backups: {why}", node))
    return rows


@dataclass(frozen=True)
class Health:
    """How backups by themselves are, in words; `wrong` says what is wrong with them, if anything.

    `late` where none came in time, whatever the last one said.
    """

    words: str
    wrong: str = ""
    late: bool = False


def health(schedule: Schedule, stored: Stored) -> Health:
    """Of a schedule, from what its machine has."""
    good = stored.good
    known = good.about if good else None
    have = f"the last is {described(known)}" if known else "none was made and restored yet"
    said = f"{schedule}; {have}"
    since = moment(max(known.made if known else "", schedule.since))
    within = timedelta(seconds=PERIODS[schedule.every].seconds * 1.5) + LATE
    late = stored.now - since > within
    if why := _failed(stored.last):
        return Health(said, f"the last run failed: {why}; {have}", late)
    if late:
        hours = (stored.now - since).total_seconds() / 3600
        return Health(said, f"overdue: none for {hours:.1f} hours, {schedule}; {have}", late)
    return Health(said)


def _failed(last: LastRun | None) -> str:
    return last.why or "no word of why" if last and last.ended and not last.ok else ""


def described(about: BackupManifest) -> str:
    """A backup in words."""
    tested = f"restored {about.restored}" if about.restored else "never restored"
    return f"{about.file} of {about.made} ({about.bytes / 2**20:.1f} MiB, {tested})"


@dataclass(frozen=True)
class Fetch:
    """Copy a backup from the machine that has it; what did not come whole is not kept."""

    target: SshTarget
    folder: str
    file: Path
    about: BackupManifest

    def run(self, log: Log) -> None:
        source = f"{self.folder}/{FOLDER}/{self.file.name}"
        with backups.unfinished(self.file) as part:
            argv = self.target.argv(*self.target.words(("cat", source), root=True))
            shell.save(*argv, into=part, log=log)
            if cache.sha256(part) != self.about.sha256:
                raise KubeupError(
                    f"{self.file.name} is not what was written on {self.target.name}",
                    "its sha256 differs: it did not come whole, or was altered there",
                    "run the same again; if it says so again, use another backup: `inv db.list`",
                )
            backups.finish(part, self.file, self.about)
        log(f"{self.about.bytes >> 10} KiB")


def named(rows: Sequence[Listed], name: str) -> Listed | None:
    """The backup of that name that a machine has; None where none does."""
    return next((one for one in rows if one.file.name == name and one.about), None)
