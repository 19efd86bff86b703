"""What a probe pod runs: over loopback, no process and nothing outside this machine."""

import ast
import json
import socket
import struct
import sys
import threading
from pathlib import Path

import pytest

from kubeup.inspect.verify import in_pod


@pytest.fixture
def server():
    """Says `worker-1` to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            connection = listening.accept()[0]
            connection.sendall(b"worker-1")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()


def test_it_needs_the_standard_library_alone():
    tree = ast.parse(Path(in_pod.__file__).read_text(encoding="utf-8"))
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert {str(name).partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_the_right_pod_answers(server):
    assert in_pod.answers({"connect": {"worker-1": server}})["connect"] == {"worker-1": ""}


def test_another_pod_answers(server):
    assert in_pod.connect("worker-2", server) == "another pod answered: worker-1"


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
    assert "refused" in in_pod.connect("worker-1", address).lower()


def test_resolving():
    assert in_pod.resolve("localhost") == ["127.0.0.1"]


@pytest.mark.parametrize(("code", "word"), [(0, "NOERROR"), (2, "SERVFAIL"), (3, "NXDOMAIN")])
def test_the_response_code_of_the_name_server(monkeypatch, code, word):
    """A name server of one answer, at a port of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        asked = []

        def serve():
            query, peer = channel.recvfrom(512)
            asked.append(query)
            channel.sendto(query[:2] + struct.pack(">H", 0x8180 | code) + query[4:], peer)

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setattr(in_pod, "name_server", lambda: "127.0.0.1")
        monkeypatch.setattr(in_pod, "PORT", channel.getsockname()[1])
        assert in_pod.ask("a.bc.") == word
        assert b"\x01a\x02bc\x00\x00\x01\x00\x01" in asked[0]


def test_answers_are_json():
    assert json.loads(json.dumps(in_pod.answers({}))) == {
        "connect": {},
        "reach": {},
        "resolve": {},
        "ask": {},
    }


def test_whether_a_connection_comes_about():
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        asked = {"reach": {"open": ["127.0.0.1", number]}}
        assert in_pod.answers(asked)["reach"] == {"open": True}
    assert in_pod.answers(asked)["reach"] == {"open": False}
