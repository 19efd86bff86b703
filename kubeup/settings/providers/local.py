"""Nodes in containers on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from kubeup.settings import kinds
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Network, Section

if TYPE_CHECKING:
    from kubeup.settings.model import Settings


class Local(Section):
    engine: Literal["auto", "podman", "docker"] = "auto"
    """what runs the node containers"""
    network: kinds.ObjectName = "kubeup"
    """name of the container network"""


def pod_network(settings: Settings) -> Iterator[Problem]:
    """Nodes in containers hold one pod network: another word would be ignored."""
    held, chosen = Network.model_fields["cni"].default, settings.network.cni
    if chosen != held:
        yield settings.error(
            "network.cni",
            chosen,
            allowed=held,
            why="it is what the image of `local` nodes holds",
            hint=f"set {held}, or leave it out",
        )


RULES = Rules(
    name="local",
    uses_kubeadm=True,
    no_containerd="not used: the node image brings its own containerd",
    no_folders="not used: local shares no folders",
    devices=("podman", "cni-podman", "br-", "docker", "kubeup"),
    checks=(pod_network,),
)
