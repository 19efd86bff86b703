"""What providers of bare machines have in common.

kubeadm makes Kubernetes of them through the play, images come by SSH.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from kubeup.cluster.providers.base import (
    Machines,
    ReadinessCheck,
    Sizes,
    ToolCommand,
    never_ready,
)
from kubeup.cluster.providers.kube_system import put_back, system_workloads
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.plan import Action, Planned, Step
from kubeup.core.state import State
from kubeup.core.things import Thing
from kubeup.facts.datafolder import TELLS
from kubeup.facts.host import HostFacts
from kubeup.images.catalog import AppImage
from kubeup.images.load import LIST, LoadImage
from kubeup.settings import Settings
from kubeup.settings.model import NodeSpec
from kubeup.system import engine as engines
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.system.ssh import SshTarget

DATA = "/var/lib/kubeup/data"  # made by the play
# Arguments: a folder, and names in it. Prints those that hold something, and what that tells; what
# can't be read is an error, never "nothing".
HOLDING = (
    TELLS
    + r"""
test -d "$1" || exit 0; cd "$1" || exit; shift
for name; do
  test -d "$name" || continue
  files=$(ls -A "$name") || exit
  test -z "$files" || echo "$name $(tells "$name")"
done
"""
)
OWNERS = {"snapshot": "Vagrant"}  # of what not every provider has; the rest is minikube's


def held(text: str) -> tuple[tuple[str, str], ...]:
    """From what HOLDING prints: folders, and what each tells of its database."""
    rows = (line.partition(" ") for line in text.splitlines())
    return tuple((name, server) for name, _, server in rows)


class KubeadmProvider(ABC):
    """The part of `kubeup.cluster.providers.base.Provider` that all bare machines share."""

    uses_kubeadm = True
    data_folder = DATA
    list_images = LIST
    sizes = Sizes()
    name: str
    settings: Settings
    state: State
    host: HostFacts

    @property
    def context(self) -> str:
        return self.settings.context

    def node_specs(self) -> tuple[NodeSpec, ...]:
        return self.settings.nodes_list()

    def ssh_target(self, spec: NodeSpec) -> SshTarget:
        """How a machine is reached."""
        return SshTarget(
            spec.name,
            spec.role,
            spec.address,
            self.settings.ssh.user,
            self.state.private_key,
            self.state.known_hosts,
            root=self.settings.ssh.root,
            pace=self.host.pace,
        )

    @abstractmethod
    def observe(self, ready_since_boot: ReadinessCheck = never_ready) -> Machines: ...

    def boots(self) -> Mapping[str, datetime]:
        return self.observe().boots

    def ssh_targets(self) -> tuple[SshTarget, ...]:
        return tuple(self.ssh_target(spec) for spec in self.node_specs())

    def extra_machines(self) -> tuple[SshTarget, ...]:
        return tuple(
            self.ssh_target(spec) for spec in self.settings.machines_list() if spec.role == "db"
        )

    def holding(self, names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
        """By SSH: all machines have to run."""
        targets = (*self.ssh_targets(), *self.extra_machines())
        look = ("sh", "-c", HOLDING, "holding", self.data_folder, *names)
        rows = list[tuple[str, str, str]]()
        for name, output in ssh.run_all(targets, *look, root=True).items():
            if not output.ok:
                raise KubeupError(
                    f"can't tell what data {name} has",
                    output.stderr.strip()[-500:],
                    "`inv cluster.start` first",
                )
            rows += [(name, *folder) for folder in held(output.stdout)]
        return tuple(rows)

    def leads_to(self, thing: Thing) -> bool:
        return True

    def refuse_astray(self, machines: Machines) -> None:
        """Raises Refused for workers without their control plane, and for a surplus machine."""
        workers = [node for node in machines.nodes if node.role == "worker"]
        missing = [
            node for node in machines.nodes if node.role == "control" and node.state == "missing"
        ]
        # nodes are made side by side: before the play got us access none of them can have joined it
        joined = self.state.kubeconfig.exists()
        if missing and joined and any(node.state in ("running", "stopped") for node in workers):
            raise Refused(
                f"the control plane {missing[0].name} is gone, its workers are not",
                "the cluster's state went with it, and workers can't join another cluster",
                "`inv down` (the database's data is kept), then `inv up`",
            )
        for node in machines.nodes:
            if node.state == "surplus":
                kind = "database" if node.role == "db" else "workers"
                raise Refused(
                    f"the node {node.name} is not in the settings",
                    "removing it could lose the data on it",
                    f"raise nodes.{kind}.count again, or remove it by name: `inv cluster.remove "
                    f"{node.name}`",
                )

    def load(self, image: AppImage, names: tuple[str, ...]) -> Action:
        return LoadImage(image, tuple(reach for reach in self.ssh_targets() if reach.name in names))

    @property
    def system_workloads(self) -> tuple[str, ...]:
        return system_workloads(self.settings.network.cni)

    def put_back(self, lacking: Collection[str], kubectl: Kubectl) -> Sequence[Step]:
        return put_back(lacking, kubectl)

    def after_start(self) -> Sequence[Step]:
        return ()

    def trust(self, stamps: Mapping[str, str], made: bool) -> Sequence[Step]:
        return ()

    def kubectl(self) -> Path | None:
        return None

    def kubernetes(self) -> str:
        return ""

    def made_by(self) -> str:
        return ""

    def install(self) -> Sequence[Step]:
        return ()

    def cached(self) -> tuple[Path, ...]:
        return ()

    def host_steps(self) -> Sequence[Planned]:
        return ()

    def image_engine(self) -> engines.Engine:
        return engines.for_images(self.settings.local.engine, self.host)

    def tool_command(self, *words: str) -> ToolCommand:
        raise UsageError(
            f"the provider {self.name} has no {words[0]}",
            f"that is {OWNERS.get(words[0], 'minikube')}'s",
            "`inv --list` shows what works everywhere",
        )
