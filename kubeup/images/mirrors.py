"""podman's mirrors for what is pulled and built here: our own registries.conf in the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kubeup.core.errors import KubeupError
from kubeup.facts.registries import Registry, registries, registries_conf
from kubeup.system import cache

if TYPE_CHECKING:
    from kubeup.settings import Settings

VARIABLE = "CONTAINERS_REGISTRIES_CONF"  # see podman(1)
# the user's, else the machine's
OWN = ("~/.config/containers/registries.conf", "/etc/containers/registries.conf")


@dataclass(frozen=True)
class Mirrors:
    """The registries that have mirrors; podman's own files stay as they are."""

    known: tuple[Registry, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Mirrors:
        images = settings.images
        return cls(registries(images.mirrors, images.plain_registries))

    @cached_property
    def text(self) -> str:
        """The user's registries.conf with these mirrors; '' where there are none.

        Raises KubeupError for one that podman can't read, either.
        """
        if not any(registry.mirrors for registry in self.known):
            return ""
        names = filter(None, (os.environ.get(VARIABLE), *OWN))
        paths = [path for name in names if (path := Path(name).expanduser()).is_file()]
        try:
            text = paths[0].read_text(encoding="utf-8") if paths else ""
            return registries_conf(self.known, text)
        except ValueError as error:
            raise KubeupError(
                f"{paths[0]} can't be read", str(error), "correct that file: podman reads it, too"
            ) from None

    @property
    def file(self) -> Path:
        return cache.folder("registries", cache.digest(self.text)) / "registries.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self.file)} if self.text else {}

    def write(self) -> None:
        """Make that file where it is not there."""
        if self.text and not self.file.exists():
            with cache.made_whole(self.file.parent) as work:
                (work / self.file.name).write_text(self.text, encoding="utf-8")
                work.chmod(0o755)
