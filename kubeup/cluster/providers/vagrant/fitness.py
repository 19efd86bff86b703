"""Whether machines can be made here: Vagrant, what is behind its provider, and the packages that
bring what is missing.
"""

from __future__ import annotations

from pathlib import Path

from kubeup.cluster.providers.vagrant import facts, versions
from kubeup.cluster.providers.vagrant.actions import Tool
from kubeup.cluster.providers.vagrant.looking import Looking
from kubeup.cluster.providers.vagrant.versions import Version, dotted
from kubeup.core import shell
from kubeup.facts.host import HostFacts
from kubeup.system import packages

PLUGIN, DAEMON = "vagrant-libvirt", "libvirt-daemon-system"
# what these packages only recommend, and Vagrant's machines can't do without: addresses come by
# dnsmasq, a box is looked at by qemu-img
BESIDE = ("libvirt-clients", "dnsmasq-base", "qemu-utils")
EMULATORS = {"amd64": "qemu-system-x86", "arm64": "qemu-system-arm"}
DEBIANS = Path("/usr/bin/vagrant")  # HashiCorp's package has a link there, to /opt/vagrant
PLUGIN_PAGE = "https://vagrant-libvirt.github.io/vagrant-libvirt/installation.html"
Misfit = tuple[str, str]  # why not, and what to do; both '' where it does
NONE: Misfit = ("", "")


class Fitness:
    """What makes machines with Vagrant's provider `chosen`, as it is on this machine."""

    def __init__(self, host: HostFacts, tool: Tool, chosen: str, looking: Looking) -> None:
        self.host, self.tool, self.chosen, self.looking = host, tool, chosen, looking
        self._known: Version = ()

    @property
    def there(self) -> bool:
        return shell.which("vagrant") is not None  # looked at anew: a plan may have installed it

    @property
    def version(self) -> Version:
        """Of the Vagrant that is here; () where none is, or it tells none."""
        if not self._known and self.there:
            self._known = facts.version(shell.read("vagrant", "--version", ok=None).stdout)
        return self._known

    @property
    def _packaged(self) -> Version:
        """Of the Vagrant in this distribution's packages; () where they have none that does."""
        known = self.host.distribution
        return versions.PACKAGED.get(known.codename, ()) if known.has_apt else ()

    @property
    def planned(self) -> Version:
        """Of the Vagrant that makes the machines: the one here, else the one that is installed
        first.
        """
        return self._packaged if not self.there and "vagrant" in self.coming() else self.version

    def packages(self) -> tuple[str, ...]:
        """Debian's packages of Vagrant, and of what is behind its provider."""
        own = ("vagrant",) if self._packaged and not self.there else ()
        return (
            (*own, *self._libvirts())
            if self.chosen == "libvirt" and self.host.distribution.has_apt
            else own
        )

    def _libvirts(self) -> tuple[str, ...]:
        # Debian's plug-in is for Debian's Vagrant: HashiCorp's has a Ruby of its own
        plugin = (PLUGIN,) if self._packaged and (self._debians or not self.there) else ()
        emulator = EMULATORS.get(self.host.arch)
        return (*plugin, DAEMON, *BESIDE, *([emulator] if emulator else []))

    @property
    def _debians(self) -> bool:
        return Path(shell.which("vagrant") or "").resolve() == DEBIANS

    def coming(self) -> tuple[str, ...]:
        """Those of its packages that are not here yet: the plan installs them first."""
        wanted = self.packages()
        return packages.missing(wanted) if wanted else ()

    @property
    def install(self) -> str:
        """How a Vagrant comes to this very machine."""
        by_hand = f"install it from {versions.INSTALL} ({self.host.system}, {self.host.arch})"
        return (
            f"`inv doctor --fix --set provider=vagrant` installs this distribution's, or {by_hand}"
            if self._packaged
            else by_hand
        )

    def misfit(self, architecture: str | None = None) -> Misfit:
        """Why machines can't be made here, and the fix.

        `architecture`: the one that boxes are asked for, where it is named.
        """
        version, coming = self.planned, self.coming()
        if not version:
            return (
                "the version of vagrant can't be read"
                if self.there
                else "vagrant is not installed",
                self.install,
            )
        if version < versions.OLDEST:
            return (
                f"Vagrant {dotted(version)} is too old: {dotted(versions.OLDEST)} is the oldest "
                "that is known to do",
                self.install,
            )
        wrong = self.architecture_misfit() if architecture else NONE
        return wrong if wrong != NONE else self._behind(version, coming)

    def architecture_misfit(self) -> Misfit:
        """Why a box can't be asked for by its architecture."""
        version, first = self.planned, versions.ARCHITECTURE
        if version >= first:
            return NONE
        return (
            f"Vagrant {dotted(version)} can't choose a box by its architecture: {dotted(first)} "
            "is the first that can",
            "leave vagrant.box_architecture out, or install a newer Vagrant from "
            f"{versions.INSTALL}",
        )

    def _behind(self, version: Version, coming: tuple[str, ...]) -> Misfit:
        """What is wrong with what is behind the provider."""
        if DAEMON not in coming and (trouble := self.looking.trouble()):
            return (
                f"Vagrant's provider {self.chosen} does not work here: {trouble}",
                self.looking.fix(self.host, coming),
            )
        if self.chosen == "virtualbox":
            return versions.pair_misfit(
                version, facts.virtualbox_version(self.looking.answer().stdout)
            )
        return self._plugin_misfit() if self.chosen == "libvirt" and PLUGIN not in coming else NONE

    def _plugin_misfit(self) -> Misfit:
        found, trouble = self.tool.plugins()
        if trouble:  # not known is not missing
            return (
                f"Vagrant can't be asked for its plug-ins: {trouble}",
                "see what `vagrant plugin list` says, and mend that",
            )
        return (
            NONE
            if PLUGIN in found
            else (
                f"Vagrant's plug-in {PLUGIN} is not installed",
                f"`vagrant plugin install {PLUGIN}`; {PLUGIN_PAGE}",
            )
        )
