"""Backups that run by themselves: what they need, wherever the database runs.

One script of the database's own image (`manifests/components/scheduled-backups/backup.sh`), an
account that may only read, and how often.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubeup.core.errors import UsageError
from kubeup.core.record import Schedule
from kubeup.core.state import PROJECT
from kubeup.settings import Settings
from kubeup.system import tls

COMPONENT = PROJECT / "manifests" / "components" / "scheduled-backups"
SCRIPT = COMPONENT / "backup.sh"
FOLDER = "backups"  # in a node's data folder
ACCOUNT = "kubeup_backup"
OPTIONS = "client.cnf"
HOST = f"mysql-0.{tls.SERVICE}"
# what a client is told of the server's name, which it has to show a certificate for
CHECKS_NAME = {"mysql": "ssl-mode=VERIFY_IDENTITY", "mariadb": "ssl-verify-server-cert"}
CLIENT = """\
[client]
protocol=tcp
host={host}
user={user}
password={password}
default-character-set=utf8mb4
max-allowed-packet=1G
ssl-ca=/run/kubeup-tls/{authority}
{checks_name}
[mysql]
connect-timeout=10
"""


@dataclass(frozen=True)
class Period:
    """A period: its seconds, and its beginnings for cron and for systemd (OnCalendar)."""

    seconds: int
    cron: str
    calendar: str


def _minutes(number: int) -> Period:
    return Period(number * 60, f"*/{number} * * * *", f"*:0/{number}")


def _hours(number: int) -> Period:
    # some minutes after the hour, where less begins than at its full
    return Period(number * 3600, f"17 */{number} * * *", f"0/{number}:17")


DAY = 86400
# Those that divide an hour or a day: cron knows no others.
PERIODS: Mapping[str, Period] = {
    **{f"{number}m": _minutes(number) for number in (15, 30)},
    **{f"{number}h": _hours(number) for number in (1, 2, 3, 4, 6, 8, 12)},
    "1d": Period(DAY, "17 3 * * *", "3:17"),
    "7d": Period(7 * DAY, "17 3 * * 0", "Sun 3:17"),
}
USUAL, KEPT = "1d", 7  # where nothing is said


def wanted(known: Schedule, every: str, keep: int, now: str) -> Schedule:
    """A schedule that was asked for; what was not said stays, or is the usual. Raises UsageError.

    `now` is when it begins, unless it goes on as it was.
    """
    every, keep = every or known.every or USUAL, keep or known.keep or KEPT
    if every not in PERIODS:
        raise UsageError(
            f"{every} is no period that backups can have",
            "they begin at fixed times of a day, so it has to divide one",
            f"name one of {', '.join(PERIODS)}",
        )
    if keep < 1:
        raise UsageError(
            f"{keep} backups can't be kept",
            "the last good one is never removed",
            "name a number from 1 on; `inv db.schedule --off` ends the schedule",
        )
    since = known.since if every == known.every else now
    return Schedule(every, keep, since, known.account)


def password(root: str) -> str:
    """The account's password: it changes with root's, and root's can't be told from it."""
    return hmac.new(root.encode(), b"kubeup: the account for backups", "sha256").hexdigest()


@dataclass(frozen=True)
class Backups:
    """What is on record of them, and what follows from it when something is made of it."""

    settings: Settings
    secret: Callable[[], Mapping[str, str]]
    schedule: Callable[[], Schedule]

    def environment(self) -> dict[str, str]:
        """Of the script."""
        return {
            "PROFILE": self.settings.slug,
            "DATABASE": self.settings.database.name,
            "EVERY": self.schedule().every,
            "KEEP": str(self.schedule().keep),
        }

    def password(self) -> str:
        return password(self.secret()["ROOT_PASSWORD"])

    def options(self) -> str:
        """The client's option file: so the password is in no argument and no environment."""
        return CLIENT.format(
            host=HOST,
            user=ACCOUNT,
            password=self.password(),
            authority=tls.AUTHORITY,
            checks_name=CHECKS_NAME[self.settings.database.engine],
        )
