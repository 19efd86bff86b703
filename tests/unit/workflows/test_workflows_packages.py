"""Which packages this machine is given, from recorded words of dpkg and apt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from builders import DESKTOP, error_of, recorded

from kubeup.core import shell
from kubeup.core.plan import todo
from kubeup.core.shell import Output
from kubeup.facts import apt, host
from kubeup.system import engine, packages

PODMAN = engine.PACKAGES["podman"]
GO = "golang-1.19-go | golang-1.20-go | golang-1.21-go"
DPKG = {"dpkg": "1.21.22"}
HERE = {  # what a machine may have
    "podman": "4.9.3+ds1-1",
    "runc": "1.3.4-0",
    "netavark": "1.4.0-4",
    "aardvark-dns": "1.4.0-5",
    "nftables": "1.0.9-1",
    "iptables": "1.8.10-3",
    "iproute2": "6.1.0-1",
}


def index(release: str) -> apt.Index:
    return apt.policy(recorded(f"facts/apt_policy_{release}"))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine with packages of dpkg's (None: it has no dpkg), programs and a release's index."""

    def make(
        here: dict[str, str] | None, programs: tuple[str, ...] = (), release: str = "debian_12"
    ) -> None:
        tools = {"dpkg-query", "apt-cache", *programs} if here is not None else set(programs)
        monkeypatch.setattr(
            shell, "which", lambda name: f"/usr/bin/{name}" if name in tools else None
        )

        def read(*argv: str, **_: object) -> Output:
            if argv[0] == "dpkg-query":
                return Output(
                    0,
                    "".join(
                        f"installed {name} {version}\n"
                        for name, version in (here or {}).items()
                        if name in argv
                    ),
                    "",
                )
            assert argv[:3] == ("apt-cache", "policy", "apt")
            return Output(0, recorded(f"facts/apt_policy_{release}"), "")

        monkeypatch.setattr(shell, "read", read)

    return make


@pytest.mark.parametrize(
    ("release", "network"),
    [
        ("debian_12", ("netavark", "aardvark-dns")),
        ("debian_13", ("netavark", "aardvark-dns")),
        ("ubuntu_22_04", ("containernetworking-plugins",)),
        ("ubuntu_24_04", ("netavark", "aardvark-dns")),
    ],
)
def test_podmans_packages_are_those_that_the_release_has(
    machine: Callable[..., None], release: str, network: tuple[str, ...]
) -> None:
    machine(DPKG, release=release)
    names = ("podman", "runc", *network, "nftables", "iptables", "iproute2")
    assert packages.missing(PODMAN) == names


def test_what_is_there_is_not_asked_of_the_index(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine({**DPKG, **HERE})
    monkeypatch.setattr(packages, "offered", lambda _: pytest.fail("the index was asked"))
    assert packages.missing(PODMAN) == ()


def test_what_another_package_or_a_hand_has_put_there_is_there(
    machine: Callable[..., None],
) -> None:
    machine(
        {**DPKG, **{name: version for name, version in HERE.items() if name != "podman"}},
        ("podman",),
    )
    assert packages.missing(PODMAN) == ()


def test_an_alternative_that_is_there_does_where_the_index_has_no_better(
    machine: Callable[..., None],
) -> None:
    machine({**DPKG, "containernetworking-plugins": "0.9.1+ds1-1"}, release="ubuntu_22_04")
    assert packages.missing(("netavark | containernetworking-plugins",)) == ()
    machine({**DPKG, "containernetworking-plugins": "1.1.1+ds1-3"}, release="ubuntu_24_04")
    assert packages.missing(("netavark | containernetworking-plugins",)) == ("netavark",)


@pytest.mark.parametrize(
    ("release", "wanted", "why"),
    [
        ("ubuntu_22_04", "podman (>= 4.3)", "it would install podman 3.4.4+ds1-1ubuntu1.22.04.3"),
        ("debian_13", GO, "the archives in /etc/apt/sources.list* don't have it"),
    ],
)
def test_what_no_archive_has_is_told_before_anything_is_done(
    machine: Callable[..., None], release: str, wanted: str, why: str
) -> None:
    machine(DPKG, release=release)
    error = error_of(packages.missing, (wanted,))
    assert (error.what, error.why) == (f"apt has no package for {wanted}", why)
    assert "apt-get update" in error.next


def test_an_empty_index_says_nothing_yet() -> None:
    wanted = ("netavark | containernetworking-plugins", "podman (>= 4.3)")
    assert packages.needed(wanted, {}, apt.Index()) == wanted
    assert (
        packages.Install(wanted).commands()[1].endswith("--no-install-recommends netavark podman")
    )


def test_alternatives_are_decided_once_apt_has_its_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = list[tuple[str, ...]]()
    monkeypatch.setattr(shell, "write", lambda *argv, **_: ran.append(argv))
    monkeypatch.setattr(
        packages,
        "offered",
        lambda _: index("ubuntu_22_04") if ran else pytest.fail("asked before the update"),
    )
    packages.Install(("netavark | containernetworking-plugins", "runc")).run(print)
    assert [argv[6] for argv in ran] == ["update", "install"]
    assert ran[1][-2:] == ("containernetworking-plugins", "runc")
    error = error_of(packages.Install(("podman (>= 4.3)",)).run, print)
    assert "podman 3.4.4" in error.why and ran[-1][6] == "update", "nothing was installed"


def test_where_the_system_is_not_made_of_dpkgs_packages_programs_are_looked_for(
    machine: Callable[..., None],
) -> None:
    wanted = ("podman (>= 4.3)", *PODMAN, "openssh-client")
    machine(None, ("ssh-keygen",))
    assert packages.missing(wanted) == ("podman",)
    machine({}, ("podman", "ssh-keygen"))  # Fedora has dpkg-query as a program
    assert packages.missing(wanted) == ()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("fedora_41", "sudo dnf install podman openssh-clients"),
        ("arch", "sudo pacman -S --needed podman openssh"),
        ("opensuse_tumbleweed", "sudo zypper install podman openssh-clients"),
    ],
)
def test_other_distributions_are_told_what_to_install(file: str, line: str) -> None:
    there = replace(DESKTOP, distribution=host.distribution(recorded(f"facts/os_release_{file}")))
    error = error_of(packages.plan, ("podman", "openssh-client"), there)
    assert error.what == "packages are missing: podman, openssh-client"
    assert error.next == line
    assert todo(packages.plan((), there)) == []


def test_what_another_distribution_has_not_is_named() -> None:
    fedora = replace(
        DESKTOP, distribution=host.distribution(recorded("facts/os_release_fedora_41"))
    )
    assert (
        error_of(packages.plan, (GO,), fedora).what == f"this distribution has no package for {GO}"
    )
