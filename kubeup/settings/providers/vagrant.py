"""Machines that Vagrant makes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from kubeup.settings import kinds
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Section

if TYPE_CHECKING:
    from kubeup.settings.model import Settings

# where it gives host-only networks, since 6.1.28 (its manual, "Host-Only Networking")
VIRTUALBOX = IPv4Network("192.168.56.0/21")

# Ubuntu 22.04 for Vagrant's providers. bento has had no file for libvirt since 202510 (chef/bento's
# CHANGELOG), and the last one
# does not boot (chef/bento#1604); cloud-image is Ubuntu's own cloud image with Vagrant's user, for
# amd64 and arm64
# (alchemy-solutions/vagrant-cloud-images).
BOXES = {"virtualbox": "bento/ubuntu-22.04", "libvirt": "cloud-image/ubuntu-22.04"}


class Vagrant(Section):
    provider: Literal["virtualbox", "libvirt", "docker"] = "virtualbox"
    networks_conf: Literal["needed", "open"] = "needed"
    """what VirtualBox' networks.conf gets: the one range needed, or every address"""
    box_version: kinds.BoxVersion | None = None
    """version of the box; default: the newest"""
    box_architecture: Literal["amd64", "arm64"] | None = None
    """architecture of the box, with Vagrant 2.4.0 and newer; default: Vagrant's own choice"""
    image: kinds.Reference | None = None
    """with provider docker: an image with systemd, sshd and Vagrant's user and key"""
    linked_clone: bool = True
    """VirtualBox: share the box's disk instead of copying it"""
    boot_timeout: Annotated[int, Field(ge=30, le=3600)] = 300
    """seconds a machine may take to let Vagrant in"""
    home: kinds.Folder | None = None
    """Vagrant's own folder; default: VAGRANT_HOME, ~/.vagrant.d"""


def box(settings: Settings) -> str | None:
    """What machines are made of; None where they are containers, which have an image."""
    provider = settings.vagrant.provider
    return None if provider == "docker" else settings.software.box or BOXES[provider]


def virtualbox_range(settings: Settings) -> Iterator[Problem]:
    """VirtualBox gives networks from one range only, unless its networks.conf names more."""
    network = settings.node_network
    if settings.vagrant.provider == "virtualbox" and not network.subnet_of(VIRTUALBOX):
        yield settings.warning(
            "network.control_ip",
            str(settings.network.control_ip),
            allowed=str(VIRTUALBOX),
            why="VirtualBox allows host-only networks in no other range unless its networks.conf "
            "names one",
            hint=f"{network} is added to /etc/vbox/networks.conf when VirtualBox is used; or take "
            "192.168.60.10",
            trap=3,
        )


def image(settings: Settings) -> Iterator[Problem]:
    """Boxes are for virtual machines: a container needs an image."""
    if settings.vagrant.provider == "docker" and settings.vagrant.image is None:
        yield settings.error(
            "vagrant.image",
            "nothing",
            allowed="an image with systemd, sshd, and the user vagrant with Vagrant's key",
            why="Vagrant's provider docker starts containers, not boxes",
            related=("vagrant.provider",),
        )


def libvirt_box(settings: Settings) -> Iterator[Problem]:
    """The how-to's box is for VirtualBox."""
    chosen, named = settings.vagrant, settings.software.box or ""
    libvirt = chosen.provider == "libvirt" and chosen.box_version is None
    if libvirt and named.startswith("bento/"):
        yield settings.warning(
            "software.box",
            named,
            allowed=f"a box with a file for libvirt, such as {BOXES['libvirt']}",
            why="bento no longer publishes one for libvirt, and the last one does not boot "
            "(chef/bento#1604)",
            hint=f"leave it out, which takes {BOXES['libvirt']}",
            related=("vagrant.provider",),
        )


RULES = Rules(
    name="vagrant",
    uses_kubeadm=True,
    devices=("vboxnet", "virbr", "vnet"),
    checks=(virtualbox_range, image, libvirt_box),
)
