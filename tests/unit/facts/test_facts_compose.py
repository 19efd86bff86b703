"""Which compose works with which docker, and what brings one, by what each apt says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kubeup.facts import apt
from kubeup.facts.compose import Compose, Tools, major

DATA = Path(__file__).parents[1] / "data" / "db"
OLD, PLUGIN = (
    Compose("docker-compose", "1.29.2"),
    Compose("docker compose", "2.40.3+ds1-0ubuntu1~22.04.1"),
)


def offers(name: str) -> Mapping[str, str]:
    return apt.policy((DATA / f"apt-policy-{name}.txt").read_text()).candidates


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("debian-12", ("docker.io", "docker-compose")),  # version 1, for docker 20.10
        ("debian-13", ("docker.io", "docker-cli", "docker-compose")),
        ("ubuntu-22.04", ("docker.io", "docker-compose-v2")),
        ("ubuntu-24.04", ("docker.io", "docker-compose-v2")),
    ],
)
def test_what_each_distribution_is_asked_for(system: str, wanted: tuple[str, ...]) -> None:
    assert Tools(offers=offers(system)).packages == wanted


def test_a_package_without_a_version_is_not_offered() -> None:
    assert (
        "docker-cli" not in offers("ubuntu-24.04")
        and offers("ubuntu-24.04")["docker-compose"] == "1.29.2-6ubuntu1"
    )
    assert apt.policy("").candidates == {}


def test_dockers_own_plugin_comes_first() -> None:
    theirs = {**offers("ubuntu-22.04"), "docker-compose-plugin": "2.35.1-1~ubuntu.22.04~jammy"}
    assert Tools("28.1.1", offers=theirs).packages == ("docker-compose-plugin",)
    assert Tools("28.1.1", (PLUGIN,), theirs).packages == ()


def test_version_1_is_for_an_old_docker_alone() -> None:
    assert (
        Tools("20.10.24+dfsg1", (OLD,)).compose == OLD
        and Tools("20.10.24+dfsg1", (PLUGIN, OLD)).compose == PLUGIN
    )
    assert (
        Tools("29.1.3", (OLD,)).compose is None and Tools("29.1.3", (OLD, PLUGIN)).compose == PLUGIN
    )
    assert Tools("what is this", (OLD,)).compose is None
    assert Tools("29.1.3", (OLD,), offers("debian-12")).packages == ()
    assert (
        Tools("29.1.3", (OLD,)).unfit
        == "docker-compose 1.29.2 does not work with docker 29 (docker/compose#11693)"
    )
    assert Tools("20.10.24", (OLD,)).unfit == ""


def test_half_of_what_is_missing_is_none_of_it() -> None:
    assert Tools(offers={"docker.io": "29.1.3", "docker-compose": "1.29.2"}).packages == ()
    assert Tools(offers={"docker-compose": "2.26.1"}).packages == ()
    assert (Tools().missing, Tools("20.10").missing, Tools("", (PLUGIN,)).missing) == (
        "docker and docker compose",
        "docker compose",
        "docker",
    )


@pytest.mark.parametrize(
    ("version", "number"),
    [
        ("2.26.1-4", 2),
        ("v2.5.0", 2),
        ("5:28.1.1-1~debian.12~bookworm", 28),
        ("1.29.2", 1),
        ("Docker version 20.10.24+dfsg1, build 297e128", 20),
        ("", 0),
        ("podman", 0),
    ],
)
def test_a_first_number(version: str, number: int) -> None:
    assert major(version) == number
