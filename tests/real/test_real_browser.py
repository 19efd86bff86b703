"""A person with a browser: adds a product with a picture, sees it, edits it, also on a phone,
and deletes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.real.browsing import NAME, Visit, add, live_a_life
from tests.real.harness import ADDRESSES, WORKER_2, Cluster

pytestmark = pytest.mark.real

UI = f"http://{ADDRESSES[WORKER_2]}:30001"


@pytest.fixture
def visit(cluster: Cluster, browser: Browser, artifacts: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visit = Visit(context.new_page())
    yield visit
    # the last thing seen, also where the test failed
    visit.page.screenshot(path=artifacts / "page.png", full_page=True)
    (artifacts / "complaints.txt").write_text("\n".join(visit.complaints))
    context.close()
    for product in cluster.api.get("/products", params={"q": NAME}).json()["items"]:
        cluster.api.delete(f"/products/{product['id']}")


def test_a_product_with_a_picture_lives_its_life(visit: Visit, tmp_path: Path) -> None:
    live_a_life(visit, UI, tmp_path)


def test_wrong_input_is_told_beside_its_field_and_nothing_is_saved(
    visit: Visit, cluster: Cluster
) -> None:
    page, before = visit.page, cluster.api.get("/products").json()["total"]
    page.goto(f"{UI}/products/new")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Price").fill("a lot")
    page.get_by_label("Stock").fill("1")
    page.get_by_role("button", name="Add product").click()
    page.locator("#price-error").wait_for()
    assert page.get_by_label("Name").input_value() == NAME  # what was typed is not lost
    assert cluster.api.get("/products").json()["total"] == before


def test_a_phone_shows_every_page_without_scrolling_sideways(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    page.set_viewport_size({"width": 390, "height": 844})
    number = add(page, UI, tmp_path)
    for path in (
        "/",
        "/products/new",
        f"/products/{number}",
        f"/products/{number}/edit",
        "/?q=nothing+like+this",
    ):
        page.goto(f"{UI}{path}")
        widths = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1] == 390, (path, widths)
    assert visit.complaints == []
