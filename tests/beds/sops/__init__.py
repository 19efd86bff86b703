"""The real sops and age-keygen where only package registries answer: Debian 12 has no sops, its
Go module is there.
"""

from __future__ import annotations

from pathlib import Path

from kubeup.cluster.release.go import UnpackGo, debian_root, go_tool
from kubeup.core.plan import Log
from kubeup.images import bases
from kubeup.system import cache, machine
from kubeup.system.engine import for_images
from tests.beds.go import build

GO = Path(__file__).with_name("go")
PROGRAMS = {
    "sops": "github.com/getsops/sops/v3/cmd/sops",
    "age-keygen": "filippo.io/age/cmd/age-keygen",
}


def make(log: Log) -> Path:
    """The folder that holds both, made once into the user's cache."""
    folder = cache.folder("beds", f"sops-{cache.tree_digest(GO)}")
    if folder.is_dir():
        return folder
    if not go_tool():
        host = machine.observe()
        UnpackGo(debian_root(bases.origin(host, for_images("podman", host)))).run(log)
    with cache.made_whole(folder) as work:
        for name, package in PROGRAMS.items():
            build(go_tool(), GO, package, work / name, log)
        work.chmod(0o755)
    return folder
