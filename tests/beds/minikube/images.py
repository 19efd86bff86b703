"""The images of a minikube of this bed: the base image of its nodes, stand-ins for its pods, and
the preload that holds them all.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kubeup.cluster.providers.local import image as machine_image
from kubeup.cluster.release.components import IMAGES, KUBERNETES, NODE_BINARIES
from kubeup.cluster.release.source import Release
from kubeup.core import shell
from kubeup.core.plan import Log
from kubeup.images.build import build_image
from kubeup.images.rootfs import Origin, Rootfs, load
from kubeup.system import cache
from kubeup.system.engine import Engine
from tests.beds.minikube.compiling import (
    CRICTL,
    DASHBOARD,
    KINDNETD,
    PROVISIONER,
    compile_,
    minikube_source,
)

HERE = Path(__file__).parent
CONTAINERFILE, PRELOAD = HERE / "Containerfile", HERE / "preload.sh"
# what minikube calls on a node beyond what any node of ours has
MORE_PACKAGES = ("rsync", "lz4", "openssl", "curl")
FROM_MINIKUBE = ("deploy/kicbase/entrypoint", "deploy/kicbase/containerd.toml")

# names that minikube 1.36 asks for (pkg/minikube/bootstrapper/images,
# pkg/minikube/assets/addons.go)
PROVISIONER_IMAGE = "gcr.io/k8s-minikube/storage-provisioner:v5"
KINDNET_IMAGE = "docker.io/kindest/kindnetd:v20250512-df8de77b"
DASHBOARD_IMAGE = "docker.io/kubernetesui/dashboard:v2.7.0"
# the addons' images are asked for by digest; those of metrics-server are the product's own
METRICS_NAMES = (
    "registry.k8s.io/metrics-server/metrics-server:v0.7.2",
    "registry.k8s.io/metrics-server/metrics-server@sha256:ffcb2bf004d6aa0a17d90e0247cf94f2865c8901dcab4427034c341951c239f9",
)
DASHBOARD_NAMES = (
    "docker.io/kubernetesui/dashboard@sha256:2e500d29e9d5f4a086b908eb8dfe7ecac57d2ab09d65b24f588b1d449841ef93",
    "docker.io/kubernetesui/metrics-scraper@sha256:76049887f07a0476dc93efc2d3569b9529bf982b22d29f356092ce206e98765c",
)
STAND_INS = {
    PROVISIONER_IMAGE: "FROM scratch\nCOPY storage-provisioner /storage-provisioner\nENTRYPOINT "
    '["/storage-provisioner"]\n',
    KINDNET_IMAGE: 'FROM {root}\nCOPY kindnetd /bin/kindnetd\nENTRYPOINT ["/bin/kindnetd"]\n',
    DASHBOARD_IMAGE: 'FROM scratch\nCOPY dashboard /dashboard\nENTRYPOINT ["/dashboard"]\n',
}


def rootfs(origin: Origin) -> Rootfs:
    """The root file system of the provider local's machines, and a few packages more."""
    return Rootfs(
        "minikube", "bookworm", (*machine_image.PACKAGES, *MORE_PACKAGES), seconds=64, origin=origin
    )


def build_base(engine: Engine, root: Rootfs, name: str, log: Log) -> None:
    """The nodes' image."""
    source = minikube_source()
    texts = {"Containerfile": CONTAINERFILE.read_text()}
    with cache.context(texts, {"crictl": compile_(CRICTL, log)}) as folder:
        for path in FROM_MINIKUBE:
            shutil.copyfile(source / path, folder / Path(path).name)
        (folder / "entrypoint").chmod(0o755)
        base = f"BASE={load(root, engine, log)}"
        shell.write(*engine.build_argv(name, folder, "--build-arg", base), log=log)


def save_stand_ins(engine: Engine, proxy_root: Rootfs, archive: Path, log: Log) -> None:
    """The images of minikube's own pods, as an archive; under their upstream names they are only
    kept there.
    """
    root = load(proxy_root, engine, log)
    programs = (PROVISIONER, KINDNETD, DASHBOARD)
    files = {program.name: compile_(program, log) for program in programs}
    for name, text in STAND_INS.items():
        build_image(engine, name, text.format(root=root), files, log, "--quiet")
    try:
        shell.write(
            *engine.argv("save", "--multi-image-archive", "--output", str(archive), *STAND_INS),
            log=log,
        )
    finally:
        shell.read(*engine.argv("rmi", *STAND_INS), ok=None)


def pack_preload(
    engine: Engine, base: str, release: Release, archives: tuple[Path, ...], target: Path, log: Log
) -> None:
    """minikube's own form of "everything a node needs": containerd's folder with all images, and
    Kubernetes' binaries.

    Images of addons get the names by which minikube wants them, so that enabling an addon needs no
    option.
    """
    mounts = [f"{path}:/archives/{n}.tar:ro" for n, path in enumerate(archives)]
    mounts += [f"{release.binary(name)}:/binaries/{name}:ro" for name in NODE_BINARIES]
    mounts += [f"{PRELOAD}:/preload.sh:ro", f"{target.parent}:/out", "/var"]
    metrics = next(one.name for one in IMAGES if one.binary == "metrics-server")
    shell.write(
        *engine.argv(
            "run",
            "--rm",
            "--privileged",
            *engine.node_options,
            "--network",
            "none",
            "--env",
            f"KUBERNETES=v{KUBERNETES}",
            *(word for mount in mounts for word in ("--volume", mount)),
            "--entrypoint",
            "/bin/sh",
            base,
            "/preload.sh",
            *(f"{metrics}={name}" for name in METRICS_NAMES),
            *(f"{DASHBOARD_IMAGE}={name}" for name in DASHBOARD_NAMES),
        ),
        log=log,
    )
    (target.parent / "preload.tar.lz4").rename(target)
