"""From a path to text: whatever can be wrong with a file is a Problem, never an exception."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from kubeup.settings.problem import Origin, Problem, error

MAX_BYTES = 256 * 1024
_MAY_READ = "give yourself the right to read it (chmod u+r)"
_HINTS = {
    errno.ENOENT: "give the right path, or copy config/settings.yaml from the project",
    errno.EACCES: _MAY_READ,
    errno.EPERM: _MAY_READ,
    errno.ELOOP: "point the link at a file",
    errno.EISDIR: "name the settings file in it",
}


def read_text(path: Path) -> str | Problem:
    """The file's text, or why there is none."""
    try:
        return decode(_bytes(path), str(path))
    except OSError as failure:
        reason = (failure.strerror or "can't be read").lower()
        hint = _HINTS.get(failure.errno or 0, "")
        return error(Origin("file", str(path)), "", reason, hint=hint)
    except ValueError:
        return error(Origin("file", str(path).replace("\0", "\\0")), "", "a path with a NUL byte")


def _bytes(path: Path) -> bytes:
    # Opening a named pipe would wait for a writer for ever.
    if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def decode(data: bytes, name: str) -> str | Problem:
    """Text from bytes; each refusal says where in the file."""
    if len(data) > MAX_BYTES:
        allowed = f"up to {MAX_BYTES // 1024} KiB"
        return error(Origin("file", name), "", "too large", allowed=allowed)
    if (nul := data.find(b"\0")) >= 0:
        at = _position(data, nul, name)
        return error(at, "", "a NUL byte", allowed="text in UTF-8", hint="delete it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        at = _position(data, failure.start, name)
        found = f"byte 0x{data[failure.start]:02x}, which is not UTF-8"
        return error(at, "", found, allowed="text in UTF-8", hint="save the file as UTF-8")


def _position(data: bytes, offset: int, name: str) -> Origin:
    before = data[:offset].decode("utf-8", "replace")
    return Origin("file", name, before.count("\n") + 1, len(before) - before.rfind("\n"))
