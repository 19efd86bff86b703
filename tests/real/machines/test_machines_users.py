"""Who types: a user with a password for sudo, and one whom sudo does not let in."""

from __future__ import annotations

import pytest

from tests.real.machines.conftest import Checkout, cloned

pytestmark = [pytest.mark.real, pytest.mark.long]

PASSWORD = "correct horse"
# a terminal for a program that asks: what is typed comes when it has asked (python's pty has no
# such thing)
TYPED = """
import os, pty, sys
asked = 0
def read(fd):
    global asked
    data = os.read(fd, 1024)
    if b"[sudo] password" in data:
        asked += 1
        os.write(fd, b"%s\\n")
    return data
code = pty.spawn(["sh", "-c", sys.argv[1]], read)
print(f"asked {asked} times")
sys.exit(os.waitstatus_to_exitcode(code))
"""


@pytest.fixture(scope="module")
def anas(checkout: Checkout) -> Checkout:
    """A clone of somebody who has to type a password for sudo. The engine is there already."""
    checkout.machine.run(
        "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "
        "--no-install-recommends podman runc netavark aardvark-dns nftables python3-venv "
        ">/dev/null",
        "root",
    )
    return cloned(checkout.machine, "kubeup", user="ana")


def test_a_password_is_not_waited_for_where_nobody_can_type_it(anas: Checkout) -> None:
    told = anas.inv("plan", code=3)
    assert "sudo needs a password, but standard input is not a terminal" in told.err


def test_a_password_is_asked_for_once(anas: Checkout) -> None:
    script = TYPED % PASSWORD
    anas.machine.run(f"cat >typed.py <<'EOF'\n{script}\nEOF", "ana")
    told = anas.machine.run("python3 typed.py 'cd kubeup && ./inv plan'", "ana", code=None)
    assert "asked 1 times" in told.out, str(told)
    assert PASSWORD not in told.out
    assert "Plan:" in told.out


def test_who_may_not_become_root_is_told_what_to_do(checkout: Checkout) -> None:
    checkout.machine.run(
        "id eve >/dev/null 2>&1 || useradd --create-home --shell /bin/bash eve", "root"
    )
    hers = cloned(checkout.machine, "kubeup", user="eve")
    told = hers.inv("plan --set provider=local", code=None)
    assert told.code in (2, 3), str(told)
    assert "this user may not use sudo" in told.err and "docker" in told.err


INTERRUPTED = """
import threading
from pathlib import Path
from kubeup.core import lock, shell
from kubeup.core.errors import CommandError

def interrupted():
    threading.Timer(1, shell.stop_all).start()
    try:
        shell.write(*shell.SUDO, "sleep", "4242")
    except CommandError as error:
        print(error.what)

LOCKED
"""
LOCKED = (
    "interrupted()",
    'with lock.profile(Path(".kubeup/interrupted"), "test"):\n    interrupted()',
)


@pytest.mark.parametrize("locked", LOCKED, ids=["alone", "under the lock"])
def test_an_interrupt_ends_what_sudo_runs(checkout: Checkout, locked: str) -> None:
    """It is root's, so this user's own signal does not reach it; under the lock a shell of this
    user's is beside it.
    """
    script = f".venv/bin/python - <<'EOF'\n{INTERRUPTED.replace('LOCKED', locked)}\nEOF"
    checkout.inv("--version")  # makes the environment
    told = checkout.machine.run(f"cd '{checkout.folder}' && time -p {script}", timeout=60)
    assert told.out.strip() == "sleep was stopped"
    assert checkout.machine.run("pgrep -f '^sleep 4242'", code=None).out == ""
