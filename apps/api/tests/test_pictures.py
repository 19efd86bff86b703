"""Pictures: upload, download, caching, limits and types."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.dbserver import DatabaseServer

Add = Callable[..., dict[str, Any]]
LIMIT = 5 * 1024 * 1024
PICTURES = {
    "image/png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(range(256)),
    "image/gif": b"GIF89a" + bytes(range(256)),
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(range(256)),
}
PNG = PICTURES["image/png"]


@pytest.fixture
def path(add: Add) -> str:
    return f"/products/{add()['id']}/picture"


def put(client: httpx.Client, path: str, data: bytes, kind: str = "image/png") -> httpx.Response:
    return client.put(path, content=data, headers={"Content-Type": kind})


@pytest.mark.parametrize("kind", PICTURES)
def test_upload_then_download(client: httpx.Client, path: str, kind: str) -> None:
    answer = put(client, path, PICTURES[kind], kind)
    assert (answer.status_code, answer.content) == (204, b"")
    got = client.get(path)
    assert (got.status_code, got.content) == (200, PICTURES[kind])
    assert got.headers["content-type"] == kind
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]


def test_product_names_its_picture(client: httpx.Client, path: str) -> None:
    product = path.removesuffix("/picture")
    assert client.get(product).json()["picture_url"] is None
    put(client, path, PNG)
    assert client.get(product).json()["picture_url"] == path
    assert client.get("/products").json()["items"][0]["picture_url"] == path
    assert client.patch(product, json={"stock": 1}).json()["picture_url"] == path
    assert client.delete(path).status_code == 204
    assert client.get(product).json()["picture_url"] is None
    assert client.get(path).status_code == 404
    assert client.delete(path).status_code == 404


def test_etag(client: httpx.Client, path: str) -> None:
    put(client, path, PNG)
    tag = client.get(path).headers["etag"]
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(path, headers={"If-None-Match": header})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    put(client, path, PNG + b"more")
    changed = client.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.content) == (200, PNG + b"more")
    assert changed.headers["etag"] != tag


def test_picture_goes_with_its_product(client: httpx.Client, path: str, server: DatabaseServer) -> None:
    put(client, path, PNG)
    assert client.delete(path.removesuffix("/picture")).status_code == 204
    assert server.admin("SELECT COUNT(*) FROM pictures", "shop") == ((0,),)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("image/png", PICTURES["image/jpeg"]),
        ("image/png", b""),
        ("image/webp", b"RIFF\x10\x00\x00\x00WAVEfmt "),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("text/html", PNG),
        ("", PNG),
    ],
)
def test_wrong_type(client: httpx.Client, path: str, kind: str, data: bytes) -> None:
    answer = put(client, path, data, kind)
    assert answer.status_code == 415
    assert "Content-Type" in answer.json()["detail"]
    assert client.get(path).status_code == 404


def test_largest_picture(client: httpx.Client, path: str) -> None:
    data = PNG + os.urandom(LIMIT - len(PNG))
    assert put(client, path, data).status_code == 204
    assert client.get(path).content == data


def test_picture_over_the_limit(client: httpx.Client, path: str) -> None:
    answer = put(client, path, PNG.ljust(LIMIT + 1, b"x"))
    assert answer.status_code == 413
    assert str(LIMIT) in answer.json()["detail"]
    assert client.get(path).status_code == 404


def test_chunked_picture_over_the_limit(client: httpx.Client, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield PNG
        for _ in range(12):
            yield b"x" * 1024 * 1024

    answer = client.put(path, content=chunks(), headers={"Content-Type": "image/png"})
    assert answer.status_code == 413
    assert client.get(path).status_code == 404


def test_picture_that_the_database_cannot_take(client: httpx.Client, path: str, server: DatabaseServer) -> None:
    before = server.admin("SELECT @@global.max_allowed_packet")[0][0]
    server.admin("SET GLOBAL max_allowed_packet = 1048576")
    kill_connections(server)
    try:
        answer = put(client, path, PNG.ljust(2 * 1024 * 1024, b"x"))
        small = put(client, path, PNG)
    finally:
        server.admin(f"SET GLOBAL max_allowed_packet = {before}")
        kill_connections(server)
    assert answer.status_code == 413
    assert "max_allowed_packet" in answer.json()["detail"]
    assert small.status_code == 204


def kill_connections(server: DatabaseServer) -> None:
    """End the API's connections: a setting of the server counts for new ones only. The pool has to notice."""
    for (number,) in server.admin("SELECT id FROM information_schema.processlist WHERE user = 'shop'"):
        server.admin(f"KILL {number}")


def test_no_such_product(client: httpx.Client, path: str) -> None:
    for answer in (
        put(client, "/products/999999/picture", PNG),
        client.get("/products/999999/picture"),
        client.delete("/products/999999/picture"),
    ):
        assert answer.status_code == 404
        assert "999999" in answer.json()["detail"]
