"""The user's cache folder, shared by all checkouts: what is costly to make and the same for everybody."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def folder(*parts: str) -> Path:
    """A path below $XDG_CACHE_HOME/kubeup (default ~/.cache/kubeup); not made yet."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "kubeup", *parts)


def digest(*parts: str | bytes) -> str:
    """A short name for content: 16 hex digits of the sha256 over the parts, each with its length."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(f"{len(data)}:".encode() + data)
    return whole.hexdigest()[:16]


def tree_digest(*roots: Path, but: Iterable[str] = ()) -> str:
    """The digest of every file below `roots`: path, executable bit and content. Folders named in `but` don't count."""
    skipped = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", *but}
    parts: list[str | bytes] = []
    for root in roots:
        files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
        for file in files:
            relative = file.relative_to(root) if file != root else Path(file.name)
            if skipped & set(relative.parts):
                continue
            parts += [f"{relative}:{os.access(file, os.X_OK)}", file.read_bytes()]
    return digest(*parts)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`; renamed to it at the end, so that a half-made one is never found there.

    Two commands that make the same thing wait for each other, and the second finds it done.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield work
            if not target.exists():
                work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
