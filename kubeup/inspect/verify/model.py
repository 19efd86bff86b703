"""What goes into a verification and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kubeup.application.external import Published
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.settings.model import NodeSpec, Settings
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget


@dataclass(frozen=True)
class Line:
    """One check's outcome. `cause` and `next` are set where it failed, and where it warns."""

    name: str
    proves: str
    ok: bool
    seconds: float
    detail: str
    cause: str = ""
    next: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a check found, before it is timed and named."""

    ok: bool
    detail: str
    cause: str = ""
    next: str = ""

    def because(self, cause: str, next: str = "") -> Verdict:
        """A failure with its cause put before the symptoms; the same where there is no cause."""
        if self.ok or not cause:
            return self
        return replace(self, cause=f"{cause}\n{self.cause}", next=next or self.next)


@dataclass(frozen=True)
class ExternalDatabase:
    """A database outside the cluster: where it is, how it is asked, and how it is."""

    address: str
    select: Callable[[str], str]
    status: Callable[[], str]


@dataclass(frozen=True)
class Context:
    """What is verified; nodes' `addresses` are those where a NodePort has to answer.

    `secrets` hands out MYSQL_USER, MYSQL_PASSWORD and MYSQL_DATABASE, which are never shown.
    """

    settings: Settings
    kubectl: Kubectl
    nodes: tuple[SshTarget, ...]
    expected: tuple[NodeSpec, ...]
    api_image: str
    addresses: tuple[str, ...]
    secrets: Callable[[], Mapping[str, str]]
    database: ExternalDatabase | None = None  # None: it is in the cluster
    published: Callable[[], Published] = Published  # where the UI answers without a NodePort
    pace: Pace = field(default=AS_MEANT, kw_only=True)

    @property
    def namespace(self) -> tuple[str, str]:
        """The arguments that name the application's namespace."""
        return "-n", self.kubectl.namespace

    def items(self, *words: str) -> list[dict[str, Any]]:
        """Objects of the application's namespace."""
        return self.kubectl.items(*self.namespace, *words)

    def system_pods(self, app: str) -> list[dict[str, Any]]:
        return self.kubectl.items("-n", "kube-system", "pods", "-l", f"k8s-app={app}")


@dataclass(frozen=True)
class Problem:
    """Something that is wrong, and what to do about it."""

    text: str
    next: str


def good(detail: str) -> Verdict:
    return Verdict(True, detail)


def bad(detail: str, cause: str, next: str) -> Verdict:
    return Verdict(False, detail, cause, next)


def failed(detail: str, problems: Sequence[Problem]) -> Verdict:
    """A failure with all its problems; the first of them says what to do next."""
    return bad(detail, "\n".join(problem.text for problem in problems), problems[0].next)


def warning(detail: str, cause: str, next: str) -> Verdict:
    """What a cluster works with, and somebody should know."""
    return Verdict(True, detail, cause, next)
