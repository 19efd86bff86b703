from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apiprocess import Api, environment
from tests.dbserver import DATABASE, DatabaseServer, NoServerError

StartApi = Callable[[dict[str, str]], Api]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    try:
        server = DatabaseServer(tmp_path_factory.mktemp("db"))
    except NoServerError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        server.install()
        yield server
    except NoServerError as error:
        pytest.fail(str(error), pytrace=False)
    finally:
        server.stop()


@pytest.fixture
def running(server: DatabaseServer) -> Iterator[DatabaseServer]:
    """The server for a test that stops it: it runs again afterwards, however the test ended."""
    yield server
    server.stop()
    server.start()


@pytest.fixture
def start_api(tmp_path: Path) -> Iterator[StartApi]:
    started: list[Api] = []

    def start(env: dict[str, str]) -> Api:
        started.append(Api(tmp_path / f"api-{len(started)}.log", env))
        return started[-1]

    yield start
    for api in started:
        api.stop()


@pytest.fixture(scope="session")
def shared_api(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = Api(tmp_path_factory.mktemp("api") / "api.log", environment(server))
    try:
        api.wait_ready()
        yield api
    finally:
        api.stop()


@pytest.fixture
def api(shared_api: Api, server: DatabaseServer) -> Api:
    """A running API with no products."""
    server.admin("DELETE FROM products", DATABASE)
    return shared_api


@pytest.fixture
def client(api: Api) -> httpx.Client:
    return api.client


@pytest.fixture
def add(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def add_product(**fields: Any) -> dict[str, Any]:
        answer = client.post("/products", json={"name": "Lamp", "price": "9.90", **fields})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    return add_product
