"""Builds and saves images with the machine's container engine. Nothing unchanged is built again."""

from __future__ import annotations

from dataclasses import dataclass

from kubeup import cache, shell
from kubeup.engine import Engine
from kubeup.images import rootfs
from kubeup.images.catalog import AppImage
from kubeup.plan import Log, Room, Step

ROOM = Room(cache=260, images=600)  # an archive; what it is saved from, and built on
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Builder:
    """The engine that builds, and whether this machine has certificate authorities of its own."""

    engine: Engine
    own_certificates: bool

    def build_words(self) -> tuple[str, ...]:
        if not self.own_certificates:
            return self.engine.build_options
        # pip and npm in the build must trust what this machine trusts; nothing of it stays in the image
        mounts = [word for path in ("/etc/ssl/certs", "/usr/local/share/ca-certificates") for word in ("-v", f"{path}:{path}:ro")]
        arguments = ("--build-arg", f"PIP_CERT={CERTIFICATES}", "--build-arg", f"NODE_EXTRA_CA_CERTS={CERTIFICATES}")
        return (*self.engine.build_options, *mounts, *arguments)


@dataclass(frozen=True)
class BuildImage:
    """Build (or pull) one image and keep its archive in the cache."""

    builder: Builder
    image: AppImage

    def already(self) -> str:
        return f"{self.image.reference} is in the cache" if self.image.archive.exists() else ""

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        argv = self.builder.engine.argv
        for name, root in dict(self.image.rootfs).items():
            if not shell.read(*argv("image", "inspect", name), ok=None).ok:
                shell.write(*argv("import", str(root.path), name), log=log)
        shell.write(*self._argv(), log=log)
        if self.image.context is None:
            shell.write(*argv("tag", self.image.source, self.image.reference), log=log)
        with cache.made_whole(self.image.archive.parent) as work:
            shell.save(*argv("save", self.image.local), into=work / self.image.archive.name, log=log)

    def _argv(self) -> tuple[str, ...]:
        if self.image.context is None:
            return self.builder.engine.argv("pull", self.image.source)
        arguments = [word for key, value in self.image.bases for word in ("--build-arg", f"{key}={value}")]
        return self.builder.engine.argv("build", *self.builder.build_words(), *arguments, "--tag", self.image.local,
                                        "-f", str(self.image.context / "Containerfile"), str(self.image.context))


def step_id(image: AppImage) -> str:
    return f"image/{image.part}"


def plan(images: tuple[AppImage, ...], with_: Builder) -> list[Step]:
    """A step for each image that is not in the cache, and for what it is built on."""
    # what nodes pull from Docker Hub themselves needs no archive
    missing = [image for image in images if not image.archive.exists() and image.reference != image.source]
    roots = {root.path: root for image in missing for _, root in image.rootfs if not root.path.exists()}
    steps = [rootfs.step(root) for root in roots.values()]
    for image in missing:
        reason = f"nothing of this content was built yet ({image.reference.rsplit(':', 1)[-1]})" if image.context else "not in the cache"
        needs = ("host/packages", *(f"rootfs/{root.name}" for _, root in image.rootfs))
        title = f"build {image.reference}" if image.context else f"pull {image.source}"
        steps.append(Step(step_id(image), title, reason, BuildImage(with_, image), needs, 25, room=ROOM))
    return steps
