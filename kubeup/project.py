"""One profile with everything decided for it: what every task starts from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeup import engine as engines
from kubeup import machine
from kubeup import state as states
from kubeup.deploy.apply import Deployment
from kubeup.deploy.overlay import Overlay
from kubeup.deploy.place import Place, volume_node
from kubeup.facts.host import HostFacts
from kubeup.images import bases, catalog
from kubeup.images.build import Builder, builder
from kubeup.kube import Kubectl
from kubeup.providers import base as providers
from kubeup.release import images as system_images
from kubeup.release import source
from kubeup.settings import Settings
from kubeup.state import State

if TYPE_CHECKING:
    from kubeup.settings import Loaded, Problem

CHOICES = "choices.json"


@dataclass(frozen=True)
class Project:
    """Settings, state and facts of this machine, and what follows from them. Asking changes nothing."""

    settings: Settings
    state: State
    host: HostFacts

    @cached_property
    def chosen(self) -> tuple[providers.Provider, str]:
        return providers.choose(self.settings, self.state, self.host)

    @property
    def provider(self) -> providers.Provider:
        return self.chosen[0]

    @cached_property
    def engine(self) -> engines.Engine:
        return engines.choose(self.settings.local.engine, self.host)

    @cached_property
    def release(self) -> source.Release:
        return source.choose(self.settings.release.source, self.host, str(self.settings.release.base_url))

    @cached_property
    def bases(self) -> bases.Bases:
        return bases.choose(self.settings, self.host)

    @cached_property
    def images(self) -> tuple[catalog.AppImage, ...]:
        return catalog.catalog(self.settings, self.bases)

    @property
    def builder(self) -> Builder:
        return builder(self.engine.command, self.engine.build_options, self.host)

    @property
    def system_archive(self) -> Path:
        return system_images.archive(self.release, system_images.proxy_rootfs(self.host.stale_mirror))

    @cached_property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.provider.kubectl() or self.release.binary("kubectl"), self.state.kubeconfig)

    @property
    def kubernetes(self) -> str:
        """Where the cluster's Kubernetes comes from, in words."""
        return self.provider.kubernetes() or f"{self.release.source}: {self.release.why}"

    @property
    def place(self) -> Place:
        """Where the database's data lie."""
        return Place(volume_node(self.provider.wanted()), self.provider.data_folder, self.provider.nodes)

    @property
    def deployment(self) -> Deployment:
        """The application with the passwords of `.env`."""
        return Deployment(Overlay(self.settings, self.images, self.state.secrets, self.state.overlay, self.place), self.kubectl,
                          lambda: self.provider.observe().boots)

    def remember_choices(self) -> None:
        """Keep what probes decided: a network that comes or goes later must not turn a cluster into another one."""
        states.write_private(self.state.folder / CHOICES, json.dumps({"reachable": sorted(self.host.reachable)}), 0o644)


def load(path: Path | None = None, profile: str = "", sets: Sequence[str] = (), environ: Mapping[str, str] | None = None,
         strict: bool = True) -> Project:
    """Read settings and this machine's facts. Raises SettingsError listing every problem of the settings."""
    import os

    from kubeup.settings import load as load_settings

    file = path or states.PROJECT / "config" / "settings.yaml"
    loaded = load_settings(file, profile or None, tuple(sets), environ or os.environ, ("KUBEUP_SETTINGS",))
    settings = loaded.require()
    state = states.of(settings)
    known = _choices(state.folder / CHOICES)
    urls = () if known is not None else (*source.ANSWERS, bases.HUB)
    host = machine.observe(urls)
    if known is not None:
        host = _replace(host, reachable=frozenset(known))
    project = Project(settings, state, host)
    if strict:
        _refuse(project, loaded)
    return project


def problems(project: Project) -> list[Problem]:
    """What is wrong with the settings on this very machine: its routes, and the provider that was chosen."""
    from kubeup.settings import check_provider, check_routes

    provider = project.provider.name
    # the route to the nodes' own network is there once they run
    routes = [(route.network, route.device) for route in project.host.routes if route.network != project.settings.node_network]
    return [*check_provider(project.settings, provider), *check_routes(project.settings, routes, provider)]  # type: ignore[arg-type]


def _refuse(project: Project, loaded: Loaded) -> None:
    from kubeup.errors import SettingsError

    wrong = [one for one in problems(project) if one.severity == "error" and one not in loaded.problems]
    if wrong:
        raise SettingsError("the settings don't fit this machine", "\n".join(str(one) for one in wrong),
                            "mend what is named above; `inv config.check` shows everything at once", tuple(wrong))


def _choices(path: Path) -> list[str] | None:
    try:
        found: list[str] = json.loads(path.read_text(encoding="utf-8"))["reachable"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _replace(host: HostFacts, **values: Any) -> HostFacts:
    from dataclasses import replace

    return replace(host, **values)
