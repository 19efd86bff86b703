"""VirtualBox' networks.conf on this machine: read, and written whole or not at all, by root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from kubeup.cluster.providers.vagrant import networks_conf
from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError, Refused
from kubeup.core.plan import Log

FILE = Path("/etc/vbox/networks.conf")
# argument: the file itself, not a link to it; its new content by standard input. A file that is
# there keeps its mode and, where root writes it, its owner.
WRITE = """\
set -eu
folder=$(dirname "$1")
mkdir -p "$folder"
part=$(mktemp "$folder/.networks.conf.XXXXXX")
trap 'rm -f "$part"' EXIT
if [ -e "$1" ]; then cp -p "$1" "$part"; else chmod 644 "$part"; fi
cat >"$part"
mv -f "$part" "$1"
trap - EXIT
"""


def read(path: Path = FILE) -> str | None:
    """The file's text, every byte kept; None where there is no file."""
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        why = error.strerror or str(error)
        raise KubeupError(
            f"{path} can't be read", why, f"check its permissions: ls -l {path}"
        ) from None


@dataclass(frozen=True)
class AllowNetwork:
    """Let VirtualBox use a network: one line more, all others as they are.

    Also where the file is a link.
    """

    network: IPv4Network
    path: Path = FILE

    def current(self) -> str:
        """What the file allows, in words."""
        text = read(self.path)
        if text is None:
            return f"there is no {self.path}, so {networks_conf.DEFAULT} is all that is allowed"
        ranges = ", ".join(map(str, networks_conf.ranges(text)))
        return f"{self.path} allows {ranges or 'no IPv4 address'}"

    def already(self) -> str:
        return "allowed" if networks_conf.allows(read(self.path), self.network) else ""

    @property
    def line(self) -> str:
        return networks_conf.line_for(self.network)

    def commands(self) -> tuple[str, ...]:
        append = f"echo '{self.line}' | sudo tee -a {self.path}"
        return (f"sudo mkdir -p {self.path.parent} && {append}",)

    def run(self, log: Log) -> None:
        text = networks_conf.allowing(read(self.path), self.network)
        by_hand = f"run this, then the same command again: {self.commands()[0]}"
        _write(self.path, text, by_hand, log)
        if not self.already():
            raise KubeupError(
                f"{self.path} does not allow {self.network}",
                "another program wrote it at the same time",
                "run the same again",
            )


@dataclass(frozen=True)
class DisallowNetwork:
    """Take back a line that AllowNetwork has added, unless somebody has changed it since."""

    line: str
    path: Path = FILE

    def already(self) -> str:
        text = read(self.path) or ""
        return "it is already gone" if networks_conf.without(text, self.line) == text else ""

    def run(self, log: Log) -> None:
        by_hand = f"remove the line `{self.line}` from it, then run the same command again"
        text = networks_conf.without(read(self.path) or "", self.line)
        _write(self.path, text, by_hand, log)


def _write(path: Path, text: str, by_hand: str, log: Log) -> None:
    """Give the file another text, as root where it takes that.

    Raises Refused, with what to do `by_hand`, where root is not to be had.
    """
    # a link stays a link
    target, denied = path.resolve(), f"{path} can be changed by root only"
    # -n: there may be nobody to type a password
    sudo = () if _writable(target) else ("sudo", "-n", "--")
    if sudo and shell.which("sudo") is None:
        fix = f"as root: {by_hand.replace('sudo ', '')}"
        raise Refused(denied, "sudo is not installed", fix)
    data = text.encode("utf-8", errors="surrogateescape")
    try:
        shell.write(*sudo, "sh", "-c", WRITE, "write", str(target), stdin=data, log=log)
    except CommandError as error:
        if not sudo:
            raise
        raise Refused(denied, f"sudo failed: {error.stderr.strip()}", by_hand) from None


def _writable(target: Path) -> bool:
    """Whether this user may put a file there, or the first folder that is missing."""
    folder = next(parent for parent in target.parents if parent.exists())
    user = os.geteuid()
    owned = user == 0 or not target.exists() or target.stat().st_uid == user
    return owned and os.access(folder, os.W_OK)
