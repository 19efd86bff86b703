"""Figures on machines that come without Kubernetes."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from development.bench.timing import HOUR, Times, from_nothing, in_turn, task, timed
from kubeup.cluster.provision.play import environment
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.components import KUBERNETES_BUILD
from kubeup.cluster.release.go import go_tool
from kubeup.core import ids, lock, state
from kubeup.core.ids import Kind
from kubeup.core.shell import write
from kubeup.images.load import IMPORT, LoadImage
from kubeup.system import machine, ssh
from kubeup.system.kubectl import APPLY, DIFF
from kubeup.workflows import up
from kubeup.workflows.project import Project


def second_up(project: Project) -> Times:
    with project.deployment.overlay.written() as folder:
        diff = project.kubectl.argv(*DIFF, "-k", str(folder))
        return in_turn(lambda: timed(*task(project, "up")), lambda: timed(*diff), 5)


def play(project: Project) -> Times:
    again = task(project, f"cluster.{project.provider.name}")
    return in_turn(
        lambda: timed(*again),
        lambda: timed(*playbook(project), env=plain_ansible()),
        3,
    )


def cluster(project: Project) -> Times:
    name = f"cluster.{project.provider.name}"
    return from_nothing(project, name, lambda: by_hand(_now(project), application=False))


def warm_up(project: Project) -> Times:
    return from_nothing(project, "up", lambda: by_hand(_now(project)))


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
        project.kubectl.write(*APPLY, "-k", str(folder))
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


def first_up(project: Project) -> Times:
    """With empty caches (the user's are left alone), against Kubernetes compiled alone."""
    with _empty_caches() as env:
        target = Path(env["XDG_CACHE_HOME"], "bare")
        target.mkdir(parents=True)
        compile_ = GoCompile(KUBERNETES_BUILD, target)
        began = time.monotonic()
        write(
            *compile_.argv(go_tool(), target),
            env={**env, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            cwd=str(KUBERNETES_BUILD.folder),
        )
        other = time.monotonic() - began
    timed(*task(project, "down"))
    with _empty_caches() as env:
        return Times(timed(*task(project, "up"), env=env), other)


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
