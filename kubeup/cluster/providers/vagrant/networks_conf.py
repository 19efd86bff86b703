"""VirtualBox' /etc/vbox/networks.conf: which addresses host-only networks may have.

Lines that begin with `*` hold ranges with blanks between them. A file that is there stands in place
of VirtualBox' own range, so a new one has to name that range, too: other machines of the user may
have addresses of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

DEFAULT = IPv4Network("192.168.56.0/21")  # allowed where there is no file
EVERYTHING = IPv4Network("0.0.0.0/0")
OPEN = f"{EVERYTHING} ::/0"
MARK = "# added by kubeup"


def ranges(text: str) -> tuple[IPv4Network, ...]:
    """The IPv4 ranges of a file's text; what neither VirtualBox nor Vagrant could read is passed
    over.
    """
    return tuple(_networks(text))


def _networks(text: str) -> Iterator[IPv4Network]:
    for line in text.splitlines():
        if not line.strip().startswith("*"):
            continue
        for word in line.strip()[1:].split():
            try:
                network = ip_network(word, strict=False)
            except ValueError:
                continue
            if isinstance(network, IPv4Network):
                yield network


def allows(text: str | None, network: IPv4Network) -> bool:
    """Whether a file's text (None: there is no file) lets host-only networks have all of these
    addresses.
    """
    known = (DEFAULT,) if text is None else ranges(text)
    return any(network.subnet_of(one) for one in known)


def allowing(text: str | None, network: IPv4Network, open_: bool = False) -> str:
    """The text that allows the network, too; every line that is there stays as it is, byte for
    byte.
    """
    wanted = EVERYTHING if open_ else network
    if allows(text, wanted):
        return text or ""
    line = f"{line_for(network, open_)}\n"
    if text is None:
        own = (
            ""
            if open_
            else f"# without this file VirtualBox allows this range alone\n* {DEFAULT}\n"
        )
        return f"{own}{MARK}\n{line}"
    # the new line ends as Unix has it, also in a file with CRLF: nobody reads that wrongly
    gap = "" if not text or text.endswith("\n") else "\r\n" if "\r\n" in text else "\n"
    return f"{text}{gap}{MARK}\n{line}"


def line_for(network: IPv4Network, open_: bool = False) -> str:
    return f"* {OPEN if open_ else network}"


def without(text: str, line: str) -> str:
    """The text without that line, where kubeup's mark is above it: any other is somebody else's."""
    return text.replace(f"{MARK}\n{line}\n", "", 1)
