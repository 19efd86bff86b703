"""Brings images to every node: imported from an archive over SSH, or pushed to a registry that
the nodes pull from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError
from kubeup.core.ids import StepId
from kubeup.core.plan import Action, Holds, Log, Planned, Step
from kubeup.images.catalog import AppImage
from kubeup.system import ssh
from kubeup.system.engine import Engine
from kubeup.system.ssh import SshTarget

LIST = ("ctr", "--namespace", "k8s.io", "images", "list", "--quiet")
TAGS = 100_000  # podman lists 25 of a repository unless told
IMPORT = ("ctr", "--namespace", "k8s.io", "images", "import", "-")


@dataclass(frozen=True)
class LoadImage:
    """Import an archive on nodes side by side, and look that each has the image afterwards."""

    image: AppImage
    nodes: tuple[SshTarget, ...]

    def run(self, log: Log) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: self._one(node, log), self.nodes))

    def _one(self, node: SshTarget, log: Log) -> None:
        log(f"to {node.name}")
        output = ssh.feed(node, self.image.archive, *IMPORT, root=True)
        if (
            not output.ok
            or self.image.reference not in ssh.run(node, *LIST, root=True).stdout.split()
        ):
            raise KubeupError(
                f"{self.image.reference} did not arrive on {node.name}",
                (output.stderr or output.stdout).strip()[-500:],
                "look at the disk space of that node: `inv ssh.run 'df -h /var'`",
            )


def plan(
    images: Sequence[AppImage],
    nodes: Collection[str],
    held: Mapping[str, frozenset[str]],
    loader: Callable[[AppImage, tuple[str, ...]], Action],
    needs: tuple[StepId, ...] = (),
) -> list[Planned]:
    """A step for each image that is missing on some of the nodes; `loader` is the provider's way
    to bring one.
    """
    steps = list[Planned]()
    for image in images:
        id_ = ids.load(image.part)
        lacking = tuple(
            name for name in nodes if image.reference not in held.get(name, frozenset())
        )
        if lacking:
            steps.append(
                Step(
                    id_,
                    f"load {image.reference}",
                    f"missing on {', '.join(lacking)}",
                    loader(image, lacking),
                    (ids.image(image.part), *needs),
                    8,
                )
            )
        else:
            steps.append(Holds(id_, "every node has it, or starts with it"))
    return steps


@dataclass(frozen=True)
class PushImage:
    """Push an image.

    The login is the engine's own (its credential store, or REGISTRY_AUTH_FILE).
    """

    engine: Engine
    image: AppImage
    plain: bool  # a registry on a private address, spoken to without TLS

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        argv = self.engine.argv
        if not shell.read(*argv("image", "inspect", self.image.local), ok=None).ok:
            shell.write(*argv("load", "-i", str(self.image.archive)), log=log)
        shell.write(*argv("tag", self.image.local, self.image.reference), log=log)
        try:
            shell.write(*self._argv(), log=log)
        except KubeupError as error:
            error.next = (
                "log in first: `podman login`, `docker login`, or set KUBEUP_REGISTRY_USER and "
                "KUBEUP_REGISTRY_PASSWORD; "
                "or use images.via: load, which needs no registry"
            )
            raise

    def _argv(self) -> tuple[str, ...]:
        plain = ("--tls-verify=false",) if self.plain and self.engine.name == "podman" else ()
        return self.engine.argv("push", *plain, self.image.reference)


def archives(images: Sequence[AppImage]) -> tuple[tuple[str, Path], ...]:
    return tuple((image.reference, image.archive) for image in images)


def in_registry(engine: Engine, reference: str, plain: bool) -> bool:
    """Whether a registry holds a tag; False where it can't be asked.

    The engine asks, with the login and the token dance that it pushes with.
    """
    repository, _, tag = reference.rpartition(":")
    if shell.which(engine.name) is None:
        return False
    if engine.name == "docker":
        return shell.read(
            *engine.argv("manifest", "inspect", *(("--insecure",) if plain else ()), reference),
            ok=None,
        ).ok
    verify = ("--tls-verify=false",) if plain else ()
    answer = shell.read(
        *engine.argv(
            "search", "--list-tags", "--format", "json", "--limit", str(TAGS), *verify, repository
        ),
        ok=None,
    )
    return answer.ok and any(tag in row["Tags"] for row in json.loads(answer.stdout))
