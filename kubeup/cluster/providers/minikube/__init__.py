"""minikube: the how-to's last choice.

It makes machines and Kubernetes in one; what is there is taken as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from kubeup.cluster.providers.base import Sizes, ToolCommand
from kubeup.cluster.providers.external_tool import in_state
from kubeup.cluster.providers.kube_system import (
    MANIFESTS,
    METRICS,
    POLICIES,
    STEPS,
    ApplyManifest,
    system_workloads,
)
from kubeup.cluster.providers.minikube import actions, release
from kubeup.cluster.providers.minikube.actions import LoadImage, RemoveNetwork
from kubeup.cluster.providers.minikube.addons import (
    KeepServicesInside,
    SetMetricsResolution,
    ShortenDnsCache,
)
from kubeup.cluster.providers.minikube.facts import KUBERNETES_STOPPED, UNKNOWN
from kubeup.cluster.providers.minikube.planning import NodePlans, why_stopped
from kubeup.cluster.providers.minikube.trust import ConfigureTrust, NodeTrust
from kubeup.core import ids
from kubeup.core.errors import Refused, UsageError
from kubeup.core.plan import Action, Planned, Step
from kubeup.facts import registries
from kubeup.images.catalog import AppImage
from kubeup.system import certificates
from kubeup.system import engine as engines
from kubeup.system.kubectl import Kubectl


class Minikube(NodePlans):
    """See `kubeup.cluster.providers.base.Provider`."""

    name = "minikube"
    creates_machines = True
    uses_kubeadm = False
    sizes = Sizes("minikube.nodes", "minikube", "minikube", others=1, cpus="cpus")
    preloads = False
    keeps_data = False

    def image_engine(self) -> engines.Engine:
        return engines.for_images(self.settings.local.engine, self.host)

    def cached(self) -> tuple[Path, ...]:
        return (release.path(self.host).parent,)

    def made_by(self) -> str:
        return ""

    def kubernetes(self) -> str:
        return "provided by minikube"

    def host_steps(self) -> Sequence[Planned]:
        return ()

    def tool_command(self, *words: str) -> ToolCommand:
        if words[0] == "snapshot":
            raise UsageError(
                "minikube has no snapshots",
                "Vagrant has, with VirtualBox and libvirt",
                "`inv db.backup` keeps the database as it is now; what else is in the cluster, "
                "`inv up` makes again",
            )
        tool = self.require_tool()
        return tool.command(*words, *tool.on)

    # what is in the cluster

    @property
    def _access(self) -> Kubectl:
        return Kubectl(self.kubectl(), self.state.kubeconfig, self.context, pace=self.host.pace)

    @property
    def system_workloads(self) -> tuple[str, ...]:
        return system_workloads(self.settings.minikube.cni)

    def put_back(self, lacking: Collection[str], kubectl: Kubectl) -> Sequence[Step]:
        enable = self.planned.command("addons", "enable", METRICS, *self.planned.on)
        actions: dict[str, tuple[str, Action]] = {
            METRICS: (f"enable {METRICS}", SetMetricsResolution(kubectl, enable)),
            POLICIES: (
                "enforce NetworkPolicies",
                # of minikube's own pod networks the bridge enforces none
                ApplyManifest(kubectl, MANIFESTS[POLICIES]),
            ),
        }
        why = f"not in the profile {self.profile_name}"
        return [
            Step(STEPS[name], actions[name][0], why, actions[name][1], seconds=5)
            for name in lacking
        ]

    def after_start(self) -> Sequence[Step]:
        services = self.profile().services
        return [
            Step(
                ids.SERVICES,
                "keep traffic to Services inside the nodes",
                "nodes were started",
                KeepServicesInside(self.ssh_targets, services),
            ),
            Step(
                ids.NAMES,
                "shorten the cache times of CoreDNS",
                "a name that is new is found after 2 s instead of 30",
                ShortenDnsCache(self._access),
            ),
            Step(
                ids.METRICS,
                "set the resolution of metrics-server to 15 s",
                "minikube resets it to 60 s at each start",
                SetMetricsResolution(self._access),
            ),
        ]

    def trust(self, stamps: Mapping[str, str], made: bool) -> Sequence[Step]:
        """minikube's own way is a folder that is the user's, and for all its profiles.

        See its handbook, untrusted_certs. Mirrors it tells dockerd alone of.
        """
        images = self.settings.images
        known = registries.registries(images.mirrors, images.plain_registries)
        mirrored = tuple(registry for registry in known if registry.mirrors)
        trust = NodeTrust(certificates.read(self.settings).pems, mirrored)
        configured = all(stamp == trust.stamp for stamp in stamps.values())
        if configured and not (made and trust.stamp):
            return []
        title = "configure certificate authorities and mirrors on the nodes"
        why = "new nodes" if made else "the nodes differ from the settings"
        action = ConfigureTrust(self.ssh_targets, trust, self._access)
        return [Step(ids.TRUST, title, why, action, seconds=5)]

    def load(self, image: AppImage, names: tuple[str, ...]) -> Action:
        load = self.planned.command("image", "load", str(image.archive), *self.planned.on)
        return LoadImage(load, image, self.ssh_targets, names, self.list_images)

    # the rest of its life

    def stop(self) -> Sequence[Step]:
        # a node counts as stopped where its machine still runs, or may run
        nodes, half_running = self.observe().nodes, (KUBERNETES_STOPPED, UNKNOWN)
        if not any(node.state == "running" or node.detail in half_running for node in nodes):
            return []
        title, stop = f"stop the minikube profile {self.profile_name}", self.tool_command("stop")
        return [Step(self._all, title, "it runs", stop, seconds=20)]

    def start(self) -> Sequence[Planned]:
        stopped = in_state(self.observe().nodes, "stopped")
        if not stopped:
            return []
        self.require_tool()
        return [self._start(why_stopped(stopped))]

    def destroy(self, data: bool) -> Sequence[Step]:
        name, tool = self.profile_name, self.tool
        if tool is None:
            if (self.home / "profiles" / name).exists():
                self.require_tool()  # not asked is not gone
            return []
        known = self._profiles()
        if name not in known:
            return []
        if maker := self.foreign:
            raise Refused(
                f"the minikube profile {name} is not this profile's",
                f"it was made by {maker}",
                "`inv up` takes one over that was made by hand; or delete it where it belongs: "
                f"`minikube delete -p {name}`",
            )
        everything = f"everything in the minikube profile {name}, the database's data included"
        delete = Step(
            ids.profile_removal(name),
            f"delete the minikube profile {name}",
            "asked for",
            tool.command("delete", *tool.on),
            seconds=5,
            loses=everything if data else "",
            removes=(self.thing,),
        )
        # podman's stays behind: kubernetes/minikube#13861
        engine = self._engine(known[name])
        if not engine or not actions.network_of(engine, name):
            return [delete]
        action, needs = RemoveNetwork(engine, name), (delete.id,)
        title, why = f"remove the network {name}", "minikube leaves it behind"
        return [delete, Step(ids.REMOVE_NETWORK, title, why, action, needs)]

    def remove(self, name: str) -> Step:
        """Take one node away by name."""
        return Step(
            ids.removal(name),
            f"remove {name}",
            "asked for",
            self.tool_command("node", "delete", name),
            seconds=10,
            loses=f"what only {name} holds",
        )
