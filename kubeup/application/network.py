"""Waits for the cluster's own network, after something was done to its nodes.

kube-proxy for Services, CoreDNS for names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubeup.application import watch
from kubeup.core.plan import Log, Paced
from kubeup.facts.kubernetes import replaceable
from kubeup.system.kubectl import Kubectl

SYSTEM = ("-n", "kube-system")
# where kubeadm puts them
PROXIES, NAMES = (*SYSTEM, "-l", "k8s-app=kube-proxy"), (*SYSTEM, "-l", "k8s-app=kube-dns")
SECONDS = 90.0


@dataclass(frozen=True)
class WaitForNetwork(Paced):
    """Wait until Services and names work, or for a while.

    What is wrong then, a verification tells. `boots`: since when the nodes' machines run, see
    `kubeup.facts.kubernetes`.
    """

    kubectl: Kubectl
    boots: Callable[[], Mapping[str, datetime]]

    def run(self, log: Log) -> None:
        kubectl, boots, seconds = self.kubectl, self.boots(), self.pace.seconds(SECONDS)
        log("kube-proxy")
        _until(kubectl, PROXIES, seconds, lambda: _proxies_ready(kubectl, boots))
        retry_starts(kubectl, log)
        log("CoreDNS")
        _until(kubectl, NAMES, seconds, lambda: watch.all_ready(kubectl, NAMES, boots))


@dataclass(frozen=True)
class WaitForWorkload(Paced):
    """Wait until a workload of kube-system, such as Deployment/coredns, runs as it should."""

    kubectl: Kubectl
    name: str
    seconds: float = 120

    def run(self, log: Log) -> None:
        retry_starts(self.kubectl, log)
        seconds = self.pace.seconds(self.seconds)
        words = (*SYSTEM, "rollout", "status", self.name.lower(), f"--timeout={seconds:.0f}s")
        self.kubectl.write(*words, log=log, timeout=seconds + 30)


def _until(
    kubectl: Kubectl,
    where: tuple[str, ...],
    seconds: float,
    ready: Callable[[], bool],
) -> None:
    end, over = time.monotonic() + seconds, ready()

    def each(event: object) -> bool:
        nonlocal over
        over = ready() or time.monotonic() > end
        return over

    while not over:
        kubectl.watch("pods", *where, each=each, tick=watch.TICK)


def _proxies_ready(kubectl: Kubectl, boots: Mapping[str, datetime]) -> bool:
    """Whether kube-proxy runs on each node, as a kubelet that runs now reports it.

    A cluster without kube-proxy counts as well.
    """
    answer = kubectl.read("get", "pods", *PROXIES, "-o", "json", ok=None)
    found: list[dict[str, Any]] = json.loads(answer.stdout)["items"] if answer.ok else []
    return answer.ok and (not found or watch.pods_ready(found, boots))


def retry_starts(kubectl: Kubectl, log: Log) -> None:
    """Replace pods of Kubernetes' own Deployments that ended, and wait for their next start.

    While a node comes back, the API server's Service leads nowhere: metrics-server ends on that,
    and the waits between its starts double up to five minutes
    (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy).
    """
    if ended := [
        item["metadata"]["name"] for item in kubectl.items("pods", *SYSTEM) if replaceable(item)
    ]:
        kubectl.write("delete", "pod", *SYSTEM, *ended, "--wait=false", log=log)
