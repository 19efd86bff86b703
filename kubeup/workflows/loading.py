"""Opens a profile: its settings and record and this machine's facts, checked together."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kubeup.cluster.providers import base as providers
from kubeup.cluster.release import source
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import SettingsError
from kubeup.core.private import Tell
from kubeup.core.record import Made
from kubeup.core.state import State
from kubeup.facts import registries
from kubeup.facts.host import HostFacts
from kubeup.facts.sites import Question
from kubeup.images import bases
from kubeup.images.mirrors import Mirrors
from kubeup.settings import Loaded, Problem, Settings, check_provider, check_routes
from kubeup.settings import load as load_settings
from kubeup.system import cache, certificates, machine
from kubeup.workflows.project import Project


def ignore(_: str) -> None:
    """For who has nobody to tell."""


def load(
    path: Path | None = None,
    profile: str = "",
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    strict: bool = True,
    first: Callable[[State], object] | None = None,
    record: str = "",
    tell: Tell = ignore,
) -> Project:
    """Read settings and this machine's facts.

    `first` is what has to be done before anything of the profile is read, such as to take its lock.
    `record`: the name of another file than the profile's own record. `tell` hears what was open to
    other users, and is closed now. Raises SettingsError listing every problem of the settings,
    Refused where others may have changed what decides.
    """
    loaded = read_settings(path, profile, sets, environ)
    settings = loaded.require()
    state = states.of(settings)
    states.require_private(state, tell)
    cache.require_private(tell)
    states.require_own(state, settings.profile)
    if first is not None:
        first(state)
    state = replace(state, record=record or state.record)
    known = records.read(state)
    authorities, mirrors = certificates.read(settings), Mirrors.of(settings)
    with authorities.trusted():  # who asks a site trusts whom those do that fetch
        host = _asked(settings, _questions(settings, known.made, known.provider))
    host = replace(host, variables=(*authorities.environment, *mirrors.environment))
    project = Project(settings, state, host, known.provider)
    if strict:
        _refuse(project, loaded)
    return project


def read_settings(
    path: Path | None = None,
    profile: str = "",
    sets: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """The settings alone."""
    file = path or states.PROJECT / "config" / "settings.yaml"
    return load_settings(
        file,
        profile or None,
        tuple(sets),
        os.environ if environ is None else environ,
        ("KUBEUP_SETTINGS",),
    )


def _asked(settings: Settings, questions: Sequence[Question]) -> HostFacts:
    """This machine's facts, with sites' answers; a mirror's yes is its registry's."""
    mirrors = settings.images.mirrors
    ways = {one.url: registries.mirrored(one.url, mirrors) for one in questions}
    more = [replace(one, url=url) for one in questions for url in ways[one.url]]
    host = machine.observe((*questions, *more))
    answers = {
        url: next(
            (host.answers[way] for way in several if host.answers[way].yes), host.answers[url]
        )
        for url, several in ways.items()
    }
    return replace(host, answers=answers)


def _questions(settings: Settings, made: Made, stands_on: str) -> tuple[Question, ...]:
    """What sites have to be asked for this profile.

    That is what neither the settings nor what was made decide.
    """
    release, name = (
        settings.release,
        stands_on if settings.provider == "auto" else settings.provider,
    )
    own = providers.brings_kubernetes(name)
    of_release = (
        ()
        if own
        else source.questions(
            release.source, made.source, platform.system(), machine.arch(), str(release.base_url)
        )
    )
    of_roots = bases.origin_questions(platform.system(), machine.distribution().id)
    return (
        *of_release,
        *bases.questions(settings.images.bases, made.bases, platform.system()),
        *of_roots,
    )


def problems(project: Project) -> list[Problem]:
    """What is wrong with the settings on this machine, with the provider that was chosen."""
    provider = project.provider.name
    # the route to the nodes' own network is there once they run
    routes = [
        route for route in project.host.routes if route.network != project.settings.node_network
    ]
    return [
        *check_provider(project.settings, provider),  # type: ignore[arg-type]
        *check_routes(project.settings, routes, provider),  # type: ignore[arg-type]
        *project.authorities.problems,
        *_docker_alone(project),
    ]


def _docker_alone(project: Project) -> Iterator[Problem]:
    """What docker on this machine can't be told for one command, as podman is."""
    settings, hint = project.settings, "or set local.engine to podman"
    if project.engine.name == "podman":
        return
    if settings.images.mirrors:
        key = "images.mirrors"
        yield settings.warning(
            key,
            "not used by docker on this machine",
            why="its daemon alone knows mirrors, of Docker Hub",
            hint=f"name them in registry-mirrors of /etc/docker/daemon.json, {hint}",
        )
    if project.authorities.pems:
        key = certificates.KEY
        yield settings.warning(
            key,
            "not used in docker's builds",
            why="they mount no files of this machine",
            hint=f"use base images that have them, {hint}",
        )


def _refuse(project: Project, loaded: Loaded) -> None:
    wrong = [
        one for one in problems(project) if one.severity == "error" and one not in loaded.problems
    ]
    if wrong:
        raise SettingsError(
            "the settings don't fit this machine",
            "\n".join(str(one) for one in wrong),
            "fix what is named above; `inv config.check` shows everything at once",
            tuple(wrong),
        )
