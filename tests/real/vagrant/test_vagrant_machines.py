"""One machine without Kubernetes: who is let in, what it shares, an interrupted creation."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.real.harness import output, processes_of, until
from tests.real.vagrant.machines import OnVagrant

pytestmark = pytest.mark.real

NODE = "vh-control"


def known_host(lone: OnVagrant) -> str:
    return (lone.state / "known_hosts").read_text()


def test_users_keys_and_a_shared_folder(lone: OnVagrant, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "hello").write_text("from this machine\n")
    lone.environment |= {
        "KUBEUP_SSH__ROOT": "true", "KUBEUP_SSH__USER": "ana",
        "KUBEUP_SHARED_FOLDERS": f"[{{host_path: {shared}, vm_path: /home/vagrant/shared}}]",
    }  # fmt: skip
    lone.inv("cluster.up", "--yes")
    assert lone.inv("ssh.control", "--command", "id -un").out.split() == ["ana"]
    assert lone.inv("ssh.control", "--root", "--command", "id -un").out.split() == ["root"]
    assert lone.inv("ssh.run", "id -un", "--root").out.split()[-1] == "root"
    assert "from this machine" in lone.vagrant("ssh", NODE, "-c", "cat shared/hello")
    # stopped and started, the folder is there and so are the keys
    lone.inv("cluster.halt")
    lone.vagrant("up")
    assert (
        "from this machine"
        in lone.inv("ssh.control", "--command", "cat /home/vagrant/shared/hello").out
    )
    assert "Nothing to do." in lone.inv("cluster.up").out
    private = lone.state / "id_rsa"
    assert private.stat().st_mode & 0o777 == 0o600 and private.read_text().startswith(
        "-----BEGIN RSA PRIVATE KEY-----"
    )
    assert output("ssh-keygen", "-lf", str(private)).startswith("4096 ")


def test_the_home_folder_is_not_shared(lone: OnVagrant, tmp_path: Path) -> None:
    lone.environment["KUBEUP_SHARED_FOLDERS"] = (
        f"[{{host_path: {tmp_path}, vm_path: /home/vagrant}}]"
    )
    said = lone.inv("cluster.up", "--yes", code=2).err
    assert "authorized_keys" in said and "/home/vagrant/" in said and lone.left() == []


def test_a_machine_cut_short_is_finished(lone: OnVagrant) -> None:
    """Killed when the container is there and vagrant has not let itself in."""
    process = lone.start("cluster.up", "--yes")
    until(lambda: lone.left() == [NODE], "the container is there", 60, 0.1)
    for pid in [process.pid, *processes_of(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    lone.inv("state.stop", "--yes")  # what was started between the look at them and their end
    lone.inv("cluster.up", "--yes")
    assert lone.left() == [NODE] and lone.inv(
        "ssh.control", "--command", "hostname"
    ).out.split() == [NODE]
    assert "Nothing to do." in lone.inv("cluster.up").out


@pytest.mark.long
def test_a_new_machine_has_a_new_host_key_on_record_and_nobody_else_has(lone: OnVagrant) -> None:
    lone.inv("cluster.up", "--yes")
    before = known_host(lone)
    lone.podman("restart", "--time", "5", NODE)
    until(lambda: "ok" in lone.inv("ssh.run", "hostname", code=None).out, "it is back")
    assert known_host(lone) == before
    lone.podman("rm", "--force", "--volumes", "--time", "0", NODE)
    lone.inv("cluster.up", "--yes")
    assert known_host(lone) != before and len(known_host(lone).splitlines()) == 1
    # a machine of that name that somebody else made is left alone
    lone.vagrant("destroy", "--force")
    assert lone.bed is not None
    lone.podman("create", "--name", NODE, lone.bed.image)
    try:
        refused = lone.inv("cluster.up", "--yes", code=3).err
        assert f"the machine {NODE} was not made by this profile" in refused
    finally:
        lone.podman("rm", "--force", NODE)
