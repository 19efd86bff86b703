"""Official release binaries, each checked against its published sha256 before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

from kubeup.errors import KubeupError
from kubeup.plan import Log
from kubeup.release.components import KUBERNETES

TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 20


@dataclass(frozen=True)
class DownloadBinary:
    """Fetch one binary of the release into `folder`; a wrong sum leaves nothing behind."""

    name: str
    base_url: str
    arch: str
    folder: Path

    @property
    def url(self) -> str:
        return f"{self.base_url.rstrip('/')}/release/v{KUBERNETES}/bin/linux/{self.arch}/{self.name}"

    def already(self) -> str:
        return "downloaded" if (self.folder / self.name).exists() else ""

    def commands(self) -> tuple[str, ...]:
        return (f"curl -fLo {self.folder / self.name} {self.url}",)

    def run(self, log: Log) -> None:
        wanted = "".join(_get(f"{self.url}.sha256").decode(errors="replace").split()[:1])
        if len(wanted) != 64:
            raise KubeupError(f"{self.url}.sha256 holds no sha256", f"found {wanted[:80]!r}", "try again later, or set release.source to build")
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f".{self.name}.", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                found = _copy(self.url, file, log)
            if found != wanted:
                raise KubeupError(f"{self.url} is not what it should be", f"its sha256 is {found}, published is {wanted}",
                                  "try again; when it repeats, something between you and the server changes files")
            Path(part).chmod(0o755)
            Path(part).replace(self.folder / self.name)
        finally:
            Path(part).unlink(missing_ok=True)


def _open(url: str) -> HTTPResponse:
    try:
        answer: HTTPResponse = urllib.request.urlopen(url, timeout=TIMEOUT)
    except (urllib.error.URLError, OSError) as error:
        raise KubeupError(f"{url} can't be fetched", str(error), "look at the network, or set release.source to build") from None
    return answer


def _get(url: str) -> bytes:
    with _open(url) as answer:
        return bytes(answer.read(4096))


def _copy(url: str, file: object, log: Log) -> str:
    """Stream `url` into `file`; returns the sha256 in hex."""
    whole, size = hashlib.sha256(), 0
    with _open(url) as answer:
        total = int(answer.headers.get("Content-Length") or 0)
        try:
            while chunk := answer.read(CHUNK):
                whole.update(chunk)
                size += len(chunk)
                file.write(chunk)  # type: ignore[attr-defined]
                log(f"{size >> 20} of {total >> 20} MiB")
        except (OSError, http.client.HTTPException) as error:
            raise KubeupError(f"{url} broke off after {size >> 20} MiB", str(error), "run the same again") from None
    if total and size != total:
        raise KubeupError(f"{url} broke off", f"{size} of {total} bytes came", "run the same again")
    return whole.hexdigest()
