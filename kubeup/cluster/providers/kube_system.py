"""What runs beside Kubernetes itself, and how it is put back into a cluster that lost it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids
from kubeup.core.plan import Log, Step
from kubeup.core.state import PROJECT
from kubeup.system.kubectl import APPLY, Kubectl

METRICS = "metrics-server"
POLICIES = "kube-router"  # enforces NetworkPolicies
# pod networks that do so themselves
ENFORCING = frozenset({"calico", "cilium"})
ROLES = PROJECT / "ansible" / "roles"
MANIFESTS = {
    METRICS: ROLES / "metrics" / "files" / "metrics-server.yaml",
    POLICIES: ROLES / "policies" / "files" / "kube-router.yaml",
}
STEPS = {METRICS: ids.METRICS, POLICIES: ids.POLICIES}


def system_workloads(cni: str | None) -> tuple[str, ...]:
    """The workloads that a cluster with this pod network has to have in kube-system."""
    return (METRICS,) if cni in ENFORCING else (METRICS, POLICIES)


@dataclass(frozen=True)
class ApplyManifest:
    """Apply what a role of the play applies, with the same words."""

    kubectl: Kubectl
    manifest: Path

    def commands(self) -> tuple[str, ...]:
        return (self.kubectl.shown(*self._words),)

    @property
    def _words(self) -> tuple[str, ...]:
        return (*APPLY, "--filename", str(self.manifest))

    def run(self, log: Log) -> None:
        self.kubectl.write(*self._words, log=log)


def put_back(lacking: Collection[str], kubectl: Kubectl) -> list[Step]:
    """What the play has brought and somebody has deleted, without a whole play."""
    return [
        Step(
            STEPS[name],
            f"put {name} back",
            "not in the cluster",
            ApplyManifest(kubectl, MANIFESTS[name]),
            (ids.ANSWERS,),
            seconds=2,
        )
        for name in lacking
    ]
