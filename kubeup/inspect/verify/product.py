"""Checks, one after the other: a product with a picture goes in through the UI, is read by API
and SQL, and goes out again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit

from kubeup.inspect.verify.database import Row, select
from kubeup.inspect.verify.lines import Context, Verdict, bad, good, not_tried
from kubeup.inspect.verify.picture import png
from kubeup.system import http
from kubeup.system.http import Answer

PREFIX = "kubeup-verify-"
DESCRIPTION = "Written by `inv verify`, which removes it again."
NAME = re.compile(rf"^{PREFIX}[0-9a-f]{{12}}$")
PLACE = re.compile(r"^/products/(\d+)$")


@dataclass(frozen=True)
class Sample:
    """What is written, and has to be read back."""

    name: str
    price: str
    stock: int
    picture: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.picture).hexdigest()

    @property
    def fields(self) -> dict[str, str]:
        return {
            "name": self.name,
            "description": DESCRIPTION,
            "price": self.price,
            "stock": str(self.stock),
        }


def sample() -> Sample:
    """A product of a name that nothing else has, its picture in a colour of its own."""
    number = secrets.token_bytes(6)
    return Sample(
        f"{PREFIX}{number.hex()}",
        f"{number[3]}.{number[4] % 90 + 10}",
        number[5],
        png(number[0], number[1], number[2]),
    )


class Product:
    """The product of one run. `id` is there once it was written."""

    def __init__(self, context: Context) -> None:
        self._context, self._sample = context, sample()
        self.id = 0
        self._sent = False
        address = context.addresses[0] if context.addresses else "127.0.0.1"
        self.ui, self.api = (
            f"http://{address}:{port}"
            for port in (context.settings.ports.ui, context.settings.ports.api)
        )

    def write(self) -> Verdict:
        """Send the UI's own form, as a browser does, and follow where it leads."""
        body, kind = http.multipart(
            self._sample.fields, "picture", "verify.png", "image/png", self._sample.picture
        )
        self._sent = True
        answer = http.ask(f"{self.ui}/products", body, kind)
        self.id = product_id(answer)
        return evaluate_written(self._sample, answer)

    def read(self) -> Verdict:
        """Find it by name through the API, and fetch its picture."""
        if not self.id:
            return not_tried("product written")
        listed = http.ask(f"{self.api}/products?q={quote(self._sample.name)}")
        picture = http.ask(f"{self.api}/products/{self.id}/picture")
        return evaluate_read(self._sample, self.id, listed, picture)

    def look_in_database(self) -> Verdict:
        """Read it by SQL, past the API."""
        if not self.id:
            return not_tried("product written")
        return evaluate_stored(self._sample, select(self._context, self.id))

    def remove(self) -> Verdict:
        """Press the UI's delete button, and see it gone in the API."""
        if not self.id:
            return not_tried("product written")
        pressed = http.ask(
            f"{self.ui}/products/{self.id}/delete", b"", "application/x-www-form-urlencoded"
        )
        gone = http.ask(f"{self.api}/products/{self.id}")
        verdict = evaluate_removed(self.id, pressed, gone)
        self._sent = not verdict.ok
        return verdict

    def clean(self) -> None:
        """Remove what is left of this run and of killed ones, past the UI, which may be what
        failed.
        """
        listed = (
            http.ask(f"{self.api}/products?q={PREFIX}&size=100", seconds=4)
            if self._sent
            else Answer("")
        )
        for number in leftovers(listed):
            http.ask(f"{self.api}/products/{number}", method="DELETE", seconds=4)


def product_id(answer: Answer) -> int:
    """The id in the address that the UI led to after saving, or 0."""
    place = PLACE.match(urlsplit(answer.url).path)
    return int(place.group(1)) if place else 0


def leftovers(listed: Answer) -> list[int]:
    """The ids of products that only a verification can have written."""
    items = listed.json.get("items", []) if isinstance(listed.json, dict) else []
    return [
        item["id"]
        for item in items
        if NAME.match(item["name"]) and item["description"] == DESCRIPTION
    ]


def evaluate_written(wanted: Sample, answer: Answer) -> Verdict:
    """Judge the page that the UI led to after saving."""
    flash = parse_qs(urlsplit(answer.url).query).get("flash", [""])[0]
    if (
        answer.status == 200
        and product_id(answer)
        and flash == "created"
        and wanted.name.encode() in answer.body
    ):
        return good(
            f"{wanted.name} with a picture of {len(wanted.picture)} bytes, shown at {answer.url}"
        )
    if answer.problem or answer.status in (502, 503, 504):
        return bad(
            "the UI did not save the product",
            f"{answer.url}: {answer.words}: {_away(answer)}",
            f"run `inv deploy.logs {_suspect(answer)}`",
        )
    if flash.startswith("picture"):
        return bad(
            "the product was saved without its picture",
            f"the UI says {flash}",
            "run `inv deploy.logs api`",
        )
    return bad(
        "the UI did not save the product",
        f"{answer.url}: {answer.words}{_messages(answer)}",
        "run `inv deploy.logs ui`",
    )


def evaluate_read(wanted: Sample, number: int, listed: Answer, picture: Answer) -> Verdict:
    """Judge what the API has of it."""
    items = listed.json.get("items", []) if isinstance(listed.json, dict) else []
    if listed.status != 200 or len(items) != 1:
        return bad(
            "the API does not list the product",
            f"{listed.url}: {listed.words}, {len(items)} products",
            "run `inv deploy.logs api`",
        )
    shown = {key: items[0].get(key) for key in ("id", "name", "price", "stock", "picture_url")}
    expected = {
        "id": number,
        "name": wanted.name,
        "price": wanted.price,
        "stock": wanted.stock,
        "picture_url": f"/products/{number}/picture",
    }
    if shown != expected:
        return bad(
            "the API lists something else than what was written",
            f"written {expected}\nlisted {shown}",
            "run `inv deploy.logs api`",
        )
    if picture.body != wanted.picture:
        return bad(
            "the picture is not the one sent",
            f"{picture.url}: {picture.words}, {len(picture.body)} bytes instead of "
            f"{len(wanted.picture)}",
            "run `inv deploy.logs api`",
        )
    return good(f"{listed.url} has it, its picture is the same {len(picture.body)} bytes")


def evaluate_stored(wanted: Sample, row: Row | None) -> Verdict:
    """Judge the row that the database has."""
    if row is None:
        return bad(
            "the database has no such row",
            "the API answers from another database than this one",
            "compare MYSQL_HOST in the Deployment api",
        )
    if (row.name, row.price, row.stock, row.digest) == (
        wanted.name,
        wanted.price,
        wanted.stock,
        wanted.digest,
    ):
        return good(f"row {row.number} of `products`, SHA2 of its picture is {row.digest[:12]}…")
    return bad(
        "the row is another than what was written",
        f"{row} instead of {wanted.name}, {wanted.price}, {wanted.stock}, {wanted.digest}",
        "run `inv deploy.logs api`",
    )


def evaluate_removed(number: int, pressed: Answer, gone: Answer) -> Verdict:
    """Judge that it is gone."""
    if gone.status == 404:
        return good(f"product {number} deleted in the UI, the API answers 404")
    suspect = "ui" if pressed.status != 200 else "api"
    cause = f"{pressed.url}: {pressed.words}\n{gone.url}: {gone.words} instead of 404"
    return bad(f"product {number} is still there", cause, f"run `inv deploy.logs {suspect}`")


def _away(answer: Answer) -> str:
    return (
        "the UI itself is not there" if answer.problem else "the UI does not get through to the API"
    )


def _suspect(answer: Answer) -> str:
    return "ui" if answer.problem else "api"


def _messages(answer: Answer) -> str:
    """What the page says was wrong with the form."""
    text = answer.body.decode(errors="replace")
    found = re.findall(
        r'<a href="#\w+">([^<]+)</a>|<p class="flash '
        r'bad">([^<]+)</p>|role="alert"[^>]*>\s*<p>([^<]+)</p>',
        text,
    )
    words = [part.strip() for row in found for part in row if part.strip()]
    return ": " + "; ".join(words) if words else ""
