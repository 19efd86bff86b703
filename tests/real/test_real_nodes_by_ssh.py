"""The nodes by SSH: a result for each, a key of the project's own, host keys that are checked."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from kubeup.core.state import PROJECT
from kubeup.system import ssh
from kubeup.system.ssh import SshTarget
from tests.real.harness import (
    ADDRESSES,
    CONTROL,
    NODES,
    WORKER_1,
    WORKER_2,
    Cluster,
    mended,
    output,
    until,
)

pytestmark = pytest.mark.real


def by_node(out: str) -> dict[str, str]:
    """`ssh.run`'s output, by node: the outcome and then the lines of each."""
    found, name = dict[str, str](), ""
    for line in out.splitlines():
        head = line.split(": ", 1)
        if head[0] in NODES and len(head) == 2:
            name, line = head[0], head[1]
            found[name] = line
        else:
            found[name] += f"\n{line}"
    return found


def test_a_command_runs_on_every_node(cluster: Cluster) -> None:
    assert by_node(cluster.inv("ssh.run", "hostname").out) == {
        name: f"ok\n{name}" for name in NODES
    }
    assert by_node(cluster.inv("ssh.run", "hostname", "--role", "worker").out) == {
        name: f"ok\n{name}" for name in (WORKER_1, WORKER_2)
    }
    assert by_node(cluster.inv("ssh.run", "id -un", "--root").out) == dict.fromkeys(
        NODES, "ok\nroot"
    )
    answers = cluster.inv("ssh.run", "echo $((6*7)); echo 'a  b' >&2", "--json").json
    said = {name: (one["code"], one["stdout"], one["stderr"]) for name, one in answers.items()}
    assert said == dict.fromkeys(NODES, (0, "42\n", "a  b\n"))


def test_a_command_that_fails_on_one_node_still_has_a_result_for_each(cluster: Cluster) -> None:
    ran = cluster.inv("ssh.run", f"hostname; test $(hostname) != {WORKER_1} || exit 7", code=1)
    assert by_node(ran.out) == {
        CONTROL: f"ok\n{CONTROL}",
        WORKER_1: f"status 7\n{WORKER_1}",
        WORKER_2: f"ok\n{WORKER_2}",
    }
    assert f"failed on {WORKER_1}\n" in ran.err


def test_one_command_on_one_node(cluster: Cluster) -> None:
    assert cluster.inv("ssh.control", "--command", "hostname").out.strip() == CONTROL
    assert cluster.inv("ssh.control", "--root", "--command", "id -un").out.strip() == "root"
    assert cluster.inv("ssh.worker", "2", "--command", "hostname").out.strip() == WORKER_2
    # words stay words
    assert cluster.inv("ssh.worker", "2", "--", "echo", "a  b; hostname").out == "a  b; hostname\n"
    assert "1 to 2" in cluster.inv("ssh.worker", "3", code=2).err


def test_what_a_command_reads_arrives_whole_and_at_once(cluster: Cluster) -> None:
    """Character by character, as invoke hands it on, this would take a quarter of an hour."""
    text, began = "".join(f"línea {number}\n" for number in range(7_000)), time.monotonic()
    key, known = cluster.state / "id_rsa", cluster.state / "known_hosts"
    user = cluster.project.settings.ssh.user
    found = ssh.run_all(
        [SshTarget(name, "", address, user, key, known) for name, address in ADDRESSES.items()],
        "sha256sum",
        stdin=text,
    )
    assert {name: one.stdout.split()[0] for name, one in found.items()} == dict.fromkeys(
        NODES, hashlib.sha256(text.encode()).hexdigest()
    )
    assert time.monotonic() - began < 20


def test_plain_ssh_works_with_the_config_it_writes(cluster: Cluster) -> None:
    path = cluster.inv("ssh.config").out.strip()
    for name in NODES:
        assert output("ssh", "-F", path, "-oBatchMode=yes", name, "hostname").strip() == name


def test_the_key_is_rsa_4096_private_and_never_overwritten(cluster: Cluster) -> None:
    key = cluster.state / "id_rsa"
    before = output("ssh-keygen", "-lf", str(key))
    assert before.startswith("4096 SHA256:") and before.rstrip().endswith("(RSA)")
    assert key.stat().st_mode & 0o777 == 0o600
    cluster.inv("ssh.keys")
    assert output("ssh-keygen", "-lf", str(key)) == before
    public = key.with_suffix(".pub")
    text = public.read_text()
    public.unlink()
    cluster.inv("ssh.keys")  # only the public half is made again
    assert (
        public.read_text().split()[:2] == text.split()[:2]
        and output("ssh-keygen", "-lf", str(key)).split()[:2] == before.split()[:2]
    )


def test_a_key_that_others_can_read_is_refused(cluster: Cluster) -> None:
    key = cluster.state / "id_rsa"
    with mended(lambda: key.chmod(0o600)):
        key.chmod(0o644)
        for words in (("ssh.keys",), ("up", "--yes")):
            ran = cluster.inv(*words, code=3)
            assert "can be read by others" in ran.err and f"chmod 600 {key}" in ran.err
        assert key.stat().st_mode & 0o777 == 0o644  # told, not changed


def test_a_changed_host_key_is_refused_by_name(cluster: Cluster, tmp_path: Path) -> None:
    known = cluster.state / "known_hosts"
    before = known.read_text()
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    lines = [
        f"{ADDRESSES[WORKER_2]} {other}" if line.startswith(f"{ADDRESSES[WORKER_2]} ") else line
        for line in before.splitlines()
    ]
    with mended(lambda: known.write_text(before)):
        known.write_text("\n".join(lines) + "\n")
        ran = cluster.inv("ssh.run", "hostname", code=1)
        found = by_node(ran.out)
        assert found[CONTROL].startswith("ok") and found[WORKER_1].startswith("ok")
        assert (
            found[WORKER_2].startswith("status 255")
            and "another host key" in found[WORKER_2]
            and str(known) in found[WORKER_2]
        )
        # OpenSSH's own client has the same file
        plain = cluster.inv("ssh.worker", "2", "--command", "hostname", code=255)
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in plain.err
        # nothing is taken over behind one's back
        assert known.read_text() == "\n".join(lines) + "\n"
    assert cluster.plan() == []


def test_an_unknown_host_key_is_refused(cluster: Cluster) -> None:
    known = cluster.state / "known_hosts"
    before = known.read_text()
    with mended(lambda: known.write_text(before)):
        known.write_text(
            "".join(
                f"{line}\n"
                for line in before.splitlines()
                if not line.startswith(ADDRESSES[WORKER_1])
            )
        )
        found = by_node(cluster.inv("ssh.run", "hostname", code=1).out)
        assert (
            found[WORKER_1].startswith("status 255")
            and "not known" in found[WORKER_1]
            and found[WORKER_2].startswith("ok")
        )


def test_a_stopped_node_has_a_result_too(cluster: Cluster) -> None:
    with mended(
        lambda: until(lambda: len(cluster.ready_nodes()) == 3, "all nodes ready", 120),
        lambda: cluster.inv("cluster.start"),
    ):
        cluster.podman("stop", "--time", "20", WORKER_2)
        ran = cluster.inv("ssh.run", "hostname", code=1)
        found = by_node(ran.out)
        assert found[CONTROL] == f"ok\n{CONTROL}" and found[WORKER_1] == f"ok\n{WORKER_1}"
        assert (
            found[WORKER_2].startswith("status 255")
            and "can't be reached" in found[WORKER_2]
            and "inv cluster.start" in found[WORKER_2]
        )


def test_a_password_is_never_asked_for(cluster: Cluster, tmp_path: Path) -> None:
    """With another key the node refuses, at once, although its user has sudo."""
    output(
        "ssh-keygen",
        "-q",
        "-t",
        "rsa",
        "-b",
        "4096",
        "-m",
        "PEM",
        "-N",
        "",
        "-f",
        str(tmp_path / "other"),
    )
    shutil.copy(tmp_path / "other.pub", tmp_path / "id.pub")
    ran = cluster.inv(
        "ssh.run", "hostname", "--set", f"ssh.private_key_path={tmp_path / 'other'}", code=1
    )
    assert len(by_node(ran.out)) == 3 and all(
        "refused the key" in text for text in by_node(ran.out).values()
    ), ran.out
    words = (
        "-oUserKnownHostsFile=/dev/null",
        "-oStrictHostKeyChecking=no",
        "-oPubkeyAuthentication=no",
        "-oBatchMode=yes",
    )
    said = subprocess.run(
        ["ssh", *words, f"root@{ADDRESSES[CONTROL]}", "true"],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert "Permission denied" in said


def test_a_keys_folder_may_have_any_name(cluster: Cluster, tmp_path: Path) -> None:
    """Ansible, ssh and Python are given it as it is, and nothing in it is run."""
    running = "{{ lookup('pipe', 'touch canary') }} $(touch canary) `touch canary`"
    folder = tmp_path / f"my \"keys\" of 'mine' 100% {running}"
    folder.mkdir()
    for name in ("id_rsa", "id_rsa.pub"):
        shutil.copy(cluster.state / name, folder / name)
    key = ("--set", f"ssh.private_key_path={folder}/id_rsa")
    assert cluster.inv("cluster.ping", *key).out.count("pong") == len(NODES)
    assert set(by_node(cluster.inv("ssh.run", "true", *key).out)) == set(NODES)
    entered = cluster.inv("ssh.control", *key, "--", "hostname")  # by ssh(1)
    assert entered.out.strip() == CONTROL
    places = (PROJECT, PROJECT / "ansible", tmp_path, folder, Path.home())
    assert not [place for place in places if (place / "canary").exists()]
