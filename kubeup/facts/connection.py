"""Why an API server did not answer, by what `kubectl get --raw /readyz` said of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Cause(Enum):
    """What is in the way; `advice` is what to do about it."""

    REFUSED = ("nothing listens at its address", "`inv up` looks at the nodes and mends them")
    SILENT = (
        "its address did not answer in time",
        "`inv doctor` tells whether its node runs and can be reached",
    )
    EXPIRED = ("its certificate has expired", "`inv up` has the control plane renew it")
    EARLY = (
        "its certificate is not valid yet",
        "set the clock of this machine, and of the control plane, right",
    )
    AUTHORITY = (
        "its certificate is of another cluster's authority",
        "`inv up` fetches the kubeconfig from the control plane",
    )
    NAME = (
        "its certificate is for other addresses",
        "`inv up` fetches the kubeconfig from the control plane",
    )
    UNAUTHORIZED = (
        "it does not know who asks",
        "`inv up` fetches the kubeconfig from the control plane",
    )
    NOT_READY = ("it is not ready", "`inv doctor` tells which part of the control plane is not")
    OTHER = ("it could not be asked", "`inv doctor` checks the machines and the nodes")

    def __init__(self, words: str, advice: str) -> None:
        self.words, self.advice = words, advice


# kubectl's words and Go's, the first that fits: client-go and crypto/x509 (verify.go)
SAYS = (
    (Cause.REFUSED, r"The connection to the server \S+ was refused"),
    (Cause.EARLY, r"current time \S+ is before \S+"),
    (Cause.EXPIRED, r"current time \S+ is after \S+"),
    (Cause.AUTHORITY, r"certificate signed by unknown authority"),
    (Cause.NAME, r"certificate is valid for .+, not \S+"),
    (Cause.UNAUTHORIZED, r"You must be logged in to the server"),
    (Cause.NOT_READY, r"\[-\]\S+ failed"),
    (Cause.NOT_READY, r"\(ServiceUnavailable\): .*"),
    (Cause.SILENT, r"Client\.Timeout exceeded|context deadline exceeded|TLS handshake timeout"),
    (Cause.SILENT, r"i/o timeout|no route to host|network is unreachable"),
)
# of another kubeconfig than the cluster's own
FOREIGN = frozenset({Cause.AUTHORITY, Cause.NAME, Cause.UNAUTHORIZED})
# waiting changes none of these
LASTING = FOREIGN | {Cause.EXPIRED, Cause.EARLY}


@dataclass(frozen=True)
class Unanswered:
    """That an API server did not answer: the cause, and what was said."""

    cause: Cause
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cause.words} ({self.detail})" if self.detail else self.cause.words


def unanswered(stderr: str) -> Unanswered:
    """What kubectl's error output says."""
    for cause, pattern in SAYS:
        if found := re.search(pattern, stderr):
            return Unanswered(cause, found[0])
    lines = stderr.strip().splitlines()
    return Unanswered(Cause.OTHER, lines[-1] if lines else "")
