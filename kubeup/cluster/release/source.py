"""Whether the binaries are downloaded or built, and where each lies in the cache.

Choosing is data; nothing here fetches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.components import (
    BUILDS,
    IMAGES,
    KUBERNETES,
    NODE_BINARIES,
    PAUSE,
    REGISTRY,
    GoBuild,
    SystemImage,
)
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.record import NOTHING, Made
from kubeup.facts import sites
from kubeup.facts.host import HostFacts
from kubeup.facts.sites import Question
from kubeup.system import cache

DOWNLOADS = "https://dl.k8s.io"
PROCESSORS = ("amd64", "arm64")
SYSTEM_IMAGE = sites.manifest(REGISTRY, "pause", PAUSE)


@dataclass(frozen=True)
class Release:
    """Where this machine's Kubernetes comes from.

    `source` is download or build, `why` says what decided it. `hub`: whether images of Docker Hub
    are pulled with a download; else they are built.
    """

    source: str
    arch: str
    why: str
    base_url: str = DOWNLOADS
    system: str = "Linux"  # of this machine; its nodes' is Linux
    hub: bool = True

    def folder(self, build: GoBuild) -> Path:
        """The folder of one Go build's binaries, named by everything that decides its content."""
        pins = cache.tree_digest(build.folder)  # go.mod and go.sum
        flags = cache.digest(build.ldflags, build.tags, repr(tuple(build.outputs.items())))
        return cache.folder("release", f"v{KUBERNETES}", f"{build.name}-{pins}-{flags}-{self.arch}")

    @property
    def downloads(self) -> Path:
        return self._downloaded(self.arch)

    @property
    def own_downloads(self) -> Path:
        """The folder of what this machine itself runs."""
        if self.system == "Linux":
            return self.downloads
        return self._downloaded(f"{self.system.lower()}-{self.arch}")

    def _downloaded(self, platform: str) -> Path:
        name = f"download-{cache.digest(self.base_url)}-{platform}"
        return cache.folder("release", f"v{KUBERNETES}", name)

    @property
    def kubectl(self) -> Path:
        """The one that this machine itself runs, which is the nodes' where both are Linux."""
        return self.binary("kubectl") if self.system == "Linux" else self.own_downloads / "kubectl"

    def binary(self, name: str) -> Path:
        """The path of a binary, whether or not it is made yet."""
        if self.source == "download" and name in NODE_BINARIES:
            return self.downloads / name
        build = next(build for build in BUILDS if name in build.binaries)
        return self.folder(build) / name

    def pulls(self, image: SystemImage) -> bool:
        """Whether an image comes from its registry; it is built otherwise."""
        return self.source == "download" and (self.hub or not image.on_hub)

    @property
    def builds(self) -> tuple[GoBuild, ...]:
        """What is compiled here."""
        if self.source == "build":
            return BUILDS
        built = {image.binary for image in IMAGES if not self.pulls(image)}
        return tuple(build for build in BUILDS if built & set(build.binaries))

    def missing_builds(self) -> tuple[GoBuild, ...]:
        return tuple(build for build in self.builds if not self.folder(build).is_dir())

    def missing_downloads(self) -> tuple[str, ...]:
        if self.source == "build":
            return ()
        return tuple(name for name in NODE_BINARIES if not (self.downloads / name).exists())

    @property
    def lacks_kubectl(self) -> bool:
        """Whether this machine needs one of its own system, and has none yet."""
        return self.system != "Linux" and not self.kubectl.exists()

    def identity(self) -> str:
        """A digest that changes when any binary would."""
        built = [self.folder(build).name for build in self.builds]
        if self.source == "download":
            return cache.digest("download", self.base_url, KUBERNETES, self.arch, *built)
        return cache.digest(*built)


def address(base_url: str, arch: str, name: str, system: str = "linux") -> str:
    """Where a site with Kubernetes' releases has a binary.

    See https://kubernetes.io/releases/download/#binaries.
    """
    return f"{base_url.rstrip('/')}/release/v{KUBERNETES}/bin/{system}/{arch}/{name}"


def binary_question(arch: str) -> Question:
    """The smallest file of those that are downloaded.

    A site's root tells nothing: dl.k8s.io's is a bucket that says 403.
    """
    return Question(f"{address(DOWNLOADS, arch, 'kubectl')}.sha256", sum=True)


def questions(
    wanted: str, kept: str, system: str, arch: str, base_url: str = DOWNLOADS
) -> tuple[Question, ...]:
    """What has to be asked before `choose` can; nothing where it is decided already.

    A site that the settings name is taken as theirs; what it serves has to have the official sums.
    """
    if wanted != "auto" or kept or system != "Linux" or arch not in PROCESSORS:
        return ()
    return (SYSTEM_IMAGE,) if base_url != DOWNLOADS else (binary_question(arch), SYSTEM_IMAGE)


def choose(
    wanted: str,
    host: HostFacts,
    base_url: str = DOWNLOADS,
    made: Made = NOTHING,
    hub: bool = True,
) -> Release:
    """`wanted` is auto, download or build (settings: release.source).

    Under auto what was `made` so stays so, and both sites must answer, or the cluster could be only
    half made of releases. Only Linux can build: what is compiled gets a root file system of Debian
    packages. Raises KubeupError for an unknown processor, UsageError for what can't be had here.
    """
    if host.arch not in PROCESSORS:
        raise KubeupError(
            f"no Kubernetes {KUBERNETES} for this processor ({host.arch})",
            "kubeup runs on amd64 and arm64",
            "run it on a machine with such a processor",
        )
    if wanted == "build" and not host.linux:
        raise UsageError(
            f"Kubernetes can't be compiled on {host.system_name}",
            "its images are made of Debian packages, by Linux' own tools",
            "set release.source to download, or to auto",
        )
    source, why = _source(wanted, host, base_url, made)
    # what is compiled gets a root file system of Debian packages, which Linux alone can make
    return Release(source, host.arch, why, base_url, host.system, hub or not host.linux)


def _source(wanted: str, host: HostFacts, base_url: str, made: Made) -> tuple[str, str]:
    if not host.linux:
        return "download", f"{host.system_name} can't compile it for nodes"
    if wanted != "auto":
        return wanted, "asked for by release.source"
    if made.source:
        return made.source, f"made so before ({made.source_why})"
    for question in questions(wanted, made.source, host.system, host.arch, base_url):
        answer = host.answer(question)
        if not answer.yes:
            return "build", answer.detail
    if base_url == DOWNLOADS:
        return "download", f"{DOWNLOADS} and {REGISTRY} answer"
    return "download", f"release.base_url names {base_url}, and {REGISTRY} answers"
