"""What is installed on nodes and what they share with this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

from kubeup.settings.checks.place import at
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem, problem
from kubeup.settings.sections import BOXES, Network, Software

_OLDEST = (1, 6)
CONTAINERD, HOME, KUBERNETES = "software.containerd", "node_home_dir", "software.kubernetes"
CNI, IMAGE = "network.cni", "vagrant.image"
BOX, BENTO = "software.box", "bento/"
_OWN_CONTAINERD: dict[Provider, str] = {
    "auto": "refused if this ends up on vagrant or hosts, not used elsewhere; set 1.6 or newer",
    "local": "not used: the node image brings its own containerd",
    "minikube": "not used: minikube brings its own container runtime",
    "existing": "not used: the cluster has its own",
}


def node_image(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """One release is pinned here, and nodes in containers hold one pod network: another word
    would be ignored.
    """
    release, network = (
        Software.model_fields["kubernetes"].default,
        Network.model_fields["cni"].default,
    )
    if provider in ("local", "vagrant", "hosts") and settings.software.kubernetes != release:
        yield problem(
            "error",
            at(settings, KUBERNETES),
            KUBERNETES,
            settings.software.kubernetes,
            allowed=release,
            why="it is the release that is pinned, with the sums of its binaries",
            hint=f"set {release}, or leave it out",
        )
    if provider == "local" and settings.network.cni != network:
        yield problem(
            "error",
            at(settings, CNI),
            CNI,
            settings.network.cni,
            allowed=network,
            why="it is what the image of `local` nodes holds",
            hint=f"set {network}, or leave it out",
        )


def pod_network(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """A pod network's manifest is pinned by its sum: there is one version of each."""
    cni = settings.network.cni
    if cni == "bridge" or provider not in ("vagrant", "hosts"):
        return
    key, found, pinned = (
        f"software.{cni}",
        getattr(settings.software, cni),
        Software.model_fields[cni].default,
    )
    if found != pinned:
        yield problem(
            "error",
            at(settings, key),
            key,
            found,
            allowed=pinned,
            why="its manifest is pinned by its sum",
            hint=f"set {pinned}, or leave it out",
        )


def vagrant_image(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """Boxes are for virtual machines: a container needs an image."""
    if (
        provider == "vagrant"
        and settings.vagrant.provider == "docker"
        and settings.vagrant.image is None
    ):
        yield problem(
            "error",
            at(settings, IMAGE, "vagrant.provider"),
            IMAGE,
            "nothing",
            allowed="an image with systemd, sshd, and the user vagrant with Vagrant's key",
            why="Vagrant's provider docker starts containers, no boxes",
            related=("vagrant.provider",),
        )


def vagrant_box(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """The how-to's box is for VirtualBox."""
    box, chosen = settings.software.box or "", settings.vagrant
    if (
        provider == "vagrant"
        and chosen.provider == "libvirt"
        and box.startswith(BENTO)
        and chosen.box_version is None
    ):
        yield problem(
            "warning",
            at(settings, BOX),
            BOX,
            box,
            allowed=f"a box with a file for libvirt, such as {BOXES['libvirt']}",
            why="bento makes none for libvirt any more, and the last one does not boot "
            "(chef/bento#1604)",
            hint=f"leave it out, which takes {BOXES['libvirt']}",
            related=("vagrant.provider",),
        )


def containerd(settings: Settings, provider: Provider) -> Iterator[Problem]:
    version = settings.software.containerd
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < _OLDEST:
        yield problem(
            "warning" if provider in _OWN_CONTAINERD else "error",
            at(settings, CONTAINERD),
            CONTAINERD,
            version,
            allowed="1.6 or newer",
            why="Kubernetes 1.26 speaks CRI v1 only, which containerd has since 1.6",
            hint=_OWN_CONTAINERD.get(provider, "set 1.6 or newer"),
            trap=6,
        )


def home_folder(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """A folder laid over the home folder hides authorized_keys, so nobody gets in after a
    restart.
    """
    home = _clean(settings.node_home_dir)
    for number, folder in enumerate(settings.shared_folders):
        over = _clean(folder.vm_path)
        if home.is_relative_to(over):
            key = f"shared_folders.{number}.vm_path"
            yield problem(
                "error" if provider == "vagrant" else "warning",
                at(settings, key, "shared_folders"),
                key,
                f"{folder.vm_path}, the home folder itself"
                if over == home
                else f"{over}, which holds the home folder",
                allowed="a folder below it",
                why="a folder laid over it hides authorized_keys, and after a restart SSH no "
                "longer lets anybody in",
                hint=_instead(home, folder.host_path, provider),
                trap=12,
                related=("shared_folders", HOME),
            )


def _clean(path: str) -> PurePosixPath:
    return PurePosixPath("/" + normpath(path).lstrip("/"))


def _instead(home: PurePosixPath, host_path: str, provider: Provider) -> str:
    name = PurePosixPath(normpath(host_path)).name
    proposal = f"take {home / (name if name.strip('.') else 'shared')}"
    if provider == "auto":
        return f"refused if this ends up on vagrant, not used elsewhere; {proposal}"
    return (
        proposal if provider == "vagrant" else f"not used: only vagrant shares folders; {proposal}"
    )
