"""Kubernetes' own tests of NetworkPolicies, and their pods' image, from its Go modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.build import go_argv, go_build
from kubeup.cluster.release.go import UnpackGo, debian_root, go_tool
from kubeup.core.plan import Log
from kubeup.images import bases
from kubeup.images.build import build_image
from kubeup.images.rootfs import Rootfs, load
from kubeup.system import cache, machine
from kubeup.system.engine import Engine, for_images
from tests.beds.go import build

GO = Path(__file__).with_name("go")
# test/utils/image/manifest.go of Kubernetes 1.26.1
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.43"
# some of its pods start it by a shell
CONTAINERFILE = 'FROM {base}\nCOPY agnhost /\nENTRYPOINT ["/agnhost"]\n'


@dataclass(frozen=True)
class Conformance:
    """The test program, and the image's program."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "netpol.test"

    def image(self, engine: Engine, root: Rootfs, log: Log) -> str:
        """Build the image on a Debian root file system, and return its name."""
        files = {"agnhost": self.folder / "agnhost"}
        text = CONTAINERFILE.format(base=load(root, engine, log))
        build_image(engine, AGNHOST, text, files, log, "--quiet")
        return AGNHOST


def make(log: Log) -> Conformance:
    """Both programs, made once into the user's cache (about five minutes)."""
    folder = cache.folder("beds", f"conformance-{cache.tree_digest(GO)}")
    if folder.is_dir():
        return Conformance(folder)
    if not go_tool():
        host = machine.observe()
        UnpackGo(debian_root(bases.origin(host, for_images("podman", host)))).run(log)
    with cache.made_whole(folder) as work:
        build(go_tool(), GO, "k8s.io/kubernetes/test/images/agnhost", work / "agnhost", log)
        _, _, *options = go_argv(go_tool(), str(work / "netpol.test"), ["."])
        go_build([go_tool(), "test", "-c", *options], GO, log)
        work.chmod(0o755)
    return Conformance(folder)
