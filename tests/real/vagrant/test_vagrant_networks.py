"""The file that VirtualBox reads, written by the real tools: as root, and as other users."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from kubeup.cluster.providers.vagrant.networks import AllowNetwork
from kubeup.cluster.providers.vagrant.networks_conf import EVERYTHING
from kubeup.core.errors import KubeupError
from kubeup.system import packages

pytestmark = pytest.mark.real

NODES = IPv4Network("192.168.100.0/24")
NOBODY = 65534
LINE = "# added by kubeup\n* 192.168.100.0/24\n"


def run(path: Path, network: IPv4Network = NODES) -> None:
    AllowNetwork(network, path=path).run(lambda line: None)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users can look into."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_a_missing_folder_is_made(folder: Path) -> None:
    path = folder / "etc" / "vbox" / "networks.conf"
    run(path)
    assert path.read_text().splitlines()[1::2] == ["* 192.168.56.0/21", "* 192.168.100.0/24"]
    assert (
        stat.S_IMODE(path.stat().st_mode) == 0o644
        and AllowNetwork(NODES, path=path).already() == "allowed"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"# of ana's\n* 10.0.0.0/8\n",
        b"# of ana's\r\n* 10.0.0.0/8\r\n",
        b"* 2001:db8::/64\n",
        b"* 10.0.0.0/8",
        b"# caf\xe9\n",
    ],
)
def test_lines_that_are_there_stay_byte_for_byte(folder: Path, text: bytes) -> None:
    path = folder / "networks.conf"
    path.write_bytes(text)
    path.chmod(0o640)
    os.chown(path, 0, 4)
    run(path)
    assert path.read_bytes() == text + (b"" if text.endswith(b"\n") else b"\n") + LINE.encode()
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 0, 4)
    assert [entry.name for entry in folder.iterdir()] == ["networks.conf"]


def test_a_second_time_changes_nothing(folder: Path) -> None:
    path = folder / "networks.conf"
    run(path)
    before = path.read_bytes()
    assert AllowNetwork(NODES, path=path).already() == "allowed"
    run(path)
    assert path.read_bytes() == before


def test_a_range_that_covers_ours_is_enough(folder: Path) -> None:
    path = folder / "networks.conf"
    path.write_text("* 192.168.0.0/16\n")
    assert AllowNetwork(NODES, path=path).already() == "allowed"
    assert AllowNetwork(EVERYTHING, path=path).already() == ""
    run(path, EVERYTHING)
    assert path.read_text().splitlines()[-1] == "* 0.0.0.0/0 ::/0"


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(folder: Path, there: bool) -> None:
    (folder / "dotfiles").mkdir()
    path, target = folder / "networks.conf", folder / "dotfiles" / "vbox.conf"
    path.symlink_to(target)
    if there:
        target.write_text("* 10.0.0.0/8\n")
    run(path)
    assert path.is_symlink() and not target.is_symlink() and target.read_text().endswith(LINE)


def test_a_failure_halfway_leaves_the_file_as_it_was(folder: Path) -> None:
    path = folder / "networks.conf"
    path.write_text("* 10.0.0.0/8\n")
    assert (
        as_nobody(path)["code"] == 3
        and path.read_text() == "* 10.0.0.0/8\n"
        and len(list(folder.iterdir())) == 1
    )


def as_nobody(path: Path, search: str = "") -> dict[str, Any]:
    """What a user without rights gets told, or {}: in a process that gives its own away.

    `search`: its PATH.
    """
    importlib.import_module("sh")  # later it could not be read any more
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.environ["PATH"] = search or os.environ["PATH"]
            run(path)
            told: dict[str, Any] = {}
        except KubeupError as error:
            told = {"why": error.why, "next": error.next, "code": int(error.code)}
        except BaseException as error:
            told = {"unforeseen": repr(error)}
        os.write(writing, json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert "unforeseen" not in found, found
    return found


def test_without_sudo_the_command_for_root_is_told(folder: Path) -> None:
    path = folder / "networks.conf"
    told = as_nobody(path, search=str(folder))  # where nothing is
    assert told["why"] == "sudo is not installed"
    assert (
        told["code"] == 3
        and f"mkdir -p {folder} && echo '* 192.168.100.0/24' | " in told["next"]
        and f"tee -a {path}" in told["next"]
    )
    assert not path.exists()


@pytest.fixture
def sudo() -> None:
    if not shutil.which("sudo"):
        packages.Install(("sudo",)).run(lambda line: None)


@pytest.mark.usefixtures("sudo")
def test_a_sudo_that_wants_a_password_is_not_waited_for(folder: Path) -> None:
    told = as_nobody(folder / "networks.conf")
    assert "sudo failed" in told["why"] and "sudo tee -a" in told["next"]


def test_a_user_who_owns_the_folder_needs_no_sudo(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    path = folder / "networks.conf"
    assert as_nobody(path) == {} and path.stat().st_uid == NOBODY


def test_the_advice_does_what_the_step_would(folder: Path) -> None:
    path = folder / "etc" / "networks.conf"
    path.parent.mkdir()
    path.write_text("* 10.0.0.0/8\n")
    (line,) = AllowNetwork(NODES, path=path).commands()
    subprocess.run(["sh", "-c", line.replace("sudo ", "")], check=True, capture_output=True)
    assert AllowNetwork(NODES, path=path).already() == "allowed" and path.read_text().startswith(
        "* 10.0.0.0/8\n"
    )
