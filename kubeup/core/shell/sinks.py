"""What takes a command's output: whole lines as they come, or all of it at its end."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from typing import Any

Log = Callable[[str], None]
KEPT_LINES = 15  # of a failed command's output, shown in the error


class Buffer(io.BytesIO):
    """Keeps everything."""

    bufsize = 65536

    @property
    def text(self) -> str:
        return self.getvalue().decode(errors="replace")

    def finish(self) -> None:
        """Nothing is held back."""


class Lines(io.RawIOBase):
    """Hands each whole line written to it to all of `takers`."""

    bufsize = 1  # sh's word for a line at a time

    def __init__(self, *takers: Log) -> None:
        self._takers = takers
        self._rest = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        # a piece of output may end within a line, or within a character
        *lines, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in lines:
            self._hand_over(line)
        return len(data)

    def finish(self) -> None:
        """Hand over a last line that lacks its newline."""
        if self._rest:
            self._hand_over(self._rest)
        self._rest = b""

    def _hand_over(self, line: bytes) -> None:
        # a progress bar redraws its line after a carriage return: only the last drawing counts
        text = line.decode(errors="replace").rstrip("\r").rsplit("\r", 1)[-1]
        for take in self._takers:
            take(text)


class Tail:
    """Passes lines on to `log`, and keeps the last ones for an error."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._last = deque[str](maxlen=KEPT_LINES)

    def __call__(self, line: str) -> None:
        if not line.strip():
            return
        self._last.append(line)
        if self._log is not None:
            self._log(line)

    @property
    def text(self) -> str:
        return "\n".join(self._last)


Sink = Buffer | Lines
