"""Go programs that no package registry serves as such: minikube itself, and what its nodes need
beside it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.build import ENVIRONMENT
from kubeup.cluster.release.go import DEBIAN_GO, go_minor
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system import cache
from tests.beds.go import build

FOLDERS = Path(__file__).with_name("go")
OLDEST, NEWEST = 24, 40  # minikube 1.36 asks for Go 1.24
VERSION = "v1.36.0"
VERSIONS = "k8s.io/minikube/pkg/version"
# minikube calls podman through sudo, which keeps no variable but what it is told: the real one
# runs, with podman's configuration
SUDO = '#!/bin/sh\nexec /usr/bin/sudo --preserve-env=CONTAINERS_CONF "$@"\n'


@dataclass(frozen=True)
class Program:
    """One `go build` in a folder of `go/`."""

    name: str
    package: str = "."
    ldflags: str = "-s -w"

    @property
    def folder(self) -> Path:
        return FOLDERS / self.name

    @property
    def path(self) -> Path:
        """Where the cache has it, named by all that it is made from."""
        made_from = cache.digest(cache.tree_digest(self.folder), self.package, self.ldflags, SUDO)
        return cache.folder("beds", f"{self.name}-{made_from}") / self.name


CRICTL = Program("crictl")
KINDNETD = Program("kindnetd")
DASHBOARD = Program("dashboard")
PROVISIONER = Program("storage-provisioner", "k8s.io/minikube/cmd/storage-provisioner")


def minikube(version: str = VERSION) -> Program:
    """minikube under a version. Without these flags it would look for images with an empty tag."""
    labels = {"version": version, "isoVersion": version, "storageProvisionerVersion": "v5"}
    flags = " ".join(f"-X {VERSIONS}.{key}={value}" for key, value in labels.items())
    return Program("minikube", "k8s.io/minikube/cmd/minikube", f"-s -w {flags}")


def go_tool() -> str:
    """The path of a Go that builds minikube. Raises KubeupError where there is none."""
    on_path = shell.which("go")
    paths = [
        path
        for path in (on_path, *(DEBIAN_GO.format(minor) for minor in range(NEWEST, OLDEST - 1, -1)))
        if path and Path(path).exists()
    ]
    for path in paths:
        if go_minor(shell.read(path, "version", ok=None).stdout) >= OLDEST:
            return path
    raise KubeupError(
        f"no Go 1.{OLDEST} or newer is installed",
        f"minikube {VERSION} is built with it; looked for `go` on PATH and {DEBIAN_GO}",
        "install one, from backports or go.dev",
    )


def compile_(program: Program, log: Log) -> Path:
    """Build a program unless the cache has it, whole or not at all. minikube gets its own way to
    sudo beside it.
    """
    if program.path.exists():
        return program.path
    go = go_tool()
    with cache.made_whole(program.path.parent) as work:
        log(f"compile {program.name}")
        build(go, program.folder, program.package, work / program.name, log, program.ldflags)
        if program.name == "minikube":
            (work / "sudo").write_text(SUDO)
            (work / "sudo").chmod(0o755)
        work.chmod(0o755)
    return program.path


def minikube_source() -> Path:
    """minikube's sources in Go's own cache: the base image takes two files of them."""
    found = shell.read(
        go_tool(),
        "mod",
        "download",
        "-json",
        f"k8s.io/minikube@{VERSION}",
        cwd=str(FOLDERS / "minikube"),
        env=ENVIRONMENT,
        timeout=600,
    )
    return Path(json.loads(found.stdout)["Dir"])
