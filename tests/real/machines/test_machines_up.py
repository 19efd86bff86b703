"""The README's commands on ordinary machines, typed by an ordinary user."""

from __future__ import annotations

import json
import re

import pytest

from tests.beds.ran import Ran
from tests.real.harness import LINES
from tests.real.machines.conftest import Checkout

pytestmark = [pytest.mark.real, pytest.mark.long]

API = "http://192.168.60.10:31000"


def names(checkout: Checkout) -> set[str]:
    """The products that the API tells of."""
    rows = json.loads(checkout.machine.run(f"curl -s --max-time 20 '{API}/products?size=100'").out)[
        "items"
    ]
    return {row["name"] for row in rows}


def test_the_first_command_ends_with_every_line_verified(checkout: Checkout, first_up: Ran) -> None:
    assert first_up.code == 0, str(first_up)
    assert sorted(re.findall(r"^ ✔ (.+?)\s+[\d.]+ s  ", first_up.out, re.MULTILINE)) == sorted(
        LINES
    )
    assert "sudo is used for podman and apt-get only" in first_up.out


def test_the_engine_is_the_distributions_own(standing: Checkout) -> None:
    assert f"version {standing.machine.kind.podman}." in standing.machine.facts()["podman"]


def test_every_file_is_the_users_own(standing: Checkout) -> None:
    found = standing.machine.run("find ~ ! -user dev", code=None)
    assert found.both == ""


def test_nothing_can_be_read_by_others_where_the_umask_says_so(standing: Checkout) -> None:
    if standing.umask == "077":
        assert (
            standing.machine.run(
                "find ~/my* ~/.cache/kubeup -perm /go=rwx ! -type l -path '*kubeup/.kubeup*'"
            ).out
            == ""
        )
    secret = standing.machine.run(
        f"stat -c %a '{standing.folder}/.env' '{standing.folder}/.kubeup/dev/id_rsa'"
    ).out.split()
    assert secret == ["600", "600"]


def test_the_second_command_has_nothing_to_do(standing: Checkout) -> None:
    assert "Nothing to do." in standing.inv("up --yes").out


def test_stopped_and_started(standing: Checkout) -> None:
    standing.inv("cluster.halt")
    standing.inv("cluster.start")
    standing.verify()
    assert "Nothing to do." in standing.inv("up --yes").out


def test_a_reboot_of_the_machine(standing: Checkout) -> None:
    """Containers are stopped with their machine and stay so; the packet filter's rules are gone."""
    standing.machine.reboot()
    standing.inv("up --yes", timeout=900)
    standing.verify()
    assert "Nothing to do." in standing.inv("up --yes").out


@pytest.mark.parametrize(("wrong", "right"), [
    ("iptables -I FORWARD -j DROP", "iptables -D FORWARD -j DROP"),
    ("iptables -F KUBEUP-dev", "true"),
])  # fmt: skip
def test_a_packet_filter_that_drops_what_nodes_send_is_told_and_mended(
    standing: Checkout, wrong: str, right: str
) -> None:
    machine = standing.machine
    machine.run(wrong, "root")
    try:
        told = standing.inv("doctor", code=1)
        assert re.search(
            r"✘ machines .*(another rule comes before|are not in the table)", told.out
        ), str(told)
        planned = standing.inv("plan").out
        assert "let this machine forward what goes between the nodes" in planned
        standing.inv("up --yes")
        standing.verify()
    finally:
        machine.run(right, "root")
    assert "Nothing to do." in standing.inv("up --yes").out


def test_dockers_and_ufws_policy_does_not_matter(standing: Checkout) -> None:
    machine = standing.machine
    machine.run("iptables -P FORWARD DROP", "root")
    try:
        standing.verify()
    finally:
        machine.run("iptables -P FORWARD ACCEPT", "root")


def test_down_keeps_the_data_and_up_finds_them(standing: Checkout) -> None:
    machine = standing.machine
    machine.run(
        f"curl -sf -X POST -H 'Content-Type: application/json' {API}/products "
        """-d '{"name": "kept", "description": "d", "price": "1.00", "stock": 1}'"""
    )
    standing.inv("down --yes")
    assert machine.run("sudo podman ps --all --quiet").out == ""
    assert "KUBEUP" not in machine.run("iptables-save", "root").out
    standing.inv("up --yes", timeout=900)
    assert "kept" in names(standing)


def test_down_with_the_data_leaves_nothing(standing: Checkout) -> None:
    machine = standing.machine
    standing.inv("down --yes --data")
    assert machine.run("sudo podman ps --all --quiet").out == ""
    assert "dev-" not in machine.run("sudo podman volume ls --quiet").out
    assert "KUBEUP" not in machine.run("iptables-save", "root").out
