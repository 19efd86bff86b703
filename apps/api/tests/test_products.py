"""Create, read, change, delete, list and search."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Add = Callable[..., dict[str, Any]]


def test_create_then_read(client: httpx.Client) -> None:
    given = {"name": "  Tea 🍵 ", "description": "grün,\nloose", "price": 12.5, "stock": 3}
    answer = client.post("/products", json=given)
    created = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/products/{created['id']}"
    assert created == {
        "id": created["id"],
        "name": "Tea 🍵",
        "description": "grün,\nloose",
        "price": "12.50",
        "stock": 3,
        "picture_url": None,
    }
    assert client.get(answer.headers["location"]).json() == created


@pytest.mark.parametrize(
    ("given", "shown"),
    [(0, "0.00"), ("0.1", "0.10"), (19.99, "19.99"), ("99999999.99", "99999999.99"), ("-0", "0.00"), (1e2, "100.00")],
)
def test_price_is_exact(client: httpx.Client, given: object, shown: str) -> None:
    created = client.post("/products", json={"name": "x", "price": given}).json()
    assert created["price"] == shown
    assert client.get(f"/products/{created['id']}").json()["price"] == shown


def test_put_replaces_all_fields(client: httpx.Client, add: Add) -> None:
    product = add(description="old", stock=5)
    answer = client.put(f"/products/{product['id']}", json={"name": "New", "price": "1.00"})
    assert answer.status_code == 200
    assert answer.json() == {**product, "name": "New", "price": "1.00", "description": "", "stock": 0}
    assert client.get(f"/products/{product['id']}").json() == answer.json()


def test_patch_changes_named_fields_only(client: httpx.Client, add: Add) -> None:
    product = add(description="old", stock=5)
    answer = client.patch(f"/products/{product['id']}", json={"stock": 4})
    assert answer.status_code == 200
    assert client.get(f"/products/{product['id']}").json() == {**product, "stock": 4}
    assert client.patch(f"/products/{product['id']}", json={}).json() == {**product, "stock": 4}


def test_delete(client: httpx.Client, add: Add) -> None:
    product, other = add(), add()
    answer = client.delete(f"/products/{product['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"/products/{product['id']}").status_code == 404
    assert client.get(f"/products/{other['id']}").status_code == 200


def test_empty_list(client: httpx.Client) -> None:
    assert client.get("/products").json() == {"items": [], "total": 0, "page": 1, "size": 12, "pages": 1}


def test_pages(client: httpx.Client, add: Add) -> None:
    ids = [add(name=f"n{number}")["id"] for number in range(7)]
    seen = []
    for page in (1, 2, 3):
        answer = client.get("/products", params={"page": page, "size": 3}).json()
        assert (answer["total"], answer["page"], answer["size"], answer["pages"]) == (7, page, 3, 3)
        seen += [item["id"] for item in answer["items"]]
    assert seen == ids
    past = client.get("/products", params={"page": 4, "size": 3})
    assert past.status_code == 404
    assert "last one is 3" in past.json()["detail"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", ["100% wool"]),
        ("_", ["snake_case"]),
        ("/", ["and/or"]),
        ("\\", ["back\\slash"]),
        ("'", ["it's"]),
        ("WOOL", ["100% wool"]),
        ("🍵", ["tea 🍵"]),
        ("hidden", ["it's"]),
        ("e_c", ["snake_case"]),
        ("e%e", []),
        ("  wool ", ["100% wool"]),
        ("' OR 1=1 -- ", []),
    ],
)
def test_search_takes_wildcards_literally(client: httpx.Client, add: Add, search: str, found: list[str]) -> None:
    for name in ("100% wool", "snake_case", "and/or", "back\\slash", "tea 🍵", "cake 🍰"):
        add(name=name)
    add(name="it's", description="a hidden word")
    answer = client.get("/products", params={"q": search}).json()
    assert [item["name"] for item in answer["items"]] == found
    assert answer["total"] == len(found)


def test_search_is_paged(client: httpx.Client, add: Add) -> None:
    for name in ("red 1", "blue", "red 2", "red 3"):
        add(name=name)
    answer = client.get("/products", params={"q": "red", "size": 2, "page": 2}).json()
    assert [item["name"] for item in answer["items"]] == ["red 3"]
    assert (answer["total"], answer["pages"]) == (3, 2)


def test_openapi_describes_the_contract(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/healthz", "/readyz", "/products", "/products/{product_id}"} | {
        "/products/{product_id}/picture"
    }
    assert schema["components"]["schemas"]["ProductOut"]["properties"]["price"]["type"] == "string"
    upload = schema["paths"]["/products/{product_id}/picture"]["put"]
    assert set(upload["requestBody"]["content"]) == {"image/png", "image/jpeg", "image/webp", "image/gif"}


def test_headers(client: httpx.Client) -> None:
    answer = client.get("/products")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_head(client: httpx.Client) -> None:
    answer = client.head("/products")
    assert (answer.status_code, answer.content) == (200, b"")


def test_docs_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "://" not in page.text + policy
    assert "script-src 'self' 'sha256-" in policy
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 3
    for file in files:
        answer = client.get(file)
        assert answer.status_code == 200, file
        assert len(answer.content) > 1000
    assert client.get("/docs/files/../../app.py").status_code == 404
