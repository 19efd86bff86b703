"""The application's images as tasks of their own: built, pushed, brought to nodes, listed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from kubeup.core import shell
from kubeup.core.errors import UsageError
from kubeup.core.plan import Plan, plan_of
from kubeup.images import build as builds
from kubeup.images import load as loads
from kubeup.workflows import cluster, rollout
from kubeup.workflows.project import Project

USER, PASSWORD = "KUBEUP_REGISTRY_USER", "KUBEUP_REGISTRY_PASSWORD"


@dataclass(frozen=True)
class Listed:
    part: str
    image: str
    what: str
    built: bool
    nodes: tuple[str, ...]


def build(project: Project) -> Plan:
    steps = builds.plan(project.images, project.builder)
    return plan_of(rollout.host_packages(project, steps), steps)


def push(project: Project) -> Plan:
    return plan_of(build(project).planned, rollout.push_steps(project, project.images))


def load(project: Project) -> Plan:
    facts = cluster.observe(project, on_nodes=True)
    return plan_of(
        build(project).planned,
        loads.plan(project.images, tuple(facts.images), facts.images, project.provider.load),
    )


def listed(project: Project) -> list[Listed]:
    images = cluster.observe(project, on_nodes=True).images
    return [
        Listed(
            one.part,
            one.reference,
            one.what,
            one.archive.exists(),
            tuple(name for name, held in images.items() if one.reference in held),
        )
        for one in project.images
    ]


def login(project: Project) -> None:
    """Log in with the engine's own credential store; the password goes by standard input."""
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if not user or not password:
        raise UsageError(
            f"{USER} and {PASSWORD} are not both set",
            "--login takes them from the environment",
            "set them, or log in yourself with podman or docker",
        )
    registry = str(project.settings.images.registry)
    if project.settings.images.insecure:
        raise UsageError(
            f"the login to {registry} would go in clear",
            "images.insecure: it is asked without TLS",
            "give the registry a certificate (network.ca_certificates has its authority)",
        )
    command = ("login", "--username", user, "--password-stdin", registry)
    shell.write(*project.engine.argv(*command), stdin=password)
