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
    return not (cluster.home / ".minikube" / "profiles").exists() and not any(
        cluster.left().values()
    )


def test_no_minikube(bare: OnMinikube, tmp_path: Path) -> None:
    """It is fetched first; the how-to's command is the next."""
    path = {"PATH": without({"minikube"}, tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    shown = bare.inv("cluster.minikube", "--dry", "--commands", env=path).out
    fetch, start = (
        shown.index("releases/download/v1.36.0/minikube-linux-"),
        shown.index("/minikube start --kubernetes-version=1.26.1 "),
    )
    assert (
        fetch < start and "--nodes=2" in shown[start:] and "sha256sum --check" in shown[fetch:start]
    )
    first, second, *_ = bare.inv("cluster.minikube", "--dry", "--json", env=path).json
    assert [first["id"], second["id"]] == ["provider/minikube", f"node/{bare.name}"] and second[
        "needs"
    ][-1] == "provider/minikube"
    assert "minikube is not installed" in bare.inv("cluster.dashboard", env=path, code=3).err
    assert nothing_made(bare)


def test_a_minikube_that_is_too_new(bare: OnMinikube, tmp_path: Path) -> None:
    """It is not used: the pinned one is fetched."""
    path = {
        "PATH": os.pathsep.join(
            (str(minikube_labelled("v1.37.0", lambda line: None)), os.environ["PATH"])
        ),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    first, second, *_ = bare.inv("cluster.minikube", "--dry", "--json", env=path).json
    assert first["id"] == "provider/minikube" and second["id"] == f"node/{bare.name}"
    assert (
        "is not used: v1.37.0 refuses Kubernetes 1.26.1 (K8S_OLD_UNSUPPORTED) unless it is given "
        "--force: v1.36 is the last" in first["reason"]
    )
    doctor = bare.inv("doctor", "--json", env=path, code=1).json
    (row,) = [row for row in doctor if row["name"] == "provider"]
    assert (
        not row["ok"]
        and row["safe"]
        and "inv doctor --fix" in row["fix"]
        and "minikube.force" in row["fix"]
    )
    forced = bare.inv(
        "cluster.minikube", "--dry", "--commands", "--set", "minikube.force=true", env=path
    ).out
    assert (
        " --force" in forced
        and "provider/minikube" not in forced
        and "fetch minikube" not in forced
    )
    assert nothing_made(bare)


def test_a_download_with_another_sum_is_not_taken(bare: OnMinikube, tmp_path: Path) -> None:
    """A local server has this bed's minikube, which is not the release's."""
    import functools
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    assert bare.bed is not None
    folder = tmp_path / "site" / "v1.36.0"
    folder.mkdir(parents=True)
    for arch in ("amd64", "arm64"):
        (folder / f"minikube-linux-{arch}").symlink_to(bare.bed.bin / "minikube")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0),
        functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site")),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tools = tmp_path / "tools"
    tools.mkdir()
    env = {
        "PATH": without({"minikube"}, tools),
        "no_proxy": "127.0.0.1",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    words = (
        "doctor",
        "--fix",
        "--set",
        f"minikube.download_url=http://127.0.0.1:{server.server_port}",
    )
    asked = bare.inv(*words, env=env, code=3)
    assert (
        "confirmation needed, but standard input is not a terminal" in asked.err
        and "fetch minikube v1.36.0" in asked.err
    )
    for run in (words, ("cluster.minikube", *words[2:])):
        ran = bare.inv(*run, "--yes", env=env, code=1)
        assert "has the wrong checksum" in ran.err and "that of the release is " in ran.err
    server.shutdown()
    assert nothing_made(bare)
    assert not list((tmp_path / "cache").rglob("minikube"))


def test_no_driver(bare: OnMinikube, tmp_path: Path) -> None:
    assert bare.bed is not None
    path = {"PATH": f"{bare.bed.bin}{os.pathsep}{without({'podman', 'docker'}, tmp_path)}"}
    ran = bare.inv("cluster.minikube", "--dry", env=path, code=3)
    assert (
        "error: minikube has no driver on this machine" in ran.err and "DRV_NOT_DETECTED" in ran.err
    )
    assert nothing_made(bare)
