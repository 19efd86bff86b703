"""What a provider makes of the settings: a row for each in `kubeup.settings.providers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from kubeup.settings.nodes import NodeSpec, created_nodes
from kubeup.settings.problem import Problem

if TYPE_CHECKING:
    from kubeup.settings.model import Settings

Check = Callable[["Settings"], Iterator[Problem]]


def created_count(settings: Settings) -> int:
    return settings.nodes.workers.count + 1


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a provider uses the settings. Texts say why it does not use one: '' where it does."""

    name: str
    makes_cluster: bool = True  # with the networks of these settings
    uses_kubeadm: bool = False  # its machines come without Kubernetes: the play makes it of them
    names_nodes: bool = False  # by itself, so that their names are not known before
    no_machines: str = ""  # why it makes no machines, with addresses of these settings
    no_containerd: str = ""  # why it installs no software.containerd
    no_folders: str = ""  # why it has no use for shared_folders
    networks: tuple[IPv4Network, ...] = ()  # those its tool takes by itself
    devices: tuple[str, ...] = ()  # how names of the networks begin that it makes for nodes
    nodes: Callable[[Settings], tuple[NodeSpec, ...]] = created_nodes
    node_count: Callable[[Settings], int] = created_count
    checks: tuple[Check, ...] = ()  # where this provider is chosen
    section_checks: tuple[Check, ...] = ()  # of its own section, whichever is chosen
