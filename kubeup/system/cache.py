"""The user's cache folder, shared by all checkouts, for what is costly to make."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kubeup.core import paths, private
from kubeup.core.errors import UsageError

LOCK = "lock"  # in the cache: held by who uses it, and alone by who frees parts of it


def folder(*parts: str) -> Path:
    """A path below $XDG_CACHE_HOME/kubeup (default ~/.cache/kubeup); not made yet.

    Raises UsageError for one that container engines or Ansible can't be given.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # the XDG Base Directory Specification has one that is not absolute ignored
    if not base.is_absolute():
        base = Path.home() / ".cache"
    if ":" in str(base) or not paths.usable(base):
        raise UsageError(
            f"the cache folder {str(base)!r} has a colon or a variable in its name",
            "container engines take a colon for the end of a path (docker run -v, podman save -o); "
            f"others take {paths.ALLOWED}: {paths.WHY}",
            "set XDG_CACHE_HOME to a folder without them",
        )
    return base / "kubeup" / Path(*parts)


def require_private(tell: private.Tell) -> None:
    """Let nobody else into the cache; `tell` where an earlier kubeup let others in.

    What it holds is found by names and run. Raises Refused where others could have changed it.
    """
    place = shlex.quote(str(folder()))
    private.close(
        folder(),
        tell,
        f"remove it (`rm -r {place}`): all of it is fetched or made again; or, where nobody else "
        f"uses this machine, `chmod -R go-w {place}`",
    )


def hit(path: Path) -> str:
    """'in the cache' for a path that exists, else ''."""
    return "in the cache" if path.exists() else ""


def digest(*parts: str | bytes) -> str:
    """A short name for content: 16 hex digits of the sha256 over the parts and their lengths."""
    whole = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        whole.update(f"{len(data)}:".encode() + data)
    return whole.hexdigest()[:16]


def tree_digest(*roots: Path, but: Iterable[str] = ()) -> str:
    """The digest of every file below `roots`: path, executable bit and content.

    Folders named in `but` don't count.
    """
    skipped = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", *but}
    parts: list[str | bytes] = []
    for root in roots:
        for file in sorted((root, *root.rglob("*"))):
            relative = Path(root.name) if file == root else file.relative_to(root)
            if file.is_file() and skipped.isdisjoint(relative.parts):
                parts += [f"{relative}:{os.access(file, os.X_OK)}", file.read_bytes()]
    return digest(*parts)


def taken(root: Path) -> int:
    """Bytes that a file, or all below a folder, takes on its disk; what goes meanwhile is none."""
    sizes = dict[tuple[int, int], int]()  # a file with several names counts once
    for place, _, files in os.walk(root):
        for path in (Path(place), *(Path(place, name) for name in files)):
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                sizes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    if root.is_file():
        return 512 * root.lstat().st_blocks
    return sum(sizes.values())


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`, renamed to it at the end: no half-made one is found there.

    Two commands that make the same thing wait for each other, and the second finds it done.
    Whatever the user's umask is, all of it can be read by everybody: programs go into images whose
    users are others.
    """
    private.make_folder(target.parent)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield work
            for_everybody(work)
            # the one that waited finds it there
            if not target.exists():
                work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def free(path: Path) -> bool:
    """Remove what was made whole, or what is left of making it; False where somebody makes it."""
    # as `made_whole` calls its lock and what it works on
    name = path.stem.removeprefix(".") if path.name.startswith(".") else path.name
    with (path.parent / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # out of everybody's way in one step: nobody finds half of it
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=path.parent))
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside / "freed")
        shutil.rmtree(aside)
        Path(lock.name).unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def context(texts: Mapping[str, str], files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder to build an image from, with texts and files by their paths in it."""
    # on the file system of what goes into it: a hard link instead of a copy
    contexts = folder("contexts")
    private.make_folder(contexts)
    with tempfile.TemporaryDirectory(dir=contexts) as made:
        root = Path(made)
        for name in (*texts, *files):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (root / name).write_text(text, encoding="utf-8")
        for name, file in files.items():
            _link(file, root / name)
        for_everybody(root)
        yield root


def _link(file: Path, target: Path) -> None:
    """A second name for a file, or its copy."""
    try:
        target.hardlink_to(file)
        for_everybody(target)
    except OSError:  # on another file system, or somebody else's (fs.protected_hardlinks)
        target.unlink(missing_ok=True)
        shutil.copy2(file, target)


def for_everybody(root: Path) -> None:
    """Let everybody read, run and enter what its owner may, in a folder or of a file."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            owner = mode & (stat.S_IRUSR | stat.S_IXUSR)
            path.chmod(mode | owner >> 3 | owner >> 6)
