"""The far side is a server of this test's own, on a loopback address."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from builders import error_of

from kubeup.cluster.release import download, source, sums
from kubeup.cluster.release.components import NODE_BINARIES
from kubeup.cluster.release.download import DownloadBinary

pytestmark = pytest.mark.real
CONTENT = b"\x7fELF" + bytes(range(256)) * 6000  # more than one piece
BIN = "/release/v1.26.1/bin/linux/amd64"
Sites = dict[str, tuple[bytes, int]]  # path -> content, and the length that is announced


@pytest.fixture
def site() -> Iterator[tuple[str, Sites]]:
    files: Sites = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in files:
                self.send_error(404)
                return
            content, announced = files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", files
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def offer(files: Sites, name: str, content: bytes, announced: int = 0) -> None:
    """A file, and the sum that a site publishes of whatever it serves."""
    files[f"{BIN}/{name}"] = (content, announced or len(content))
    line = hashlib.sha256(content).hexdigest().encode()
    files[f"{BIN}/{name}.sha256"] = (line, len(line))


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The release is made of `CONTENT`."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    for name in ("kubeadm", "kubelet", "kubectl"):
        monkeypatch.setitem(sums.BINARIES, ("linux", "amd64", name), sha256)


@pytest.mark.usefixtures("pinned")
def test_a_good_file_becomes_an_executable(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(files, "kubectl", CONTENT)
    said: list[str] = []
    DownloadBinary("kubectl", url, "amd64", tmp_path / "bin").run(said.append)
    made = tmp_path / "bin" / "kubectl"
    assert made.read_bytes() == CONTENT
    assert made.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in made.parent.iterdir()] == ["kubectl"]
    assert said[-1] == "1 of 1 MiB"


def test_a_site_does_not_vouch_for_what_it_serves(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(files, "kubectl", CONTENT)  # with a sum that fits
    error = error_of(DownloadBinary("kubectl", url, "amd64", tmp_path).run, print)
    assert error.what == f"{url}{BIN}/kubectl has the wrong checksum"
    assert sums.BINARIES["linux", "amd64", "kubectl"] in error.why
    assert hashlib.sha256(CONTENT).hexdigest() in error.why
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_sum_leaves_nothing_behind(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    (tmp_path / "kubectl").write_text("good")
    offer(files, "kubectl", CONTENT)
    error_of(DownloadBinary("kubectl", url, "amd64", tmp_path).run, print)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["good"]


@pytest.mark.parametrize("arch", source.PROCESSORS)
def test_every_program_of_a_release_has_its_sum(arch: str) -> None:
    nodes = {("linux", arch, name) for name in NODE_BINARIES}
    assert nodes | {("darwin", arch, "kubectl")} <= set(sums.BINARIES)
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in sums.BINARIES.values())
    assert len(set(sums.BINARIES.values())) == len(sums.BINARIES)


def test_a_transfer_that_breaks_off(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(files, "kubelet", CONTENT[:1000], announced=len(CONTENT))
    error = error_of(DownloadBinary("kubelet", url, "amd64", tmp_path).run, print)
    assert "broke off" in error.what
    assert error.next == "run the same again"
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_not_there(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, _ = site
    error = error_of(DownloadBinary("kubeadm", url, "amd64", tmp_path).run, print)
    assert error.what == f"{url}{BIN}/kubeadm can't be fetched"
    assert "404" in error.why
    assert "release.source to build" in error.next


def test_nobody_answers(tmp_path: Path) -> None:
    error = error_of(DownloadBinary("kubeadm", "http://127.0.0.1:1", "amd64", tmp_path).run, print)
    assert "Connection refused" in error.why


def test_a_connection_that_breaks_in_the_middle_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer(BytesIO):
        headers: ClassVar[dict[str, str]] = {}

        def read(self, size: int | None = -1) -> bytes:
            return super().read(2) or self.broken()

        def broken(self) -> bytes:
            raise OSError("reset by peer")

    monkeypatch.setattr(download, "_open", lambda *_: Answer(b"ab"))
    error = error_of(download._copy, "https://site/file", BytesIO(), print, "")
    assert (
        error.what == "the download of https://site/file broke off after 0 MiB"
        and error.why == "reset by peer"
    )
