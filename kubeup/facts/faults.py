"""What is not as it should be with a cluster, and which kind of repair there is for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Repair(Enum):
    """What puts something of a cluster right; NONE where it takes a person."""

    NONE = ""
    UNITS = "start its services"
    POD_NETWORK = "set its routes and rules for pods"
    CNI = "configure its pod network"
    NAMES = "give it another node's name servers"
    STATIC_PODS = "write the control plane's manifests again"
    REGISTER = "have its kubelet join again"
    CERTIFICATES = "renew the control plane's certificates"
    SCHEDULING = "let it take pods again"
    OBJECTS = "put parts of Kubernetes back as they were made"
    WAIT = "wait until it runs"
    MANIFEST = "apply its manifest again"  # by a step that `up` has anyway


@dataclass(frozen=True)
class Fault:
    """`what` is wrong with a `part`, and `why` we say so.

    A repair is of a `target`, a node or an object, and of `details` there. `users`: it may be what
    a user wants.
    """

    part: str
    what: str
    why: str = ""
    repair: Repair = Repair.NONE
    target: str = ""
    details: tuple[str, ...] = ()
    users: bool = False

    def __str__(self) -> str:
        return f"{self.what} ({self.why})" if self.why else self.what
