"""What is told before anything starts: no minikube, one that does not fit, no driver."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.beds.minikube import minikube_labelled
from tests.real.minikube.cluster import OnMinikube

pytestmark = pytest.mark.real


def without(names: set[str], folder: Path) -> str:
    """A PATH with all that is on this one but some tools."""
    for part in os.environ["PATH"].split(os.pathsep):
        for tool in Path(part).glob("*"):
            if tool.name not in names and not (folder / tool.name).exists():
                (folder / tool.name).symlink_to(tool)
    return str(folder)


def nothing_made(cluster: OnMinikube) -> bool:
    return not (cluster.home / ".minikube" / "profiles").exists() and not any(cluster.left().values())


def test_no_minikube(bare: OnMinikube, tmp_path: Path) -> None:
    path = {"PATH": without({"minikube"}, tmp_path)}
    for words in (("up", "--yes"), ("cluster.minikube", "--dry")):
        ran = bare.inv(*words, env=path, code=3)
        assert "error: minikube is not installed" in ran.err and "releases/download/v1.36.0/minikube-linux-" in ran.err and "sha256" in ran.err
    assert nothing_made(bare)


def test_a_minikube_that_is_too_new(bare: OnMinikube) -> None:
    path = {"PATH": f"{minikube_labelled('v1.37.0', lambda line: None)}{os.pathsep}{os.environ['PATH']}"}
    ran = bare.inv("up", "--yes", env=path, code=3)
    assert "v1.37.0 refuses Kubernetes 1.26.1 (K8S_OLD_UNSUPPORTED): v1.36 is the last that takes it" in ran.err
    doctor = bare.inv("doctor", "--json", env=path, code=1).json
    row, = [row for row in doctor if row["name"] == "provider"]
    assert not row["ok"] and row["safe"] and "inv doctor --fix" in row["fix"]
    assert " --force" in bare.inv("cluster.minikube", "--dry", "--commands", "--set", "minikube.force=true", env=path).out
    assert nothing_made(bare)


def test_a_download_with_another_sum_is_not_taken(bare: OnMinikube, tmp_path: Path) -> None:
    """A server stands in for the far one; what it serves is this bed's minikube, which is not the release's."""
    import functools
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    assert bare.bed is not None
    folder = tmp_path / "site" / "v1.36.0"
    folder.mkdir(parents=True)
    for arch in ("amd64", "arm64"):
        (folder / f"minikube-linux-{arch}").symlink_to(bare.bed.bin / "minikube")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tools = tmp_path / "tools"
    tools.mkdir()
    env = {"PATH": without({"minikube"}, tools), "no_proxy": "127.0.0.1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    words = ("doctor", "--fix", "--set", f"minikube.download_url=http://127.0.0.1:{server.server_port}")
    asked = bare.inv(*words, env=env, code=3)
    assert "nobody is there to be asked" in asked.err and "fetch minikube v1.36.0" in asked.err
    ran = bare.inv(*words, "--yes", env=env, code=1)
    server.shutdown()
    assert "is not what it should be" in ran.err and "published is " in ran.err
    assert not list((tmp_path / "cache").rglob("minikube"))


def test_no_driver(bare: OnMinikube, tmp_path: Path) -> None:
    assert bare.bed is not None
    path = {"PATH": f"{bare.bed.bin}{os.pathsep}{without({'podman', 'docker'}, tmp_path)}"}
    ran = bare.inv("cluster.minikube", "--dry", env=path, code=3)
    assert "error: minikube has no driver on this machine" in ran.err and "DRV_NOT_DETECTED" in ran.err
    assert nothing_made(bare)
