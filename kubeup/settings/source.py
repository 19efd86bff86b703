"""From a path to text: whatever can be wrong with a file is a Problem, never an exception."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from kubeup.settings.problem import Origin, Problem, error

MAX_BYTES = 256 * 1024

_REASONS = {
    errno.ENOENT: (
        "no such file",
        "give the right path, or copy config/settings.yaml from the project",
    ),
    errno.EACCES: ("may not be read", "give yourself the right to read it (chmod u+r)"),
    errno.EPERM: ("may not be read", "give yourself the right to read it (chmod u+r)"),
    errno.ELOOP: ("its symbolic links go round in a loop", "point the link at a file"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "give the right path"),
    errno.ENAMETOOLONG: ("the path is too long", "give the right path"),
    errno.EISDIR: ("a folder, not a file", "name the settings file in it"),
}


def read_text(path: Path) -> str | Problem:
    """The file's text, or why there is none."""
    try:
        return decode(_bytes(path), str(path))
    except OSError as failure:
        found, hint = _REASONS.get(failure.errno or 0, (failure.strerror or "can't be read", ""))
        return error(Origin("file", str(path)), "", found, hint=hint)
    except ValueError:
        return error(Origin("file", str(path).replace("\0", "\\0")), "", "a path with a NUL byte")


def _bytes(path: Path) -> bytes:
    # Non-blocking: opening a named pipe would otherwise wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _demand_file(os.fstat(descriptor).st_mode)
        return _read_up_to(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _demand_file(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _read_up_to(descriptor: int, limit: int) -> bytes:
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(descriptor, limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def decode(data: bytes, name: str) -> str | Problem:
    """Text from bytes; each refusal says where in the file."""
    if len(data) > MAX_BYTES:
        return error(
            Origin("file", name), "", "too large", allowed=f"up to {MAX_BYTES // 1024} KiB"
        )
    if (nul := data.find(b"\0")) >= 0:
        return error(
            _position(data, nul, name), "", "a NUL byte", allowed="text in UTF-8", hint="delete it"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        at = _position(data, failure.start, name)
        found = f"byte 0x{data[failure.start]:02x}, which is not UTF-8"
        return error(at, "", found, allowed="text in UTF-8", hint="save the file as UTF-8")


def _position(data: bytes, offset: int, name: str) -> Origin:
    before = data[:offset]
    start = before.rfind(b"\n") + 1
    column = len(before[start:].decode("utf-8", "replace")) + 1
    return Origin("file", name, before.count(b"\n") + 1, column)
