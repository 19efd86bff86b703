"""The one place that opens a connection to a node.

Keys only; host keys are checked against the project's own known_hosts.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shlex
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeup.core import private, shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Paced
from kubeup.core.shell import Output
from kubeup.core.state import State, write_private

if TYPE_CHECKING:
    from paramiko import PKey

CONNECT_SECONDS = 10
UNREACHED = 255  # ssh(1)'s own exit status
ANSWER_SECONDS = 60  # to greet, to agree on keys, to let in: a machine under load takes its time
_remembering = threading.Lock()  # nodes are made side by side, their file is one


@dataclass(frozen=True)
class SshTarget(Paced):
    """How a node is reached: address, user, key and known hosts; its role is control or worker."""

    name: str
    role: str
    address: str
    user: str
    key: Path
    known_hosts: Path
    port: int = 22
    root: bool = True  # whether root is let in by the key

    @property
    def short(self) -> str:
        """The name without the profile's, such as worker-1."""
        return self.name[max(0, self.name.rfind(self.role)) :]

    @property
    def options(self) -> dict[str, str]:
        """What OpenSSH's own client has to know, as ssh_config(5) names it."""
        return {
            "UserKnownHostsFile": quoted(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityFile": quoted(self.key),
        }

    def argv(self, *command: str, user: str = "") -> list[str]:
        """The same connection by OpenSSH's own client, for a person or another tool.

        Where root is not let in, sudo makes one root.
        """
        if user == "root" and not self.root:
            return self._by_sudo(command)
        seconds = self.pace.seconds(CONNECT_SECONDS)
        options = {
            **self.options,
            "PasswordAuthentication": "no",
            "ConnectTimeout": f"{seconds:.0f}",
        }
        argv = ["ssh", *(f"-o{key}={value}" for key, value in options.items())]
        argv += [f"-p{self.port}", f"{user or self.user}@{self.address}"]
        if command:
            argv += ["--", shlex.join(command)]
        return argv

    def _by_sudo(self, command: tuple[str, ...]) -> list[str]:
        if command:
            return self.argv("sudo", "-n", "-H", "--", *command)
        ssh, *rest = self.argv("sudo", "-n", "-i")
        return [ssh, "-t", *rest]

    def words(self, command: tuple[str, ...], root: bool) -> tuple[str, ...]:
        """A command as this node's user types it."""
        if root and self.user != "root":
            return ("sudo", "-n", *command)
        return command

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    def host(self) -> str:
        """As known_hosts has it (sshd(8))."""
        if self.port == 22:
            return self.address
        return f"[{self.address}]:{self.port}"


def run(
    node: SshTarget,
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
    line = shlex.join(node.words(command, root))
    source = False if stdin is None else io.StringIO(stdin)
    with _connection(node) as connection:
        result = connection.run(line, hide=True, warn=True, in_stream=source, timeout=timeout)
    return Output(result.exited, result.stdout, result.stderr)


def get(node: SshTarget, source: str, target: Path) -> None:
    """Copy a file from a node (SFTP)."""
    with _connection(node) as connection:
        connection.get(source, str(target))


def feed(
    node: SshTarget, source: Path, *command: str, root: bool = False, timeout: float = 1200
) -> Output:
    """Run a command on one node with a file as its standard input, whatever its exit status.

    For what is large: nothing has to lie on the node meanwhile, and OpenSSH's own client encrypts
    in another process. Raises KubeupError where the node can't be reached.
    """
    argv = node.argv(*node.words(command, root))
    with source.open("rb") as file:
        output = shell.read(*argv, stdin=file.fileno(), ok=None, timeout=timeout)
    if output.code == UNREACHED:
        raise _unreachable(node, output.stderr.strip()[-500:] or "the connection was lost")
    return output


def run_all(
    nodes: Iterable[SshTarget], *command: str, stdin: str | None = None, root: bool = False
) -> dict[str, Output]:
    """Run a command on all nodes side by side.

    There is a result for every node: 255 where it can't be reached, as ssh(1) has it.
    """

    def output(node: SshTarget) -> Output:
        try:
            return run(node, *command, stdin=stdin, root=root)
        except KubeupError as error:
            return Output(UNREACHED, "", "\n".join(error.lines()))

    # it is gone through twice
    targets = list(nodes)
    with ThreadPoolExecutor(max(1, len(targets))) as pool:
        outputs = pool.map(output, targets)
    return {node.name: result for node, result in zip(targets, outputs, strict=True)}


@contextlib.contextmanager
def _connection(node: SshTarget) -> Iterator[Any]:
    """A fabric connection whose failures are explained to the user."""
    try:
        connection = _connected(node)
    except Exception as error:
        raise _explained(node, error) from None
    argv = ("ssh", node.name)
    with connection, shell.closed_when_stopped(argv, connection.transport.close):
        yield connection


def _connected(node: SshTarget) -> Any:
    from fabric import Config, Connection
    from paramiko import RejectPolicy

    # what it raises is explained; by itself it prints tracebacks
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    overrides = {"run": {"in_stream": False}, "runners": {"remote": _runner()}}
    # given a file's name, paramiko tries every kind of key and tells of the last one's failure
    key = _key(node.key)
    # paramiko has one limit for a connection and for the keys that it agrees on afterwards
    connected = socket.create_connection(
        (node.address, node.port), node.pace.seconds(CONNECT_SECONDS)
    )
    within = node.pace.seconds(ANSWER_SECONDS)
    connection = Connection(
        node.address,
        user=node.user,
        port=node.port,
        config=Config(overrides=overrides, lazy=True),
        connect_timeout=within,
        connect_kwargs={
            "pkey": key,
            # an agent with many keys makes a server refuse before ours is tried (MaxAuthTries)
            "look_for_keys": False,
            "allow_agent": False,
            "sock": connected,
            "banner_timeout": within,
            "auth_timeout": within,
        },
    )
    # fabric accepts any host key by default
    connection.client.set_missing_host_key_policy(RejectPolicy())
    if node.known_hosts.exists():
        connection.client.load_host_keys(str(node.known_hosts))
    try:
        connection.open()
    except BaseException:
        connected.close()
        raise
    return connection


def _key(path: Path) -> PKey:
    """A private key of any kind that ssh(1) takes."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        load_pem_private_key,
        load_ssh_private_key,
    )
    from paramiko import PKey, RSAKey

    data = path.read_bytes()
    load = load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        load = load_ssh_private_key
    # as ssh(1), which takes an RSA key's numbers as they are: paramiko proves twice that they are
    # prime (PKey.from_path), which takes 0.4 s for each connection with 4096 bits
    key = load(data, None, unsafe_skip_rsa_key_validation=True)
    certificate = path.with_name(f"{path.name}-cert.pub")
    if isinstance(key, RSAPrivateKey) and not certificate.exists():
        return RSAKey(key=key)
    return PKey.from_path(path)


def _runner() -> type:
    """fabric's runner with a command's input sent at once."""
    from fabric.runners import Remote

    class AtOnce(Remote):  # type: ignore[misc]
        # invoke takes it a character every 10 ms (handle_stdin in invoke/runners.py)
        def read_our_stdin(self, input_: Any) -> str:
            return str(input_.read())

    return AtOnce


def _explained(node: SshTarget, error: Exception) -> KubeupError:
    return _about_key(node, error) or _about_host_key(node, error) or _unreachable(node, error)


def _about_key(node: SshTarget, error: Exception) -> KubeupError | None:
    from paramiko.ssh_exception import AuthenticationException, PasswordRequiredException

    # of a key with a passphrase cryptography says so by a TypeError
    locked = isinstance(error, TypeError) and "assword" in str(error)
    if locked or isinstance(error, PasswordRequiredException):
        return KubeupError(
            f"the key {node.key} has a passphrase",
            "nodes are reached without a prompt for it",
            "make one without (`inv ssh.keys`) and name it in ssh.private_key_path",
        )
    if isinstance(error, AuthenticationException):
        return KubeupError(
            f"{node} refused the key {node.key}",
            str(error),
            "check ssh.user and that the key's public half is on the node",
        )
    if isinstance(error, FileNotFoundError):
        return KubeupError(f"the key {node.key} is missing", str(error), "run `inv ssh.keys`")
    return None


def _about_host_key(node: SshTarget, error: Exception) -> KubeupError | None:
    from paramiko.ssh_exception import BadHostKeyException

    if isinstance(error, BadHostKeyException):
        return KubeupError(
            f"{node} shows another host key than the one on record",
            f"{node.known_hosts} has a different one",
            "if you replaced that machine yourself, remove its line there; otherwise do not "
            "connect",
        )
    if "not found in known_hosts" in str(error):
        return KubeupError(
            f"the host key of {node} is not known",
            f"{node.known_hosts} has no line for it",
            "for a machine of your own: check its fingerprint, then add it with ssh-keyscan",
        )
    return None


def _unreachable(node: SshTarget, error: Exception | str) -> KubeupError:
    why = str(error)
    if isinstance(error, TimeoutError):
        why = "no answer"
    # paramiko's words for a server that has not agreed on keys in time
    if why == "No existing session":
        within = node.pace.seconds(ANSWER_SECONDS)
        why = (
            f"it accepted the connection and did not greet within {within:.0f} s: it is "
            "overloaded, or no SSH server"
        )
    return KubeupError(
        f"{node} can't be reached by SSH",
        why,
        "check whether the node runs: `inv status`, and `inv cluster.start` to start it",
    )


def quoted(path: Path) -> str:
    """A path as an option of ssh_config(5) takes it: spaces are no end of it, and a % no token."""
    # the two escapes are OpenSSH 8.7's and newer (argv_split in its misc.c)
    escaped = str(path).replace("\\", r"\\").replace('"', r"\"").replace("%", "%%")
    return f'"{escaped}"'


def config_text(nodes: Sequence[SshTarget]) -> str:
    """An ssh_config(5) that plain ssh, editors and Ansible can use."""
    blocks = []
    for node in nodes:
        options = {
            "HostName": node.address,
            "Port": node.port,
            "User": node.user,
            **node.options,
        }
        lines = [f"  {key} {value}" for key, value in options.items()]
        blocks.append("\n".join([f"Host {node.name} {node.short}", *lines, ""]))
    return "\n".join(blocks)


def known_hosts_line(node: SshTarget, public_key: str) -> str:
    """A known_hosts line from a node's own public host key, read over a trusted way."""
    kind, key = public_key.split()[:2]
    return f"{node.host} {kind} {key}"


def forget(state: State, node: SshTarget) -> None:
    """Take a host's line out of known_hosts: the machine behind that address is made anew."""
    if known(state, node):
        _replace(state, {node.host}, [])


def known(state: State, node: SshTarget) -> bool:
    """Whether the host's key is on record."""
    return node.host in map(_host, _lines(state))


def remember(state: State, lines: Iterable[str]) -> None:
    """Put lines into the profile's known_hosts in place of those for the same hosts."""
    new = [line for line in lines if line]
    _replace(state, set(map(_host, new)), new)


def _replace(state: State, hosts: set[str], new: list[str]) -> None:
    """Other hosts' lines stay."""
    with _remembering:
        kept = [line for line in _lines(state) if _host(line) not in hosts]
        write_private(state.known_hosts, "".join(f"{line}\n" for line in [*kept, *new]))


def _lines(state: State) -> list[str]:
    return (private.read(state.known_hosts) or b"").decode().splitlines()


def _host(line: str) -> str:
    return next(iter(line.split()), "")
