"""Which parts of the cache a profile uses: noted by every command that changes one.

A part's time of change is when it was last used; a file of each profile names its parts, so that
other checkouts and later versions know them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.provision import cni
from kubeup.cluster.release import go
from kubeup.cluster.release import images as system_images
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import KubeupError
from kubeup.core.record import NOTHING
from kubeup.core.state import State, read_json, write_private
from kubeup.system import cache
from kubeup.workflows.project import Project

FOLDER = "used"  # of the cache


@dataclass(frozen=True)
class Use:
    """What a profile uses: paths below the cache. `state`: its folder."""

    profile: str
    state: Path
    parts: frozenset[str]

    @property
    def counts(self) -> bool:
        """Whether that profile still has something, or can't be asked."""
        return stands(State(self.state, self.state / "id_rsa", self.state / "id_rsa.pub"))


def stands(state: State) -> bool:
    """Whether anything was made by that profile that its record still tells of."""
    try:
        record = records.read(state)
    except KubeupError:  # what can't be understood is not nothing
        return True
    return bool(record.provider or record.things or record.made != NOTHING)


def parts(project: Project) -> frozenset[str]:
    """What the profile uses, or would when it is brought up."""
    release, origin = project.release, project.root_origin
    paths = {
        *map(release.folder, release.builds),
        release.downloads,
        release.own_downloads,
        project.system_archive.parent,
        system_images.proxy_rootfs(origin).path.parent,
        go.unpacked(go.debian_root(origin)),
        *(image.archive.parent for image in project.images),
        *(root.path.parent for image in project.images for _, root in image.rootfs),
        *project.provider.cached(),
        cni.prepared(project.settings, project.state).cached,
        project.mirrors.file.parent,
    }
    if project.authorities.bundle:
        paths.add(project.authorities.bundle.parent)
    root = cache.folder()
    return frozenset(str(path.relative_to(root)) for path in paths if path.is_relative_to(root))


def note(project: Project) -> None:
    """Write down that they are used now; what can't be written down frees nothing more."""
    with contextlib.suppress(KubeupError, OSError):
        named = sorted(parts(project))
        for part in named:
            with contextlib.suppress(FileNotFoundError):
                os.utime(cache.folder(part))
        use = {
            "profile": project.settings.profile,
            "state": str(project.state.folder),
            "parts": named,
        }
        file, text = _file(project.state), json.dumps(use, indent=1) + "\n"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_private(file, text)


def _file(state: State) -> Path:
    return cache.folder(FOLDER, f"{cache.digest(str(state.folder))}.json")


def noted() -> Iterator[Use]:
    """What every profile of this user's has noted and still stands.

    Raises Refused for a note that can't be understood.
    """
    for file in sorted(cache.folder(FOLDER).glob("*.json")):
        content = read_json(file, "remove it: the next `inv up` of that profile writes it again")
        named = frozenset(map(str, content.get("parts", ())))
        use = Use(str(content.get("profile", "")), Path(str(content.get("state", ""))), named)
        if use.counts:
            yield use


def unnoted(project: Project) -> list[str]:
    """Profiles of this checkout that stand, and were brought up by an earlier kubeup alone."""
    folders = project.state.folder.parent.glob("*/")
    known = (State(one, one / "id_rsa", one / "id_rsa.pub", project.state.ours) for one in folders)
    lacking = [one for one in known if stands(one) and not _file(one).exists()]
    return [states.owner(one) or one.folder.name for one in lacking]
