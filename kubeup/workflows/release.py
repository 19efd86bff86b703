"""What brings Kubernetes itself to this machine: its binaries, and the images of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeup.cluster.release import go
from kubeup.cluster.release import images as system_images
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.download import DownloadBinary
from kubeup.core import ids
from kubeup.core.ids import StepId
from kubeup.core.plan import Holds, Log, Planned, Room, Step, step_ids
from kubeup.images import rootfs
from kubeup.workflows.project import Project

# what a node that is there brings along
INSIDE = (
    Holds(ids.KUBERNETES, "nodes were made with it"),
    Holds(ids.SYSTEM_IMAGES, "nodes were made with them"),
)
NOT_CACHED = "not in the cache"


def release_steps(project: Project) -> list[Planned]:
    """Kubernetes' own binaries: downloads, or builds one after another.

    Each build takes all processors.
    """
    downloads, builds = list(_downloads(project)), list(_builds(project))
    if not downloads:
        return builds
    why, needs = "several downloads", step_ids(downloads)
    whole = Step(ids.KUBERNETES, "have all of the release", why, Barrier(), needs, seconds=0)
    return [*downloads, whole, *(step for step in builds if step.id != ids.KUBERNETES)]


def _downloads(project: Project) -> Iterator[Step]:
    release = project.release
    for name in release.missing_downloads():
        action = DownloadBinary(name, release.base_url, release.arch, release.downloads)
        yield _download(ids.release(name), f"download {name}", release.why, action)
    if release.lacks_kubectl:
        system, folder = release.system.lower(), release.own_downloads
        action = DownloadBinary("kubectl", release.base_url, release.arch, folder, system)
        title = f"download kubectl for {project.host.system_name}"
        yield _download(ids.OWN_KUBECTL, title, "this machine runs it", action)


def _download(id_: StepId, title: str, reason: str, action: DownloadBinary) -> Step:
    return Step(id_, title, reason, action, seconds=10, room=Room(cache=75))


def _builds(project: Project) -> Iterator[Planned]:
    release, before = project.release, ids.PACKAGES
    builds, reason = release.missing_builds(), f"{release.why}; {NOT_CACHED}"
    if ids.KUBERNETES not in [ids.release(build.name) for build in builds]:
        yield Holds(ids.KUBERNETES, "in the cache")
    if builds and not go.go_tool():
        root = go.debian_root(project.root_origin)
        rootfs.require(root, "Go")
        yield Step(
            ids.GO,
            "unpack Go 1.19 of Debian 12",
            "Kubernetes is compiled with it",
            go.UnpackGo(root),
            (before,),
            seconds=root.seconds,
            room=Room(cache=500),
        )
        before = ids.GO
    for build in builds:
        id_ = ids.release(build.name)
        yield Step(
            id_,
            f"compile {', '.join(build.binaries)}",
            reason,
            GoCompile(build, release.folder(build)),
            (before,),
            seconds=build.seconds,
            room=build.room,
            measures=True,
        )
        before, reason = id_, NOT_CACHED


@dataclass(frozen=True)
class Barrier:
    """Only a place where several steps meet."""

    # what needs the whole release names one step, however many downloads bring it

    def run(self, log: Log) -> None:
        log("all there")


def image_steps(project: Project) -> list[Planned]:
    """What makes the archive of system images."""
    root, release = system_images.proxy_rootfs(project.root_origin), project.release
    if project.system_archive.exists():
        return [Holds(ids.SYSTEM_IMAGES, "in the cache")]
    how, steps = "pull", list[Planned]()
    if release.builds:
        how, steps = "build", [rootfs.plan(root)]
    builds = [ids.release(build.name) for build in release.missing_builds()]
    images = Step(
        ids.SYSTEM_IMAGES,
        f"{how} Kubernetes' own images",
        NOT_CACHED,
        system_images.MakeSystemImages(project.engine, release, root),
        (ids.PACKAGES, *step_ids(steps), *builds, ids.KUBERNETES),
        seconds=20,
        room=system_images.ROOM,
    )
    return [*steps, images]
