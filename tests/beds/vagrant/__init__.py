"""The real Vagrant where no hypervisor is: Debian's, with its own docker provider and podman behind
it.

The box is an image made from the same root file system that nodes of the provider `local` have,
with Vagrant's user and key.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.local.image import rootfs
from kubeup.cluster.release.download import fetch
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log, todo
from kubeup.images.rootfs import LEFT_OUT, Rootfs
from kubeup.images.rootfs import step as rootfs_step
from kubeup.system import cache, packages
from kubeup.system.engine import Engine
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project

HERE = Path(__file__).parent
# the latter goes on PATH for a VirtualBox without machines
CONTAINERFILE, VIRTUALBOX = HERE / "Containerfile", HERE / "virtualbox"
PACKAGES = ("vagrant", "vagrant-libvirt")  # the plug-in lets vagrant read that provider's block
LABEL = "kubeup.bed=vagrant"


@dataclass(frozen=True)
class Bed:
    """What a test needs of it: `bin` goes to the front of PATH, `image` into the settings as
    vagrant.image.
    """

    bin: Path
    image: str
    engine: Engine

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that a user of such a machine would set; `home` is Vagrant's own folder."""
        return {
            "PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VAGRANT_HOME": str(home),
        }


# Debian 12 has no package with Ubuntu's keys: Ubuntu's own, by its sum
KEYRING = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb"
KEYRING_SUM = "0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f"


@dataclass(frozen=True)
class Ubuntu(Rootfs):
    """A bare Ubuntu 22.04, where the play has everything to install."""

    mirror: str = "http://archive.ubuntu.com/ubuntu"

    @property
    def keyring(self) -> Path:
        # apt reads it as a user of its own, whom root's cache is closed to
        return Path("/var/tmp", f"kubeup-ubuntu-{KEYRING_SUM[:16]}", "ubuntu-archive-keyring.gpg")

    def command(self, target: Path) -> tuple[str, ...]:
        sources = (
            f"deb {self.mirror} {suite} main universe"
            for suite in (self.suite, f"{self.suite}-updates")
        )
        options = [f"--dpkgopt={rule}" for rule in LEFT_OUT]
        return (
            "mmdebstrap",
            "--variant=minbase",
            f"--keyring={self.keyring}",
            *options,
            f"--include={','.join(self.packages)}",
            self.suite,
            str(target),
            *sources,
        )


UBUNTU = Ubuntu(
    "ubuntu",
    "jammy",
    (
        "apt",
        "systemd-sysv",
        "dbus",
        "openssh-server",
        "sudo",
        "python3",
        "iproute2",
        "ca-certificates",
    ),
    seconds=60,
)


def make(log: Log, ubuntu: bool = False) -> Bed:
    """Make the bed, or find it in the cache.

    Raises KubeupError where this machine can't have one.
    """
    if os.geteuid() != 0:
        raise KubeupError(
            "the vagrant bed needs root",
            "its machines are privileged containers",
            "run the tests as root",
        )
    project, root = _prepared(log, ubuntu)
    key = _vagrants_key()
    made_from = cache.digest(
        root.path.parent.name,
        CONTAINERFILE.read_text(),
        (HERE / "docker").read_text(),
        key,
        *project.engine.command,
    )
    bed = Bed(
        cache.folder("beds", f"vagrant-{made_from}") / "bin",
        f"localhost/kubeup/vagrant-box:{made_from}",
        project.engine,
    )
    if not shell.read(*bed.engine.argv("image", "inspect", bed.image), ok=None).ok:
        log(f"build {bed.image}")
        _build(bed, root, key, log)
    if not bed.bin.exists():
        with cache.made_whole(bed.bin.parent) as work:
            (work / "bin").mkdir()
            shutil.copy2(HERE / "docker", work / "bin" / "docker")
            (work / "bin" / "podman.json").write_text(
                json.dumps([shell.which("podman"), *bed.engine.command[1:]])
            )
            work.chmod(0o755)
    return bed


def _prepared(log: Log, ubuntu: bool) -> tuple[Project, Rootfs]:
    """Packages and the root file system, by the product's own steps."""
    project = load(strict=False)
    root = UBUNTU if ubuntu else rootfs(project.root_origin)
    if ubuntu:
        _fetch_keyring(log)
    steps = [
        *packages.plan(
            packages.missing((*PACKAGES, *project.engine.packages, "mmdebstrap")), project.host
        ),
        *([] if root.path.exists() else [rootfs_step(root)]),
    ]
    for step in todo(steps):
        log(f"{step.title}: {step.reason}")
        step.action.run(log)
    return project, root


def _fetch_keyring(log: Log) -> None:
    if UBUNTU.keyring.exists():
        return
    with cache.made_whole(UBUNTU.keyring.parent) as work:
        fetch(
            f"{UBUNTU.mirror}/{KEYRING}",
            KEYRING_SUM,
            work / "keyring.deb",
            log,
            "leave the tests on Ubuntu out",
        )
        shell.write("dpkg-deb", "--extract", str(work / "keyring.deb"), str(work / "all"))
        (work / "all" / "usr" / "share" / "keyrings" / UBUNTU.keyring.name).rename(
            work / UBUNTU.keyring.name
        )
        work.chmod(0o755)


def _vagrants_key() -> str:
    listed = shell.read("dpkg", "--listfiles", "vagrant").stdout.split()
    return Path(next(path for path in listed if path.endswith("/keys/vagrant.pub"))).read_text(
        encoding="utf-8"
    )


def _build(bed: Bed, root: Rootfs, key: str, log: Log) -> None:
    kind, made = "box" if isinstance(root, Ubuntu) else "node", root.path.parent.name
    base = f"localhost/kubeup/{kind}-root:{made.rsplit('-', 1)[-1]}"
    if not shell.read(*bed.engine.argv("image", "inspect", base), ok=None).ok:
        shell.write(*bed.engine.argv("import", str(root.path), base), log=log)
    with tempfile.TemporaryDirectory() as context:
        Path(context, "vagrant.pub").write_text(key)
        shell.write(
            *bed.engine.argv(
                "build",
                *bed.engine.build_options,
                "--build-arg",
                f"BASE={base}",
                "--tag",
                bed.image,
                "-f",
                str(CONTAINERFILE),
                context,
            ),
            log=log,
        )
