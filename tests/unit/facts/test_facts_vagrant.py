"""What vagrant and its providers' programs print."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from builders import recorded

from kubeup.cluster.providers.vagrant import facts
from kubeup.cluster.providers.vagrant.facts import Machine


def test_status_of_machines_that_are_not_there() -> None:
    assert facts.statuses(recorded("vagrant/status_none.txt")) == dict.fromkeys(
        ("vg-control", "vg-worker-1", "vg-worker-2"), "not_created"
    )


def test_plugins() -> None:
    assert facts.plugins(recorded("vagrant/plugin_list.rc0.txt")) == {"vagrant-libvirt"}
    assert facts.plugins(recorded("vagrant/plugin_list_no_folder.rc1.txt")) == frozenset()


def test_a_field_as_it_was() -> None:
    line = next(
        line
        for line in recorded("vagrant/status_none.txt").splitlines()
        if ",state-human-long," in line
    )
    assert facts.plain(line.split(",")[3]).startswith(
        "The environment has not yet been created. Run `vagrant up` to\ncreate the environment."
    )
    assert "If a machine is not created, only the\ndefault" in facts.plain(line.split(",")[3])


def test_virtualbox() -> None:
    text = recorded("vagrant/showvminfo_running.txt")
    found = facts.virtualbox(text)
    assert (
        found
        == Machine(
            "dev-control",
            "c8a4c1f7-6a0e-4d5c-a3cf-7a8f36bd3f6f",
            "running",
            2,
            4096,
            datetime(2024, 2, 11, 18, 2, 47, tzinfo=UTC),
        )
        and found.running
    )
    cut = facts.virtualbox(text.replace('VMState="running"', 'VMState="aborted"'))
    assert cut is not None and not cut.running and cut.started is None
    assert facts.virtualbox("") is None


def test_libvirt() -> None:
    found = facts.libvirt(recorded("vagrant/dominfo_shut_off.txt"))
    assert (
        found
        == Machine("dev-worker-1", "0d5fb4d0-6d6f-4e35-a9a2-3c6a3ac49b0f", "shut off", 2, 4096)
        and not found.running
    )
    assert facts.libvirt("") is None


def test_docker() -> None:
    found = facts.docker(recorded("local/docker_inspect.json"))
    assert found is not None and (found.name, found.id, found.running) == (
        "dev-worker-1",
        "9c1f7f0c6c5a",
        True,
    )
    assert (found.cpus, found.memory) == (1.5, 2048) and found.started is not None
    assert facts.docker("[]") is None and facts.docker("") is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Vagrant 2.3.4\n", (2, 3, 4)),
        ("Installed Version: 2.3.4\nLatest", ()),
        ("", ()),
        ("Vagrant 2.4.10.dev\n", (2, 4, 10)),
    ],
)
def test_version(text: str, version: tuple[int, ...]) -> None:
    assert facts.version(text) == version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("7.0.10r158379\n", (7, 0, 10)),
        ("6.1.50_Ubuntur161033\n", (6, 1, 50)),
        ("VBoxManage: error: 7.1.4\n", ()),
        ("", ()),
        ("WARNING: The vboxdrv kernel module is not loaded.\n7.2.4r170995\n", (7, 2, 4)),
    ],
)
def test_version_of_virtualbox(text: str, version: tuple[int, ...]) -> None:
    assert facts.virtualbox_version(text) == version


def test_host_keys_of_what_a_provisioner_prints() -> None:
    printed = (
        "==> dev-control: Running provisioner: kubeup (shell)...\n    dev-control: Running: "
        "/tmp/vagrant-shell20240211-1-abc.sh\n"
        "    dev-control: kubeup-host-key ssh-ed25519 AAAAC3Nz\n    dev-worker-1: "
        "kubeup-host-key ecdsa-sha2-nistp256 AAAAE2Vj\n"
        "    dev-worker-2: something else\n"
    )
    assert facts.host_keys(printed) == {
        "dev-control": "ssh-ed25519 AAAAC3Nz",
        "dev-worker-1": "ecdsa-sha2-nistp256 AAAAE2Vj",
    }


def test_advice_where_vagrant_has_words_of_its_own() -> None:
    box = (
        "The box 'nobody/nothing' could not be found or\ncould not be accessed in the "
        "remote catalog."
    )
    assert "software.box" in facts.advice(box)
    assert "inv host.networks" in facts.advice(
        "The IP address configured for the host-only network is not within the\nallowed ranges."
    )
    other = (
        "The box you're attempting to add doesn't support the provider\nyou requested. "
        "Please find an alternate box"
    )
    assert "vagrant.box_architecture" in facts.advice(other)
    silent = (
        "Error while connecting to Libvirt: Error making a connection to libvirt URI "
        "qemu:///system:\nCall to virConnectOpen failed: "
        "Failed to connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory"
    )
    assert "systemctl start libvirtd" in facts.advice(
        silent
    ) and "usermod -aG libvirt" in facts.advice(silent)
    assert facts.advice("something new") == ""
