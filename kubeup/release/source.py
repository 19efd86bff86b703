"""Which way the binaries come, and where each lies in the cache. Choosing is data; nothing here fetches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup import cache
from kubeup.errors import KubeupError
from kubeup.facts.host import HostFacts
from kubeup.release.components import BUILDS, KUBERNETES, NODE_BINARIES, REGISTRY, GoBuild

DOWNLOADS = "https://dl.k8s.io"
ANSWERS = (f"{DOWNLOADS}/", f"https://{REGISTRY}/v2/")  # both must, or the cluster could be only half made of releases


@dataclass(frozen=True)
class Release:
    """Where this machine's Kubernetes comes from: `source` is download or build, `why` says what decided it."""

    source: str
    arch: str
    why: str
    base_url: str = DOWNLOADS

    def folder(self, build: GoBuild) -> Path:
        """The folder of one Go build's binaries, named by everything that decides its content."""
        pins = cache.tree_digest(build.folder)
        flags = cache.digest(build.ldflags, build.tags, repr(build.outputs))
        return cache.folder("release", f"v{KUBERNETES}", f"{build.name}-{pins}-{flags}-{self.arch}")

    @property
    def downloads(self) -> Path:
        return cache.folder("release", f"v{KUBERNETES}", f"download-{cache.digest(self.base_url)}-{self.arch}")

    def binary(self, name: str) -> Path:
        """Where the binary `name` lies, or will lie once it is made."""
        if self.source == "download" and name in NODE_BINARIES:
            return self.downloads / name
        build = next(build for build in BUILDS if name in build.binaries)
        return self.folder(build) / name

    def missing_builds(self) -> tuple[GoBuild, ...]:
        if self.source == "download":
            return ()
        return tuple(build for build in BUILDS if not self.folder(build).is_dir())

    def missing_downloads(self) -> tuple[str, ...]:
        if self.source == "build":
            return ()
        return tuple(name for name in NODE_BINARIES if not (self.downloads / name).exists())

    def identity(self) -> str:
        """A digest that changes when any binary would."""
        if self.source == "download":
            return cache.digest("download", self.base_url, KUBERNETES, self.arch)
        return cache.digest(*(self.folder(build).name for build in BUILDS))


def choose(wanted: str, host: HostFacts, base_url: str = DOWNLOADS) -> Release:
    """`wanted` is auto, download or build (settings: release.source). Raises KubeupError for an unknown processor."""
    if host.arch not in ("amd64", "arm64"):
        raise KubeupError(f"no Kubernetes {KUBERNETES} for this processor ({host.arch})", "kubeup runs on amd64 and arm64",
                          "use the provider `existing` with a cluster that runs elsewhere")
    if wanted == "download":
        return Release("download", host.arch, "asked for by release.source", base_url)
    if wanted == "build":
        return Release("build", host.arch, "asked for by release.source", base_url)
    # a site that the settings name is taken as theirs; what it serves has the official sums
    silent = [url for url in ANSWERS if url not in host.reachable and not (url == f"{DOWNLOADS}/" and base_url != DOWNLOADS)]
    if silent:
        return Release("build", host.arch, f"{silent[0]} does not answer", base_url)
    why = f"{DOWNLOADS} and {REGISTRY} answer" if base_url == DOWNLOADS else f"release.base_url names {base_url}, and {REGISTRY} answers"
    return Release("download", host.arch, why, base_url)
