"""What a Kubernetes 1.26.1 is made of: binaries, images, and the Go modules that pin them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release import sums
from kubeup.core.plan import Room

KUBERNETES = "1.26.1"
COMMIT = "8f94681cd294aa8cfd3407b8191f6c70214973a4"  # of the tag v1.26.1
# kubeadm 1.26's constants.go
ETCD, COREDNS, PAUSE, METRICS_SERVER = "3.5.6-0", "v1.9.3", "3.9", "v0.6.1"
KUBE_ROUTER = "v2.1.0"  # enforces NetworkPolicies
REGISTRY, HUB = "registry.k8s.io", "docker.io"
GO_FOLDERS = Path(__file__).resolve().parents[3] / "scripts" / "go"

NODE_BINARIES = ("kubeadm", "kubelet", "kubectl")
STRIPPED = "-s -w"  # linker flags: no symbol table, no debugging information


def _version_flags() -> str:
    """What upstream's hack/lib/version.sh sets."""
    major, minor, _ = KUBERNETES.split(".")
    values = {
        "gitVersion": f"v{KUBERNETES}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": COMMIT,
        "gitTreeState": "clean",
    }
    flags = [STRIPPED]
    # the API server reports the first package's, CoreDNS reads major and minor in the second
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        flags += [f"-X {package}.{name}={value}" for name, value in values.items()]
    return " ".join(flags)


@dataclass(frozen=True)
class GoBuild:
    """One `go build` in a folder of scripts/go.

    `outputs`: packages by their binaries' names. `packages`: how many of `go list -deps` are not
    Go's own, for progress.
    """

    name: str
    outputs: Mapping[str, str]
    packages: int
    seconds: float
    ldflags: str = STRIPPED
    tags: str = ""

    @property
    def folder(self) -> Path:
        return GO_FOLDERS / self.name

    @property
    def room(self) -> Room:
        """Binaries, and Go's caches: 490 MiB and 5030 MiB of all 4179 packages."""
        return Room(cache=self.packages // 8, home=self.packages * 5 // 4)

    @property
    def binaries(self) -> tuple[str, ...]:
        return tuple(self.outputs)


KUBERNETES_BINARIES = (
    *NODE_BINARIES,
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
# `providerless` leaves the clouds' own controllers out: a third less to link, nothing a cluster
# without a cloud misses.
KUBERNETES_BUILD = GoBuild(
    "kubernetes",
    {name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES_BINARIES},
    packages=2440,
    seconds=290,
    ldflags=_version_flags(),
    tags="providerless",
)
METRICS_SERVER_PACKAGE = "sigs.k8s.io/metrics-server/cmd/metrics-server"
BUILDS = (
    KUBERNETES_BUILD,
    GoBuild("etcd", {"etcd": "go.etcd.io/etcd/server/v3"}, packages=285, seconds=27),
    GoBuild("coredns", {"coredns": "github.com/coredns/coredns"}, packages=672, seconds=79),
    GoBuild("metrics-server", {"metrics-server": METRICS_SERVER_PACKAGE}, packages=781, seconds=50),
    GoBuild("pause", {"pause": "."}, packages=1, seconds=2),
    GoBuild("kube-router", {"kube-router": "."}, packages=381, seconds=75),
)


@dataclass(frozen=True)
class SystemImage:
    """An image that a cluster asks for, and the binary it holds when built here."""

    name: str
    binary: str
    debian: bool = False  # needs a Debian root file system around it, as it calls iptables

    @property
    def on_hub(self) -> bool:
        """Whether it comes from Docker Hub, which may not answer where Kubernetes' site does."""
        return self.name.startswith(f"{HUB}/")

    @property
    def pinned(self) -> str:
        """What is pulled: the name says which; where a digest is known, what it has to be."""
        digest = sums.IMAGES.get(self.name)
        return f"{self.name.rpartition(':')[0]}@sha256:{digest}" if digest else self.name


IMAGES = (
    SystemImage(f"{REGISTRY}/kube-apiserver:v{KUBERNETES}", "kube-apiserver"),
    SystemImage(f"{REGISTRY}/kube-controller-manager:v{KUBERNETES}", "kube-controller-manager"),
    SystemImage(f"{REGISTRY}/kube-scheduler:v{KUBERNETES}", "kube-scheduler"),
    SystemImage(f"{REGISTRY}/kube-proxy:v{KUBERNETES}", "kube-proxy", debian=True),
    SystemImage(f"{REGISTRY}/etcd:{ETCD}", "etcd"),
    SystemImage(f"{REGISTRY}/coredns/coredns:{COREDNS}", "coredns"),
    SystemImage(f"{REGISTRY}/pause:{PAUSE}", "pause"),
    SystemImage(f"{REGISTRY}/metrics-server/metrics-server:{METRICS_SERVER}", "metrics-server"),
    SystemImage(f"{HUB}/cloudnativelabs/kube-router:{KUBE_ROUTER}", "kube-router", debian=True),
)
