"""Debian root file systems, each a tar in the cache.

They are made by mmdebstrap or, where that can't be had, in a build on Debian's own image.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Holds, Log, Planned, Room, Step
from kubeup.system import cache
from kubeup.system.commands import Argv
from kubeup.system.engine import Engine

# Documentation and translations are a third of a small system; licences ask for copyright files.
BASICS = ("usr-is-merged",)  # with its hook: without it usrmerge pulls in 50 MB of perl
MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
LEFT_OUT = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
)
MMDEBSTRAP, IMAGE = "mmdebstrap", "image"
TAR = "rootfs.tar"
IMAGES = {
    # for all processors; by docker-library/repo-info, repos/debian/remote/bookworm-slim.md of
    # 2026-08
    "bookworm": "docker.io/library/debian:bookworm-slim"
    "@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241",
    # not pinned: what it had a month ago is in no archive any more
    "sid": "docker.io/library/debian:sid-slim",
}
# the last line's files are for containers alone: a machine's services are to be started
CONTAINERFILE = """FROM {image}
RUN printf '%s\\n' {rules} >/etc/dpkg/dpkg.cfg.d/kubeup \\
 && apt-get -q{stale} -o Acquire::Languages=none update \\
 && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends {packages} \\
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/*.log \\
 && rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/docker-*
"""
PODMAN = Engine("podman", ("podman",), (), (), "podman")
ROOM = Room(cache=310)  # the largest of them


@dataclass(frozen=True)
class Origin:
    """Where root file systems come from on this machine.

    `how` is mmdebstrap, image, or '' where neither can be had, for which there is a `fix`.
    `stale` allows a mirror that is a frozen copy (its signatures are still checked).
    `packages` are what this machine itself needs for it.
    """

    how: str = MMDEBSTRAP
    why: str = ""
    fix: str = ""
    stale: bool = False
    packages: tuple[str, ...] = ("mmdebstrap",)
    engine: Engine = PODMAN

    def made_from(self, suite: str) -> tuple[str, ...]:
        """What else a name's digest covers: nothing where packages alone decide."""
        return () if self.how == MMDEBSTRAP else (IMAGES[suite], CONTAINERFILE)


class BuildCommands(NamedTuple):
    """What builds a root file system as an image, prints its tar, and removes the rest."""

    build: Argv
    create: Argv
    export: Argv
    remove: Argv
    untag: Argv


@dataclass(frozen=True)
class Rootfs:
    """A Debian suite with packages."""

    name: str
    suite: str
    packages: tuple[str, ...]
    seconds: float
    origin: Origin = field(default_factory=Origin)
    left_out: tuple[str, ...] = ()  # paths, beside documentation and translations

    @property
    def digest(self) -> str:
        made_from = self.origin.made_from(self.suite)
        return cache.digest(self.suite, *self.packages, *self.left_out, *LEFT_OUT, *made_from)

    @property
    def path(self) -> Path:
        """The tar in the cache; its folder's name has the digest of what it is made from."""
        return cache.folder("rootfs", f"{self.name}-{self.suite}-{self.digest}") / TAR

    @property
    def image(self) -> str:
        """The image that others are built on, which holds nothing else."""
        return f"localhost/kubeup/base-{self.name}:{self.digest}"

    @property
    def rules(self) -> list[str]:
        """dpkg's options for what is left out."""
        return [*LEFT_OUT, *(f"path-exclude={path}" for path in self.left_out)]

    def command(self, target: Path) -> Argv:
        options = [f"--dpkgopt={rule}" for rule in self.rules]
        packages = self.packages
        if self.suite != "sid":
            options.append(f"--hook-dir={MERGED}")
            packages = (*BASICS, *packages)
        if self.origin.stale:
            options.append('--aptopt=Acquire::Check-Valid-Until "false"')
        include = f"--include={','.join(packages)}"
        return ("mmdebstrap", "--variant=minbase", *options, include, self.suite, str(target))

    def containerfile(self) -> str:
        """The same in a build on Debian's own image, which is a minbase, too."""
        return CONTAINERFILE.format(
            image=IMAGES[self.suite],
            rules=shlex.join(self.rules),
            stale=" -o Acquire::Check-Valid-Until=false" if self.origin.stale else "",
            packages=" ".join(self.packages),
        )

    def build(self, folder: Path) -> BuildCommands:
        """What makes it from the Containerfile in `folder`."""
        name, engine = self.path.parent.name, self.origin.engine
        image, container = f"localhost/kubeup/root:{name}", f"kubeup-root-{name}"
        return BuildCommands(
            build=engine.build_argv(image, folder),
            create=engine.argv("create", "--name", container, image, "true"),
            export=engine.argv("export", container),
            remove=engine.argv("rm", "--force", container),
            untag=engine.argv("rmi", image),
        )


def commands(root: Rootfs, folder: Path) -> tuple[str, ...]:
    """The command lines of `make`."""
    tar = folder / TAR
    if root.origin.how != IMAGE:
        return (shell.shown(root.command(tar)),)
    build, create, export, *rest = map(shell.shown, root.build(folder))
    return (build, create, f"{export} > {shell.shown((str(tar),))}", *rest)


def make(root: Rootfs, folder: Path, log: Log) -> None:
    """Make a root file system's tar in a folder."""
    hint = "if the network was down, run the same again"
    try:
        if root.origin.how == IMAGE:
            _build(root, folder, log)
        else:
            hint = (
                "look at /etc/apt/sources.list*: the packages come from the mirror named there "
                f"or from deb.debian.org; {hint}"
            )
            shell.write(*root.command(folder / TAR), log=log)
    except KubeupError as error:
        error.next = hint
        raise


def _build(root: Rootfs, folder: Path, log: Log) -> None:
    (folder / "Containerfile").write_text(root.containerfile(), encoding="utf-8")
    commands = root.build(folder)
    shell.write(*commands.build, log=log)
    shell.read(*commands.remove, ok=None)  # an interrupted run may have left it
    shell.write(*commands.create, log=log)
    try:
        shell.save(*commands.export, into=folder / TAR, log=log)
    finally:
        shell.read(*commands.remove, ok=None)
        shell.read(*commands.untag, ok=None)


def importing(root: Rootfs, engine: Engine) -> Argv:
    """What makes the image of a root file system."""
    return engine.argv("import", str(root.path), root.image)


def load(root: Rootfs, engine: Engine, log: Log) -> str:
    """Make the image of a root file system, where the engine lacks it, and return its name."""
    if not engine.has("image", root.image):
        shell.write(*importing(root, engine), log=log)
    return root.image


@dataclass(frozen=True)
class MakeRootfs:
    """Make a root file system's tar in the cache."""

    rootfs: Rootfs

    def already(self) -> str:
        return cache.hit(self.rootfs.path)

    def commands(self) -> tuple[str, ...]:
        return commands(self.rootfs, self.rootfs.path.parent)

    def run(self, log: Log) -> None:
        with cache.made_whole(self.rootfs.path.parent) as work:
            make(self.rootfs, work, log)


def require(root: Rootfs, what: str) -> None:
    """Raises Refused where this machine can't make it, before anything is done."""
    if not root.origin.how:
        title = f"the root file system for {what} can't be made"
        raise Refused(title, root.origin.why, root.origin.fix)


def plan(root: Rootfs, what: str = "") -> Planned:
    """The step that makes a root file system, where the cache lacks it.

    Raises Refused as `step` does.
    """
    if why := cache.hit(root.path):
        return Holds(ids.rootfs(root.name), why)
    return step(root, what)


def step(root: Rootfs, what: str = "") -> Step:
    """The step that makes a root file system. Raises Refused where this machine can't make one."""
    require(root, what or root.name)
    return Step(
        ids.rootfs(root.name),
        f"make a Debian root file system for {what or root.name}",
        "not in the cache",
        MakeRootfs(root),
        needs=(ids.PACKAGES,),
        seconds=root.seconds,
        room=ROOM,
    )
