"""Whether machines can be made here: Vagrant, what is behind its provider, and their packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.vagrant import compatibility, facts
from kubeup.cluster.providers.vagrant.actions import Tool
from kubeup.cluster.providers.vagrant.backends import Backend
from kubeup.cluster.providers.vagrant.compatibility import INSTALL, OLDEST
from kubeup.cluster.providers.versions import Version, dotted
from kubeup.core import shell
from kubeup.facts.host import HostFacts
from kubeup.system import packages

PLUGIN, DAEMON = "vagrant-libvirt", "libvirt-daemon-system"
# what these packages only recommend, and Vagrant's machines can't do without: addresses come by
# dnsmasq, a box is looked at by qemu-img
RECOMMENDED = ("libvirt-clients", "dnsmasq-base", "qemu-utils")
EMULATORS = {"amd64": ("qemu-system-x86",), "arm64": ("qemu-system-arm",)}
DEBIANS = Path("/usr/bin/vagrant")  # HashiCorp's package has a link there, to /opt/vagrant
PLUGIN_PAGE = "https://vagrant-libvirt.github.io/vagrant-libvirt/installation.html"


@dataclass
class Prerequisites:
    """What makes machines with one of Vagrant's providers, as it is on this machine."""

    host: HostFacts
    tool: Tool
    backend: Backend
    _version: Version = ()

    @property
    def installed(self) -> bool:
        return shell.which("vagrant") is not None  # looked at anew: a plan may have installed it

    @property
    def version(self) -> Version:
        """Of the Vagrant that is here; () where none is, or it tells none."""
        if not self._version and self.installed:
            self._version = facts.version(shell.read("vagrant", "--version", ok=None).stdout)
        return self._version

    @property
    def _packaged(self) -> Version:
        """Of the Vagrant in this distribution's packages; () where they have none that does."""
        known = self.host.distribution
        if not known.has_apt:
            return ()
        return compatibility.PACKAGED.get(known.codename, ())

    @property
    def planned(self) -> Version:
        """Of the Vagrant that makes the machines: the one here, or the one a plan installs."""
        if not self.installed and "vagrant" in self.coming():
            return self._packaged
        return self.version

    def packages(self) -> tuple[str, ...]:
        """Debian's packages of Vagrant, and of what is behind its provider."""
        needs_vagrant = self._packaged and not self.installed
        vagrant = ("vagrant",) if needs_vagrant else ()
        if self.backend.name != "libvirt" or not self.host.distribution.has_apt:
            return vagrant
        # Debian's plug-in is for Debian's Vagrant: HashiCorp's has a Ruby of its vagrant
        debians = Path(shell.which("vagrant") or "").resolve() == DEBIANS
        plugin = (PLUGIN,) if needs_vagrant or (self._packaged and debians) else ()
        return (*vagrant, *plugin, DAEMON, *RECOMMENDED, *EMULATORS.get(self.host.arch, ()))

    def coming(self) -> tuple[str, ...]:
        """Those of its packages that are not here yet: the plan installs them first."""
        wanted = self.packages()
        if not wanted:
            return ()
        return packages.missing(wanted)

    @property
    def install(self) -> str:
        """How a Vagrant comes to this very machine."""
        by_hand = f"install it from {INSTALL} ({self.host.system}, {self.host.arch})"
        if not self._packaged:
            return by_hand
        return (
            f"`inv doctor --fix --set provider=vagrant` installs this distribution's, or {by_hand}"
        )

    def misfit(self, architecture: str | None = None) -> Misfit | None:
        """Why machines can't be made here, if they can't.

        `architecture`: the one that boxes are asked for, where it is named.
        """
        version = self.planned
        if not version and self.installed:
            return Misfit("the version of vagrant can't be read", self.install)
        if not version:
            return Misfit("vagrant is not installed", self.install)
        if version < OLDEST:
            oldest = f"{dotted(OLDEST)} is the oldest that is known to work"
            return Misfit(f"Vagrant {dotted(version)} is too old: {oldest}", self.install)
        return self.architecture_misfit(architecture) or self._backend_misfit(version)

    def architecture_misfit(self, architecture: str | None) -> Misfit | None:
        """Why a box can't be asked for by its architecture, where one is named."""
        version, first = self.planned, compatibility.ARCHITECTURE
        if not architecture or version >= first:
            return None
        return Misfit(
            f"Vagrant {dotted(version)} can't choose a box by its architecture: {dotted(first)} "
            "is the first that can",
            f"leave vagrant.box_architecture out, or install a newer Vagrant from {INSTALL}",
        )

    def _backend_misfit(self, version: Version) -> Misfit | None:
        """What is wrong with what is behind the provider."""
        coming = self.coming()
        if DAEMON not in coming and (trouble := self.backend.trouble()):
            why = f"Vagrant's provider {self.backend.name} does not work here: {trouble}"
            return Misfit(why, self.backend.fix(self.host, coming))
        if self.backend.name == "virtualbox":
            virtualbox = facts.virtualbox_version(self.backend.answer().stdout)
            return compatibility.pair_misfit(version, virtualbox)
        if self.backend.name == "libvirt" and PLUGIN not in coming:
            return self.tool.plugin_misfit(PLUGIN, PLUGIN_PAGE)
        return None
