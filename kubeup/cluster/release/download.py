"""Official release binaries, each checked against its pinned sha256 before it gets its name."""

from __future__ import annotations

import http.client
import tempfile
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO

from kubeup.cluster.release import source, sums
from kubeup.core import private, shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system import cache, web

CHUNK = 1 << 20
OTHERWISE = "set release.source to build"


@dataclass(frozen=True)
class DownloadBinary:
    """Fetch one binary of the release into `folder`; a wrong sum leaves nothing behind."""

    name: str
    base_url: str
    arch: str
    folder: Path
    system: str = "linux"

    @property
    def url(self) -> str:
        return source.address(self.base_url, self.arch, self.name, self.system)

    def already(self) -> str:
        return "downloaded" if (self.folder / self.name).exists() else ""

    @property
    def sha256(self) -> str:
        return sums.BINARIES[self.system, self.arch, self.name]

    def commands(self) -> tuple[str, ...]:
        return fetching(self.url, self.sha256, self.folder / self.name)

    def run(self, log: Log) -> None:
        fetch(self.url, self.sha256, self.folder / self.name, log)


def fetching(url: str, sha256: str, target: Path) -> tuple[str, ...]:
    """The command lines of `fetch`."""
    kept = shell.shown((str(target),))
    check = shell.shown(("echo", f"{sha256}  {target}"))
    return (
        f"curl -fLo {kept} --create-dirs {url}",
        f"{check} | sha256sum --check && chmod 755 {kept}",
    )


def fetch(url: str, sha256: str, target: Path, log: Log, otherwise: str = OTHERWISE) -> None:
    """Fetch an executable, which gets its name once it is complete and has that sum.

    `otherwise` is what else a user can do.
    """
    private.make_folder(target.parent)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        part = Path(folder, target.name)
        with part.open("wb") as file:
            _copy(url, file, log, otherwise)
        actual = cache.sha256(part)
        if actual != sha256:
            raise KubeupError(
                f"{url} has the wrong checksum",
                f"its sha256 is {actual}, that of the release is {sha256}",
                "try again; if it repeats, that site has another file, or something between you "
                "and it changes files",
            )
        # in place only now: whoever finds the name finds the whole file
        part.chmod(0o755)
        part.replace(target)


def _open(url: str, otherwise: str) -> HTTPResponse:
    try:
        return web.open_url(url)
    except web.Failed as error:
        raise KubeupError(
            f"{url} can't be fetched", str(error), f"look at the network, or {otherwise}"
        ) from None


def _copy(url: str, file: BinaryIO, log: Log, otherwise: str) -> None:
    size = 0
    with _open(url, otherwise) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        try:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                size += len(chunk)
                log(f"{size >> 20} of {total >> 20} MiB")
        except (OSError, http.client.HTTPException) as error:
            what = f"the download of {url} broke off after {size >> 20} MiB"
            raise KubeupError(what, str(error), "run the same again") from None
    if total and size != total:
        why = f"{size} of {total} bytes came"
        raise KubeupError(f"the download of {url} broke off", why, "run the same again")
