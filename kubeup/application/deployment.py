"""The application as it should be, and what of it differs on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kubeup.application.overlay import Overlay
from kubeup.core import shell
from kubeup.core.errors import Refused
from kubeup.core.services import DATABASE, NAMES
from kubeup.facts import manifests
from kubeup.system.kubectl import DIFF, Kubectl

# the API server's words, see ValidateStatefulSetUpdate in kubernetes/pkg/apis/apps/validation
IMMUTABLE = "Forbidden: updates to statefulset spec for fields other than"


@dataclass(frozen=True)
class Deployment:
    """The application as it should be, and the cluster it goes to.

    `boots` tells since when the nodes' machines run.
    """

    overlay: Overlay
    kubectl: Kubectl
    boots: Callable[[], Mapping[str, datetime]] = dict

    def has_pods(self, part: str) -> bool:
        return part != DATABASE.name or not self.overlay.machine

    def render(self) -> str:
        with self.overlay.written() as folder:
            return shell.read(str(self.kubectl.path), "kustomize", str(folder)).stdout

    def diff(self, parts: Sequence[str] = NAMES) -> str:
        """What applying would change, in diff's format; '' where nothing.

        Secrets' values are masked by kubectl.
        """
        if tuple(parts) == NAMES:
            with self.overlay.written() as folder:
                answer = self.kubectl.read(*DIFF, "-k", str(folder), ok=None)
        else:
            wanted = manifests.documents(self.render())
            chosen = [one for part in parts for one in manifests.of_part(wanted, part)]
            answer = self.kubectl.read(*DIFF, "-f", "-", stdin=manifests.text(chosen), ok=None)
        if IMMUTABLE in answer.stderr:
            raise Refused(
                "the database's claim can't be resized",
                "Kubernetes does not change the volumeClaimTemplates of a StatefulSet",
                "put database.storage back; the volume is a folder of its node and takes what "
                "fits on that disk",
            )
        if answer.code > 1 or (answer.code == 1 and "diff -u" not in answer.stdout):
            raise shell.failed((str(self.kubectl.path), *DIFF), answer.code, answer.stderr)
        return answer.stdout
