"""VirtualBox' /etc/vbox/networks.conf: which addresses host-only networks may have.

Lines that begin with `*` hold ranges with blanks between them. A file that is there stands in place
of VirtualBox' own range, so a new one has to name that range, too: other machines of the user may
have addresses of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import IPv4Network

DEFAULT = IPv4Network("192.168.56.0/21")  # allowed where there is no file
EVERYTHING = IPv4Network("0.0.0.0/0")
MARK = "# added by kubeup"
ONLY_DEFAULT = f"# without this file VirtualBox allows this range alone\n* {DEFAULT}\n"


def ranges(text: str) -> Iterator[IPv4Network]:
    """The IPv4 ranges of a file's text."""
    for line in map(str.strip, text.splitlines()):
        if not line.startswith("*"):
            continue
        for word in line[1:].split():
            # what neither VirtualBox nor Vagrant could read, or an IPv6 range
            with contextlib.suppress(ValueError):
                yield IPv4Network(word, strict=False)


def allows(text: str | None, network: IPv4Network) -> bool:
    """Whether host-only networks may have all of these addresses; None: there is no file."""
    known = (DEFAULT,) if text is None else ranges(text)
    return any(map(network.subnet_of, known))


def allowing(text: str | None, network: IPv4Network) -> str:
    """The text that allows the network, too; every line that is there stays, byte for byte."""
    if allows(text, network):
        return text or ""
    added = f"{MARK}\n{line_for(network)}\n"
    if text is None:
        return added if network == EVERYTHING else f"{ONLY_DEFAULT}{added}"
    if not text or text.endswith("\n"):
        return f"{text}{added}"
    # the new line ends as Unix has it, also in a file with CRLF: nobody reads that wrongly
    gap = "\r\n" if "\r\n" in text else "\n"
    return f"{text}{gap}{added}"


def line_for(network: IPv4Network) -> str:
    """Where every IPv4 address is allowed, every IPv6 address is as well."""
    if network == EVERYTHING:
        return f"* {network} ::/0"
    return f"* {network}"


def without(text: str, line: str) -> str:
    """The text without that line, where kubeup's mark is above it: any other is somebody else's."""
    return text.replace(f"{MARK}\n{line}\n", "", 1)
