"""A person with a browser: adds a product with a picture, sees it, edits it, also on a phone, and deletes it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.real.harness import ADDRESSES, WORKER_2, Cluster

pytestmark = pytest.mark.real

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-proxy-server",
]  # fmt: skip
LEFT = "net::ERR_ABORTED"  # the test went on to another page before this one was complete
COLOUR = (12, 180, 99)
NAME = "Lamp of the browser test"
UI = f"http://{ADDRESSES[WORKER_2]}:30001"
FIRST_PIXEL = """(image) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  canvas.getContext('2d').drawImage(image, 0, 0, 1, 1);
  return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield opened
        opened.close()


class Visit:
    """A page with all that its console and its requests had to complain about."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints, self.hosts = page, list[str](), set[str]()
        page.on("console", lambda one: self.complaints.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: self.complaints.append(str(one)))
        page.on("request", lambda one: self.hosts.add(one.url.split("/")[2]) if one.url.startswith("http") else None)
        page.on("requestfailed", lambda one: self.complaints.append(f"{one.url}: {one.failure}") if one.failure != LEFT else None)
        page.on("dialog", lambda one: one.accept())


@pytest.fixture
def visit(cluster: Cluster, browser: Browser, artifacts: Path) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    visit = Visit(context.new_page())
    yield visit
    visit.page.screenshot(path=artifacts / "page.png", full_page=True)  # the last thing seen, also where the test failed
    (artifacts / "complaints.txt").write_text("\n".join(visit.complaints))
    context.close()
    for product in cluster.api.get("/products", params={"q": NAME}).json()["items"]:
        cluster.api.delete(f"/products/{product['id']}")


def add(page: Page, folder: Path) -> int:
    """Fill in the form for a new product, as a person does; returns the product's number."""
    picture = folder / "lamp.png"
    picture.write_bytes(png(320, 240, COLOUR))
    page.goto(UI)
    page.get_by_role("link", name="Add product").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Description").fill("It shines.")
    page.get_by_label("Price").fill("19.90")
    page.get_by_label("Stock").fill("4")
    page.locator("input[name=picture]").set_input_files(picture)
    page.get_by_role("button", name="Add product").click()
    page.wait_for_url("**/products/*flash=created*")
    return int(page.url.split("/products/")[1].split("?")[0])


def test_a_product_with_a_picture_lives_its_life(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    number = add(page, tmp_path)

    page.goto(UI)
    card = page.locator(f"article[data-id='{number}']")
    assert NAME in card.inner_text() and "19.90" in card.inner_text() and "Only 4 left" in card.inner_text()
    image = card.locator("img")
    page.wait_for_function("id => document.querySelector(`article[data-id='${id}'] img`).complete", arg=number)
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [320, 240]
    assert image.evaluate("image => new URL(image.currentSrc || image.src).origin") == UI
    assert tuple(image.evaluate(FIRST_PIXEL)) == COLOUR

    card.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill(f"{NAME}, new")
    page.get_by_label("Price").fill("21.00")
    page.get_by_role("button", name="Save changes").click()
    page.wait_for_url(f"**/products/{number}?*")
    assert f"{NAME}, new" in page.locator("h1").inner_text() and "21.00" in page.locator("main").inner_text()
    assert page.locator("main img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 320  # kept

    page.locator("article form.delete button").click()
    page.wait_for_url("**/?*")
    assert page.locator(f"article[data-id='{number}']").count() == 0
    assert visit.complaints == []
    assert visit.hosts == {UI.removeprefix("http://")}  # nothing from anywhere else


def test_wrong_input_is_told_beside_its_field_and_nothing_is_saved(visit: Visit, cluster: Cluster) -> None:
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
    number = add(page, tmp_path)
    for path in ("/", "/products/new", f"/products/{number}", f"/products/{number}/edit", "/?q=nothing+like+this"):
        page.goto(f"{UI}{path}")
        widths = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1] == 390, (path, widths)
    assert visit.complaints == []
