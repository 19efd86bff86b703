from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from kubeup.facts import proxies

CAMPUS = {
    "http_proxy": "http://proxy.example.org:3128",
    "https_proxy": "http://ana:p%40ss@proxy.example.org:3128",
}
NODES = IPv4Network("192.168.60.0/24")


def test_both_spellings_are_read_and_empty_ones_are_none() -> None:
    environ = {
        "HTTP_PROXY": "http://capital:1",
        "http_proxy": "http://small:1",
        "HTTPS_PROXY": "http://capital:2",
        "no_proxy": "",
        "PATH": "/bin",
    }
    assert proxies.from_environment(environ) == {
        "http_proxy": "http://small:1",
        "https_proxy": "http://capital:2",
    }


def test_without_a_proxy_nothing_is_said() -> None:
    assert proxies.environment({}, [NODES]) == {}
    assert proxies.environment({"no_proxy": "a.example.org"}, [NODES]) == {}


def test_nodes_are_spoken_to_past_the_proxy_and_what_the_user_named_stays() -> None:
    named = {**CAMPUS, "no_proxy": "a.example.org, 10.0.0.0/8,localhost"}
    found = proxies.environment(named, [NODES])
    assert (
        found["NO_PROXY"]
        == found["no_proxy"]
        == "a.example.org,10.0.0.0/8,localhost,127.0.0.1,::1,.svc,.cluster.local,192.168.60.0/24"
    )
    assert found["HTTPS_PROXY"] == found["https_proxy"] == CAMPUS["https_proxy"]


def test_what_is_in_no_url_is_written_as_in_one() -> None:
    named = {"http_proxy": 'http://\udcffp:1"\nAPT::Pre-Invoke:: x;', "no_proxy": "a\nb, ü"}
    found = proxies.environment(named, [])
    assert found["http_proxy"] == "http://%FFp:1%22%0AAPT::Pre-Invoke::%20x;"
    assert found["no_proxy"].startswith("a%0Ab,%C3%BC,localhost,")


def test_to_say_it_twice_changes_nothing() -> None:
    once = proxies.environment(CAMPUS, [NODES])
    assert proxies.environment(proxies.from_environment(once), [NODES]) == once


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:3128",
        "127.0.0.1:3128",
        "localhost",
        "http://localhost:3128/",
        "http://ana:p@ss@127.8.8.8:1",
        "http://[::1]:3128",
        "socks5://localhost:1",
    ],
)
def test_a_proxy_on_the_loopback_is_no_nodes_proxy(url: str) -> None:
    found = {**CAMPUS, "http_proxy": url}
    assert proxies.on_loopback(found) == ("http_proxy",)
    assert {"http_proxy", "HTTP_PROXY"}.isdisjoint(proxies.on_nodes(found, [NODES]))
    assert proxies.on_nodes(found, [NODES])["https_proxy"] == CAMPUS["https_proxy"]
    assert proxies.on_nodes({"http_proxy": url}, [NODES]) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.60.1:3128",
        "http://localhost.example.org:3128",
        "proxy:3128",
        "http://127.0.0.1@proxy.example.org:3128",
    ],
)
def test_any_other_is(url: str) -> None:
    assert proxies.on_loopback({"http_proxy": url}) == ()
