"""Builds and saves images with the machine's container engine. Nothing unchanged is built again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.plan import Holds, Log, Planned, Room, Step
from kubeup.facts import certificates
from kubeup.images import rootfs
from kubeup.images.catalog import AppImage
from kubeup.system import cache
from kubeup.system.engine import Engine

ROOM = Room(cache=260, images=600)  # an archive; what it is saved from, and built on


@dataclass(frozen=True)
class Builder:
    """The engine that builds, and the file of whom to trust, where that is more than usual."""

    engine: Engine
    bundle: Path | None = None

    def build_words(self) -> tuple[str, ...]:
        options = self.engine.build_options
        if self.bundle is None or self.engine.name != "podman":  # docker's builds mount nothing
            return options
        # apt finds it there, pip and npm have to be told; nothing of it stays in the image
        told = (f"{name}={certificates.BUNDLE}" for name in ("PIP_CERT", "NODE_EXTRA_CA_CERTS"))
        return (
            *options,
            "-v",
            f"{self.bundle}:{certificates.BUNDLE}:ro",
            *(word for one in told for word in ("--build-arg", one)),
        )


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
            shell.save(
                *argv("save", self.image.local), into=work / self.image.archive.name, log=log
            )

    def _argv(self) -> tuple[str, ...]:
        if self.image.context is None:
            return self.builder.engine.argv("pull", self.image.source)
        arguments = [
            word for key, value in self.image.bases for word in ("--build-arg", f"{key}={value}")
        ]
        return self.builder.engine.argv(
            "build",
            *self.builder.build_words(),
            *arguments,
            "--tag",
            self.image.local,
            "-f",
            str(self.image.context / "Containerfile"),
            str(self.image.context),
        )


def plan(images: tuple[AppImage, ...], with_: Builder) -> list[Planned]:
    """A step for each image that is not in the cache, and for what it is built on."""
    there = {image: why for image in images if (why := _why_not(image))}
    missing = [image for image in images if image not in there]
    roots = {root.path: root for image in missing for _, root in image.rootfs}
    steps: list[Planned] = [rootfs.plan(root) for root in roots.values()]
    steps += [Holds(ids.image(image.part), why) for image, why in there.items()]
    for image in missing:
        reason = (
            f"nothing of this content was built yet ({image.reference.rsplit(':', 1)[-1]})"
            if image.context
            else "not in the cache"
        )
        needs = (ids.PACKAGES, *(ids.rootfs(root.name) for _, root in image.rootfs))
        title = f"build {image.reference}" if image.context else f"pull {image.source}"
        steps.append(
            Step(
                ids.image(image.part), title, reason, BuildImage(with_, image), needs, 25, room=ROOM
            )
        )
    return steps


def _why_not(image: AppImage) -> str:
    """Why an image has not to be made; '' where it has."""
    if image.archive.exists():
        return "in the cache"
    return "nodes pull it themselves" if image.pulled else ""
