"""What is wrong before a machine is made: told with its reason, and nothing is made."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.beds import vagrant as bed_
from tests.real.harness import output
from tests.real.vagrant.machines import OnVagrant

pytestmark = pytest.mark.real


def key(lone: OnVagrant, *words: str) -> Path:
    """A key of the user's own, named in the settings."""
    path = lone.folder.parent / "my_key"
    output("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-f", str(path), *words)
    lone.environment["KUBEUP_SSH__PRIVATE_KEY_PATH"] = str(path)
    return path


def refused(lone: OnVagrant, *words: str, code: int = 3) -> str:
    ran = lone.inv("cluster.up", "--yes", *words, code=code)
    assert lone.left() == [] and not lone.vagrants.exists()
    return ran.err


def test_a_key_that_others_can_read(lone: OnVagrant) -> None:
    path = key(lone, "-m", "PEM", "-N", "")
    path.chmod(0o644)
    said = refused(lone)
    assert "mode 0644" in said and f"chmod 600 {path}" in said


def test_a_key_with_a_passphrase(lone: OnVagrant) -> None:
    key(lone, "-m", "PEM", "-N", "secret words")
    said = refused(lone)
    assert "has a passphrase" in said and "secret words" not in said


def test_a_key_in_openssh_format_and_the_advice_that_mends_it(lone: OnVagrant) -> None:
    path = key(lone, "-N", "")
    said = refused(lone)
    assert "can't read" in said
    advice = said.splitlines()[-1].split("as well: ")[1]
    assert advice == f"ssh-keygen -p -m PEM -N '' -f {path}"
    subprocess.run(["sh", "-c", advice], check=True, capture_output=True)
    steps = {step["id"] for step in lone.inv("plan", "--json").json}
    assert "node/vh" in steps


@contextmanager
def stranger(address: str) -> Iterator[None]:
    """A machine at an address of the nodes' network: this one, for as long as it lasts."""
    output("ip", "link", "add", "br-vh", "type", "bridge")
    try:
        output("ip", "address", "add", f"{address}/24", "dev", "br-vh")
        output("ip", "link", "set", "br-vh", "up")
        with socket.create_server((address, 22)):
            yield
    finally:
        output("ip", "link", "del", "br-vh")


def test_an_address_that_is_taken(lone: OnVagrant) -> None:
    with stranger(lone.address):
        assert f"the address {lone.address} is taken" in refused(lone)


def folder_with(lone: OnVagrant, **scripts: str) -> None:
    """Scripts that stand before everything else on PATH."""
    folder = lone.folder.parent / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    lone.environment["PATH"] = f"{folder}{os.pathsep}{lone.environment['PATH']}"


def test_vagrant_is_too_old(lone: OnVagrant) -> None:
    folder_with(lone, vagrant="echo Vagrant 2.2.14")
    said = refused(lone)
    assert "Vagrant 2.2.14 is too old: 2.2.19" in said and "developer.hashicorp.com" in said


def test_vagrant_is_missing(lone: OnVagrant) -> None:
    without = lone.folder.parent / "without"
    without.mkdir()
    for folder in lone.environment["PATH"].split(os.pathsep):
        for path in Path(folder).iterdir() if Path(folder).is_dir() else ():
            if path.name != "vagrant" and not (without / path.name).exists():
                (without / path.name).symlink_to(path)
    lone.environment["PATH"] = str(without)
    said = refused(lone)
    assert "vagrant is not installed" in said and "inv doctor --fix --set provider=vagrant" in said


def test_libvirt_is_planned_before_there_is_a_folder(lone: OnVagrant) -> None:
    """The real Vagrant is asked for its plug-in, with nothing made yet."""
    folder_with(lone, virsh="exit 0")
    steps = {
        step["id"]
        for step in lone.inv(
            "cluster.vagrant", "--dry", "--json", "--set", "vagrant.provider=libvirt"
        ).json
    }
    assert {"vagrant/files", "node/vh"} <= steps and not lone.vagrants.exists()
    folder_with(
        lone,
        vagrant='[ "$1" = --version ] && echo Vagrant 2.3.4 || { echo "Vagrant failed to '
        'initialize" >&2; exit 1; }',
    )
    said = refused(lone, "--set", "vagrant.provider=libvirt")
    assert (
        "Vagrant can't be asked for its plug-ins" in said and "Vagrant failed to initialize" in said
    )


def test_no_virtualbox(lone: OnVagrant) -> None:
    if shutil.which("VBoxManage"):
        pytest.skip("VirtualBox is installed here")
    assert "VBoxManage is not installed" in refused(lone, "--set", "vagrant.provider=virtualbox")


def test_an_image_that_does_not_exist(lone: OnVagrant) -> None:
    ran = lone.inv(
        "cluster.up", "--yes", "--set", "vagrant.image=localhost/nobody/nothing:1", code=1
    )
    assert "nobody/nothing" in ran.err and "vagrant.image" in ran.err and lone.left() == []


def test_a_box_that_does_not_exist(lone: OnVagrant) -> None:
    # its VBoxManage
    lone.environment["PATH"] = f"{bed_.VIRTUALBOX}{os.pathsep}{lone.environment['PATH']}"
    words = ("--set", "vagrant.provider=virtualbox", "--set", "software.box=nobody/nothing")
    ran = lone.inv("cluster.up", "--yes", *words, code=1)
    assert (
        "nobody/nothing" in ran.err
        and "could not be found or" in ran.err
        and "software.box" in ran.err
    )


def test_an_address_outside_what_virtualbox_allows(lone: OnVagrant) -> None:
    lone.environment["PATH"] = f"{bed_.VIRTUALBOX}{os.pathsep}{lone.environment['PATH']}"
    words = ("--set", "vagrant.provider=virtualbox", "--set", "network.control_ip=192.168.100.171")
    steps = {
        step["id"]: step for step in lone.inv("cluster.vagrant", "--dry", "--json", *words).json
    }
    assert "let VirtualBox use 192.168.100.0/24" in steps["host/networks"]["title"]
    told = lone.inv("host.networks", "--dry", "--commands", *words).out
    assert "echo '* 192.168.100.0/24' | sudo tee -a /etc/vbox/networks.conf" in told
    # docker asks for nothing of this
    assert "Nothing to do." in lone.inv("host.networks", "--dry").out


@pytest.mark.parametrize("provider", ["virtualbox", "libvirt", "docker"])
def test_the_real_vagrant_reads_each_providers_block(lone: OnVagrant, provider: str) -> None:
    from kubeup.cluster.providers.base import make
    from kubeup.cluster.providers.vagrant.files import WriteFiles
    from kubeup.workflows.loading import load

    lone.environment["PATH"] = f"{bed_.VIRTUALBOX}{os.pathsep}{lone.environment['PATH']}"
    project = load(
        lone.settings,
        sets=(f"state_dir={lone.folder}", f"vagrant.provider={provider}", "nodes.workers.count=2"),
        environ={},
    )
    vagrant = make("vagrant", project.settings, project.state, project.host)
    WriteFiles(lone.vagrants, tuple(vagrant._texts().items())).run(lambda line: None)  # type: ignore[attr-defined]
    assert "validated successfully" in lone.vagrant("validate")
    rows = json.loads((lone.vagrants / "machines.json").read_text())["machines"]
    assert [row["name"] for row in rows] == ["vh-control", "vh-worker-1", "vh-worker-2"]
    # and it does look into this block
    file = lone.vagrants / "Vagrantfile"
    file.write_text(
        file.read_text().replace(f"        {provider}.", f"        {provider}.no_such_", 1)
    )
    assert "shouldn't exist: no_such_" in lone.vagrant("validate", check=False)
