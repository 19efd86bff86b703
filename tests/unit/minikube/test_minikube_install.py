"""Fetching the pinned minikube; the far side is a server of this test's own."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from builders import error_of

from kubeup.providers.minikube.actions import Install

pytestmark = pytest.mark.real
CONTENT = b"#!/bin/sh\necho minikube\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "minikube-linux-amd64").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/minikube-linux-amd64"


def test_the_right_one_becomes_an_executable(url: str, tmp_path: Path) -> None:
    install = Install(url, hashlib.sha256(CONTENT).hexdigest(), tmp_path / "tools" / "minikube")
    assert install.already() == ""
    install.run(lambda line: None)
    assert install.path.read_bytes() == CONTENT and install.path.stat().st_mode & 0o111
    assert install.already() == "downloaded"


def test_the_commands_that_are_shown_do_the_same(url: str, tmp_path: Path) -> None:
    install = Install(url, hashlib.sha256(CONTENT).hexdigest(), tmp_path / "to ols" / "minikube")
    subprocess.run(["sh", "-ec", "\n".join(install.commands())], check=True, capture_output=True)
    assert install.path.read_bytes() == CONTENT and install.path.stat().st_mode & 0o111
    wrong = Install(url, "0" * 64, install.path)
    assert subprocess.run(["sh", "-ec", "\n".join(wrong.commands())], check=False, capture_output=True).returncode != 0


def test_another_one_does_not(url: str, tmp_path: Path) -> None:
    install = Install(url, "0" * 64, tmp_path / "tools" / "minikube")
    assert "is not what it should be" in error_of(lambda: install.run(lambda line: None)).what
    assert not any((tmp_path / "tools").iterdir())


def test_no_server(tmp_path: Path) -> None:
    error = error_of(lambda: Install("http://127.0.0.1:9/minikube", "0" * 64, tmp_path / "minikube").run(lambda line: None))
    assert "put it on PATH (sha256 " in error.next
