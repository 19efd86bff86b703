"""What is installed on nodes and what they share with this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

from kubeup.settings.model import Settings
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Software

# containerd 1.5 has CRI v1alpha2 only, which kubelet 1.26 does not speak any more
# (https://kubernetes.io/blog/2022/11/18/upcoming-changes-in-kubernetes-1-26/).
_OLDEST = (1, 6)


def release(settings: Settings, rules: Rules) -> Iterator[Problem]:
    why = "it is the release that is pinned, with the sums of its binaries"
    if rules.uses_kubeadm:
        yield from _pinned(settings, "kubernetes", why)


def pod_network(settings: Settings, rules: Rules) -> Iterator[Problem]:
    """A pod network's manifest is pinned by its sum: there is one version of each."""
    cni = settings.network.cni
    if rules.uses_kubeadm and not rules.no_containerd and cni != "bridge":
        yield from _pinned(settings, cni, "its manifest is pinned by its sum")


def _pinned(settings: Settings, name: str, why: str) -> Iterator[Problem]:
    chosen, pinned = getattr(settings.software, name), Software.model_fields[name].default
    if chosen != pinned:
        hint = f"set {pinned}, or leave it out"
        yield settings.error(f"software.{name}", chosen, allowed=pinned, why=why, hint=hint)


def containerd(settings: Settings, rules: Rules) -> Iterator[Problem]:
    version = settings.software.containerd
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        report = settings.warning if rules.no_containerd else settings.error
        yield report(
            "software.containerd",
            version,
            allowed="1.6 or newer",
            why="Kubernetes 1.26 speaks CRI v1 only, which containerd has since 1.6",
            hint=rules.no_containerd or "set 1.6 or newer",
            trap=6,
        )


def home_folder(settings: Settings, rules: Rules) -> Iterator[Problem]:
    """A folder laid over the home folder hides authorized_keys: SSH lets nobody in any more."""
    home = _clean(settings.node_home_dir)
    report = settings.warning if rules.no_folders else settings.error
    for number, folder in enumerate(settings.shared_folders):
        over = _clean(folder.vm_path)
        if not home.is_relative_to(over):
            continue
        name = PurePosixPath(normpath(folder.host_path)).name.strip(".") or "shared"
        itself = f"{folder.vm_path}, the home folder itself"
        yield report(
            f"shared_folders.{number}.vm_path",
            itself if over == home else f"{over}, which holds the home folder",
            allowed="a folder below it",
            why="a folder mounted over it hides authorized_keys, so that SSH logins fail after a "
            "restart",
            hint="; ".join(filter(None, (rules.no_folders, f"take {home / name}"))),
            trap=12,
            related=("shared_folders", "node_home_dir"),
        )


def _clean(path: str) -> PurePosixPath:
    return PurePosixPath("/" + normpath(path).lstrip("/"))
