"""Whether the application serves now, by its own word."""

from __future__ import annotations

import contextlib
import time

from kubeup.application import why
from kubeup.core.errors import CommandError, KubeupError
from kubeup.core.services import API, SERVICES, Service, service
from kubeup.system.kubectl import Kubectl

SECONDS = 90.0  # CoreDNS may keep a database's old address for 30 s, and a kubelet asks every 2 s
STEADY = 5.0  # after a no: a kubelet's question from before may still be under way
TICK = 0.5
READY = "readyz"  # where a service tells whether it reaches the one that it needs


def until_serving(kubectl: Kubectl, seconds: float = SECONDS, doubted: bool = False) -> None:
    """Wait until the API says that it reaches its database, and the UI that it reaches the API.

    Once, or for `STEADY` seconds where that is `doubted`, or was denied. Raises KubeupError where
    one does not within `seconds`.

    Kubernetes calls a pod ready by the last answer to its probe: for some seconds that is an API
    whose database has just gone. And a ready API is not there for the UI before kube-proxy has told
    the UI's node of it. What they would answer now can't be watched, so they are asked, through the
    API server.
    """
    began, yes_since = time.monotonic(), 0.0
    while True:
        denied = _denied(kubectl)
        now = time.monotonic()
        if denied is None:
            yes_since = yes_since or now
            if not doubted or now - yes_since >= STEADY:
                return
        else:
            yes_since, doubted = 0.0, True
        if now - began > seconds:
            one, told = denied or (API, f"it answered for less than {STEADY:.0f} s")
            raise KubeupError(
                f"{one.title} does not reach {service(one.needs).title} after {seconds:.0f} s",
                _own_word(kubectl, one) or told,
                f"`inv deploy.logs {one.name}` tells why; `inv deploy.status` shows both",
            )
        time.sleep(TICK)


def _own_word(kubectl: Kubectl, one: Service) -> str:
    """Why it says that it is not ready, which does not come through the API server; '' for none."""
    with contextlib.suppress(CommandError):
        return "\n".join(why.look(kubectl, one.name).answers.values())
    return ""


def _denied(kubectl: Kubectl) -> tuple[Service, str] | None:
    """Which one says that it does not get through, and how."""
    services = f"/api/v1/namespaces/{kubectl.namespace}/services"
    for one in SERVICES:
        if one.needs:
            path = f"{services}/{one.name}:http/proxy/{READY}"
            answer = kubectl.read("get", "--raw", path, ok=None)
            if not answer.ok:
                return one, answer.stderr.strip()
    return None
