"""The proxy of the network that this machine is in: who goes through it, and who must not.

Pure functions on the variables that curl(1) made customary: http_proxy, https_proxy, no_proxy, in
small or capital letters. A value may hold a password: it is handed on in environments and private
files, never shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_address

PROXIES, EXCEPT = ("http_proxy", "https_proxy"), "no_proxy"
HOST = re.compile(r"(?:\w+://)?(?:[^/]*@)?(?P<host>\[[^]/]*\]|[^:/]*)")
# What stands in no URL as it is (RFC 3986). A line's end or a quote would be more than a value in
# the files of apt and systemd.
NOT_IN_URL = re.compile(rb"[^\w!#$%&'()*+,./:;=?@\[\]~-]")
# what is on this machine, and what only a cluster's own DNS knows
OWN = ("localhost", "127.0.0.1", "::1", ".svc", ".cluster.local")


def from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that are set and not empty, by their small names.

    Where both spellings are set the small one counts, as for curl.
    """
    found = {
        name: environ.get(name) or environ.get(name.upper()) or "" for name in (*PROXIES, EXCEPT)
    }
    return {name: value for name, value in found.items() if value}


def on_loopback(proxies: Mapping[str, str]) -> tuple[str, ...]:
    """Names of those that listen on this machine's loopback, which is another one on a node."""
    return tuple(name for name in PROXIES if name in proxies and _loopback(proxies[name]))


def environment(proxies: Mapping[str, str], networks: Iterable[IPv4Network]) -> dict[str, str]:
    """The environment of programs that use the proxy, but not for `networks`.

    It is empty where there is no proxy, else in both spellings: Go reads the capital ones first,
    curl and apt the small ones. Go, podman and requests take networks in no_proxy.
    """
    if not any(name in proxies for name in PROXIES):
        return {}
    known = [word.strip() for word in proxies.get(EXCEPT, "").split(",") if word.strip()]
    direct = ",".join(dict.fromkeys((*known, *OWN, *map(str, networks))))
    named = {**{name: proxies[name] for name in PROXIES if name in proxies}, EXCEPT: direct}
    values = {name: _as_url(value) for name, value in named.items()}
    return values | {name.upper(): value for name, value in values.items()}


def _as_url(value: str) -> str:
    data = value.encode(errors="surrogateescape")
    return NOT_IN_URL.sub(lambda match: b"%%%02X" % match[0][0], data).decode()


def on_nodes(proxies: Mapping[str, str], networks: Iterable[IPv4Network]) -> dict[str, str]:
    """The same for programs on a node, without proxies that it can't reach."""
    return environment(
        {name: value for name, value in proxies.items() if name not in on_loopback(proxies)},
        networks,
    )


def _loopback(url: str) -> bool:
    host = HOST.match(url)["host"]  # type: ignore[index]  # it matches every text
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
