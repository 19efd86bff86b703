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
# arguments: the file itself (not a link to it), mode, user and group; its new content by standard
# input
WRITE = (
    'set -eu; folder=$(dirname "$1"); mkdir -p "$folder"; part=$(mktemp '
    '"$folder/.networks.conf.XXXXXX"); trap \'rm -f "$part"\' EXIT; '
    'cat >"$part"; chmod "$2" "$part"; [ "$(id -u)" != 0 ] || chown "$3:$4" "$part"; mv -f '
    '"$part" "$1"; trap - EXIT'
)
NEW = (0o644, 0, 0)  # mode, user and group of a file that was not there


def read(path: Path = FILE) -> str | None:
    """The file's text, every byte kept; None where there is no file."""
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeupError(
            f"{path} can't be read", error.strerror or str(error), f"look at it: ls -l {path}"
        ) from None


@dataclass(frozen=True)
class AllowNetwork:
    """Let VirtualBox use a network: one line more, all others as they are, also where the file
    is a link.
    """

    network: IPv4Network
    open: bool = False
    path: Path = FILE

    @property
    def wanted(self) -> IPv4Network:
        return networks_conf.EVERYTHING if self.open else self.network

    def found(self) -> str:
        """What the file allows, in words."""
        text = read(self.path)
        if text is None:
            return f"there is no {self.path}, so {networks_conf.DEFAULT} is all that is allowed"
        return (
            f"{self.path} allows "
            f"{', '.join(map(str, networks_conf.ranges(text))) or 'no IPv4 address'}"
        )

    def already(self) -> str:
        return "allowed" if networks_conf.allows(read(self.path), self.wanted) else ""

    @property
    def line(self) -> str:
        return networks_conf.line_for(self.network, self.open)

    def commands(self) -> tuple[str, ...]:
        return (
            f"sudo mkdir -p {self.path.parent} && echo '{self.line}' | sudo tee -a {self.path}",
        )

    def run(self, log: Log) -> None:
        text = networks_conf.allowing(read(self.path), self.network, self.open)
        _put(self.path, text, f"type this, and run the same again: {self.commands()[0]}", log)
        if not self.already():
            raise KubeupError(
                f"{self.path} does not allow {self.wanted}",
                "somebody else wrote it at the same moment",
                "run the same again",
            )


@dataclass(frozen=True)
class DisallowNetwork:
    """Take back a line that AllowNetwork has added; one that somebody changed since is
    somebody's own.
    """

    line: str
    path: Path = FILE

    def already(self) -> str:
        text = read(self.path) or ""
        return "it is not there any more" if networks_conf.without(text, self.line) == text else ""

    def run(self, log: Log) -> None:
        text = networks_conf.without(read(self.path) or "", self.line)
        _put(self.path, text, f"take the line `{self.line}` out of it, and run the same again", log)


def _put(path: Path, text: str, by_hand: str, log: Log) -> None:
    """Give the file another text, as root where it takes that.

    Raises Refused, with what to do `by_hand`, where root is not to be had.
    """
    target = path.resolve()
    mode, user, group = _kept(target)
    unaided = _writable(target)
    if not unaided and shell.which("sudo") is None:
        raise Refused(
            f"{path} can be changed by root only",
            "sudo is not installed",
            f"as root: {by_hand.replace('sudo ', '')}",
        )
    words = ("sh", "-c", WRITE, "write", str(target), f"{mode:o}", str(user), str(group))
    data = text.encode("utf-8", errors="surrogateescape")
    try:
        shell.write(*(() if unaided else ("sudo", "-n", "--")), *words, stdin=data, log=log)
    except CommandError as error:
        if unaided:
            raise
        raise Refused(
            f"{path} can be changed by root only",
            f"sudo does not let us: {error.stderr.strip()}",
            by_hand,
        ) from None


def _kept(target: Path) -> tuple[int, int, int]:
    """Mode, user and group that the file has."""
    if not target.exists():
        return NEW
    found = target.stat()
    return found.st_mode & 0o7777, found.st_uid, found.st_gid


def _writable(target: Path) -> bool:
    """Whether this user may put a file there, or the first folder that is missing."""
    folder = next(parent for parent in target.parents if parent.exists())
    return os.access(folder, os.W_OK) and (
        os.geteuid() == 0 or not target.exists() or target.stat().st_uid == os.geteuid()
    )
