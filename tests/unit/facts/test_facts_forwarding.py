from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network

import pytest
from builders import recorded

from kubeup.facts.forwarding import Forwarding, bridge, chain, droppers

DEV = Forwarding("dev", "podman1", IPv4Network("192.168.60.0/24"), IPv4Network("10.244.0.0/16"))
SAVED = recorded("facts/iptables_save_nodes")  # netavark's rules, and those of a profile named dev
CALL = "-A FORWARD -j KUBEUP-dev\n"


def test_rules_are_written_as_iptables_prints_them() -> None:
    assert DEV.wrong(SAVED) == ""


@pytest.mark.parametrize(
    ("lost", "instead", "words"),
    [
        (
            "-A KUBEUP-dev -i podman1 -o podman1",
            "-A KUBEUP-dev -i podman9 -o podman9",
            "not in the table filter",
        ),
        (CALL, "", "another rule comes before those for the nodes in filter FORWARD"),
        (
            CALL,
            f"-A FORWARD -j DROP\n{CALL}",
            "another rule comes before those for the nodes in filter FORWARD",
        ),
        ("-A PREROUTING -j KUBEUP-dev\n", "", "raw PREROUTING"),
    ],
)
def test_what_is_missing_or_comes_first_is_told(lost: str, instead: str, words: str) -> None:
    assert lost in SAVED
    assert words in DEV.wrong(SAVED.replace(lost, instead, 1))


def test_nothing_at_all_is_told() -> None:
    assert "not in the table" in DEV.wrong("")


def test_another_profile_may_come_first() -> None:
    """Else two profiles would take the first place from each other at each run."""
    assert DEV.wrong(SAVED.replace(CALL, f"-A FORWARD -j KUBEUP-lab\n{CALL}")) == ""


def test_another_network_is_another_rule() -> None:
    assert replace(DEV, pods=IPv4Network("10.245.0.0/16")).wrong(SAVED)


def test_a_chains_name_fits_and_tells_profiles_apart() -> None:
    long = "a-profile-whose-name-is-long"
    assert chain("dev") == "KUBEUP-dev"
    assert len(chain(long)) == 28
    assert chain(long) != chain(f"{long}er")


def test_which_interface_a_network_is() -> None:
    podman = [
        {"name": "kubeup-dev", "id": "8c0d", "driver": "bridge", "network_interface": "podman1"}
    ]
    docker = [{"Name": "kubeup-dev", "Id": "1f0a8e9a64c5c0b1", "Options": {}}]
    named = [
        {
            "Name": "kubeup-dev",
            "Id": "1f0a8e9a64c5c0b1",
            "Options": {"com.docker.network.bridge.name": "nodes0"},
        }
    ]
    assert [bridge(json.dumps(one)) for one in (podman, docker, named)] == [
        "podman1",
        "br-1f0a8e9a64c5",
        "nodes0",
    ]


def ruleset(*chains: dict[str, object]) -> str:
    return json.dumps(
        {
            "nftables": [
                {"metainfo": {"version": "1.0.6"}},
                *({"chain": one} for one in chains),
                {"rule": {}},
            ]
        }
    )


def test_tables_that_drop_whatever_ours_accepts() -> None:
    base = {"type": "filter", "hook": "forward", "prio": 0}
    netavark = {
        **base,
        "family": "inet",
        "table": "netavark",
        "name": "FORWARD",
        "policy": "accept",
    }
    own = {**base, "family": "inet", "table": "filter", "name": "forward", "policy": "drop"}
    iptables = {**base, "family": "ip", "table": "filter", "name": "FORWARD", "policy": "drop"}
    firewalld = {
        **base,
        "family": "inet",
        "table": "firewalld",
        "name": "filter_FORWARD",
        "policy": "accept",
    }
    called = {"family": "inet", "table": "lan", "name": "no-base-chain"}
    assert droppers(ruleset(netavark, iptables, called)) == ()
    assert droppers(ruleset(netavark, own, firewalld)) == ("inet filter", "inet firewalld")
