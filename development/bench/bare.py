"""Figures on machines that come without Kubernetes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from development.bench.timing import HOUR, INV, Figure, from_nothing, in_turn, timed
from kubeup.application.apply import DIFF, TYPED
from kubeup.cluster.provision.play import environment
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.components import KUBERNETES_BUILD
from kubeup.cluster.release.go import go_tool
from kubeup.core import ids, lock, state
from kubeup.core.ids import Kind
from kubeup.core.shell import write
from kubeup.images.load import IMPORT, LoadImage
from kubeup.system import machine, ssh
from kubeup.workflows import up
from kubeup.workflows.project import Project


def second_up(project: Project) -> Figure:
    with project.deployment.overlay.written() as folder:
        diff = project.kubectl.argv(*DIFF, "-k", str(folder))
        again = (INV, "up", "--yes", "--profile", project.settings.profile)
        ours, other = in_turn(lambda: timed(*again), lambda: timed(*diff), 5)
    return Figure(
        "second-up",
        ours,
        other,
        1.5,
        "a second `./inv up` against `kubectl diff` of the same manifests",
    )


def play(project: Project) -> Figure:
    name = project.provider.name
    ours, other = in_turn(
        lambda: timed(INV, f"cluster.{name}", "--yes", "--profile", project.settings.profile),
        lambda: timed(*playbook(project), env=plain_ansible()),
        3,
    )
    return Figure(
        "play",
        ours,
        other,
        0.4,
        f"`./inv cluster.{name}` with nothing to do against plain ansible-playbook of the same "
        "roles",
    )


def cluster(project: Project) -> Figure:
    name = project.provider.name
    task = (f"cluster.{name}", "--yes", "--profile", project.settings.profile)
    ours, other = from_nothing(task, lambda: by_hand(_now(project), application=False))
    return Figure(
        "cluster",
        ours,
        other,
        0.7,
        f"`./inv cluster.{name}` from no machine against the same commands typed one after another",
    )


def warm_up(project: Project) -> Figure:
    ours, other = from_nothing(
        ("up", "--yes", "--profile", project.settings.profile), lambda: by_hand(_now(project))
    )
    return Figure(
        "warm-up",
        ours,
        other,
        0.7,
        "`./inv up` from nothing, caches full, against its steps typed one after another",
    )


def _now(project: Project) -> Project:
    """The project, with this machine's facts once its nodes and their network have gone."""
    return replace(project, host=replace(machine.observe(()), answers=project.host.answers))


def by_hand(project: Project, application: bool = True) -> float:
    """The same job as a person would type it: one command after another, plain Ansible."""
    with lock.profile(project.state.folder, "bench"):
        return _by_hand(project, application)


def _by_hand(project: Project, application: bool) -> float:
    began = time.monotonic()
    plan = up.plan(project, application).plan
    for step in plan:
        action = step.action
        if step.id in (ids.LOCAL_DISK, ids.LOOK_AT_DATA) or step.id.kind in (
            Kind.LOAD,
            Kind.DEPLOY,
        ):
            continue
        if step.id == ids.PROVISION:
            if application:
                _images_by_hand(project)
            inventory = action.inventory  # type: ignore[attr-defined]
            state.write_private(project.state.inventory, inventory)
            write(*playbook(project), env=plain_ansible())
            continue
        action.run(lambda line: None)
    if not application:
        return time.monotonic() - began
    with project.deployment.overlay.written() as folder:
        project.kubectl.write(*TYPED, "-k", str(folder))
    for workload in ("statefulset/mysql", "deployment/api", "deployment/ui"):
        project.kubectl.write("rollout", "status", workload)
    return time.monotonic() - began


def playbook(project: Project) -> tuple[str, ...]:
    """The how-to's command."""
    return (
        "ansible-playbook",
        "-i",
        str(project.state.inventory),
        str(state.PROJECT / "ansible" / "site.yml"),
    )


def plain_ansible() -> dict[str, str]:
    """Ansible's environment without mitogen."""
    return {key: value for key, value in environment().items() if "STRATEGY" not in key}


def _images_by_hand(project: Project) -> None:
    for node in project.provider.ssh_targets():
        ssh.feed(node, project.system_archive, *IMPORT, root=True, timeout=HOUR)
        for image in project.images:
            LoadImage(image, (node,)).run(lambda line: None)


def first_up(project: Project) -> Figure:
    """With empty caches (the user's are left alone), against Kubernetes compiled alone."""
    with _empty_caches() as env:
        target = Path(env["XDG_CACHE_HOME"], "bare")
        target.mkdir(parents=True)
        compile_ = GoCompile(KUBERNETES_BUILD, target)
        began = time.monotonic()
        write(
            *compile_.command(
                go_tool(), *(package for _, package in KUBERNETES_BUILD.outputs), f"{target}/"
            ),
            env={**env, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            cwd=str(KUBERNETES_BUILD.folder),
        )
        other = time.monotonic() - began
    timed(INV, "down", "--yes", "--profile", project.settings.profile)
    with _empty_caches() as env:
        ours = timed(INV, "up", "--yes", "--profile", project.settings.profile, env=env)
    return Figure(
        "first-up",
        ours,
        other,
        1.15,
        "the first `./inv up` against the bare `go build` of Kubernetes, both from empty caches",
    )


@contextmanager
def _empty_caches() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(
        dir=os.environ.get("TMPDIR"), ignore_cleanup_errors=True
    ) as folder:
        yield {
            "XDG_CACHE_HOME": f"{folder}/cache",
            "GOCACHE": f"{folder}/go-build",
            "GOMODCACHE": f"{folder}/go-mod",
            "GOFLAGS": "-modcacherw",
        }
