"""The images that kubeadm and metrics-server ask for, as archives in the cache: pulled where
their registry answers, else built.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.components import IMAGES, SystemImage
from kubeup.cluster.release.source import Release
from kubeup.core import shell
from kubeup.core.plan import Log, Room
from kubeup.images.rootfs import Origin, Rootfs
from kubeup.system import cache
from kubeup.system.engine import Engine

PROXY_PACKAGES = ("iptables", "conntrack", "ipset", "kmod")
SCRATCH = (
    "FROM scratch\nCOPY {name} /usr/local/bin/\nENV PATH=/usr/local/bin\nENTRYPOINT "
    '["/usr/local/bin/{name}"]\n'
)
DEBIAN = 'FROM {base}\nCOPY {name} /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/{name}"]\n'


def proxy_rootfs(origin: Origin) -> Rootfs:
    """kube-proxy programs iptables: the one system image that needs more than its binary."""
    return Rootfs("kube-proxy", "bookworm", PROXY_PACKAGES, seconds=16, origin=origin)


def archive(release: Release, root: Rootfs) -> Path:
    """One archive with all system images, named by what they are made from."""
    made_from = cache.digest(
        release.identity(), SCRATCH, DEBIAN, root.path.parent.name, *(one.name for one in IMAGES)
    )
    return cache.folder("images", f"system-{made_from}") / "images.tar"


ROOM = Room(cache=420, images=600)  # the archive, and what it is saved from


@dataclass(frozen=True)
class MakeSystemImages:
    """Build or pull every system image and save them as one archive."""

    engine: Engine
    release: Release
    root: Rootfs

    def already(self) -> str:
        return "in the cache" if archive(self.release, self.root).exists() else ""

    def run(self, log: Log) -> None:
        with cache.made_whole(archive(self.release, self.root).parent) as work:
            for one in IMAGES:
                log(one.name)
                self._pull(one, log) if self.release.source == "download" else self._build(one, log)
            shell.save(
                *self.engine.argv("save", *self._multi(), *(one.name for one in IMAGES)),
                into=work / "images.tar",
                log=log,
            )

    def _multi(self) -> tuple[str, ...]:
        return ("-m",) if self.engine.name == "podman" else ()

    def _pull(self, one: SystemImage, log: Log) -> None:
        shell.write(*self.engine.argv("pull", "--quiet", one.name), log=log)

    def _build(self, one: SystemImage, log: Log) -> None:
        base = f"localhost/kubeup/kube-proxy-root:{self.root.path.parent.name.rsplit('-', 1)[-1]}"
        if one.debian:
            shell.write(*self.engine.argv("import", str(self.root.path), base), log=log)
        text = (DEBIAN if one.debian else SCRATCH).format(name=one.binary, base=base)
        with cache.context(
            {"Containerfile": text}, {one.binary: self.release.binary(one.binary)}
        ) as context:
            words = (
                "--quiet",
                "--tag",
                one.name,
                "-f",
                str(context / "Containerfile"),
                str(context),
            )
            shell.write(*self.engine.argv("build", *self.engine.build_options, *words), log=log)
