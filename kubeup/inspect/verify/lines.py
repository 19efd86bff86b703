"""What goes into a verification and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Check:
    """A check to run. It waits for those named in `after`, whatever their outcome."""

    name: str
    proves: str
    look: Callable[[], Verdict]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What is verified. `secrets` hands out MYSQL_USER, MYSQL_PASSWORD and MYSQL_DATABASE; nothing
    of it is ever shown.

    `addresses` are those where a NodePort has to answer. `ask_database` runs one SELECT for a
    database outside the cluster, which is at `database_address`; inside it, kubectl does.
    `look_at_database` says how the one outside is.
    """

    settings: Settings
    kubectl: Kubectl
    nodes: tuple[SshTarget, ...]
    expected: tuple[NodeSpec, ...]
    api_image: str
    addresses: tuple[str, ...]
    secrets: Callable[[], Mapping[str, str]]
    ask_database: Callable[[str], str] | None = None
    database_address: str = ""
    look_at_database: Callable[[], str] | None = None
    published: Callable[[], Published] = Published  # where the UI answers without a NodePort
    pace: Pace = field(default=AS_MEANT, kw_only=True)

    @property
    def database_in_cluster(self) -> bool:
        return not self.database_address


def good(detail: str) -> Verdict:
    return Verdict(True, detail)


def bad(detail: str, cause: str, next: str) -> Verdict:
    return Verdict(False, detail, cause, next)


def warning(detail: str, cause: str, next: str) -> Verdict:
    """What a cluster works with, and somebody should know."""
    return Verdict(True, detail, cause, next)


def not_tried(earlier: str) -> Verdict:
    """The verdict of a check that has nothing to work on, as an earlier one failed."""
    return bad(
        "not tried",
        f"it needs what `{earlier}` makes, and that failed",
        f"mend `{earlier}` first, then `inv verify`",
    )
