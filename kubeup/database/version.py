"""A database's version, and which one starts on the files of which other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kubeup.core.errors import Refused

# MySQL's long-term releases, each with the one after it
UPGRADES: dict[tuple[int, ...], tuple[int, ...]] = {(5, 7): (8, 0), (8, 0): (8, 4), (8, 4): (9, 7)}


@dataclass(frozen=True)
class Version:
    """What a server calls itself: `8.4.3`, `10.11.6-MariaDB-0+deb12u1`."""

    text: str

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.text.lower()

    @property
    def all_numbers(self) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", self.text)[:3])

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.all_numbers[:2]

    def takes_files_of(self, other: Version) -> bool:
        """Whether it starts on a data folder of the other.

        That has to be of the same version or an earlier one; MySQL's of the same or of the last
        long-term release before it, see
        https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html.
        """
        if self.is_mariadb != other.is_mariadb or other.newer_than(self):
            return False
        same_or_next = (other.numbers, UPGRADES.get(other.numbers))
        return self.is_mariadb or self.numbers in same_or_next

    def newer_than(self, other: Version) -> bool:
        """By major and minor: a patch release reads what its successors wrote."""
        return self.numbers > other.numbers

    def __str__(self) -> str:
        # a record has `mysql 9.7`, a server calls itself `8.4.3` or `10.11.6-MariaDB-0+deb12u1`
        engine = "MariaDB" if self.is_mariadb else "MySQL"
        return f"{engine} {self.text.split(' ')[-1].split('-')[0]}"


def require_files(wanted: Version, wrote: Version) -> None:
    """Raises Refused where a database would be started on another one's files and spoil them."""
    if wanted.takes_files_of(wrote):
        return
    way_out = "to lose the data: `inv down --data`"
    if wrote.is_mariadb == wanted.is_mariadb and wanted.newer_than(wrote):
        tasks = "`inv db.backup`, `inv down --data`, `inv up` and `inv db.restore FILE`"
        way_out = f"{tasks} bring the rows over"
    raise Refused(
        f"the settings want {wanted}, the database's files are of {wrote}",
        "it would not start on them, or spoil them",
        f"put back database.engine, database.version and images.bases as they were; or {way_out}",
    )
