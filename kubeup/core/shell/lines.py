"""Whole lines out of what a command prints."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

Log = Callable[[str], None]


class Lines(io.RawIOBase):
    """A file that hands each whole line written to it to `take`."""

    def __init__(self, take: Log) -> None:
        self._take, self._rest = take, b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in lines:
            self._hand_over(line)
        return len(data)

    def flush_rest(self) -> None:
        if self._rest:
            self._hand_over(self._rest)
        self._rest = b""

    def _hand_over(self, line: bytes) -> None:
        # a progress bar redraws its line after a carriage return: only the last drawing counts
        self._take(line.decode(errors="replace").rstrip("\r").rsplit("\r", 1)[-1])
