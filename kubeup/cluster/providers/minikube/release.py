"""Which minikube fits Kubernetes 1.26.1, and the pinned one to fetch where none does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.versions import Version, dotted
from kubeup.cluster.release.download import fetch, fetching
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.facts.host import HostFacts
from kubeup.system import cache

# 1.29.0 is the first that knows Kubernetes 1.26.1 (its CHANGELOG), 1.36 the last before its oldest
# became 1.28 (constants.go of 1.37). Newer ones take an older Kubernetes where they are given
# --force (K8S_OLD_UNSUPPORTED in their start.go).
OLDEST: Version = (1, 29)
NEWEST: Version = (1, 36)
PINNED = "1.36.0"
SITE = "https://github.com/kubernetes/minikube/releases/download"
# deploy/minikube/releases-v2.json of the minikube repository
SUMS = {
    ("Linux", "amd64"): "cddeab5ab86ab98e4900afac9d62384dae0941498dfbe712ae0c8868250bc3d7",
    ("Linux", "arm64"): "6fe9adf0c40c75346a0528e609b3d4119ab192e2506d0401cc89adee051a48ea",
    ("Darwin", "amd64"): "a7e3da0db4041b2f845ca37af592424a9cbe34087ac922220b1e3abc4e1976ea",
    ("Darwin", "arm64"): "a9f06bc9634c87800e772354872c6641ef0e02699187d5118225a86b79c99348",
}


def misfit(version: Version, force: bool = False) -> str:
    """Why a minikube of that version does not bring up Kubernetes 1.26.1, or ''.

    `force`: it is given --force.
    """
    if not version:
        return "its version can't be read"
    name, series = f"v{dotted(version)}", version[:2]
    if series < OLDEST:
        first = dotted(OLDEST)
        return f"{name} does not support Kubernetes 1.26.1: v{first}.0 is the first that does"
    if series > NEWEST and not force:
        return (
            f"{name} refuses Kubernetes 1.26.1 (K8S_OLD_UNSUPPORTED) unless it is given "
            f"--force: v{dotted(NEWEST)} is the last that takes it without"
        )
    return ""


@dataclass(frozen=True)
class FetchMinikube:
    """Fetch a release into the user's cache; a minikube on PATH stays as it is."""

    url: str
    sha256: str
    path: Path

    def already(self) -> str:
        return "downloaded" if self.path.exists() else ""

    def commands(self) -> tuple[str, ...]:
        return fetching(self.url, self.sha256, self.path)

    def run(self, log: Log) -> None:
        fix = f"install minikube yourself and put it on PATH (sha256 {self.sha256})"
        fetch(self.url, self.sha256, self.path, log, fix)


def path(host: HostFacts) -> Path:
    """Where the pinned minikube lies once it was fetched."""
    return cache.folder("tools", f"minikube-v{PINNED}-{host.arch}", "minikube")


def pinned(host: HostFacts, site: str = SITE) -> FetchMinikube:
    """The release for this machine.

    Raises KubeupError where none is pinned for it.
    """
    sha256 = SUMS.get((host.system, host.arch))
    if sha256 is None:
        raise KubeupError(
            f"no minikube is pinned for {host.system} on {host.arch}",
            "only Linux and macOS on amd64 and arm64 are",
            f"install minikube v{PINNED} yourself: https://minikube.sigs.k8s.io/docs/start/",
        )
    name = f"minikube-{host.system.lower()}-{host.arch}"
    return FetchMinikube(f"{site.rstrip('/')}/v{PINNED}/{name}", sha256, path(host))
