"""Which database wrote a data folder, by what lies in it."""

from __future__ import annotations

import re

# A shell function that prints it, nothing where nobody tells. Each MySQL from 8.0 on that has
# started there wrote its version into the head of its dictionary (FIL_PAGE_SRV_VERSION in
# storage/innobase/include/fil0types.h); MariaDB's installer and upgrader leave a file, as MySQL's
# upgrader did before 8.0.
TELLS = r"""
tells() {
  if test -f "$1/mysql.ibd"; then echo "dictionary $(od -An -tu1 -j8 -N4 "$1/mysql.ibd")"
  else cat "$1/mariadb_upgrade_info" "$1/mysql_upgrade_info"; fi 2>/dev/null
}
"""
HEAD = re.compile(r"dictionary +(\d{1,3}) +(\d{1,3}) +(\d{1,3}) +(\d{1,3})$")
WORDS = re.compile(r"(\d+)\.(\d+)\.\d+(-MariaDB)?")


def server(printed: str) -> str:
    """Engine and version as the record has them, such as `mysql 8.4`; '' where that is not told."""
    if found := HEAD.match(printed):
        version = int.from_bytes(map(int, found.groups()), "big")
        return f"mysql {version // 10000}.{version // 100 % 100}" if version >= 80000 else ""
    found = WORDS.match(printed)
    return f"{'mariadb' if found[3] else 'mysql'} {found[1]}.{found[2]}" if found else ""
