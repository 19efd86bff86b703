"""VirtualBox' networks.conf: one range more, and every other byte as it was."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kubeup.cluster.providers.vagrant.networks_conf import (
    DEFAULT,
    EVERYTHING,
    allowing,
    allows,
    ranges,
)

NODES = IPv4Network("192.168.100.0/24")
LINE = "# added by kubeup\n* 192.168.100.0/24\n"


def test_a_file_made_anew_still_allows_what_virtualbox_allows_without_one() -> None:
    assert not allows(None, NODES) and allows(None, IPv4Network("192.168.60.0/24"))
    text = allowing(None, NODES)
    assert (
        text == f"# without this file VirtualBox allows this range alone\n* 192.168.56.0/21\n{LINE}"
    )
    assert tuple(ranges(text)) == (DEFAULT, NODES)


def test_the_range_that_is_allowed_anyway_needs_no_file() -> None:
    assert allowing(None, IPv4Network("192.168.60.0/24")) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n",
        "* 10.0.0.0/8\n",
        "* 10.0.0.0/8",
        "\n\n  # a comment\n * 10.0.0.0/8 172.16.0.0/12 # not read\n",
        "* 2001:db8::/64 fe80::/10\n",
        "* 192.168.100.0/25\n",
        "* 192.168.100.171/32\n",
        "192.168.100.0/24\n",
        "#* 192.168.100.0/24\n",
        "* nonsense 300.1.2.3/8\n",
    ],
)
def test_what_is_there_stays_and_one_range_is_added(text: str) -> None:
    gap = "" if not text or text.endswith("\n") else "\n"
    assert allowing(text, NODES) == text + gap + LINE


@pytest.mark.parametrize(
    "text",
    [
        "* 192.168.0.0/16\n",
        "* 10.0.0.0/8 192.168.100.0/24",
        "  *   0.0.0.0/0 ::/0\n",
        "# mine\r\n* 192.168.100.0/22\r\n",
        "*192.168.100.0/24\n",
    ],
)
def test_a_range_that_covers_ours_is_enough(text: str) -> None:
    assert allows(text, NODES) and allowing(text, NODES) == text


def test_crlf_stays_where_it_is() -> None:
    assert allowing("# mine\r\n* 10.0.0.0/8\r\n", NODES) == f"# mine\r\n* 10.0.0.0/8\r\n{LINE}"
    assert allowing("# mine\r\n* 10.0.0.0/8", NODES) == f"# mine\r\n* 10.0.0.0/8\r\n{LINE}"


def test_everything_only_where_asked_for() -> None:
    assert (
        allowing("* 10.0.0.0/8\n", EVERYTHING)
        == "* 10.0.0.0/8\n# added by kubeup\n* 0.0.0.0/0 ::/0\n"
    )
    assert allowing("* 192.168.0.0/16\n", EVERYTHING).endswith("* 0.0.0.0/0 ::/0\n")
    assert allowing(None, EVERYTHING) == "# added by kubeup\n* 0.0.0.0/0 ::/0\n"
    assert "0.0.0.0/0" not in allowing(None, NODES)


@given(some.text(alphabet="*#. /:0123456789abf\r\n\tñ", max_size=80))
def test_whatever_is_there_stays_as_it_is_and_the_second_time_adds_nothing(text: str) -> None:
    once = allowing(text, NODES)
    assert once.startswith(text) and allows(once, NODES) and allowing(once, NODES) == once
