"""The one place that opens a connection to a node: keys only, host keys checked against the
project's own known_hosts.
"""

from __future__ import annotations

import logging
import shlex
import socket
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.pace import AS_MEANT, Pace
from kubeup.core.shell import Output

if TYPE_CHECKING:
    from paramiko import PKey

    from kubeup.core.state import State

CONNECT_SECONDS = 10
UNREACHED = 255  # ssh(1)'s own exit status
ANSWER_SECONDS = 60  # to greet, to agree on keys, to let in: a machine under load takes its time
_remembering = threading.Lock()  # nodes are made side by side, their file is one


@dataclass(frozen=True)
class SshTarget:
    """How a node is reached: name, role (control or worker), address and port, user, key and the
    known hosts.
    """

    name: str
    role: str
    address: str
    user: str
    key: Path
    known_hosts: Path
    port: int = 22
    root: bool = True  # whether root is let in by the key
    pace: Pace = field(default=AS_MEANT, compare=False, repr=False)

    @property
    def short(self) -> str:
        """The name without the profile's: control, worker-1, …"""
        return self.name[self.name.rfind(self.role) :] if self.role in self.name else self.name

    def argv(self, *command: str, user: str = "") -> list[str]:
        """The same connection by OpenSSH's own client, for a person or another tool.

        Where root is not let in, sudo makes one root.
        """
        if user == "root" and not self.root:
            return self._by_sudo(command)
        options = [
            f"-oUserKnownHostsFile={told(self.known_hosts)}",
            "-oStrictHostKeyChecking=yes",
            "-oIdentitiesOnly=yes",
            f"-oIdentityFile={told(self.key)}",
            "-oPasswordAuthentication=no",
            f"-oConnectTimeout={self.pace.seconds(CONNECT_SECONDS):.0f}",
            f"-p{self.port}",
        ]
        remote = [shlex.join(command)] if command else []
        return [
            "ssh",
            *options,
            f"{user or self.user}@{self.address}",
            *(["--", *remote] if remote else []),
        ]

    def _by_sudo(self, command: tuple[str, ...]) -> list[str]:
        words = ["sudo", "-n", "-H", "--", *command] if command else ["sudo", "-n", "-i"]
        ssh, *rest = self.argv(*words)
        return [ssh, *([] if command else ["-t"]), *rest]


def run(
    reach: SshTarget,
    *command: str,
    stdin: str | None = None,
    root: bool = False,
    timeout: float = 120,
) -> Output:
    """Run a command on one node and return what it left, whatever its exit status.

    `command` is a list of words, quoted here; `root` puts sudo before it. Raises KubeupError where
    the node can't be reached, naming the cause: no answer, an unknown or changed host key, a
    refused key.
    """
    words = ["sudo", "-n", *command] if root and reach.user != "root" else list(command)
    with _connection(reach) as connection:
        import io

        result = connection.run(
            shlex.join(words),
            hide=True,
            warn=True,
            in_stream=io.StringIO(stdin) if stdin is not None else False,
            timeout=timeout,
        )
    return Output(result.exited, result.stdout, result.stderr)


def get(reach: SshTarget, source: str, target: Path) -> None:
    """Copy a file from a node (SFTP)."""
    with _connection(reach) as connection:
        connection.get(source, str(target))


def feed(
    reach: SshTarget, source: Path, *command: str, root: bool = False, timeout: float = 1200
) -> Output:
    """Run a command on one node with a file as its standard input, and return what it left,
    whatever its exit status.

    For what is large: nothing has to lie on the node meanwhile, and OpenSSH's own client encrypts
    beside this process, not in it. Raises KubeupError where the node can't be reached.
    """
    words = ["sudo", "-n", *command] if root and reach.user != "root" else list(command)
    with source.open("rb") as file:
        output = shell.read(*reach.argv(*words), stdin=file.fileno(), ok=None, timeout=timeout)
    if output.code == UNREACHED:
        raise KubeupError(
            f"{reach.name} ({reach.address}) can't be reached by SSH",
            output.stderr.strip()[-500:] or "the connection was lost",
            "see whether the node runs: `inv status`; then run the same again",
        )
    return output


def run_all(
    ssh_targets: Iterable[SshTarget], *command: str, stdin: str | None = None, root: bool = False
) -> dict[str, Output]:
    """Run a command on all nodes side by side.

    There is a result for every node: 255 where it can't be reached, as ssh(1) has it.
    """

    def one(reach: SshTarget) -> Output:
        try:
            return run(reach, *command, stdin=stdin, root=root)
        except KubeupError as error:
            return Output(UNREACHED, "", "\n".join(error.lines()))

    nodes = list(ssh_targets)
    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return dict(zip([node.name for node in nodes], pool.map(one, nodes), strict=True))


class _connection:
    """A fabric connection whose failures are told in the user's words."""

    def __init__(self, reach: SshTarget) -> None:
        self._reach = reach

    def __enter__(self) -> Any:
        from fabric import Config, Connection
        from paramiko import RejectPolicy

        reach = self._reach
        # what it raises is told below; by itself it prints tracebacks
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        config = Config(
            overrides={"run": {"in_stream": False}, "runners": {"remote": _runner()}}, lazy=True
        )
        try:
            # loaded here: given a file's name, paramiko tries every kind of key and tells of the
            # last one's failure
            key = _key(reach.key)
        except Exception as error:
            raise _explained(reach, error) from None
        try:
            # connected here: paramiko has one limit for this and for the keys it agrees on
            # afterwards
            line = socket.create_connection(
                (reach.address, reach.port), reach.pace.seconds(CONNECT_SECONDS)
            )
        except OSError as error:
            raise _explained(reach, error) from None
        within = reach.pace.seconds(ANSWER_SECONDS)
        how = {
            "pkey": key,
            "look_for_keys": False,
            "allow_agent": False,
            "sock": line,
            "banner_timeout": within,
            "auth_timeout": within,
        }
        self._open = Connection(
            reach.address,
            user=reach.user,
            port=reach.port,
            config=config,
            connect_timeout=within,
            connect_kwargs=how,
        )
        # fabric accepts any host key by default
        self._open.client.set_missing_host_key_policy(RejectPolicy())
        if reach.known_hosts.exists():
            self._open.client.load_host_keys(str(reach.known_hosts))
        try:
            self._open.open()
        except Exception as error:
            line.close()
            raise _explained(reach, error) from None
        return self._open

    def __exit__(self, *_: object) -> None:
        self._open.close()


def _key(path: Path) -> PKey:
    """A private key of any kind that ssh(1) takes. Like ssh(1), it takes an RSA key's numbers as
    they are.

    paramiko proves twice that they are prime (PKey.from_path), which takes 0.4 s for each
    connection with 4096 bits.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )
    from paramiko import PKey, RSAKey

    data, certificate = path.read_bytes(), path.with_name(f"{path.name}-cert.pub")
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in data else load_pem_private_key
    loaded = load(data, None, unsafe_skip_rsa_key_validation=True)
    return (
        RSAKey(key=loaded)
        if isinstance(loaded, RSAPrivateKey) and not certificate.exists()
        else PKey.from_path(path)
    )


def _runner() -> type:
    """fabric's runner with a command's input sent at once: invoke takes it a character every 10
    ms (handle_stdin in invoke/runners.py).
    """
    from fabric.runners import Remote

    class AtOnce(Remote):  # type: ignore[misc]
        def read_our_stdin(self, input_: Any) -> str:
            return str(input_.read())

    return AtOnce


def _explained(reach: SshTarget, error: Exception) -> KubeupError:
    from paramiko.ssh_exception import (
        AuthenticationException,
        BadHostKeyException,
        PasswordRequiredException,
        SSHException,
    )

    node = f"{reach.name} ({reach.address})"
    if isinstance(error, BadHostKeyException):
        return KubeupError(
            f"{node} shows another host key than the one on record",
            f"{reach.known_hosts} has a different one",
            "if you replaced that machine yourself, remove its line there; otherwise do not "
            "connect",
        )
    if isinstance(error, PasswordRequiredException) or (
        isinstance(error, TypeError) and "assword" in str(error)
    ):
        return KubeupError(
            f"the key {reach.key} has a passphrase",
            "nodes are reached without anybody there to type it",
            "make one without (`inv ssh.keys`) and name it in ssh.private_key_path",
        )
    if isinstance(error, AuthenticationException):
        return KubeupError(
            f"{node} refused the key {reach.key}",
            str(error),
            "check ssh.user and that the key's public half is on the node",
        )
    if isinstance(error, FileNotFoundError):
        return KubeupError(f"the key {reach.key} is missing", str(error), "run `inv ssh.keys`")
    if isinstance(error, SSHException) and "not found in known_hosts" in str(error):
        return KubeupError(
            f"the host key of {node} is not known",
            f"{reach.known_hosts} has no line for it",
            "for a machine of your own: check its fingerprint, then add it with ssh-keyscan",
        )
    why = "no answer" if isinstance(error, (TimeoutError, socket.timeout)) else str(error)
    # paramiko's words for a server that has not agreed on keys in time
    if why == "No existing session":
        within = reach.pace.seconds(ANSWER_SECONDS)
        why = (
            f"it took the connection and did not greet within {within:.0f} s: it is overloaded, "
            "or no SSH server"
        )
    return KubeupError(
        f"{node} can't be reached by SSH",
        why,
        "see whether the node runs: `inv status`, and `inv cluster.start` to start it",
    )


def told(path: Path) -> str:
    """A path as an option of ssh_config(5) takes it: spaces are no end of it, and a % no token."""
    return f'"{path}"'.replace("%", "%%")


def config_text(ssh_targets: Sequence[SshTarget]) -> str:
    """An ssh_config(5) that plain ssh, editors and Ansible can use."""
    blocks = []
    for reach in ssh_targets:
        blocks.append(
            "\n".join(
                [
                    f"Host {reach.name} {reach.short}",
                    f"  HostName {reach.address}",
                    f"  Port {reach.port}",
                    f"  User {reach.user}",
                    f"  IdentityFile {told(reach.key)}",
                    "  IdentitiesOnly yes",
                    f"  UserKnownHostsFile {told(reach.known_hosts)}",
                    "  StrictHostKeyChecking yes",
                    "",
                ]
            )
        )
    return "\n".join(blocks)


def known_hosts_line(reach: SshTarget, public_key: str) -> str:
    """A known_hosts line from a node's own public host key, read over a way that is trusted
    already.
    """
    kind, key = public_key.split()[:2]
    host = reach.address if reach.port == 22 else f"[{reach.address}]:{reach.port}"
    return f"{host} {kind} {key}"


def forget(state: State, reach: SshTarget) -> None:
    """Take a host's line out of the profile's known_hosts: the machine behind that address is
    about to be made anew.
    """
    from kubeup.core.state import write_private

    host = known_hosts_line(reach, "- -").split()[0]
    with _remembering:
        if state.known_hosts.exists():
            lines = state.known_hosts.read_text(encoding="utf-8").splitlines()
            write_private(
                state.known_hosts,
                "".join(f"{line}\n" for line in lines if line.split()[:1] != [host]),
            )


def known(state: State, reach: SshTarget) -> bool:
    """Whether the host's key is on record."""
    host = known_hosts_line(reach, "- -").split()[0]
    return state.known_hosts.exists() and any(
        line.split()[:1] == [host]
        for line in state.known_hosts.read_text(encoding="utf-8").splitlines()
    )


def remember(state: State, lines: Iterable[str]) -> None:
    """Put lines into the profile's known_hosts in place of those for the same hosts; others
    stay.
    """
    from kubeup.core.state import write_private

    new = [line for line in lines if line]
    replaced = {line.split()[0] for line in new}
    with _remembering:
        old = (
            state.known_hosts.read_text(encoding="utf-8").splitlines()
            if state.known_hosts.exists()
            else []
        )
        kept = [line for line in old if line.split()[:1] and line.split()[0] not in replaced]
        write_private(state.known_hosts, "\n".join([*kept, *new]) + "\n")
