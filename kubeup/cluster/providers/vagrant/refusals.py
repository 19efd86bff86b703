"""What Vagrant's machines can't be brought up for, told before anything starts."""

from __future__ import annotations

from collections.abc import Sequence

from kubeup.cluster.providers.base import Machines, NodeState
from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.vagrant import addresses
from kubeup.cluster.providers.vagrant.observing import LOST, PARTIAL, ObservedMachines
from kubeup.core.errors import Refused
from kubeup.core.plan import Step


class CheckedMachines(ObservedMachines):
    """All of these raise Refused."""

    def refuse(self, machines: Machines) -> None:
        """What would need a machine to be made anew, or is somebody else's."""
        for provider, names in self.tool.providers().items():
            if provider != self.chosen:
                raise Refused(
                    f"{', '.join(sorted(names))} have the provider {provider}, the settings want "
                    f"{self.chosen}",
                    "Vagrant can't move a machine to another provider",
                    f"`inv down --set vagrant.provider={provider}` first (data is kept), or set "
                    f"vagrant.provider to {provider}",
                )
        # what is somebody else's is told before what is ours
        for node in machines.nodes:
            self._refuse_node(node)
        self.refuse_astray(machines)
        # an older Vagrant reads no file that names one, so nothing could be done with machines
        # that are there already
        architecture = self.settings.vagrant.box_architecture
        if misfit := self.prerequisites.architecture_misfit(architecture):
            raise Refused(misfit.why, f"vagrant.box_architecture is {architecture}", misfit.fix)

    def _refuse_node(self, node: NodeState) -> None:
        name, detail = node.name, node.detail
        if detail.startswith(LOST):
            raise Refused(
                f"Vagrant has lost the machine {name}",
                detail,
                "restore that file: it holds the container's id, as `docker ps --all "
                "--no-trunc` shows it",
            )
        if node.state == "foreign":
            raise Refused(
                f"the machine {name} was not made by this profile",
                detail,
                "give this profile another name (settings.env), or remove that machine where it "
                "belongs",
            )
        if detail not in ("", PARTIAL) and not node.closed and node.state != "surplus":
            raise Refused(
                f"the node {name} {detail}",
                "a node keeps the address that it was created with",
                "restore network.control_ip, or `inv cluster.destroy` (data is kept) and `inv up`",
            )
        if node.differs and self.chosen == "docker":
            raise Refused(
                f"the size of the node {name} differs from the settings: {'; '.join(node.differs)}",
                "Vagrant sets the size of a container when it creates it",
                "restore the settings, or recreate a worker: "
                f"`inv cluster.remove {name}`, then `inv up`",
            )

    @property
    def misfit(self) -> Misfit | None:
        return self.prerequisites.misfit(self.settings.vagrant.box_architecture)

    def refuse_unfit(self, step: Step) -> None:
        """What would stop vagrant before it begins."""
        if misfit := self.misfit:
            raise Refused(misfit.why, f"it is needed to {step.title}", misfit.fix)

    def refuse_new(self, missing: Sequence[NodeState]) -> None:
        """What would stop vagrant halfway."""
        self._refuse_key()
        wanted = [spec.address for spec in self._specs(missing)]
        # where no network of this machine holds an address, a gateway far away may answer for it
        near = list(filter(self.host.leads_to, wanted))
        for address in addresses.taken(near):
            raise Refused(
                f"the address {address} is taken",
                "a machine that Vagrant did not make for this profile answers there",
                "set network.control_ip to another one, or stop that machine",
            )

    def _refuse_key(self) -> None:
        """Vagrant would wait for a machine that refuses a key which Vagrant can't read."""
        # Debian's has a net-ssh that can't read RSA in OpenSSH's own format: net-ssh/net-ssh#874
        private, public = self.state.private_key, self.state.public_key
        if not private.exists() or not public.exists():
            return
        rsa = public.read_text(encoding="utf-8").startswith("ssh-rsa")
        first_line = private.read_text(encoding="utf-8").partition("\n")[0]
        if rsa and "BEGIN OPENSSH PRIVATE KEY" in first_line:
            raise Refused(
                f"the key {private} is in a format that Vagrant's SSH library can't read",
                "it is RSA in OpenSSH's own format (net-ssh with OpenSSL 3: rsa#set_key= is "
                "incompatible)",
                "write it as PEM, which ssh reads as well: ssh-keygen -p -m PEM -N '' -f "
                f"{private}",
            )
