"""What is installed on nodes and what they share with this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

from kubeup.settings.checks.place import at
from kubeup.settings.model import Provider, Settings
from kubeup.settings.problem import Problem, problem
from kubeup.settings.sections import Network, Software

_OLDEST = (1, 6)
CONTAINERD, HOME, KUBERNETES = "software.containerd", "node_home_dir", "software.kubernetes"
CNI = "network.cni"
_OWN_CONTAINERD: dict[Provider, str] = {
    "auto": "refused if this ends up on vagrant or hosts, not used elsewhere; set 1.6 or newer",
    "local": "not used: the node image brings its own containerd",
    "minikube": "not used: minikube brings its own container runtime",
    "existing": "not used: the cluster has its own",
}


def node_image(settings: Settings, provider: Provider) -> Iterator[Problem]:
    """Nodes in containers hold the one release and pod network that this project pins: another word would be ignored."""
    found = {KUBERNETES: settings.software.kubernetes, CNI: settings.network.cni}
    held = {KUBERNETES: Software.model_fields["kubernetes"].default, CNI: Network.model_fields["cni"].default}
    for key, value in found.items():
        if provider == "local" and value != held[key]:
            yield problem("error", at(settings, key), key, value, allowed=held[key],
                          why="it is what the image of `local` nodes holds", hint=f"set {held[key]}, or leave it out")


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
    """A folder laid over the home folder hides authorized_keys, so nobody gets in after a restart."""
    home = _clean(settings.node_home_dir)
    for number, folder in enumerate(settings.shared_folders):
        over = _clean(folder.vm_path)
        if home.is_relative_to(over):
            key = f"shared_folders.{number}.vm_path"
            yield problem(
                "error" if provider == "vagrant" else "warning",
                at(settings, key, "shared_folders"),
                key,
                f"{folder.vm_path}, the home folder itself" if over == home else f"{over}, which holds the home folder",
                allowed="a folder below it",
                why="a folder laid over it hides authorized_keys, and after a restart SSH no longer lets anybody in",
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
    return proposal if provider == "vagrant" else f"not used: only vagrant shares folders; {proposal}"
