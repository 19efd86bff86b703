"""The first command of all on a machine where nobody has made an environment of Python yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.beds.machine import KINDS
from tests.beds.machine.containers import ContainerMachine, machine
from tests.real.machines.conftest import cloned

pytestmark = [pytest.mark.real, pytest.mark.long]

PASTE = "sudo apt-get update; sudo apt-get install python3-venv"


@pytest.fixture(scope="module", params=list(KINDS))
def fresh(request: pytest.FixtureRequest) -> Iterator[ContainerMachine]:
    with machine(request.param, f"start-{request.param}", lambda line: None, memory=2048) as made:
        yield made


def test_who_has_a_password_to_type_gets_a_line_to_paste(fresh: ContainerMachine) -> None:
    hers = cloned(fresh, "kubeup", user="ana")
    told = hers.inv("--version", code=1)
    assert told.err.splitlines()[-1] == f"  next: {PASTE}"
    assert "Traceback" not in told.err and not told.out
    fresh.run("test ! -e kubeup/.venv", "ana")


def test_else_debian_s_module_is_installed(fresh: ContainerMachine) -> None:
    his = cloned(fresh, "my projects/kubeup", umask="077")
    told = his.inv("--version")
    version = fresh.kind.python
    assert (
        f"inv: installing python3-venv with sudo as /usr/bin/python{version} lacks it" in told.err
    )
    assert "debconf" not in told.err
    assert told.out.startswith("Invoke ")
    python = fresh.run(
        "readlink 'my projects/kubeup/.venv/bin/python3'; 'my projects/kubeup/.venv/bin/python' -V"
    )
    assert python.out.endswith(f"Python {fresh.run('python3 -V').out.split()[1]}\n")
    assert his.inv("--version").err == ""


def test_what_sudo_makes_in_a_user_s_checkout_is_the_user_s(fresh: ContainerMachine) -> None:
    cloned(fresh, "by-sudo")
    fresh.run("cd by-sudo && sudo ./inv --version")
    assert fresh.run("find by-sudo ! -user dev -path '*/.venv*' | head -n 3").out == ""


def test_the_line_that_was_pasted_is_enough(fresh: ContainerMachine) -> None:
    assert fresh.run("cd kubeup && ./inv --version", "ana").out.startswith("Invoke ")
