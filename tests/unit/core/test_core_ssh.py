from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from builders import error_of, reach, state

from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.shell import Output, processes
from kubeup.system import ssh

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost root@dev-worker-1"


def test_command_of_openssh() -> None:
    assert reach(port=2222).argv() == [
        "ssh",
        '-oUserKnownHostsFile="/home/ana/kubeup/.kubeup/dev/known_hosts"',
        "-oStrictHostKeyChecking=yes",
        "-oIdentitiesOnly=yes",
        '-oIdentityFile="/home/ana/kubeup/.kubeup/dev/id_rsa"',
        "-oPasswordAuthentication=no",
        "-oConnectTimeout=10",
        "-p2222",
        "vagrant@192.168.60.11",
    ]
    assert reach().argv("sh", "-c", "echo 'a b'; id", user="root")[-3:] == [
        "root@192.168.60.11",
        "--",
        "sh -c 'echo '\"'\"'a b'\"'\"'; id'",
    ]


def read_by_ssh(path: Path, host: str) -> dict[str, str]:
    rows = (
        line.partition(" ")
        for line in shell.read("ssh", "-G", "-F", str(path), host).stdout.splitlines()
    )
    return {key: value for key, _, value in rows}


@pytest.mark.real
@pytest.mark.parametrize("name", ["dev-worker-1", "worker-1", "dev-control", "control"])
def test_ssh_reads_the_configuration(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ssh_config"
    folder = Path("/home/ana lucia/kubeup")
    control = reach("dev-control", folder, role="control", address="192.168.60.10", user="ana")
    path.write_text(ssh.config_text([control, reach("dev-worker-1", folder, port=2222)]))
    found = read_by_ssh(path, name)
    expected = (
        ("192.168.60.11", "2222", "vagrant") if "worker" in name else ("192.168.60.10", "22", "ana")
    )
    assert (found["hostname"], found["port"], found["user"]) == expected
    assert found["identityfile"] == "/home/ana lucia/kubeup/id_rsa"
    assert found["userknownhostsfile"] == "/home/ana lucia/kubeup/known_hosts"
    assert found["stricthostkeychecking"] in ("true", "yes")
    assert found["identitiesonly"] == "yes"


@pytest.mark.real
def test_short_names_in_a_profile_with_a_hyphen(tmp_path: Path) -> None:
    path = tmp_path / "ssh_config"
    path.write_text(ssh.config_text([reach("my-dev-worker-1")]))
    assert read_by_ssh(path, "worker-1")["hostname"] == "192.168.60.11"


@pytest.mark.real
def test_a_space_in_the_projects_path(tmp_path: Path) -> None:
    command, *options = reach(folder=Path("/home/ana lucia/kubeup")).argv()
    rows = shell.read(command, "-G", "-F", "/dev/null", *options).stdout.splitlines()
    assert "identityfile /home/ana lucia/kubeup/id_rsa" in rows
    assert "userknownhostsfile /home/ana lucia/kubeup/known_hosts" in rows


def test_a_line_of_known_hosts() -> None:
    assert (
        ssh.known_hosts_line(reach(), KEY)
        == "192.168.60.11 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHost"
    )
    assert ssh.known_hosts_line(reach(port=2222), KEY).startswith(
        "[192.168.60.11]:2222 ssh-ed25519 "
    )


def test_remembering_replaces_the_same_host_only(tmp_path: Path) -> None:
    one = state(tmp_path)
    ssh.remember(
        one,
        [
            "192.168.60.10 ssh-ed25519 A",
            "192.168.60.11 ssh-ed25519 B",
            "[192.168.60.11]:2222 ssh-ed25519 C",
        ],
    )
    ssh.remember(one, ["192.168.60.11 ssh-ed25519 new", ""])
    assert one.known_hosts.read_text().splitlines() == [
        "192.168.60.10 ssh-ed25519 A",
        "[192.168.60.11]:2222 ssh-ed25519 C",
        "192.168.60.11 ssh-ed25519 new",
    ]
    assert one.known_hosts.stat().st_mode & 0o777 == 0o600


def test_nodes_remembered_side_by_side_are_all_there(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    one = state(tmp_path)
    lines = [f"192.168.60.{n} ssh-ed25519 K{n}" for n in range(10, 30)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda line: ssh.remember(one, [line]), lines))
    assert sorted(one.known_hosts.read_text().splitlines()) == sorted(lines)


def test_forgetting_takes_one_host_out(tmp_path: Path) -> None:
    one = state(tmp_path)
    ssh.forget(one, reach())  # no file yet
    ssh.remember(one, ["192.168.60.1 ssh-ed25519 A", "192.168.60.11 ssh-ed25519 B"])
    assert ssh.known(one, reach())
    assert not ssh.known(one, reach(port=2222))
    ssh.forget(one, reach())
    assert one.known_hosts.read_text() == "192.168.60.1 ssh-ed25519 A\n"
    assert not ssh.known(one, reach())


@pytest.mark.real
def test_a_node_that_does_not_answer_has_a_result_as_well(tmp_path: Path) -> None:
    made = tmp_path / "id"
    shell.write("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(made))
    dead = replace(reach(), key=made, known_hosts=tmp_path / "none", address="127.0.0.1", port=1)
    found = ssh.run_all([dead, replace(dead, name="dev-worker-2")], "true")
    assert {name: output.code for name, output in found.items()} == {
        "dev-worker-1": 255,
        "dev-worker-2": 255,
    }
    assert "error: dev-worker-1 (127.0.0.1) can't be reached by SSH" in found["dev-worker-1"].stderr


def test_what_paramiko_raises_in_a_users_words() -> None:
    from paramiko.ssh_exception import (
        AuthenticationException,
        PasswordRequiredException,
        SSHException,
    )

    texts = {
        "refused the key": AuthenticationException("Authentication failed."),
        "has a passphrase": PasswordRequiredException("encrypted"),
        "is missing": FileNotFoundError("id_rsa"),
        "is not known": SSHException("Server '192.168.60.11' not found in known_hosts"),
        "can't be reached by SSH": TimeoutError(),
    }
    for text, error in texts.items():
        told = ssh._explained(reach(), error)
        assert text in told.what
        assert told.next
    assert ssh._explained(reach(), TimeoutError()).why == "no answer"
    assert (
        "did not greet within 60 s"
        in ssh._explained(reach(), SSHException("No existing session")).why
    )


@pytest.mark.real
@pytest.mark.parametrize(
    "kind", ["-t rsa -b 2048 -m PEM", "-t rsa -b 2048", "-t ed25519", "-t ecdsa", "-t ecdsa -m PEM"]
)
def test_a_key_of_any_kind_is_read(kind: str, tmp_path: Path) -> None:
    made, locked = tmp_path / "id", tmp_path / "locked"
    shell.write("ssh-keygen", "-q", *kind.split(), "-N", "", "-f", str(made))
    assert (
        shell.read("ssh-keygen", "-lf", str(made)).stdout.split()[1] == ssh._key(made).fingerprint
    )
    shell.write("ssh-keygen", "-q", *kind.split(), "-N", "a phrase", "-f", str(locked))
    with (
        pytest.raises(KubeupError, match="has a passphrase"),
        ssh._connection(replace(reach(), key=locked)),
    ):
        pass


@pytest.mark.real
def test_a_certificate_beside_the_key_is_shown(tmp_path: Path) -> None:
    authority, made = tmp_path / "authority", tmp_path / "id"
    for one in (authority, made):
        shell.write("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(one))
    assert ssh._key(made).public_blob is None
    shell.write("ssh-keygen", "-q", "-s", str(authority), "-I", "ana", f"{made}.pub")
    assert ssh._key(made).public_blob.key_type == "ssh-rsa-cert-v01@openssh.com"


@contextmanager
def server(seconds: float) -> Iterator[tuple[int, str]]:
    """An SSH server that greets after some seconds and lets everybody in: its port, and its host
    key as a line of known_hosts has it.
    """
    from paramiko import ECDSAKey, Transport
    from paramiko.server import ServerInterface

    class Open(ServerInterface):
        def check_auth_publickey(self, username: str, key: object) -> int:
            return 0  # AUTH_SUCCESSFUL

        def check_channel_request(self, kind: str, number: int) -> int:
            return 0  # OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel: object, command: bytes) -> bool:
            return True  # it never ends

    host, listening, open_ = (
        ECDSAKey.generate(),
        socket.create_server(("127.0.0.1", 0)),
        list[Transport](),
    )

    def serve() -> None:
        connection, _ = listening.accept()
        time.sleep(seconds)
        open_.append(Transport(connection))
        open_[0].add_server_key(host)
        open_[0].start_server(server=Open())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], f"{host.get_name()} {host.get_base64()}"
    thread.join(10)
    for one in open_:
        one.close()
    listening.close()


@pytest.mark.real
def test_a_machine_under_load_may_greet_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection at once, and longer than that may take until it has agreed on
    keys.
    """
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 1)
    key, known = tmp_path / "id", tmp_path / "known_hosts"
    shell.write("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    with server(2) as (port, host):
        busy = replace(reach(), key=key, known_hosts=known, address="127.0.0.1", port=port)
        known.write_text(ssh.known_hosts_line(busy, host) + "\n")
        with ssh._connection(busy) as connection:
            assert connection.is_connected


@pytest.mark.real
def test_an_interrupt_ends_what_is_asked_of_a_node(tmp_path: Path) -> None:
    key, known = tmp_path / "id", tmp_path / "known_hosts"
    shell.write("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    ended = list[KubeupError]()
    with server(0) as (port, host):
        node = replace(reach(), key=key, known_hosts=known, address="127.0.0.1", port=port)
        known.write_text(ssh.known_hosts_line(node, host) + "\n")
        thread = threading.Thread(
            target=lambda: ended.append(error_of(lambda: ssh.run(node, "sleep", "60")))
        )
        thread.start()
        while not processes.running:
            time.sleep(0.01)
        time.sleep(0.3)  # the command has begun, too
        shell.stop_all()
        thread.join(5)
    assert [one.what for one in ended] == ["ssh was stopped"], "no answer is not an answer"
    assert not processes.running


def test_a_node_that_can_not_be_fed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "archive").touch()
    monkeypatch.setattr(
        shell, "read", lambda *_, **__: Output(ssh.UNREACHED, "", "No route to host")
    )
    error = error_of(ssh.feed, reach(), tmp_path / "archive", "cat")
    assert error.why == "No route to host"
    monkeypatch.setattr(shell, "read", lambda *_, **__: Output(1, "", "full"))
    assert ssh.feed(reach(), tmp_path / "archive", "cat").stderr == "full", "it was reached"
