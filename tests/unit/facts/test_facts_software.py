"""What each distribution's package manager is asked for."""

from __future__ import annotations

import pytest
from builders import recorded

from kubeup.facts import host, software
from kubeup.facts.host import Distribution

WANTED = ("podman (>= 4.3)", "openssh-client", "zstd")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("debian_12", "sudo apt-get install podman openssh-client zstd"),
        ("ubuntu_22_04", "sudo apt-get install podman openssh-client zstd"),
        ("fedora_41", "sudo dnf install podman openssh-clients zstd"),
        ("arch", "sudo pacman -S --needed podman openssh zstd"),
        ("opensuse_tumbleweed", "sudo zypper install podman openssh-clients zstd"),
    ],
)
def test_the_command_that_a_person_types(file: str, line: str) -> None:
    found = host.distribution(recorded(f"facts/os_release_{file}"))
    assert software.manager(found).command(WANTED) == line


@pytest.mark.parametrize(
    ("like", "install"),
    [
        (Distribution("rocky", like=("rhel", "centos", "fedora")), "sudo dnf install"),
        (Distribution("manjaro", like=("arch",)), "sudo pacman -S --needed"),
        (Distribution("linuxmint", like=("ubuntu", "debian")), "sudo apt-get install"),
        (Distribution("sles", like=("suse",)), "sudo zypper install"),
    ],
)
def test_a_distribution_that_is_like_another(like: Distribution, install: str) -> None:
    assert software.manager(like).install == install


def test_a_distribution_that_nobody_here_knows() -> None:
    found = software.manager(Distribution("nixos"))
    assert found.command(("podman",)) == "install with this system's package manager: podman"
    assert found.named("mmdebstrap") == ""


def test_arch_has_no_mmdebstrap_and_fedora_has() -> None:
    assert software.MANAGERS["arch"].named("mmdebstrap") == ""
    assert software.MANAGERS["fedora"].named("mmdebstrap") == "mmdebstrap"


def test_every_program_has_a_name_in_every_table() -> None:
    only_debian = {"mmdebstrap"}
    for name, manager in software.MANAGERS.items():
        assert not {one for one in software.PROGRAMS if not manager.named(one)} - only_debian, name
