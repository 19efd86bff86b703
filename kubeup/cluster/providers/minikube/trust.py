"""Certificate authorities and mirrors on minikube's nodes: what the play does on others."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kubeup.cluster.providers.minikube.actions import Nodes, run_on_all
from kubeup.core.plan import Log
from kubeup.facts import certificates, registries
from kubeup.facts.kubernetes import STAMP, STAMP_FILE
from kubeup.facts.registries import Registry
from kubeup.system import cache
from kubeup.system.kubectl import Kubectl

# Go's programs read what is trusted once; one of these is the node's container runtime
RESTART = """\
for unit in containerd docker crio; do
  if systemctl is-active --quiet $unit; then systemctl restart $unit; fi
done
"""


@dataclass(frozen=True)
class NodeTrust:
    """What nodes trust: certificates in PEM, and registries that have mirrors."""

    pems: tuple[str, ...]
    mirrored: tuple[Registry, ...]

    @property
    def stamp(self) -> str:
        """Tells nodes that are configured like this from others; '' for nothing at all."""
        if not self.pems and not self.mirrored:
            return ""
        return cache.digest(certificates.script(self.pems), registries.script(self.mirrored))

    def script(self) -> str:
        """A shell script for root on a node."""
        keep = f"rm -f {STAMP_FILE}"
        if self.stamp:
            keep = f"install -d $(dirname {STAMP_FILE})\necho {self.stamp} >{STAMP_FILE}"
        return (
            f"set -e\nchanged=$(\n{certificates.script(self.pems)})\n"
            f"(\n{registries.script(self.mirrored)})\n"
            f'if test -n "$changed"; then\n{RESTART}fi\n{keep}\n'
        )


@dataclass(frozen=True)
class ConfigureTrust:
    """Bring it to every node, whose runtime starts anew where it has other authorities to trust."""

    nodes: Nodes
    trust: NodeTrust
    kubectl: Kubectl
    seconds: float = 180

    def run(self, log: Log) -> None:
        failure = "authorities and mirrors can't be configured on"
        run_on_all(self.nodes(), failure, log, "sh", "-s", stdin=self.trust.script())
        self._annotate_nodes()

    def _annotate_nodes(self) -> None:
        """On the nodes' objects, so that the nodes themselves need not be asked."""
        end = time.monotonic() + self.seconds
        while not self.kubectl.answers() and time.monotonic() < end:
            time.sleep(0.5)  # a runtime that was started anew starts the API server, too
        mark = f"{STAMP}={self.trust.stamp}" if self.trust.stamp else f"{STAMP}-"
        self.kubectl.write("annotate", "nodes", "--all", "--overwrite", mark)
