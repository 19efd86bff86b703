"""Saved data on this machine: an archive, its sum beside it, and those of before."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from kubeup.core.errors import Refused
from kubeup.core.state import flush, write_private
from kubeup.system import cache


def sum_of(archive: Path) -> Path:
    """The file that holds an archive's sha256, as sha256sum(1) writes it."""
    return archive.with_name(f"{archive.name}.sha256")


def keep(part: Path, archive: Path, sha256: str) -> None:
    """Put a new archive and its sum in their place, on the disk when this returns.

    Its machine goes next. An archive that is there was never put back, so it is kept as well.
    """
    if archive.exists():
        _rename(archive, f"earlier-{cache.sha256(archive)[:12]}-{archive.name}")
    # the sum first: an archive without one counts as an older kubeup's
    write_private(sum_of(archive), f"{sha256}  {archive.name}\n")
    flush(part)
    part.replace(archive)
    flush(archive.parent)


def check(archive: Path) -> str:
    """The archive's sha256. Raises Refused for one that is not what was saved.

    One of an older kubeup has no sum beside it: gzip has one of its own at its end.
    """
    sha256, file = cache.sha256(archive), sum_of(archive)
    if not file.exists():
        _require_whole(archive)
        return sha256
    saved = "".join(file.read_text(encoding="utf-8", errors="replace").split()[:1])
    if saved != sha256:
        raise _damaged(
            archive,
            f"its sha256 is {sha256}, {file.name} says {saved or 'nothing'}",
            f"; for an archive of another time, remove {file.name}: then it is read to its end "
            "instead",
        )
    return sha256


def put_away(archive: Path) -> None:
    """Keep an archive that was put back under another name."""
    _rename(archive, f"restored-{archive.name}")


def forget(archive: Path) -> None:
    """Remove all that was saved under that name."""
    earlier = archive.parent.glob(f"earlier-*-{archive.name}")
    for path in (archive, archive.with_name(f"restored-{archive.name}"), *earlier):
        path.unlink(missing_ok=True)
        sum_of(path).unlink(missing_ok=True)


def _require_whole(archive: Path) -> None:
    try:
        with gzip.open(archive) as file:
            if not file.read(1):
                raise EOFError("it is empty")
            while file.read(1 << 20):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(archive, str(error)) from None


def _damaged(archive: Path, why: str, more: str = "") -> Refused:
    return Refused(
        f"the saved data in {archive} are damaged",
        f"{why}; nothing was touched",
        f"put back that file as it was saved{more}",
    )


def _rename(archive: Path, name: str) -> None:
    target = archive.with_name(name)
    archive.replace(target)
    if sum_of(archive).exists():
        sum_of(archive).replace(sum_of(target))
    flush(archive.parent)
