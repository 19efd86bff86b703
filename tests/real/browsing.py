"""A person with a browser, for tests of the UI."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from playwright.sync_api import Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
]
LEFT = "net::ERR_ABORTED"  # the test went on to another page before this one was complete
COLOUR = (12, 180, 99)
NAME = "Lamp of the browser test"
FIRST_PIXEL = """(image) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
  canvas.getContext('2d').drawImage(image, 0, 0, 1, 1);
  return [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3);
}"""


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class Visit:
    """A page with all that its console and its requests had to complain about."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints, self.hosts = page, list[str](), set[str]()
        page.on(
            "console",
            lambda one: (
                self.complaints.append(one.text) if one.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda one: self.complaints.append(str(one)))
        page.on(
            "request",
            lambda one: (
                self.hosts.add(one.url.split("/")[2]) if one.url.startswith("http") else None
            ),
        )
        page.on(
            "requestfailed",
            lambda one: (
                self.complaints.append(f"{one.url}: {one.failure}") if one.failure != LEFT else None
            ),
        )
        page.on("dialog", lambda one: one.accept())


def add(page: Page, ui: str, folder: Path) -> int:
    """Fill in the form for a new product, as a person does; returns the product's number."""
    picture = folder / "lamp.png"
    picture.write_bytes(png(320, 240, COLOUR))
    page.goto(ui)
    page.get_by_role("link", name="Add product").click()
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Description").fill("It shines.")
    page.get_by_label("Price").fill("19.90")
    page.get_by_label("Stock").fill("4")
    page.locator("input[name=picture]").set_input_files(picture)
    page.get_by_role("button", name="Add product").click()
    page.wait_for_url("**/products/*flash=created*")
    return int(page.url.split("/products/")[1].split("?")[0])


def live_a_life(visit: Visit, ui: str, folder: Path) -> None:
    """Add a product with a picture, see it, edit it, delete it."""
    page = visit.page
    number = add(page, ui, folder)

    page.goto(ui)
    card = page.locator(f"article[data-id='{number}']")
    assert (
        NAME in card.inner_text()
        and "19.90" in card.inner_text()
        and "Only 4 left" in card.inner_text()
    )
    image = card.locator("img")
    page.wait_for_function(
        "id => document.querySelector(`article[data-id='${id}'] img`).complete", arg=number
    )
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [320, 240]
    assert image.evaluate("image => new URL(image.currentSrc || image.src).origin") == ui
    assert tuple(image.evaluate(FIRST_PIXEL)) == COLOUR

    card.get_by_role("link", name="Edit").click()
    page.get_by_label("Name").fill(f"{NAME}, new")
    page.get_by_label("Price").fill("21.00")
    page.get_by_role("button", name="Save changes").click()
    page.wait_for_url(f"**/products/{number}?*")
    assert (
        f"{NAME}, new" in page.locator("h1").inner_text()
        and "21.00" in page.locator("main").inner_text()
    )
    # kept
    assert (
        page.locator("main img").first.evaluate(
            "image => image.decode().then(() => image.naturalWidth)"
        )
        == 320
    )

    page.locator("article form.delete button").click()
    page.wait_for_url("**/?*")
    assert page.locator(f"article[data-id='{number}']").count() == 0
    assert visit.complaints == []
    assert visit.hosts == {ui.removeprefix("http://")}  # nothing from anywhere else
