"""Whether the application serves now, by its own word."""

from __future__ import annotations

import time

from kubeup.errors import KubeupError
from kubeup.kube import Kubectl

SECONDS = 90.0  # CoreDNS may keep a database's old address for 30 s, and a kubelet asks every 2 s
STEADY = 5.0  # after a no: a kubelet's question from before may still be under way
TICK = 0.5


def until_serving(kubectl: Kubectl, seconds: float = SECONDS, doubted: bool = False) -> None:
    """Wait until the API says that it reaches its database: once, or for `STEADY` seconds where that is `doubted`, or was denied.

    Raises KubeupError where it does not within `seconds`.

    Kubernetes calls a pod ready by the last answer to its probe: for some seconds that is an API whose database has just
    gone. What it would answer now can't be watched, so it is asked, through the API server.
    """
    began, yes_since = time.monotonic(), 0.0
    while True:
        answer = kubectl.read("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/services/api:http/proxy/readyz", ok=None)
        now = time.monotonic()
        if answer.ok:
            yes_since = yes_since or now
            if not doubted or now - yes_since >= STEADY:
                return
        else:
            yes_since, doubted = 0.0, True
        if now - began > seconds:
            raise KubeupError(f"the API does not reach its database after {seconds:.0f} s", answer.stderr.strip(),
                              "`inv deploy.logs api` tells why; `inv deploy.status` shows both")
        time.sleep(TICK)
