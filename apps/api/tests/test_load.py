"""Whoever holds what the service has: others are answered within seconds, and memory stays below half its limit."""

from __future__ import annotations

import os
import re
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from products.connections import HEAD_SECONDS
from tests.apiprocess import Api, environment, wait_until
from tests.dbserver import DATABASE, DatabaseServer

MIB = 1024 * 1024
HALF_OF_THE_PODS_MEMORY = 256 * MIB  # manifests/base/api/api.yaml: 512Mi
WITHIN = 8.0  # a few seconds, on a machine that does other things as well
PICTURE = b"\x89PNG\r\n\x1a\n" + os.urandom(5 * MIB - 8)
HALF_A_HEAD = b"GET /products HTTP/1.1\r\nHost: api\r\nX-More: "
SENDERS = 16
PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def attacked(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A process that one attack after the other goes to: what they take does not add up."""
    api = Api(tmp_path_factory.mktemp("attacked") / "api.log", environment(server))
    api.wait_ready()
    yield api
    api.stop()


@pytest.fixture
def victim(server: DatabaseServer, attacked: Api) -> Iterator[Api]:
    server.admin("DELETE FROM products", DATABASE)
    yield attacked
    assert peak(attacked) < HALF_OF_THE_PODS_MEMORY, f"{peak(attacked) // MIB} MiB"


def peak(api: Api) -> int:
    """The most memory that the process had at once."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{api.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@contextmanager
def held(api: Api, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have sent this, and send and read no more."""

    def hold(_: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", api.port), timeout=WITHIN)
        with closing_on_error(connection):
            connection.sendall(sent)
        return connection

    with ExitStack() as stack, ThreadPoolExecutor(SENDERS) as pool:
        yield [stack.enter_context(closing(one)) for one in pool.map(hold, range(count))]


@contextmanager
def closing_on_error(connection: socket.socket) -> Iterator[None]:
    """One that the service ends, or does not read from, is what it is."""
    try:
        yield
    except OSError:
        connection.close()


def assert_others_are_answered(api: Api) -> None:
    with httpx.Client(base_url=api.client.base_url, timeout=WITHIN, trust_env=False) as other:
        assert other.get("/healthz").status_code == 200
        assert other.get("/readyz").status_code == 200
        created = other.post("/products", json={"name": "Lamp", "price": 1})
        assert created.status_code == 201, created.text
        assert other.get(created.headers["location"]).status_code == 200
        assert other.get("/products").status_code == 200


def upload(length: int) -> bytes:
    head = f"PUT /products/1/picture HTTP/1.1\r\nHost: api\r\nContent-Type: image/png\r\nContent-Length: {length}"
    return f"{head}\r\n\r\n".encode()


def test_held_uploads(victim: Api) -> None:
    with held(victim, 60, upload(len(PICTURE)) + PICTURE[:-1]):
        assert_others_are_answered(victim)
        refused = victim.client.put("/products/1/picture", content=PICTURE[:999], headers=PNG)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")


def test_whole_uploads_at_once(victim: Api) -> None:
    path = victim.client.post("/products", json={"name": "Lamp", "price": 1}).headers["location"] + "/picture"

    def put(_: int) -> int:
        with httpx.Client(base_url=victim.client.base_url, timeout=30, trust_env=False) as client:
            return client.put(path, content=PICTURE, headers=PNG).status_code

    with ThreadPoolExecutor(SENDERS) as pool:
        answers = list(pool.map(put, range(2 * SENDERS)))
    assert set(answers) <= {204, 503}
    assert 204 in answers
    assert victim.client.get(path).content == PICTURE


def test_half_sent_heads(victim: Api) -> None:
    with held(victim, 300, HALF_A_HEAD) as connections:
        # Those past their number go at once; the time for a head ends the others.
        wait_until(lambda: sum(map(is_ended, connections)) >= 200, "there are 100 of them", HEAD_SECONDS - 2)
        connections[-1].sendall(b"x")  # a byte now and then changes nothing
        assert_others_are_answered(victim)
        wait_until(lambda: all(is_ended(one) for one in connections), "each of them is ended", 20)


def is_ended(connection: socket.socket) -> bool:
    try:
        connection.setblocking(False)
        while connection.recv(65536):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_held_bodies_of_requests_that_are_no_uploads(victim: Api) -> None:
    head = b"POST /products HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
    with held(victim, 300, head + b" " * 59_999):
        assert_others_are_answered(victim)


def test_probes_with_a_body_that_never_comes(victim: Api) -> None:
    with held(victim, 150, b"GET /readyz HTTP/1.1\r\nHost: api\r\nContent-Length: 10\r\n\r\n"):
        assert_others_are_answered(victim)


def test_clients_that_do_not_read_their_answer(victim: Api, server: DatabaseServer) -> None:
    path = victim.client.post("/products", json={"name": "Lamp", "price": 1}).headers["location"] + "/picture"
    assert victim.client.put(path, content=PICTURE, headers=PNG).status_code == 204
    with held(victim, 150, f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode()) as connections:
        select.select([one for one in connections[-1:] if one.fileno() >= 0], [], [], 15)
        assert_others_are_answered(victim)
        assert victim.client.get(path).content == PICTURE


def test_too_many_requests_at_once_are_told_to_come_back(victim: Api, server: DatabaseServer) -> None:
    request = b"GET /products HTTP/1.1\r\nHost: api\r\n\r\n"
    with closing(server.connect(DATABASE)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES products WRITE, pictures WRITE")
        with held(victim, 95, request) as connections:
            refused = select.select([one for one in connections if one.fileno() >= 0], [], [], WITHIN)[0]
            answers = [one.recv(65536) for one in refused]
            assert victim.status("/healthz") == 200
            assert victim.status("/readyz") == 200
            cursor.execute("UNLOCK TABLES")
            assert all(b" 503 " in answer and b"retry-after: " in answer for answer in answers), answers
            assert 0 < len(refused) <= 15
            served = next(one for one in connections if one not in refused)
            assert b" 200 " in first_line(served)
    assert_others_are_answered(victim)


def first_line(connection: socket.socket) -> bytes:
    connection.setblocking(True)
    connection.settimeout(WITHIN)
    try:
        return connection.recv(65536).partition(b"\r\n")[0]
    except TimeoutError:
        return b""


def test_idle_connections_are_ended(victim: Api) -> None:
    with held(victim, 1, b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n") as (connection,):
        assert b" 200 " in first_line(connection)
        wait_until(lambda: is_ended(connection), "it is ended", 8)


def test_who_says_no_host_is_no_browser(named: Api) -> None:
    with socket.create_connection(("127.0.0.1", named.port), timeout=WITHIN) as connection:
        connection.sendall(b"GET /products HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("192.168.60.12", 200),
        ("localhost:8000", 200),
        ("API", 200),
        ("api.default.svc.cluster.local:8000", 200),
        ("shop.example", 200),
        ("shop.example.", 200),
        ("evil.example", 421),
        ("www.shop.example", 421),
        ("127.0.0.1.evil.example:8000", 421),
        ("default.svc.cluster.local.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_hosts(named: Api, host: str, status: int) -> None:
    answer = named.client.get("/products", headers={"Host": host})
    assert answer.status_code == status, answer.text
    assert status == 200 or "ALLOWED_HOSTS" in answer.json()["detail"]
    # Kubernetes asks by whatever name its API server has.
    assert named.client.get("/readyz", headers={"Host": host}).status_code == 200


@pytest.fixture(scope="module")
def named(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    env = {**environment(server), "ALLOWED_HOSTS": "Shop.example, .svc.cluster.local"}
    api = Api(tmp_path_factory.mktemp("named") / "api.log", env)
    api.wait_ready()
    yield api
    api.stop()
