"""Fetching the pinned minikube; the far side is a server of this test's own."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from builders import DATA, SANDBOX, commands, error_of, settings, state

from kubeup.cluster.providers.base import Needed
from kubeup.cluster.providers.minikube import Minikube, release
from kubeup.cluster.providers.minikube.release import FetchMinikube
from kubeup.core import shell

pytestmark = pytest.mark.real
CONTENT = b"#!/bin/sh\necho minikube\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "minikube-linux-amd64").write_bytes(CONTENT)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/minikube-linux-amd64"


def test_the_right_one_becomes_an_executable(url: str, tmp_path: Path) -> None:
    install = FetchMinikube(
        url, hashlib.sha256(CONTENT).hexdigest(), tmp_path / "tools" / "minikube"
    )
    assert install.already() == ""
    install.run(lambda line: None)
    assert install.path.read_bytes() == CONTENT and install.path.stat().st_mode & 0o111
    assert install.already() == "downloaded"


def test_the_commands_that_are_shown_do_the_same(url: str, tmp_path: Path) -> None:
    install = FetchMinikube(
        url, hashlib.sha256(CONTENT).hexdigest(), tmp_path / "to ols" / "minikube"
    )
    subprocess.run(["sh", "-ec", "\n".join(install.commands())], check=True, capture_output=True)
    assert install.path.read_bytes() == CONTENT and install.path.stat().st_mode & 0o111
    wrong = FetchMinikube(url, "0" * 64, install.path)
    assert (
        subprocess.run(
            ["sh", "-ec", "\n".join(wrong.commands())], check=False, capture_output=True
        ).returncode
        != 0
    )


def test_another_one_does_not(url: str, tmp_path: Path) -> None:
    install = FetchMinikube(url, "0" * 64, tmp_path / "tools" / "minikube")
    assert "has the wrong checksum" in error_of(lambda: install.run(lambda line: None)).what
    assert not any((tmp_path / "tools").iterdir())


def test_no_server(tmp_path: Path) -> None:
    error = error_of(
        lambda: FetchMinikube("http://127.0.0.1:9/minikube", "0" * 64, tmp_path / "minikube").run(
            lambda line: None
        )
    )
    assert "put it on PATH (sha256 " in error.next


STAND_IN = """#!/bin/sh
echo "$*" >>{calls}
case "$*" in
  version*) cat {data}/version_1.36.0.rc0.json ;;
  *--dry-run*) cat {data}/dry_run_vm.json.rc55.txt; exit 55 ;;
esac
"""


def test_what_was_fetched_is_asked_for_its_driver_and_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan made without minikube is run to the end by one that it fetches: a script."""
    calls, folder = tmp_path / "calls", tmp_path / "site" / "v1.36.0"
    folder.mkdir(parents=True)
    program = STAND_IN.format(calls=calls, data=DATA / "minikube").encode()
    (folder / "minikube-linux-amd64").write_bytes(program)
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder.parent))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(release.SUMS, ("Linux", "amd64"), hashlib.sha256(program).hexdigest())
    found = shell.which
    monkeypatch.setattr(
        "kubeup.core.shell.which",
        lambda name: None if name in ("minikube", "kubectl") else found(name),
    )
    keys = f"minikube: {{download_url: 'http://127.0.0.1:{server.server_port}', home: {tmp_path}}}"
    hypervisor = replace(SANDBOX, tools=frozenset({"VBoxManage", "podman"}))
    one = Minikube(settings(tmp_path, keys), state(tmp_path), hypervisor)
    fetch, start, *_ = [*one.install(), *one.plan(one.observe(), Needed())]
    assert (str(fetch.id), str(start.id)) == (
        "provider/minikube",
        "node/test-1.26-2nodes",
    ) and "--vm=true" in commands([start])[0]
    for step in (fetch, start):
        step.action.run(lambda line: None)
    dry, real = (line for line in calls.read_text().splitlines() if line.startswith("start"))
    assert dry.endswith("--dry-run --output=json") and "--vm=true" in dry
    assert real == (
        "start --kubernetes-version=1.26.1 --memory=4096 --cpus=2 --disk-size=10GB "
        "--driver=podman --nodes=2 "
        "-p test-1.26-2nodes --force"
    ), "the hypervisor is none for minikube"
    assert (
        one.install() == []
        and one.tool is not None
        and one.tool.path == str(release.pinned(one.host).path)
    )
