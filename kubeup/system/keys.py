"""The project's own SSH key: RSA 4096 without a passphrase, made once and never overwritten."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import ids, shell
from kubeup.core.errors import Refused
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.core.private import make_folder
from kubeup.core.shell import Output
from kubeup.core.state import write_private

PACKAGES = ("openssh-client",)


@dataclass(frozen=True)
class MakeKey:
    """Make a key pair.

    PEM, as the Ruby library inside Vagrant can't read OpenSSH's own format for RSA.
    """

    private: Path
    public: Path

    def already(self) -> str:
        return "there" if self.private.exists() and self.public.exists() else ""

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self._argv()),)

    def run(self, log: Log) -> None:
        make_folder(self.private.parent)
        if self.private.exists():
            write_private(self.public, _public_half(self.private).stdout, 0o644)
            return
        shell.write(*self._argv(), log=log)
        made = self.private.with_name(f"{self.private.name}.pub")
        if made != self.public:
            # it may lie on another file system
            write_private(self.public, made.read_text(encoding="utf-8"), 0o644)
            made.unlink()

    def _argv(self) -> tuple[str, ...]:
        named = ("-N", "", "-C", "kubeup", "-f", str(self.private))
        return ("ssh-keygen", "-q", "-t", "rsa", "-b", "4096", "-m", "PEM", *named)


def plan(private: Path, public: Path) -> list[Planned]:
    """What has to be done for a usable key.

    Raises Refused for a key that others can read, or that has a passphrase.
    """
    there = private.exists()
    if there:
        check(private)
    if there and public.exists():
        return [Holds(ids.KEY, f"{private} is there")]
    if public.exists():
        raise Refused(
            f"{public} exists without its private half {private}",
            "making a new pair would overwrite it",
            "move it away, or name another key in ssh.private_key_path",
        )
    title = "write the SSH key's public half" if there else "make the SSH key"
    reason = f"{public if there else private} is missing"
    action = MakeKey(private, public)
    return [Step(ids.KEY, title, reason, action, needs=(ids.PACKAGES,), seconds=1 if there else 2)]


def _public_half(private: Path, ok: tuple[int, ...] | None = (0,)) -> Output:
    return shell.read("ssh-keygen", "-y", "-P", "", "-f", str(private), ok=ok)


def check(private: Path) -> None:
    """Raises Refused for a key that ssh itself would not take, or that asks for a passphrase."""
    mode = stat.S_IMODE(private.stat().st_mode)
    if mode & 0o077:
        raise Refused(
            f"the key {private} can be read by others (mode {mode:04o})",
            "ssh refuses such a key",
            shell.shown(("chmod", "600", str(private))),
        )
    answer = _public_half(private, ok=None)
    if answer.ok:
        return
    if "passphrase" in answer.stderr:
        raise Refused(
            f"the key {private} has a passphrase",
            "nodes are reached without a prompt for it",
            "name a key without one in ssh.private_key_path, or remove the setting to use the "
            "project's own",
        )
    raise Refused(
        f"{private} is not a usable private key",
        answer.stderr.strip(),
        "name another one in ssh.private_key_path",
    )
