"""A node whose Python Ansible has no modules for is told apart before anything is done there."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic

from ansible import config
from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.cluster.provision.play import environment
from kubeup.core import shell
from kubeup.core.errors import CommandError

PLAY = ANSIBLE / "python.yml"
BOUNDS = yaml.safe_load(PLAY.read_text())[0]["vars"]
# no node: Ansible's own connection to this machine, with Pythons made up for it
PYTHON = """#!/bin/sh
case "$2" in *version_info*) {}; exit ;; esac
exec {} "$@"
"""
BAD = {
    "old": ("echo 3.7", "is Python 3.7"),
    "older": ("echo 2.7", "is Python 2.7"),
    "new": ("echo 3.14", "is Python 3.14"),
    "missing": ("exit 127", "does not run"),
    "strange": ("echo no such thing", "does not run"),
}


def test_the_bounds_are_ansible_s_own() -> None:
    assert BOUNDS["python_oldest"] == ".".join(map(str, basic._PY_MIN))
    settings = yaml.safe_load((Path(config.__file__).parent / "base.yml").read_text())
    known = settings["INTERPRETER_PYTHON_FALLBACK"]["default"]
    assert known[0] == f"python{BOUNDS['python_newest']}"


def test_it_is_looked_at_first() -> None:
    first = yaml.safe_load((ANSIBLE / "site.yml").read_text())[0]
    assert first["ansible.builtin.import_playbook"] == PLAY.name
    play = yaml.safe_load(PLAY.read_text())[0]
    assert play["any_errors_fatal"] and play["tags"] == ["always"]


def played(folder: Path, answers: dict[str, str]) -> str:
    """What Ansible prints of site.yml's first play on nodes whose python3 answers so.

    The play after it says `worked on`, and needs a Python that does what it is told.
    """
    hosts = {}
    for name, answer in answers.items():
        python = folder / f"python3-{name}"
        python.write_text(PYTHON.format(answer, sys.executable))
        python.chmod(0o755)
        hosts[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    work = {
        "hosts": "nodes",
        "gather_facts": False,
        "tasks": [{"name": "worked on", "ansible.builtin.command": {"argv": ["true"]}}],
    }
    inventory, site = folder / "inventory.yml", folder / "site.yml"
    inventory.write_text(yaml.safe_dump({"nodes": {"hosts": hosts}}))
    site.write_text(yaml.safe_dump([{"ansible.builtin.import_playbook": str(PLAY)}, work]))
    lines: list[str] = []
    with contextlib.suppress(CommandError):
        shell.write(
            "ansible-playbook",
            "-i",
            str(inventory),
            str(site),
            cwd=str(ANSIBLE),
            env=environment(),
            log=lines.append,
        )
    return "\n".join(lines)


@pytest.mark.real
def test_one_in_between_is_taken(tmp_path: Path) -> None:
    said = played(tmp_path, {"oldest": "echo noise; echo 3.8", "newest": "echo 3.13"})
    assert said.count("failed=0") == 2 and "TASK [worked on]" in said, said


@pytest.mark.real
def test_another_is_refused_plainly_before_anything_is_done(tmp_path: Path) -> None:
    said = played(
        tmp_path, {"fits": "echo 3.11", **{name: text for name, (text, _) in BAD.items()}}
    )
    for name, (_, found) in BAD.items():
        plain = f"python3-{name} on {name} {found}; Ansible manages nodes with Python 3.8 to 3.13"
        assert plain in said, said
    assert "worked on" not in said and "Traceback" not in said, said


@pytest.mark.real
def test_a_real_one_answers_so() -> None:
    """What is asked, by this Python itself."""
    raw = yaml.safe_load(PLAY.read_text())[0]["tasks"][0]["ansible.builtin.raw"]
    asked = re.sub(r"{{.*}}", sys.executable, raw)
    answer = subprocess.run(asked, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert answer.stdout == f"{sys.version_info[0]}.{sys.version_info[1]}\n"
