"""The real minikube 1.36.0 with Kubernetes 1.26.1, where only package registries answer.

minikube is built from its Go module; everything it would download lies in its MINIKUBE_HOME
already, made by the project's own pieces. Made once into the user's cache; a test takes
`make(log)`, a home and an environment.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.components import KUBERNETES, NODE_BINARIES
from kubeup.cluster.release.images import proxy_rootfs
from kubeup.core.errors import KubeupError
from kubeup.core.ids import StepId
from kubeup.core.plan import Log, Planned, plan_of
from kubeup.facts.host import HostFacts
from kubeup.images.rootfs import plan as rootfs_plan
from kubeup.system import cache, packages
from kubeup.workflows import release
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project
from tests.beds.minikube import images
from tests.beds.minikube.compiling import (
    CRICTL,
    DASHBOARD,
    KINDNETD,
    PROVISIONER,
    compile_,
    minikube,
)

PACKAGES = ("sudo",)  # beside what the provider local needs: minikube calls podman through it
MODULES = Path("/lib/modules")
# of the usual 128 systemd and kube-proxy of a sixth or seventh node find none left
INOTIFY, ENOUGH_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances"), 1024
RUNTIME = "containerd"
# minikube's pkg/minikube/download/preload.go
PRELOAD = f"preloaded-images-k8s-v18-v{KUBERNETES}-{RUNTIME}-overlay2-{{arch}}.tar.lz4"


@dataclass(frozen=True)
class Bed:
    """What a test needs of it.

    `bin` goes to the front of PATH, `start_args` are what this machine asks for at a start.
    """

    bin: Path
    base_image: str
    start_args: tuple[str, ...]
    folder: Path  # in the cache: containers.conf and what fills a home

    def home(self, folder: Path) -> Path:
        """A fresh MINIKUBE_HOME in `folder`, its cache linked (copied onto another disk)."""
        for source in sorted((self.folder / "cache").rglob("*")):
            target = folder / ".minikube" / source.relative_to(self.folder)
            if source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(source, target)
        return folder

    def environment(self, home: Path, kubeconfig: Path, bin_: Path | None = None) -> dict[str, str]:
        """The variables that a user of such a machine would set; `bin_` of another minikube (see
        `minikube_labelled`).
        """
        return {
            "PATH": f"{bin_ or self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "MINIKUBE_HOME": str(home),
            "KUBECONFIG": str(kubeconfig),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }


def make(log: Log) -> Bed:
    """Make the bed, or find it in the cache.

    Raises KubeupError where this machine can't have one.
    """
    if os.geteuid() != 0:
        raise KubeupError(
            "the minikube bed needs root",
            "its nodes are privileged containers",
            "run the tests as root",
        )
    project = _prepared(log)
    host, engine = project.host, project.engine
    root, conf = images.rootfs(project.root_origin), containers_conf(host)
    made_from = cache.digest(
        project.system_archive.parent.name,
        root.path.parent.name,
        images.CONTAINERFILE.read_text(),
        images.PRELOAD.read_text(),
        conf,
        *(program.path.parent.name for program in (CRICTL, DASHBOARD, KINDNETD, PROVISIONER)),
        *(f"{name}={text}" for name, text in images.STAND_INS.items()),
        *images.METRICS_NAMES,
        *images.DASHBOARD_NAMES,
    )
    base = f"localhost/kubeup/minikube-base:{made_from}"
    bed = Bed(
        compile_(minikube(), log).parent,
        base,
        start_args(base),
        cache.folder("beds", f"minikube-{made_from}"),
    )
    MODULES.mkdir(parents=True, exist_ok=True)  # minikube mounts it into every node
    if int(INOTIFY.read_text()) < ENOUGH_INOTIFY:
        INOTIFY.write_text(str(ENOUGH_INOTIFY))
    if not images.image_there(engine, base):
        log(f"build {base}")
        images.build_base(engine, root, base, log)
    if not bed.folder.exists():
        _fill(bed, project, conf, log)
    return bed


def minikube_labelled(version: str, log: Log) -> Path:
    """A folder with the same minikube that calls itself `version` (v1.37.0), for
    `environment(..., bin_=...)`.
    """
    return compile_(minikube(version), log).parent


def start_args(base_image: str) -> tuple[str, ...]:
    """What a start needs on a machine like this, beside what the user wants of the cluster."""
    # root with podman is refused without --force; the kubelet may not raise limits without
    # CAP_SYS_RESOURCE
    return (
        "--driver=podman",
        f"--container-runtime={RUNTIME}",
        "--force",
        f"--base-image={base_image}",
        "--feature-gates=KubeletInUserNamespace=true",
    )


def containers_conf(host: HostFacts) -> str:
    """What kubeup.system.engine tells podman in options on every call, as the file that
    minikube's own calls read.
    """
    rows = ["[containers]", 'cgroupns = "private"']
    if not host.sys_resource:
        rows.append(
            "default_ulimits = "
            f'["nofile={min(65536, host.open_files)}:{min(65536, host.open_files)}", '
            f'"nproc={min(16384, host.processes)}:{min(16384, host.processes)}"]'
        )
    rows.append("[engine]")
    rows += ['runtime = "runc"'] if host.cgroup == 1 else []
    rows += ['cgroup_manager = "cgroupfs"'] if not host.systemd else []
    return "\n".join(rows) + "\n"


def _prepared(log: Log) -> Project:
    """Packages, the release and its images, and two root file systems, by the product's own
    steps.
    """
    project = load(strict=False)
    wanted = packages.missing((*project.packages, *PACKAGES))
    roots = (images.rootfs(project.root_origin), proxy_rootfs(project.root_origin))
    planned: dict[StepId, Planned] = {
        one.id: one
        for one in (
            *packages.plan(wanted, project.host),
            *release.release_steps(project),
            *release.image_steps(project),
            *map(rootfs_plan, roots),
        )
    }
    for step in plan_of(planned.values()):
        log(f"{step.title}: {step.reason}")
        step.action.run(log)
    return load(strict=False) if wanted else project


def _fill(bed: Bed, project: Project, conf: str, log: Log) -> None:
    """The bed's folder: podman's configuration, and minikube's cache as it would be after all
    downloads.
    """
    engine, release = project.engine, project.release
    with cache.made_whole(bed.folder) as work:
        preload = work / "cache" / "preloaded-tarball" / PRELOAD.format(arch=release.arch)
        binaries = work / "cache" / "linux" / release.arch / f"v{KUBERNETES}"
        # podman has the base image in its own storage; minikube looks whether its archive is there
        # and goes on
        placeholder = (
            work
            / "cache"
            / "kic"
            / release.arch
            / f"{bed.base_image.rsplit('/', 1)[-1].replace(':', '_')}.tar"
        )
        for path in (preload.parent, binaries, placeholder.parent):
            path.mkdir(parents=True)
        placeholder.write_text("in podman's storage\n")
        for name in NODE_BINARIES:
            _link(release.binary(name), binaries / name)
        stand_ins = work / "stand-ins.tar"
        images.save_stand_ins(engine, proxy_rootfs(project.root_origin), stand_ins, log)
        log("pack what minikube preloads on its nodes")
        images.pack_preload(
            engine, bed.base_image, release, (project.system_archive, stand_ins), preload, log
        )
        stand_ins.unlink()
        (work / "containers.conf").write_text(conf)
        work.chmod(0o755)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another disk
        shutil.copy2(source, target)
