"""Builds and saves images with the machine's container engine. Nothing unchanged is built again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.plan import Holds, Log, Planned, Room, Step
from kubeup.facts import certificates
from kubeup.images import rootfs
from kubeup.images.catalog import AppImage
from kubeup.system import cache
from kubeup.system.commands import Argv, Command
from kubeup.system.engine import Engine

ROOM = Room(cache=260, images=600)  # an archive; what it is saved from, and built on


@dataclass(frozen=True)
class Builder:
    """The engine that builds, and the file of certificate authorities, if there are own ones."""

    engine: Engine
    bundle: Path | None = None

    def options(self) -> Argv:
        """What lends a build those authorities; nothing of them stays in the image."""
        if self.bundle is None or self.engine.name != "podman":  # docker's builds mount nothing
            return ()
        # apt finds the file by itself, pip and npm have to be told of it
        pip, npm = (f"{name}={certificates.BUNDLE}" for name in ("PIP_CERT", "NODE_EXTRA_CA_CERTS"))
        mount = f"{self.bundle}:{certificates.BUNDLE}:ro"
        return ("-v", mount, "--build-arg", pip, "--build-arg", npm)


@dataclass(frozen=True)
class BuildImage(Command):
    """Build (or pull) one image and keep its archive in the cache."""

    builder: Builder
    image: AppImage

    def already(self) -> str:
        return cache.hit(self.image.archive)

    def argv(self) -> Argv:
        engine, image = self.builder.engine, self.image
        if image.context is None:
            return engine.argv("pull", image.source)
        options = list(self.builder.options())
        for name, base in image.bases:
            options += ("--build-arg", f"{name}={base}")
        return engine.build_argv(image.local, image.context, *options)

    def commands(self) -> tuple[str, ...]:
        engine, image = self.builder.engine, self.image
        bases = (rootfs.importing(root, engine) for _, root in image.rootfs)
        return (
            *map(shell.shown, bases),
            *super().commands(),
            *map(shell.shown, self._tag()),
            saving(self._save(), image.archive),
        )

    def run(self, log: Log) -> None:
        engine, image = self.builder.engine, self.image
        for _, root in image.rootfs:
            rootfs.load(root, engine, log)
        super().run(log)
        for tag in self._tag():
            shell.write(*tag, log=log)
        with cache.made_whole(image.archive.parent) as work:
            shell.save(*self._save(), into=work / image.archive.name, log=log)

    def _tag(self) -> list[Argv]:
        """What gives a pulled one our name."""
        engine, image = self.builder.engine, self.image
        return [engine.argv("tag", image.source, image.reference)] if image.context is None else []

    def _save(self) -> Argv:
        return self.builder.engine.argv("save", self.image.local)


def saving(argv: Argv, archive: Path) -> str:
    """A command line whose output is kept, for a shell."""
    return f"{shell.shown(argv)} > {shell.shown((str(archive),))}"


def building(engine: Engine, tag: str, *options: str) -> str:
    """The command line of `build_image`, but for its folder: that is a new one each time."""
    return shell.shown(engine.build_argv(tag, cache.folder("contexts", "NEW"), *options))


def build_image(
    engine: Engine,
    tag: str,
    containerfile: str,
    files: Mapping[str, Path],
    log: Log,
    *options: str,
) -> None:
    """Build an image from the text of a Containerfile, and files by their paths in its context."""
    with cache.context({"Containerfile": containerfile}, files) as context:
        shell.write(*engine.build_argv(tag, context, *options), log=log)


def plan(images: Sequence[AppImage], builder: Builder) -> list[Planned]:
    """A step for each image that is not in the cache, and for what it is built on."""
    holds = {image.part: why for image in images if (why := _why_not(image))}
    missing = [image for image in images if image.part not in holds]
    roots = {root.path: root for image in missing for _, root in image.rootfs}
    return [
        *map(rootfs.plan, roots.values()),
        *(Holds(ids.image(part), why) for part, why in holds.items()),
        *(_step(image, builder) for image in missing),
    ]


def _step(image: AppImage, builder: Builder) -> Step:
    title, why = f"pull {image.source}", "not in the cache"
    if image.context:
        title = f"build {image.reference}"
        tag = image.reference.rpartition(":")[2]
        why = f"nothing of this content was built yet ({tag})"
    return Step(
        ids.image(image.part),
        title,
        why,
        BuildImage(builder, image),
        needs=(ids.PACKAGES, *(ids.rootfs(root.name) for _, root in image.rootfs)),
        seconds=25,
        room=ROOM,
    )


def _why_not(image: AppImage) -> str:
    """Why an image need not be made; '' where it has to be."""
    if image.pulled:
        return "nodes pull it themselves"
    return cache.hit(image.archive)
