"""Whether the provider local works on a machine, told before anything is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, SANDBOX, by_id, error_of, no_internet, on, settings, state, three

from kubeup.cluster.providers.base import Needed
from kubeup.cluster.providers.local import Local
from kubeup.core.errors import Refused
from kubeup.facts.host import HostFacts
from kubeup.system import engine

NOTHING: frozenset[str] = frozenset()
PODMAN, DOCKER, CLIENT = (
    frozenset({"podman"}),
    frozenset({"docker", "docker-engine"}),
    frozenset({"docker"}),
)
SILENT = (
    "registry-1.docker.io gave no answer for the image library/debian (its name can't be resolved)"
)
NO_HUB = {"answers": no_internet()}
REGISTRY = "https://registry-1.docker.io"
UPDATE = "it can't give a node other CPUs and memory: `podman update` came with podman 4.3"

YES = [
    ("Debian, whose podman is installed", replace(DESKTOP, tools=NOTHING), "", "podman"),
    (
        "package registries only",
        SANDBOX,
        "",
        "podman, runc, as cgroups are v1, cgroupfs, as PID 1 is not systemd",
    ),
    (
        "Ubuntu 24.04",
        on("ubuntu_22_04", "ubuntu_24_04", tools=NOTHING, podman=(), **NO_HUB),
        "",
        "podman",
    ),
    (
        "Ubuntu 22.04 with a newer podman",
        on("ubuntu_22_04", "ubuntu_22_04", podman=(4, 6)),
        "",
        "podman",
    ),
    (
        "Ubuntu 22.04 with docker",
        on("ubuntu_22_04", "ubuntu_22_04", tools=DOCKER, podman=()),
        "",
        "docker",
    ),
    (
        "an old podman beside docker",
        on("ubuntu_22_04", "ubuntu_22_04", tools=PODMAN | DOCKER, podman=(3, 4)),
        "",
        "docker",
    ),
    ("an index that was never fetched", on("ubuntu_22_04", tools=NOTHING, podman=()), "", "podman"),
    ("Fedora where Docker Hub answers", on("fedora_41", podman=(5, 4)), "", "podman"),
    (
        "Fedora with mmdebstrap",
        on("fedora_41", tools=PODMAN | {"mmdebstrap", "apt-get"}, **NO_HUB),
        "",
        "podman",
    ),
    ("Arch where Docker Hub answers", on("arch", podman=(5, 7)), "", "podman"),
]
NO = [
    (
        "macOS",
        replace(DESKTOP, system="Darwin"),
        "",
        "the provider local does not work on macOS: its nodes are privileged containers",
        "provider=minikube",
    ),
    (
        "Ubuntu 22.04",
        on("ubuntu_22_04", "ubuntu_22_04", tools=NOTHING, podman=()),
        "",
        f"podman 3.4 can't run the nodes: {UPDATE}",
        "use docker: `sudo apt-get install docker.io`, then `--set local.engine=docker`",
    ),
    (
        "Ubuntu 22.04 with its podman",
        on("ubuntu_22_04", "ubuntu_22_04", podman=(3, 4)),
        "",
        f"podman 3.4 can't run the nodes: {UPDATE}",
        "docker.io",
    ),
    (
        "Ubuntu 22.04 with docker, no registry",
        on("ubuntu_22_04", "ubuntu_22_04", tools=DOCKER, **NO_HUB),
        "",
        f"apt has no debian-archive-keyring (>= 2023), and {SILENT}",
        REGISTRY,
    ),
    (
        "an index without podman",
        on("ubuntu_22_04", "no_universe", tools=NOTHING, podman=()),
        "",
        "apt has no podman",
        "add-apt-repository universe",
    ),
    (
        "Fedora without an engine",
        on("fedora_41", tools=NOTHING, podman=()),
        "",
        "podman is not installed",
        "sudo dnf install podman",
    ),
    (
        "Arch without an engine",
        on("arch", tools=NOTHING, podman=()),
        "",
        "podman is not installed",
        "sudo pacman -S --needed podman",
    ),
    (
        "openSUSE without docker",
        on("opensuse_tumbleweed"),
        "docker",
        "docker is not installed",
        "sudo zypper install docker",
    ),
    (
        "Fedora with podman alone",
        on("fedora_41", **NO_HUB),
        "",
        f"mmdebstrap and apt are not installed, and {SILENT}",
        "or install mmdebstrap with apt: `sudo dnf install mmdebstrap`",
    ),
    (
        "Arch with podman alone",
        on("arch", **NO_HUB),
        "",
        f"mmdebstrap and apt are not installed, and {SILENT}",
        REGISTRY,
    ),
    (
        "mmdebstrap without apt",
        on("fedora_41", tools=PODMAN | {"mmdebstrap"}, **NO_HUB),
        "",
        "mmdebstrap and apt are not installed",
        REGISTRY,
    ),
    (
        "docker's client alone",
        replace(DESKTOP, tools=CLIENT),
        "docker",
        "docker does not run",
        "systemctl start docker",
    ),
    (
        "no docker on Debian",
        DESKTOP,
        "docker",
        "docker is not installed",
        "sudo apt-get install docker.io",
    ),
]


def local(folder: Path, host: HostFacts, wanted: str = "") -> Local:
    return Local(settings(folder, f"local: {{engine: {wanted or 'auto'}}}"), state(folder), host)


@pytest.mark.parametrize(
    ("host", "wanted", "how"), [row[1:] for row in YES], ids=[row[0] for row in YES]
)
def test_where_it_works(tmp_path: Path, host: HostFacts, wanted: str, how: str) -> None:
    usable = local(tmp_path, host, wanted).probe()
    assert (usable.ok, usable.why) == (True, f"nodes as containers of {how}")


@pytest.mark.parametrize(
    ("host", "wanted", "why", "fix"), [row[1:] for row in NO], ids=[row[0] for row in NO]
)
def test_where_it_does_not_work(
    tmp_path: Path, host: HostFacts, wanted: str, why: str, fix: str
) -> None:
    usable = local(tmp_path, host, wanted).probe()
    assert not usable.ok
    assert usable.why.startswith(why)
    assert fix in usable.fix


def test_named_in_the_settings_it_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    error = error_of(local(tmp_path, on("arch", **NO_HUB)).plan, three("missing"), Needed())
    assert isinstance(error, Refused)
    assert error.what == "the root file system for the nodes can't be made"
    assert error.why == f"mmdebstrap and apt are not installed, and {SILENT}"


def test_a_node_that_is_there_needs_no_registry_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = three("stopped")
    one = local(tmp_path, on("arch", **NO_HUB))
    monkeypatch.setattr(one, "_containers", tuple)
    steps = set(by_id(one.plan(stopped, Needed())))
    assert {f"node/{found.name}" for found in stopped.nodes} <= steps
    assert "rootfs/machine" not in steps


@pytest.mark.parametrize(
    ("host", "more"),
    [
        (DESKTOP, ("mmdebstrap",)),
        (on("fedora_41"), ()),
        (on("ubuntu_22_04", "ubuntu_24_04"), ("mmdebstrap", "debian-archive-keyring (>= 2023)")),
        (on("ubuntu_22_04", "ubuntu_22_04", tools=DOCKER), ()),
        (replace(DESKTOP, root=False, may_sudo=True), ("mmdebstrap", "uidmap")),
        (on("fedora_41", root=False, may_sudo=True), ()),
    ],
)
def test_only_mmdebstrap_takes_packages_of_this_machine(
    tmp_path: Path, host: HostFacts, more: tuple[str, ...]
) -> None:
    one = local(tmp_path, host)
    assert one.packages() == (*engine.for_nodes(one.engine), *more, "openssh-client")
