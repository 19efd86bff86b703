"""The far side is a server of this test's own, on a loopback address."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from builders import error_of

from kubeup.cluster.release import download
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


def offer(files: Sites, name: str, content: bytes, announced: int = 0, checksum: str = "") -> None:
    files[f"{BIN}/{name}"] = (content, announced or len(content))
    line = (checksum or hashlib.sha256(content).hexdigest()).encode()
    files[f"{BIN}/{name}.sha256"] = (line, len(line))


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


def test_a_sum_line_with_a_file_name_behind_it(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(files, "kubectl", CONTENT, checksum=f"{hashlib.sha256(CONTENT).hexdigest()}  kubectl\n")
    DownloadBinary("kubectl", url, "amd64", tmp_path).run(print)
    assert (tmp_path / "kubectl").exists()


def test_a_wrong_sum_leaves_nothing_behind(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(files, "kubectl", CONTENT, checksum="0" * 64)
    error = error_of(DownloadBinary("kubectl", url, "amd64", tmp_path).run, print)
    assert error.what == f"{url}{BIN}/kubectl has the wrong checksum"
    assert "0" * 64 in error.why and hashlib.sha256(CONTENT).hexdigest() in error.why
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_sum_does_not_touch_what_was_there(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    (tmp_path / "kubectl").write_text("good")
    offer(files, "kubectl", CONTENT, checksum="0" * 64)
    error_of(DownloadBinary("kubectl", url, "amd64", tmp_path).run, print)
    assert (tmp_path / "kubectl").read_text() == "good"


def test_a_transfer_that_breaks_off(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, files = site
    offer(
        files,
        "kubelet",
        CONTENT[:1000],
        announced=len(CONTENT),
        checksum=hashlib.sha256(CONTENT).hexdigest(),
    )
    error = error_of(DownloadBinary("kubelet", url, "amd64", tmp_path).run, print)
    assert "broke off" in error.what
    assert error.next == "run the same again"
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_is_not_there(site: tuple[str, Sites], tmp_path: Path) -> None:
    url, _ = site
    error = error_of(DownloadBinary("kubeadm", url, "amd64", tmp_path).run, print)
    assert error.what == f"{url}{BIN}/kubeadm.sha256 can't be fetched"
    assert "404" in error.why
    assert "release.source to build" in error.next


def test_nobody_answers(tmp_path: Path) -> None:
    error = error_of(DownloadBinary("kubeadm", "http://127.0.0.1:1", "amd64", tmp_path).run, print)
    assert "Connection refused" in error.why


@pytest.mark.parametrize("answer", [b"", b"\n", b"<html>please log in</html>", b"\xff\xfe"])
def test_what_is_no_sum_is_told(site: tuple[str, Sites], tmp_path: Path, answer: bytes) -> None:
    url, files = site
    offer(files, "kubectl", CONTENT)
    files[f"{BIN}/kubectl.sha256"] = (answer, len(answer))
    assert (
        error_of(DownloadBinary("kubectl", url, "amd64", tmp_path).run, print).what
        == f"{url}{BIN}/kubectl.sha256 holds no sha256"
    )
    assert list(tmp_path.iterdir()) == []


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
