"""Root's permission for those commands that need it: asked for once, on the terminal."""

from __future__ import annotations

import io
import sys
import threading
from getpass import getpass

from kubeup.errors import Refused
from kubeup.shell import processes

SUDO = ("sudo", "-n")  # it never asks by itself: a command that has no terminal would wait for good
TRIES = 3
RENEW_SECONDS = 60.0  # sudo's own limit is 15 minutes (5 on some systems), a build may take longer


def authorize() -> None:
    """Have sudo's permission for what this process starts from now on. Raises Refused where it is not given.

    sudo keeps it by the process that starts the commands, as they have no terminal (`timestamp_type` in sudoers(5)).
    """
    if _permitted():
        return
    if not sys.stdin.isatty():
        raise Refused("sudo asks for a password, and nobody is there to type it", "the container engine and apt-get need root",
                      "run it in a terminal, or as root; or give your user a rule without password in sudoers(5)")
    for _ in range(TRIES):
        if _run("-S", "-p", "", "-v", stdin=f"{getpass('[sudo] password: ')}\n"):
            threading.Thread(target=_keep, daemon=True).start()
            return
        print("sorry, try again", file=sys.stderr)
    raise Refused("sudo did not take the password", f"{TRIES} tries", "see whether this user may use sudo: `sudo -v`; nothing was changed")


def _permitted() -> bool:
    return _run("-n", "true")


def _keep() -> None:
    """Renew the permission for as long as this process lives, or until sudo takes it back."""
    pause = threading.Event()
    while _run("-n", "-v"):
        pause.wait(RENEW_SECONDS)


def _run(*words: str, stdin: str | None = None) -> bool:
    return processes.run(("sudo", *words), io.BytesIO(), io.BytesIO(), stdin, None, None, 60) == 0
