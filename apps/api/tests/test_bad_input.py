"""Every bad input has its own clear 4xx, and changes nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.apiprocess import Api

Add = Callable[..., dict[str, Any]]
JSON = {"Content-Type": "application/json"}
LIMIT = 64 * 1024

BAD_FIELDS: list[tuple[str, object]] = [
    ("name", ""),
    ("name", "   "),
    ("name", None),
    ("name", 7),
    ("name", "x" * 201),
    ("name", "a\u0007b"),
    ("description", None),
    ("description", "x" * 5001),
    ("description", "a\u0000b"),
    ("price", -0.01),
    ("price", "-1"),
    ("price", "1.005"),
    ("price", "100000000.00"),
    ("price", "free"),
    ("price", "NaN"),
    ("price", "Infinity"),
    ("price", True),
    ("price", None),
    ("stock", -1),
    ("stock", 1.5),
    ("stock", "3"),
    ("stock", True),
    ("stock", 2**31),
    ("colour", "red"),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_bad_field(client: httpx.Client, add: Add, field: str, value: object) -> None:
    product = add()
    path = f"/products/{product['id']}"
    whole = {"name": "ok", "price": 1, field: value}
    for answer in (
        client.post("/products", json=whole),
        client.put(path, json=whole),
        client.patch(path, json={field: value}),
    ):
        assert answer.status_code == 422, answer.text
        assert [problem["loc"] for problem in answer.json()["detail"]] == [["body", field]]
        assert all(problem["msg"] for problem in answer.json()["detail"])
    assert client.get("/products").json()["items"] == [product]


@pytest.mark.parametrize("missing", ["name", "price"])
def test_missing_field(client: httpx.Client, missing: str) -> None:
    whole = {"name": "ok", "price": 1}
    del whole[missing]
    answer = client.post("/products", json=whole)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", missing]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"name": "x", "price": NaN}',
        b'{"name": "x", "price": 1e999}',
        b'{"name": "\\ud800", "price": 1}',
        b'{"name": "\xff", "price": 1}',
        b"[" * 60_000,
        b'{"name": "x", "price": 1, "stock": ' + b"9" * 6000 + b"}",
    ],
)
def test_bad_json(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/products", content=body, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["detail"]
    assert client.get("/products").json()["total"] == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_body_that_is_not_declared_as_json(client: httpx.Client, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = client.post("/products", content=b'{"name": "x", "price": 1}', headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "size=0", "size=101", "page=99999999999", "q=" + "x" * 101]
)
def test_bad_query(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/products?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]


@pytest.mark.parametrize("product_id", ["999999", "0", "-1", "99999999999999999999"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_no_such_product(client: httpx.Client, method: str, product_id: str) -> None:
    body = {"name": "x", "price": 1} if method in ("PUT", "PATCH") else None
    answer = client.request(method, f"/products/{product_id}", json=body)
    assert answer.status_code == 404
    assert product_id in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/one", 422),
        ("GET", "/nothing", 404),
        ("GET", "/products/", 404),
        ("POST", "/products/1", 405),
        ("DELETE", "/products", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_bad_path(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["detail"]


def padded(length: int) -> bytes:
    start = b'{"name": "x", "price": 1}'
    return start + b" " * (length - len(start))


def test_json_body_at_its_limit(client: httpx.Client) -> None:
    assert client.post("/products", content=padded(LIMIT), headers=JSON).status_code == 201


def test_json_body_over_its_limit(client: httpx.Client) -> None:
    answer = client.post("/products", content=padded(LIMIT + 1), headers=JSON)
    assert answer.status_code == 413
    assert str(LIMIT) in answer.json()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/products").json()["total"] == 0


def test_chunked_body_over_its_limit(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield padded(LIMIT)
        yield b" "

    answer = client.post("/products", content=chunks(), headers=JSON)
    assert answer.request.headers["transfer-encoding"] == "chunked"
    assert answer.status_code == 413


def raw(api: Api, head: str, body: bytes = b"") -> bytes:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        answer = b""
        while b"\r\n\r\n" not in answer and (chunk := connection.recv(65536)):
            answer += chunk
    return answer


def test_content_length_that_lies_low(api: Api) -> None:
    size = LIMIT + 1
    chunked = f"{size:x}\r\n".encode() + padded(size) + b"\r\n0\r\n\r\n"
    head = "POST /products HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 25\n"
    assert raw(api, head + "Transfer-Encoding: chunked\n\n", chunked).split()[1] == b"413"
    assert api.client.get("/products").json()["total"] == 0


def test_content_length_is_refused_before_the_body_is_sent(api: Api) -> None:
    head = "PUT /products/1/picture HTTP/1.1\nHost: x\nContent-Type: image/png\nContent-Length: 999999999999\n"
    answer = raw(api, head + "Expect: 100-continue\n\n")
    assert answer.split()[1] == b"413"
    assert b"connection: close" in answer.lower()


def test_content_length_that_is_no_number(api: Api) -> None:
    assert raw(api, "POST /products HTTP/1.1\nHost: x\nContent-Length: many\n\n").split()[1] == b"400"
