"""Which minikube is used for a profile, whether it fits, and which kubectl."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from kubeup.cluster.providers.base import Usable
from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.minikube import command, facts, release
from kubeup.cluster.providers.minikube.actions import Tool
from kubeup.cluster.providers.minikube.release import FetchMinikube
from kubeup.cluster.providers.versions import Version, dotted
from kubeup.core import ids, shell
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Step
from kubeup.core.state import State
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings


# a process each time, for what is asked many times
@cache
def version_of(tool: Tool) -> Version:
    return facts.version(tool.read("version", "-o", "json").stdout)


class SelectedTool:
    """The minikube of one profile. Asking changes nothing."""

    def __init__(self, settings: Settings, state: State, host: HostFacts) -> None:
        self.settings, self.state, self.host = settings, state, host

    @property
    def profile_name(self) -> str:
        return str(self.settings.minikube.profile)

    @property
    def home(self) -> Path:
        """minikube's own folder: MINIKUBE_HOME is either it or its parent.

        See pkg/minikube/localpath.
        """
        given = self.settings.minikube.home or os.environ.get("MINIKUBE_HOME") or "~"
        base = Path(given).expanduser()
        if base.name == ".minikube":
            return base
        return base / ".minikube"

    @property
    def tool(self) -> Tool | None:
        """The pinned minikube where it was fetched, else the one on PATH.

        With minikube.force the one on PATH first, where it fits.
        """
        path, pinned = shell.which("minikube"), release.path(self.host)
        on_path = self._at(path) if path else None
        if self.settings.minikube.force and on_path and not self._misfit_of(on_path):
            return on_path
        if pinned.exists():
            return self._at(str(pinned))
        return on_path

    @property
    def planned(self) -> Tool:
        """The minikube that a plan's steps use.

        The one that is here, or the pinned one, which `install` fetches before. Raises KubeupError
        where none fits and none is pinned for this machine.
        """
        tool = self.tool
        if tool and not self._misfit_of(tool):
            return tool
        return self._at(str(self._pinned.path))

    @property
    def _pinned(self) -> FetchMinikube:
        return release.pinned(self.host, self.settings.minikube.download_url)

    def _at(self, path: str) -> Tool:
        env = {**command.QUIET, "KUBECONFIG": str(self.state.kubeconfig)}
        if self.settings.minikube.home:
            env["MINIKUBE_HOME"] = str(Path(self.settings.minikube.home).expanduser())
        return Tool(path, tuple(env.items()), self.profile_name)

    def _misfit_of(self, tool: Tool) -> str:
        return release.misfit(version_of(tool), self.settings.minikube.force)

    @property
    def misfit(self) -> Misfit | None:
        """Why the minikube that is here can't be used, if it can't."""
        tool = self.tool
        why = self._misfit_of(tool) if tool else "minikube is not installed"
        if not why:
            return None
        try:
            pinned = self._pinned
        except KubeupError as error:
            return Misfit(why, error.next)
        fetches = f"fetches {pinned.url} (sha256 {pinned.sha256})"
        fix = f"`inv doctor --fix --set provider=minikube` {fetches}"
        if tool and not release.misfit(version_of(tool), force=True):
            fix = f"{fix}; or set minikube.force, which gives it --force"
        return Misfit(why, fix)

    def require_tool(self) -> Tool:
        """The minikube that is here, for what is done at once.

        Raises Refused, with the download that fits, where it does not.
        """
        misfit = self.misfit
        if not misfit:
            return self.planned
        if self.tool:
            raise Refused(f"the minikube at {self.tool.path} can't be used", misfit.why, misfit.fix)
        raise Refused(misfit.why, "it is not on PATH, and was not fetched", misfit.fix)

    def probe(self) -> Usable:
        misfit = self.misfit
        if not misfit:
            tool = self.planned
            return Usable(True, f"v{dotted(version_of(tool))} at {tool.path}")
        if (self.host.system, self.host.arch) not in release.SUMS:
            return Usable(False, misfit.why, misfit.fix)
        if command.expected(self.host_with_packages) is None:
            lacking = "there is neither a hypervisor nor a container engine for its nodes"
            return Usable(False, f"{misfit.why}, and {lacking}", command.to_install(self.host))
        why = f"{misfit.why}; v{release.PINNED} would be fetched"
        return Usable(True, why, misfit.fix, fetched=True)

    def install(self) -> Sequence[Step]:
        """What brings the pinned minikube, where the one that is there does not fit."""
        tool, misfit = self.tool, self.misfit
        if not misfit:
            return []
        fetch = self._pinned  # by the sum that is pinned, from wherever the settings say
        title = f"fetch minikube v{release.PINNED} to {fetch.path}"
        why = f"the one at {tool.path} is not used: {misfit.why}" if tool else misfit.why
        return [Step(ids.FETCH_MINIKUBE, title, why, fetch, seconds=20)]

    def packages(self) -> tuple[str, ...]:
        if not self.host.distribution.has_apt:
            return ()
        return ("openssh-client",)

    @property
    def host_with_packages(self) -> HostFacts:
        """This machine with what a plan installs for images before nodes are made: podman."""
        host = self.host
        if host.distribution.has_apt and (host.root or host.may_sudo):
            return replace(host, tools=host.tools | {"podman"})
        return host

    def kubectl(self) -> Path:
        """minikube's own, of the cluster's very version, or the system's where that fits.

        minikube's own is not there before something asked minikube for it.
        """
        folders = (self.host.system.lower(), self.host.arch, self._kubernetes, "kubectl")
        cached = self.home.joinpath("cache", *folders)
        system = shell.which("kubectl")
        if system and not cached.exists() and self._fits(system):
            return Path(system)
        return cached

    @property
    def _kubernetes(self) -> str:
        return f"v{self.settings.software.kubernetes}"

    def _fits(self, kubectl: str) -> bool:
        """Within one minor version of the cluster.

        See https://kubernetes.io/releases/version-skew-policy/#kubectl.
        """
        output = shell.read(kubectl, "version", "--client", "-o", "json", ok=None)
        cluster = int(self._kubernetes.split(".")[1])
        return abs(facts.kubectl_minor(output.stdout) - cluster) <= 1
