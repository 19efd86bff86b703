"""Authorities and mirrors on minikube's nodes: what the play does on others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.facts import certificates, registries
from kubeup.facts.kubernetes import STAMP, STAMP_FILE
from kubeup.facts.registries import Registry
from kubeup.system import cache, ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

# Go's programs read what is trusted once; one of these is the node's container runtime
RESTART = """\
for unit in containerd docker crio; do
  if systemctl is-active --quiet $unit; then systemctl restart $unit; fi
done
"""


@dataclass(frozen=True)
class Told:
    """What nodes are told: certificates in PEM, and registries that have mirrors."""

    pems: tuple[str, ...]
    mirrored: tuple[Registry, ...]

    @property
    def stamp(self) -> str:
        """By which a node is known that was told all of it; '' for nothing."""
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
class TellNodes:
    """Bring them to every node, whose runtime starts anew where it has others to trust."""

    nodes: Callable[[], tuple[SshTarget, ...]]
    told: Told
    kubectl: Kubectl
    seconds: float = 180

    def run(self, log: Log) -> None:
        outputs = ssh.run_all(self.nodes(), "sh", "-s", stdin=self.told.script(), root=True)
        for name, output in outputs.items():
            if not output.ok:
                raise KubeupError(
                    f"{name} did not take authorities and mirrors",
                    (output.stderr or output.stdout).strip()[-500:],
                    f"look there: `inv cluster.ssh {name}`, then run the same again",
                )
            log(f"{name} was told")
        self._write_down()

    def _write_down(self) -> None:
        """On the nodes' objects: so that nobody has to ask the nodes."""
        end = time.monotonic() + self.seconds
        while not self.kubectl.answers() and time.monotonic() < end:
            time.sleep(0.5)  # a runtime that was started anew starts the API server, too
        mark = f"{STAMP}={self.told.stamp}" if self.told.stamp else f"{STAMP}-"
        self.kubectl.write("annotate", "nodes", "--all", "--overwrite", mark)
