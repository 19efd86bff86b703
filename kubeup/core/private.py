"""Files and folders that are their user's alone, whatever the umask, and whose are trusted.

What decides something is this user's own or root's, and nobody else may write to it. A link is
followed where one of them has made it, as Linux has it for links in /tmp (fs.protected_symlinks in
https://docs.kernel.org/admin-guide/sysctl/fs.html).
"""

from __future__ import annotations

import functools
import os
import shlex
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from kubeup.core.errors import Refused, UsageError

LINKS = 40  # one after the other, as Linux follows them (path_resolution(7))
ROOT = 0
NAMED = 5  # of suspicious files, in a message
OTHERS = stat.S_IRWXG | stat.S_IRWXO
Tell = Callable[[str], object]


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing; nobody else may enter them."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=stat.S_IRWXU, exist_ok=True)


def real(path: Path) -> Path:
    """What a path leads to once links in its place are followed.

    Raises Refused for somebody else's link, UsageError for one that leads nowhere: what is written
    would take its place.
    """
    place = path
    for _ in range(LINKS):
        if not place.is_symlink():
            return place
        _require_own(place, place.lstat(), "link")
        place = place.parent / place.readlink()
        if not os.path.lexists(place):
            raise UsageError(
                f"{path} is a broken link",
                f"{place} is not there",
                "bring that back, or remove the link",
            )
    raise UsageError(f"{path} is a broken link", "it leads to itself", "remove it")


def read(path: Path) -> bytes | None:
    """What a file that decides something holds; None where there is none.

    Raises Refused for one that somebody else has made or may write to, UsageError for what can't be
    read.
    """
    try:
        # not waiting for the other end of a pipe
        descriptor = os.open(real(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from None
    try:
        _require_trusted(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def _require_trusted(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _unreadable(path, "it is no file")
    _require_own(path, status, "file")
    if _others_write(status):
        raise Refused(
            f"{path} can be changed by other users",
            f"its mode is {stat.S_IMODE(status.st_mode):04o}",
            f"look whether it is as you left it, then `chmod go-w {shlex.quote(str(path))}`",
        )


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} can't be read", why, "it has to be a file that this user may read")


def opened(path: Path) -> TextIO:
    """A file to read and to add to, made where it is missing; a link in its place is an OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)
    status = os.fstat(descriptor)
    # as an earlier kubeup made it
    if stat.S_ISREG(status.st_mode) and status.st_mode & OTHERS and _may_change(status):
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~OTHERS)
    return os.fdopen(descriptor, "a+", encoding="utf-8")


def close(folder: Path, tell: Tell, way_out: str, harmless: Collection[str] = ()) -> None:
    """Let nobody else into a folder that decides something, and `tell` where others could enter.

    `harmless` names files there that decide nothing, `way_out` what to do about others. Raises
    Refused where the folder, or anything in it, may be somebody else's doing.
    """
    status = _own_folder(folder)
    if status is None or not status.st_mode & OTHERS:
        return
    doubtful = sorted(_doubtful(real(folder), _others_write(status), harmless))
    if doubtful:
        more = [f"and {len(doubtful) - NAMED} more"] if len(doubtful) > NAMED else []
        names = "\n".join([*map(str, doubtful[:NAMED]), *more])
        raise Refused(f"other users could change what is in {folder}", names, way_out)
    _take(folder, status, OTHERS, tell)


def protect(folder: Path, tell: Tell) -> None:
    """Let nobody else exchange what is in a folder, and `tell` where others could."""
    status = _own_folder(folder)
    if status is not None and _others_write(status):
        _take(folder, status, stat.S_IWGRP | stat.S_IWOTH, tell)


def _take(folder: Path, before: os.stat_result, rights: int, tell: Tell) -> None:
    """Take rights on a folder from all but its owner."""
    if not _may_change(before):  # root's, where this user is another
        return
    place = real(folder)
    place.chmod(stat.S_IMODE(before.st_mode) & ~rights)
    if place.stat().st_mode & rights:
        raise Refused(
            f"{folder} can't be closed to other users",
            "its file system keeps no permissions",
            "move the project, or its cache (XDG_CACHE_HOME), to one that does",
        )
    tell(f"{folder} was open to other users (mode {stat.S_IMODE(before.st_mode):04o}): closed")


def _own_folder(folder: Path) -> os.stat_result | None:
    """What is known of a folder of this user's; None where there is none."""
    if not os.path.lexists(folder):
        return None
    status = real(folder).stat()
    if not stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{folder} is no folder", "a file is in its place", "move that away")
    _require_own(folder, status, "folder")
    return status


def _doubtful(folder: Path, open_: bool, harmless: Collection[str]) -> Iterator[Path]:
    """What other users can write to below a folder, or may have put into one that is `open_`."""
    for place, folders, files in os.walk(folder):
        top = Path(place) == folder
        for name in (*folders, *files):
            path = Path(place, name)
            with suppress(FileNotFoundError):  # another command is at work
                status = path.lstat()
                if status.st_uid not in _owners():
                    # deeper it is root who brought it, as a copy of a database's files
                    doubtful = top and open_
                else:
                    doubtful = _others_write(status) and not (top and name in harmless)
                if doubtful:
                    yield path


def _require_own(path: Path, status: os.stat_result, kind: str) -> None:
    if status.st_uid not in _owners():
        raise Refused(
            f"the {kind} {path} belongs to somebody else",
            f"its owner is the user {_name(status.st_uid)}, this is {_name(os.geteuid())}",
            f"run this as {_name(status.st_uid)}; or, where you know what it holds, make it yours: "
            f"`chown -h {_name(os.geteuid())} {shlex.quote(str(path))}`",
        )


def _owners() -> Collection[int]:
    """Whose files are trusted: this user's and root's.

    For root by sudo also those of who typed it, as git has it (safe.directory in git-config(1)).
    """
    own = {ROOT, os.geteuid()}
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() == ROOT and caller.isdigit():
        own.add(int(caller))
    return own


def _may_change(status: os.stat_result) -> bool:
    """Whether this user may give a file another mode (chmod(2))."""
    return os.geteuid() in (ROOT, status.st_uid)


def _others_write(status: os.stat_result) -> bool:
    """Whether anybody but a file's owner can change it, or exchange what is in a folder."""
    mode = status.st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return False
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:  # as in /tmp: what is there stays its owner's
        return False
    if mode & stat.S_IWOTH:
        return True
    return bool(mode & stat.S_IWGRP) and not _own_group(status.st_uid, status.st_gid)


@functools.cache
def _own_group(user: int, group: int) -> bool:
    """Whether a group is one user's alone.

    Distributions make one for each user, and a umask of 002 (usergroups in pam_umask(8)).
    """
    import grp
    import pwd

    if user == ROOT and group == ROOT:
        return True
    try:
        owner, entry = pwd.getpwuid(user), grp.getgrgid(group)
    except KeyError:
        return False
    alone = set(entry.gr_mem) <= {owner.pw_name}
    return owner.pw_gid == group and entry.gr_name == owner.pw_name and alone


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
