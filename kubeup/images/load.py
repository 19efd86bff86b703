"""Brings images to every node: by archive over SSH, or by a registry that the nodes pull from."""

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
from kubeup.system.commands import Argv, Command
from kubeup.system.engine import Engine
from kubeup.system.ssh import SshTarget

LIST = ("ctr", "--namespace", "k8s.io", "images", "list", "--quiet")
IMPORT = ("ctr", "--namespace", "k8s.io", "images", "import", "-")
TAGS = 100_000  # podman lists 25 of a repository unless told otherwise
NO_TLS = "--tls-verify=false"  # podman's
# Go's words where a server answers without TLS (net/http)
HTTP = "server gave HTTP response to HTTPS client"
NO_HTTPS = (
    "give the registry a certificate; or set images.insecure, where nobody else is in its network"
)
LOG_IN = (
    "log in first: `podman login`, `docker login`, or set KUBEUP_REGISTRY_USER and "
    "KUBEUP_REGISTRY_PASSWORD"
)
WITHOUT = "or use images.via: load, which needs no registry"


@dataclass(frozen=True)
class LoadImage:
    """Import an archive on nodes side by side, and check that each has the image afterwards."""

    image: AppImage
    nodes: tuple[SshTarget, ...]

    def run(self, log: Log) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda node: self._load(node, log), self.nodes))

    def _load(self, node: SshTarget, log: Log) -> None:
        log(f"to {node.name}")
        loaded = ssh.feed(node, self.image.archive, *IMPORT, root=True)
        reference = self.image.reference
        if not loaded.ok or reference not in ssh.run(node, *LIST, root=True).stdout.split():
            raise KubeupError(
                f"{reference} did not arrive on {node.name}",
                (loaded.stderr or loaded.stdout).strip()[-500:],
                "look at the disk space of that node: `inv ssh.run 'df -h /var'`",
            )


def plan(
    images: Sequence[AppImage],
    nodes: Collection[str],
    held: Mapping[str, frozenset[str]],
    loader: Callable[[AppImage, tuple[str, ...]], Action],
    needs: tuple[StepId, ...] = (),
) -> list[Planned]:
    """A step for each image that is missing on some of the nodes.

    `held`: the images of each node; `loader`: the provider's way to bring one.
    """
    steps = list[Planned]()
    for image in images:
        lacking = [name for name in nodes if image.reference not in held.get(name, ())]
        if not lacking:
            steps.append(Holds(ids.load(image.part), "every node has it, or starts with it"))
            continue
        step = Step(
            ids.load(image.part),
            f"load {image.reference}",
            f"missing on {', '.join(lacking)}",
            loader(image, tuple(lacking)),
            needs=(ids.image(image.part), *needs),
            seconds=8,
        )
        steps.append(step)
    return steps


@dataclass(frozen=True)
class PushImage(Command):
    """Push an image.

    The login is the engine's own (its credential store, or REGISTRY_AUTH_FILE).
    """

    engine: Engine
    image: AppImage
    plain: bool  # a registry that is asked without TLS

    def argv(self) -> Argv:
        push = ["push"]
        if self.plain and self.engine.name == "podman":
            push.append(NO_TLS)
        return self.engine.argv(*push, self.image.reference)

    def commands(self) -> tuple[str, ...]:
        return (*(self.engine.shown(*words) for words in self._before()), *super().commands())

    def _before(self) -> tuple[Argv, Argv]:
        return (
            ("load", "-i", str(self.image.archive)),
            ("tag", self.image.local, self.image.reference),
        )

    def run(self, log: Log) -> None:
        load, tag = self._before()
        if not self.engine.has("image", self.image.local):
            self.engine.write(*load, log=log)
        self.engine.write(*tag, log=log)
        try:
            super().run(log)
        except KubeupError as error:
            error.next = f"{NO_HTTPS if HTTP in error.why else LOG_IN}; {WITHOUT}"
            raise


def archives(images: Sequence[AppImage]) -> tuple[tuple[str, Path], ...]:
    return tuple((image.reference, image.archive) for image in images)


def in_registry(engine: Engine, reference: str, plain: bool) -> bool:
    """Whether a registry holds a tag; False where it can't be asked.

    The engine asks, with the login and the token dance that it pushes with.
    """
    if shell.which(engine.name) is None:
        return False
    if engine.name == "docker":
        inspect = ["manifest", "inspect"]
        if plain:
            inspect.append("--insecure")
        return engine.read(*inspect, reference, ok=None).ok
    repository, _, tag = reference.rpartition(":")
    search = ["search", "--list-tags", "--format", "json", "--limit", str(TAGS)]
    if plain:
        search.append(NO_TLS)
    answer = engine.read(*search, repository, ok=None)
    return answer.ok and any(tag in row["Tags"] for row in json.loads(answer.stdout))
