"""The database goes and comes back, and the process ends in good order."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import closing

import httpx

from tests.apiprocess import Api, environment, uri, wait_until
from tests.conftest import StartApi
from tests.dbserver import DATABASE, PASSWORD, DatabaseServer


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert isinstance(answer.json()["detail"], str)
    assert "127.0.0.1" not in answer.text


def test_database_stops_and_comes_back(running: DatabaseServer, start_api: StartApi) -> None:
    api = start_api({"DATABASE_URI": uri(running)})
    api.wait_ready()
    created = api.client.post("/products", json={"name": "Lamp", "price": "9.90"}).json()

    running.stop()
    for method, path, body in (
        ("GET", "/products", None),
        ("GET", f"/products/{created['id']}", None),
        ("POST", "/products", {"name": "x", "price": 1}),
        ("DELETE", f"/products/{created['id']}", None),
        ("GET", f"/products/{created['id']}/picture", None),
    ):
        assert_unavailable(api.client.request(method, path, json=body))
    ready = api.client.get("/readyz")
    assert_unavailable(ready)
    assert "does not answer" in ready.json()["detail"]
    assert api.status("/healthz") == 200

    running.start()
    answer = api.client.get(f"/products/{created['id']}")
    assert (answer.status_code, answer.json()) == (200, created)
    assert api.status("/readyz") == 200
    assert "Traceback" not in api.output()
    assert PASSWORD not in api.output()


def test_connections_cut_by_the_server_are_replaced(server: DatabaseServer, api: Api) -> None:
    assert api.status("/products") == 200
    for (number,) in server.admin("SELECT id FROM information_schema.processlist WHERE user = 'shop'"):
        server.admin(f"KILL {number}")
    assert api.status("/products") == 200
    assert api.status("/readyz") == 200


def test_api_starts_before_its_database(running: DatabaseServer, start_api: StartApi) -> None:
    running.admin(f"DROP TABLE IF EXISTS {DATABASE}.pictures, {DATABASE}.products, {DATABASE}.alembic_version")
    running.stop()
    api = start_api(environment(running))
    assert_unavailable(api.client.get("/readyz"))
    assert_unavailable(api.client.get("/products"))
    assert api.client.post("/products", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
    wait_until(lambda: "cannot run yet" in api.output(), "the log says what it waits for")
    running.start()
    api.wait_ready()
    assert api.client.post("/products", json={"name": "Lamp", "price": 1}).status_code == 201
    assert "Traceback" not in api.output()


def test_wrong_password_is_said_but_not_shown(server: DatabaseServer, start_api: StartApi) -> None:
    api = start_api({**environment(server), "MYSQL_PASSWORD": "wrong-s3cret"})
    wait_until(lambda: "refuses this user or password" in api.client.get("/readyz").text, "/readyz says why")
    assert_unavailable(api.client.get("/products"))
    assert "wrong-s3cret" not in api.output()


def test_database_that_takes_the_connection_and_says_nothing(start_api: StartApi) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        env = {"MYSQL_HOST": "127.0.0.1", "MYSQL_USER": "u", "MYSQL_PASSWORD": "p", "MYSQL_DATABASE": "d"}
        api = start_api({**env, "MYSQL_PORT": str(mute.getsockname()[1])})
        assert_unavailable(api.client.get("/products"))
        wait_until(lambda: "cannot run yet" in api.output(), "the driver gave up")


def test_log_has_requests_and_not_the_probes(api: Api) -> None:
    assert api.status("/healthz") == 200
    api.status("/products?q=lamp")
    assert '"GET /products?q=lamp HTTP/1.1" 200' in api.output()
    assert "GET /healthz" not in api.output()


def upload(port: int) -> socket.socket:
    """Begin a request, and leave the end of its body for later."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=15)
    head = "POST /products HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
    connection.sendall(head.encode() + b'{"name": "slow", ')
    return connection


def test_sigterm_lets_requests_end(server: DatabaseServer, start_api: StartApi) -> None:
    api = start_api(environment(server))
    api.wait_ready()
    query: list[httpx.Response] = []
    with closing(server.connect(DATABASE)) as other, other.cursor() as cursor, closing(upload(api.port)) as slow:
        cursor.execute("LOCK TABLES products WRITE, pictures WRITE")
        reader = threading.Thread(target=lambda: query.append(httpx.get(f"{api.client.base_url}/products")))
        reader.start()
        blocked = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'shop' AND state LIKE 'Waiting%'"
        wait_until(lambda: server.admin(blocked) == ((1,),), "the request waits for the table")
        api.process.send_signal(signal.SIGTERM)
        wait_until(lambda: api.status("/healthz") is None, "no new connections")
        time.sleep(0.3)
        assert api.process.poll() is None
        cursor.execute("UNLOCK TABLES")
        slow.sendall(b'"price":1}')
        answer = slow.recv(65536)
        reader.join(15)
    assert answer.startswith(b"HTTP/1.1 201"), answer
    assert query[0].status_code == 200
    assert api.process.wait(10) == 0


def test_sigterm_says_not_ready_and_still_serves_for_a_while(server: DatabaseServer, start_api: StartApi) -> None:
    api = start_api({**environment(server), "DRAIN_SECONDS": "1"})
    api.wait_ready()
    api.process.send_signal(signal.SIGTERM)
    wait_until(lambda: api.status("/readyz") == 503, "/readyz is 503", 1)
    assert_unavailable(api.client.get("/readyz"))
    answer = api.client.get("/products")
    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"
    assert api.process.wait(10) == 0


def test_request_that_never_ends_does_not_keep_the_process(server: DatabaseServer, start_api: StartApi) -> None:
    api = start_api({**environment(server), "SHUTDOWN_SECONDS": "1"})
    api.wait_ready()
    with closing(upload(api.port)):
        started = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        assert api.process.wait(10) == 0
        assert 1 <= time.monotonic() - started < 5
