"""How backups are compressed. Another way is another row here, and DEFAULT where it is to be used.

A file's suffix tells how it was compressed, so backups of each way are listed and restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell


@dataclass(frozen=True)
class Compression:
    """Commands as filters: from standard input to standard output."""

    suffix: str
    packages: tuple[str, ...]  # by Debian's names
    compress: tuple[str, ...]
    decompress: tuple[str, ...]

    @property
    def needed_packages(self) -> tuple[str, ...]:
        """Its packages, where its program is not on PATH."""
        if shell.which(self.compress[0]):
            return ()
        return self.packages


# Level 3, zstd's own, is ten times as fast as what comes from a dump; more threads would take from
# the server's on the same machine.
ZSTD = Compression(
    suffix=".sql.zst",
    packages=("zstd",),
    compress=("zstd", "--quiet", "--stdout"),
    decompress=("zstd", "--quiet", "--decompress", "--stdout"),
)
# of backups by themselves, where the database's image lacks the other
GZIP = Compression(
    suffix=".sql.gz",
    packages=("gzip",),
    compress=("gzip", "--stdout"),
    decompress=("gzip", "--decompress", "--stdout"),
)
COMPRESSIONS = (ZSTD, GZIP)
DEFAULT = ZSTD  # of a backup whose name is made up
UNNAMED = ZSTD  # of a file that a person named without a suffix: never another, as it tells nothing


def of(file: Path) -> Compression:
    """How a backup is, or is to be, compressed."""
    for known in COMPRESSIONS:
        if file.name.endswith(known.suffix):
            return known
    return UNNAMED


def files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder by a pattern in which {} stands for each suffix, by their names."""
    return sorted(
        file for known in COMPRESSIONS for file in folder.glob(pattern.format(known.suffix))
    )
