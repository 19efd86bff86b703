"""Whether somebody else has an address already."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

SSH = 22
SECONDS = 0.5  # a neighbour answers at once; where nobody is, nothing comes


def taken(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of them where a machine answers."""
    with ThreadPoolExecutor(max(1, len(addresses))) as pool:
        return tuple(
            address
            for address, there in zip(addresses, pool.map(_answers, addresses), strict=True)
            if there
        )


def _answers(address: str) -> bool:
    """A refusal is an answer, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.settimeout(SECONDS)
        try:
            return one.connect_ex((address, SSH)) in (0, errno.ECONNREFUSED)
        except OSError:
            return False
