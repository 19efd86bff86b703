"""The real Vagrant where no hypervisor is: Debian's, with its own docker provider and podman behind it.

The box is an image made from the same root file system that nodes of the provider `local` have, with Vagrant's user and key.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kubeup import cache, packages, shell
from kubeup.engine import Engine
from kubeup.errors import KubeupError
from kubeup.images.build import rootfs_step
from kubeup.images.rootfs import Rootfs
from kubeup.plan import Log
from kubeup.project import Project, load
from kubeup.providers.local.image import rootfs

HERE = Path(__file__).parent
CONTAINERFILE, VIRTUALBOX = HERE / "Containerfile", HERE / "virtualbox"  # the latter goes on PATH for a VirtualBox without machines
PACKAGES = ("vagrant", "vagrant-libvirt")  # the plug-in lets vagrant read that provider's block
LABEL = "kubeup.bed=vagrant"


@dataclass(frozen=True)
class Bed:
    """What a test needs of it: `bin` goes to the front of PATH, `image` into the settings as vagrant.image."""

    bin: Path
    image: str
    engine: Engine

    def environment(self, home: Path) -> dict[str, str]:
        """The variables that a user of such a machine would set; `home` is Vagrant's own folder."""
        return {"PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}", "VAGRANT_HOME": str(home)}


def make(log: Log) -> Bed:
    """Make the bed, or find it in the cache. Raises KubeupError where this machine can't have one."""
    if os.geteuid() != 0:
        raise KubeupError("the vagrant bed needs root", "its machines are privileged containers", "run the tests as root")
    project, root = _prepared(log)
    key = _vagrants_key()
    made_from = cache.digest(root.path.parent.name, CONTAINERFILE.read_text(), (HERE / "docker").read_text(), key, *project.engine.command)
    bed = Bed(cache.folder("beds", f"vagrant-{made_from}") / "bin", f"localhost/kubeup/vagrant-box:{made_from}", project.engine)
    if not shell.read(*bed.engine.argv("image", "inspect", bed.image), ok=None).ok:
        log(f"build {bed.image}")
        _build(bed, root, key, log)
    if not bed.bin.exists():
        with cache.made_whole(bed.bin.parent) as work:
            (work / "bin").mkdir()
            shutil.copy2(HERE / "docker", work / "bin" / "docker")
            (work / "bin" / "podman.json").write_text(json.dumps([shell.which("podman"), *bed.engine.command[1:]]))
            work.chmod(0o755)
    return bed


def _prepared(log: Log) -> tuple[Project, Rootfs]:
    """Packages and the root file system, by the product's own steps."""
    project = load(strict=False)
    root = rootfs(project.host.stale_mirror)
    steps = [*packages.plan(packages.missing((*PACKAGES, *project.engine.packages, "mmdebstrap")), project.host),
             *([] if root.path.exists() else [rootfs_step(root)])]
    for step in steps:
        log(f"{step.title}: {step.reason}")
        step.action.run(log)
    return project, root


def _vagrants_key() -> str:
    listed = shell.read("dpkg", "--listfiles", "vagrant").stdout.split()
    return Path(next(path for path in listed if path.endswith("/keys/vagrant.pub"))).read_text(encoding="utf-8")


def _build(bed: Bed, root: Rootfs, key: str, log: Log) -> None:
    base = f"localhost/kubeup/node-root:{root.path.parent.name.rsplit('-', 1)[-1]}"
    if not shell.read(*bed.engine.argv("image", "inspect", base), ok=None).ok:
        shell.write(*bed.engine.argv("import", str(root.path), base), log=log)
    with tempfile.TemporaryDirectory() as context:
        Path(context, "vagrant.pub").write_text(key)
        shell.write(*bed.engine.argv("build", *bed.engine.build_options, "--build-arg", f"BASE={base}", "--tag", bed.image,
                                     "-f", str(CONTAINERFILE), context), log=log)
