"""The images of Kubernetes and of what runs beside it, as one archive in the cache.

They are pulled where their registries answer, else built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.components import IMAGES, SystemImage
from kubeup.cluster.release.source import Release
from kubeup.core import shell
from kubeup.core.plan import Log, Room
from kubeup.images.build import build_image, building, saving
from kubeup.images.rootfs import Origin, Rootfs, importing, load
from kubeup.system import cache
from kubeup.system.commands import Argv
from kubeup.system.engine import Engine

ROOM = Room(cache=420, images=600)  # the archive, and what it is saved from
NAMES = tuple(image.name for image in IMAGES)
PROXY_PACKAGES = ("iptables", "conntrack", "ipset", "kmod")
SCRATCH = (
    "FROM scratch\nCOPY {name} /usr/local/bin/\nENV PATH=/usr/local/bin\nENTRYPOINT "
    '["/usr/local/bin/{name}"]\n'
)
DEBIAN = 'FROM {base}\nCOPY {name} /usr/local/bin/\nENTRYPOINT ["/usr/local/bin/{name}"]\n'


def proxy_rootfs(origin: Origin) -> Rootfs:
    """kube-proxy and kube-router program iptables: they need more than their binaries."""
    return Rootfs("kube-proxy", "bookworm", PROXY_PACKAGES, seconds=16, origin=origin)


def archive(release: Release, root: Rootfs) -> Path:
    """One archive with all system images, named by what they are made from."""
    pulled = [image.pinned for image in IMAGES if release.pulls(image)]
    parts = (SCRATCH, DEBIAN, root.path.parent.name, *NAMES, *pulled)
    made_from = cache.digest(release.identity(), *parts)
    return cache.folder("images", f"system-{made_from}") / "images.tar"


@dataclass(frozen=True)
class MakeSystemImages:
    """Build or pull every system image and save them as one archive."""

    engine: Engine
    release: Release
    root: Rootfs

    def already(self) -> str:
        return cache.hit(archive(self.release, self.root))

    def commands(self) -> tuple[str, ...]:
        lines = dict[str, None]()  # what several are built on is made once
        for image in IMAGES:
            lines |= dict.fromkeys(self._lines(image))
        return (*lines, saving(self._save(), archive(self.release, self.root)))

    def _lines(self, image: SystemImage) -> Iterator[str]:
        if self.release.pulls(image):
            yield from map(shell.shown, self._pull(image))
            return
        if image.debian:
            yield shell.shown(importing(self.root, self.engine))
        yield building(self.engine, image.name, "--quiet")

    def _pull(self, image: SystemImage) -> tuple[Argv, Argv]:
        engine = self.engine
        pull = engine.argv("pull", "--quiet", image.pinned)
        return pull, engine.argv("tag", image.pinned, image.name)

    def _save(self) -> Argv:
        # podman saves several images to one archive only when told so (podman-save(1))
        several = ("-m",) if self.engine.name == "podman" else ()
        return self.engine.argv("save", *several, *NAMES)

    def run(self, log: Log) -> None:
        with cache.made_whole(archive(self.release, self.root).parent) as work:
            for image in IMAGES:
                log(image.name)
                if self.release.pulls(image):
                    for argv in self._pull(image):
                        shell.write(*argv, log=log)
                else:
                    self._build(image, log)
            shell.save(*self._save(), into=work / "images.tar", log=log)

    def _build(self, image: SystemImage, log: Log) -> None:
        template, base = SCRATCH, ""
        if image.debian:
            template, base = DEBIAN, load(self.root, self.engine, log)
        text = template.format(name=image.binary, base=base)
        files = {image.binary: self.release.binary(image.binary)}
        build_image(self.engine, image.name, text, files, log, "--quiet")
