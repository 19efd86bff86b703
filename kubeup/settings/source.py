"""From a path to text: whatever can be wrong with a file is a Problem, never an exception."""

from __future__ import annotations

import errno
import stat
from dataclasses import replace
from pathlib import Path

from kubeup.settings.problem import Origin, Problems

# A file that is named by mistake may be a disk image.
MAX_BYTES = 256 * 1024
_MAY_READ = "give yourself the right to read it (chmod u+r)"
_HINTS = {
    errno.ENOENT: "give the right path, or copy config/settings.yaml from the project",
    errno.EACCES: _MAY_READ,
    errno.EPERM: _MAY_READ,
    errno.ELOOP: "point the link at a file",
    errno.EISDIR: "name the settings file in it",
}


def read_text(path: Path, problems: Problems) -> str | None:
    """The file's text, None where there is none."""
    at = Origin("file", str(path))
    try:
        return _decoded(_bytes(path), at, problems)
    except OSError as failure:
        reason = (failure.strerror or "can't be read").lower()
        problems.error(at, "", reason, hint=_HINTS.get(failure.errno or 0, ""))
    except ValueError:
        problems.error(replace(at, name=at.name.replace("\0", "\\0")), "", "a path with a NUL byte")
    return None


def _bytes(path: Path) -> bytes:
    # Opening a named pipe would wait for a writer for ever.
    if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _decoded(data: bytes, at: Origin, problems: Problems) -> str | None:
    """Text from bytes; each refusal says where in the file."""
    allowed = "text in UTF-8"
    if len(data) > MAX_BYTES:
        problems.error(at, "", "too large", allowed=f"up to {MAX_BYTES // 1024} KiB")
    elif (nul := data.find(b"\0")) >= 0:
        problems.error(_within(at, data[:nul]), "", "a NUL byte", allowed=allowed, hint="delete it")
    else:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as failure:
            found = f"byte 0x{data[failure.start]:02x}, which is not UTF-8"
            place = _within(at, data[: failure.start])
            problems.error(place, "", found, allowed=allowed, hint="save the file as UTF-8")
    return None


def _within(file: Origin, before: bytes) -> Origin:
    """The place in a file after some of it."""
    text = before.decode("utf-8", "replace")
    return replace(file, line=text.count("\n") + 1, column=len(text) - text.rfind("\n"))
