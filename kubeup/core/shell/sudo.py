"""Root's permission for those commands that need it: asked for once, on the terminal."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import threading
from getpass import getpass
from pathlib import Path

from kubeup.core.errors import Refused
from kubeup.core.shell import processes
from kubeup.core.shell.processes import Command
from kubeup.core.shell.sinks import Buffer

SUDO = ("sudo", processes.BY_PROGRAM)
VARIABLE = "SUDO_ASKPASS"
PREFIX = "kubeup-sudo-"  # of the folder with our program
TRIES = 3
_asking = threading.Lock()  # several looks may need it at once


def authorize() -> None:
    """Have sudo's permission for what this process starts from now on.

    Raises Refused where it is not given.
    """
    with _asking:
        if PREFIX in os.environ.get(VARIABLE, "") or _run("-n", "true"):
            return
        if not sys.stdin.isatty():
            raise Refused(
                "sudo needs a password, but standard input is not a terminal",
                "the container engine and apt-get need root",
                "run it in a terminal, or as root; or give your user a rule without password in "
                "sudoers(5)",
            )
        _answer_with(_password())


def _password() -> str:
    for _ in range(TRIES):
        try:
            password = getpass("[sudo] password: ")
        except EOFError:  # Ctrl-D
            break
        if _run("-S", "-p", "", "-v", stdin=f"{password}\n"):
            return password
        print("sorry, try again", file=sys.stderr)
    raise Refused(
        "sudo did not accept the password",
        f"{TRIES} tries",
        "check that this user may use sudo: `sudo -v`",
    )


def _answer_with(password: str) -> None:
    """Let this process give sudo the password from now on.

    It lies in no file, argument or variable.
    """
    # sudo's own memory of it does not do: before 1.9.14 it forgets in another session, and each
    # command here has one (timestamp_type in sudoers(5))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # nobody else may enter
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    pipe = folder / "answer"
    os.mkfifo(pipe, 0o600)
    program = folder / "askpass"
    program.write_text(f"#!/bin/sh\nexec head -n 1 {shlex.quote(str(pipe))}\n", encoding="utf-8")
    program.chmod(0o700)
    threading.Thread(target=_serve, args=(pipe, f"{password}\n".encode()), daemon=True).start()
    os.environ[VARIABLE] = str(program)


def _serve(pipe: Path, answer: bytes) -> None:
    """Give the answer to each reader, for as long as this process lives."""
    while True:
        # opens once somebody reads
        with contextlib.suppress(BrokenPipeError), pipe.open("wb", buffering=0) as file:
            file.write(answer)


def _run(*words: str, stdin: str | None = None) -> bool:
    return processes.run(Command(("sudo", *words), Buffer(), Buffer(), stdin)) == 0
