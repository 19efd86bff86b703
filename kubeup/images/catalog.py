"""The application's images: what each is built from and what it is called.

A name's tag is the digest of its content.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.core.errors import UsageError
from kubeup.core.services import DATABASE, SERVICES
from kubeup.core.state import PROJECT
from kubeup.images.bases import AMD64_ALONE, HUB_IMAGES, Bases
from kubeup.images.rootfs import Rootfs
from kubeup.settings import Settings
from kubeup.system import cache

NOT_CONTENT = ("tests", "test", "node_modules", "README.md", ".venv")
TAG_LENGTH = 12
IN_DEBIAN = {"mysql": "9.7", "mariadb": "10.11"}


@dataclass(frozen=True)
class AppImage:
    """One image.

    `bases` names the Containerfile's build arguments and what they are given; '' context: pulled as
    it is.
    """

    part: str  # the service that it is of
    reference: str
    context: Path | None
    bases: tuple[tuple[str, str], ...]
    rootfs: tuple[tuple[str, Rootfs], ...] = ()
    what: str = ""
    source: str = ""  # what is pulled where nothing is built

    @property
    def local(self) -> str:
        """What an image that was built is called on this machine, whichever registry it goes to."""
        return f"localhost/{self.reference.rsplit('/', 1)[-1]}" if self.context else self.reference

    @property
    def pulled(self) -> bool:
        """Whether nodes and machines pull it from where it comes from: then it has no archive."""
        return self.reference == self.source

    @property
    def archive(self) -> Path:
        """Where its archive lies in the cache once it is made."""
        name = self.reference.rsplit("/", 1)[-1].replace(":", "-").replace("@", "-")
        # minikube copies archives to a node under their bare names, side by side
        return cache.folder("images", name) / f"{name}.tar"


def catalog(settings: Settings, bases: Bases) -> tuple[AppImage, ...]:
    """All images of the application, in the order in which they are needed."""
    built = (service for service in SERVICES if service is not DATABASE)
    return (
        _database(settings, bases),
        *(
            _built(
                settings,
                service.name,
                settings.images.names.get(service.name, service.image),
                {argument: _base(bases, kind) for argument, kind in service.bases},
            )
            for service in built
        ),
    )


# an image's name, and the root file system it is made from where it isn't pulled
Base = tuple[str, Rootfs | None]


def _base(bases: Bases, kind: str) -> Base:
    if bases.source == "hub":
        return HUB_IMAGES["node" if kind == "npm" else kind], None
    root = bases.rootfs(kind)
    return root.image, root


def _built(
    settings: Settings, part: str, name: str, bases: dict[str, Base], what: str = ""
) -> AppImage:
    context = PROJECT / "apps" / part
    content = cache.tree_digest(context, but=NOT_CONTENT)
    digest = cache.digest(
        content, *(f"{key}={image}" for key, (image, _) in sorted(bases.items()))
    )[:TAG_LENGTH]
    # digits alone, or with an e among them, would be a number to a YAML parser
    tag = f"sha-{digest}"
    roots = tuple((image, root) for image, root in bases.values() if root is not None)
    return AppImage(
        part,
        f"{_repository(settings, name)}:{tag}",
        context,
        tuple((key, image) for key, (image, _) in bases.items()),
        roots,
        what,
    )


def _repository(settings: Settings, name: str) -> str:
    """In a registry under the account named in the settings.

    Without a registry under a name that no node would try to pull.
    """
    return (
        settings.images.repository(name)
        if settings.images.via == "registry"
        else f"localhost/{name}"
    )


def server(settings: Settings, bases: Bases) -> str:
    """The database's engine and version as they really are: Debian has one of each."""
    engine = settings.database.engine
    return f"{engine} {settings.database.version if bases.source == 'hub' else IN_DEBIAN[engine]}"


def _database(settings: Settings, bases: Bases) -> AppImage:
    engine, version = settings.database.engine, settings.database.version
    if bases.source == "hub":
        key = f"{engine} {version}"
        if key in AMD64_ALONE and bases.arch != "amd64":
            raise UsageError(
                f"there is no image of MySQL {version} for {bases.arch}",
                f"Docker Hub has it for amd64 alone ({bases.why})",
                "set database.version to '8.4' or '8.0', or database.engine to mariadb",
            )
        source = HUB_IMAGES[key]
        # an archive keeps no name with a digest, so what is loaded gets one of ours
        own = f"localhost/kubeup-{engine}:{version}-sha-{cache.digest(source)[:TAG_LENGTH]}"
        reference = source if settings.images.via == "registry" else own
        return AppImage(
            DATABASE.name,
            reference,
            None,
            (),
            what=f"{engine} {version} from Docker Hub",
            source=source,
        )
    if engine == "mysql" and version == "5.7":
        hub = ", or images.bases to hub" if bases.arch == "amd64" else ""
        raise UsageError(
            "MySQL 5.7 is in no Debian release",
            f"base images come from Debian packages here ({bases.why})",
            f"set database.version to '8.4' (Debian's own newer MySQL then runs){hub}",
        )
    root = bases.rootfs(engine)
    what = {"mysql": "MySQL {} from Debian unstable", "mariadb": "MariaDB {} from Debian stable"}[
        engine
    ].format(IN_DEBIAN[engine])
    return _built(
        settings,
        DATABASE.name,
        f"kubeup-{engine}",
        {"BASE": (root.image, root)},
        f"{what}, as {bases.why}",
    )
