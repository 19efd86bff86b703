"""What runs inside a probe pod: sent on standard input to its Python.

So it needs the standard library alone and nothing of kubeup. The question is one JSON object in
the first argument, the answer one on standard output: connect {label: [address, port]} ->
{label: "" or why not}; reach {label: [address, port]} -> {label: whether a connection comes
about}; resolve [names] -> {name: [addresses]}, through the pod's resolver;
ask [names] -> {name: response code of the pod's name server}.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

SECONDS, PORT = 5.0, 53
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}
RECURSION_DESIRED, TYPE_A, CLASS_IN = 0x0100, 1, 1  # RFC 1035, section 4.1


def connect(label: str, target: Sequence[Any]) -> str:
    """Connect to a probe pod, which answers with its own label."""
    try:
        with socket.create_connection((target[0], target[1]), timeout=SECONDS) as connection:
            answer = connection.recv(200).decode(errors="replace").strip()
    except TimeoutError:
        return "no answer (timed out)"
    except OSError as error:
        return error.strerror or str(error)
    return "" if answer == label else f"another pod answered: {answer or 'nothing'}"


def reach(_: str, target: Sequence[Any]) -> bool:
    """Whether a connection comes about; silence is none, as a packet filter drops."""
    try:
        socket.create_connection((target[0], target[1]), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def resolve(name: str) -> list[str]:
    """The IPv4 addresses of a name, as a program in the pod gets them.

    Where there is none, a list of one item: the error's text in brackets.
    """
    try:
        # IPv4 alone, as the cluster has no other
        rows = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except socket.gaierror as error:
        return [f"({error.strerror})"]
    return sorted({str(row[4][0]) for row in rows})


def ask(name: str) -> str:
    """The response code of the pod's first name server for the name's A record.

    No search list is applied.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(SECONDS)
            channel.connect((name_server(), PORT))
            channel.send(query(name))
            _, flags = struct.unpack(">2H", channel.recv(512)[:4])
    except OSError as error:
        return str(error) or "no answer"
    code = flags & 15
    return CODES.get(code, str(code))


def query(name: str) -> bytes:
    number = random.randrange(65536)  # noqa: S311 - tells answers apart, guards nothing
    labels = [part.encode() for part in name.rstrip(".").split(".")]
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    header = struct.pack(">6H", number, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + question + struct.pack(">2H", TYPE_A, CLASS_IN)


def name_server() -> str:
    """The first name server of /etc/resolv.conf."""
    # this file imports as little as it can
    with open("/etc/resolv.conf", encoding="utf-8") as file:  # noqa: PTH123
        rows = [line.split() for line in file]
    return next(row[1] for row in rows if row[:1] == ["nameserver"])


# what is put, and what stands for an answer that did not come in time
KINDS: dict[str, Callable[..., Any]] = {
    "connect": connect,
    "reach": reach,
    "resolve": resolve,
    "ask": ask,
}
WITH_TARGET = ("connect", "reach")
LATE: dict[str, Any] = {
    "connect": "no answer (timed out)",
    "reach": False,
    "resolve": ["(no answer in time)"],
    "ask": "no answer in time",
}


def answers(question: dict[str, Any]) -> dict[str, Any]:
    """All answers, each found in a thread of its own: a resolver can't be told when to give up."""
    result: dict[str, Any] = {kind: {} for kind in KINDS}
    threads = []
    for kind, asked in question.items():
        for key in asked:
            result[kind][key] = LATE[kind]
            words = (key, asked[key]) if kind in WITH_TARGET else (key,)
            threads.append(
                threading.Thread(target=_answer, args=(result[kind], kind, words), daemon=True)
            )
    for thread in threads:
        thread.start()
    # a resolver tries twice; a thread that is later is left behind, and ends with this process
    for thread in threads:
        thread.join(SECONDS * 2)
    return result


def _answer(into: dict[str, Any], kind: str, words: Sequence[Any]) -> None:
    into[words[0]] = KINDS[kind](*words)


if __name__ == "__main__":
    print(json.dumps(answers(json.loads(sys.argv[1]))), flush=True)
