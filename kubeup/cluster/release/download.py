"""Official release binaries, each checked against its published sha256 before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from kubeup.cluster.release import source
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system import web

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

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(("curl", "-fLo", str(self.folder / self.name), self.url)),)

    def run(self, log: Log) -> None:
        wanted = "".join(_get(f"{self.url}.sha256").decode(errors="replace").split()[:1])
        if len(wanted) != 64:
            raise KubeupError(
                f"{self.url}.sha256 holds no sha256",
                f"found {wanted[:80]!r}",
                f"try again later, or {OTHERWISE}",
            )
        fetch(self.url, wanted, self.folder / self.name, log)


def fetch(url: str, sha256: str, target: Path, log: Log, otherwise: str = OTHERWISE) -> None:
    """Fetch an executable.

    It gets its name when all of it is there and has that sum; `otherwise` is what else a user can
    do.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            found = _copy(url, file, log, otherwise)
        if found != sha256:
            raise KubeupError(
                f"{url} is not what it should be",
                f"its sha256 is {found}, published is {sha256}",
                "try again; when it repeats, something between you and the server changes files",
            )
        Path(part).chmod(0o755)
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)


def _open(url: str, otherwise: str = OTHERWISE) -> HTTPResponse:
    try:
        return web.open_url(url)
    except web.Failed as error:
        raise KubeupError(
            f"{url} can't be fetched", str(error), f"look at the network, or {otherwise}"
        ) from None


def _get(url: str) -> bytes:
    with _open(url) as answer:
        return bytes(answer.read(4096))


def _copy(url: str, file: object, log: Log, otherwise: str) -> str:
    """Stream `url` into `file`; returns the sha256 in hex."""
    whole, size = hashlib.sha256(), 0
    with _open(url, otherwise) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        try:
            while chunk := answer.read(CHUNK):
                whole.update(chunk)
                size += len(chunk)
                file.write(chunk)  # type: ignore[attr-defined]
                log(f"{size >> 20} of {total >> 20} MiB")
        except (OSError, http.client.HTTPException) as error:
            raise KubeupError(
                f"{url} broke off after {size >> 20} MiB", str(error), "run the same again"
            ) from None
    if total and size != total:
        raise KubeupError(f"{url} broke off", f"{size} of {total} bytes came", "run the same again")
    return whole.hexdigest()
