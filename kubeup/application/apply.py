"""Applies parts of the application and watches them until they are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kubeup.application import stale, watch
from kubeup.application.deployment import Deployment
from kubeup.application.external import PUBLISHED, Published
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log, Paced
from kubeup.core.services import API, DATABASE, WITH_PASSWORDS
from kubeup.facts import manifests
from kubeup.system.kubectl import APPLY, Kubectl

APPLY_INPUT = (*APPLY, "-f", "-")
RESTART = ("rollout", "restart", f"deployment/{API.name}")
VOLUMES = ("data-mysql-0", "mysql-backups")


@dataclass(frozen=True)
class ApplyPart(Paced):
    """Apply one part and watch it until it is ready, or can't become ready by itself.

    `restarts`: its pods are made anew though their template stays.
    """

    deployment: Deployment
    part: str
    wait: float = 300
    restarts: bool = False

    def commands(self) -> tuple[str, ...]:
        kubectl = self.deployment.kubectl
        return tuple(kubectl.shown(*words) for words in (APPLY_INPUT, *self._then()))

    def _then(self) -> Iterator[tuple[str, ...]]:
        """What comes once it is applied."""
        if self.part == DATABASE.name:
            yield from endpoints_to_forget(bool(self.deployment.overlay.machine))
        if self.restarts:
            yield RESTART

    def run(self, log: Log) -> None:
        self.run_unless(never, log)

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        kubectl = self.deployment.kubectl
        published = self.deployment.overlay.published() if self.part == PUBLISHED else Published()
        require_asked(published)
        rendered = manifests.documents(self.deployment.render())
        # others read the database's Secret: whichever comes first brings it
        brings = self.part in WITH_PASSWORDS and self.part != DATABASE.name
        secret = [one for one in rendered if brings and manifests.key(one) == stale.SECRET_OBJECT]
        documents = [*secret, *manifests.of_part(rendered, self.part)]
        release_volume(kubectl, self.part)
        kubectl.write(*APPLY_INPUT, stdin=manifests.text(documents), log=log)
        for command in self._then():
            kubectl.write(*command, log=log)
        for words in published.left_out:
            log(f"{words}: left out")
        if self.deployment.has_pods(self.part):
            watch.until_ready(
                kubectl, self.part, self.deployment.boots(), self.wait, log, stopped, self.pace
            )


def endpoints_to_forget(outside: bool) -> tuple[tuple[str, ...], ...]:
    """What removes the addresses that a Service keeps of its other side.

    One that lost its selector keeps those of its pods, one that got a selector those written by
    hand.
    """
    if outside:
        theirs = (
            "kubernetes.io/service-name=mysql-headless,"
            "endpointslice.kubernetes.io/managed-by!=kubeup"
        )
        return (
            ("delete", "endpoints", "mysql-headless", "--ignore-not-found"),
            ("delete", "endpointslices", "-l", theirs),
        )
    return (("delete", "endpointslice", "mysql-vm", "--ignore-not-found"),)


def require_asked(published: Published) -> None:
    """Raises KubeupError where a node can't tell whether its port is free: it may be in use."""
    if published.unasked:
        nodes = ", ".join(published.unasked)
        raise KubeupError(
            f"port {published.port} can't be checked on {nodes}",
            "the node is not ready, or can't be reached by SSH",
            "`inv up` mends the node; ports.http: 0 does without that port",
        )


@dataclass(frozen=True)
class ApplyService:
    """Apply the UI's Service alone, as it is to be now."""

    deployment: Deployment

    def commands(self) -> tuple[str, ...]:
        return (self.deployment.kubectl.shown(*APPLY_INPUT),)

    def run(self, log: Log) -> None:
        rendered = manifests.documents(self.deployment.render())
        service = [one for one in rendered if manifests.key(one) == f"Service {PUBLISHED}"]
        self.deployment.kubectl.write(*APPLY_INPUT, stdin=manifests.text(service), log=log)


@dataclass(frozen=True)
class WaitForPart(Paced):
    """Watch a part that was applied before and does not stand (any more)."""

    deployment: Deployment
    part: str
    wait: float = 300

    def run(self, log: Log) -> None:
        self.run_unless(never, log)

    def run_unless(self, stopped: Callable[[], bool], log: Log) -> None:
        if self.deployment.has_pods(self.part):
            watch.until_ready(
                self.deployment.kubectl,
                self.part,
                self.deployment.boots(),
                self.wait,
                log,
                stopped,
                self.pace,
            )


def never() -> bool:
    return False


def release_volume(kubectl: Kubectl, part: str) -> None:
    """Let a volume whose claim was deleted be bound again; its data stay.

    It keeps that claim's uid, and another claim of the same name has another one.
    """
    if part != DATABASE.name:
        return
    told = """-o=jsonpath={range .items[*]}{.metadata.name} {.status.phase}{"\\n"}{end}"""
    rows = kubectl.read("get", "persistentvolumes", told).stdout.splitlines()
    for volume in VOLUMES:
        if f"{volume} Released" in rows:
            without = '--patch=[{"op":"remove","path":"/spec/claimRef/uid"}]'
            kubectl.write("patch", "persistentvolume", volume, "--type=json", without)
