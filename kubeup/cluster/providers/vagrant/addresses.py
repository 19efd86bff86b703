"""Whether another machine has an address already."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress

SSH = 22
SECONDS = 0.5  # a neighbour answers at once; where nobody is, nothing comes


def taken(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of them where a machine answers."""
    with ThreadPoolExecutor(max(1, len(addresses))) as pool:
        return tuple(compress(addresses, pool.map(_answers, addresses)))


def _answers(address: str) -> bool:
    """A refusal is an answer, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(SECONDS)
        try:
            return connection.connect_ex((address, SSH)) in (0, errno.ECONNREFUSED)
        except OSError:
            return False
