"""What apt's index has, on its recorded word for several releases."""

from __future__ import annotations

import pytest
from builders import recorded

from kubeup.facts import apt

NETWORK = "netavark | containernetworking-plugins"
GO = "golang-1.19-go | golang-1.20-go | golang-1.21-go"


def index(release: str) -> apt.Index:
    return apt.policy(recorded(f"facts/apt_policy_{release}"))


@pytest.mark.parametrize(
    ("release", "wanted", "found"),
    [
        ("debian_12", "podman (>= 4.3)", "podman"),
        ("debian_12", NETWORK, "netavark"),
        ("debian_12", GO, "golang-1.19-go"),
        ("debian_13", NETWORK, "netavark"),
        ("debian_13", "netavark (>= 1.13)", "netavark"),
        ("debian_13", GO, ""),
        ("ubuntu_22_04", "podman", "podman"),
        ("ubuntu_22_04", "podman (>= 4.3)", ""),
        ("ubuntu_22_04", NETWORK, "containernetworking-plugins"),
        ("ubuntu_22_04", GO, "golang-1.20-go"),
        ("ubuntu_24_04", "podman (>= 4.3)", "podman"),
        ("ubuntu_24_04", NETWORK, "netavark"),
        ("ubuntu_24_04", "netavark (>= 1.13)", ""),
        ("ubuntu_24_04", GO, "golang-1.21-go"),
    ],
)
def test_which_package_a_release_has(release: str, wanted: str, found: str) -> None:
    known = index(release)
    assert not known.empty
    assert apt.pick(wanted, known.candidates) == found


def test_an_index_that_was_never_fetched_knows_what_is_installed_alone() -> None:
    known = index("empty")
    assert known.empty
    assert known.candidates["podman"] == "4.3.1+ds1-8+deb12u1+b3"
    assert "uidmap" not in known.candidates, "told by others' dependencies: (none)"


def test_no_answer_at_all_is_no_index() -> None:
    assert apt.policy("") == apt.Index({}, empty=True)


@pytest.mark.parametrize(
    ("text", "major_minor"),
    [
        ("4.3.1+ds1-8+deb12u1+b3", (4, 3)),
        ("1:9.2p1-2", (9, 2)),
        ("2:9.0.1378-2", (9, 0)),
        ("2021.1.1ubuntu2", (2021, 1)),
        ("podman version 5.4.2", (5, 4)),
        ("29.1.3-0ubuntu3~24.04.2", (29, 1)),
        ("7", (7,)),
        ("", ()),
        ("none", ()),
    ],
)
def test_versions(text: str, major_minor: tuple[int, ...]) -> None:
    assert apt.version(text) == major_minor


def test_names_of_all_alternatives() -> None:
    assert apt.names(("podman (>= 4.3)", NETWORK, "podman")) == (
        "podman",
        "netavark",
        "containernetworking-plugins",
    )


def test_what_is_no_dependency_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="podman >= 4"):
        apt.names(("podman >= 4",))
