"""The product of one verification: it goes in through the UI and out again.

A check for each step is in `kubeup.inspect.verify.checks`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from kubeup.inspect.verify.model import Context
from kubeup.inspect.verify.picture import png
from kubeup.inspect.verify.probes import not_tried
from kubeup.system import http
from kubeup.system.http import Answer

PREFIX = "kubeup-verify-"
DESCRIPTION = "Written by `inv verify`, which removes it again."
# 12 digits of chance: two runs at once never write the same product
NAME = re.compile(rf"^{PREFIX}[0-9a-f]{{12}}$")
PLACE = re.compile(r"^/products/(\d+)$")
FORM = "application/x-www-form-urlencoded"


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
        name=f"{PREFIX}{number.hex()}",
        price=f"{number[3]}.{number[4] % 90 + 10}",
        stock=number[5],
        picture=png(*number[:3]),
    )


class Product:
    """What is sent to UI and API, one step after the other."""

    def __init__(self, context: Context) -> None:
        self.sample = sample()
        self._id = 0
        self._sent = False
        # without a node the checks before say why; here nothing answers
        address = context.addresses[0] if context.addresses else "127.0.0.1"
        ports = context.settings.ports
        self._ui, self._api = f"http://{address}:{ports.ui}", f"http://{address}:{ports.api}"

    @property
    def id(self) -> int:
        """Raises KubeupError where it was not written."""
        if not self._id:
            raise not_tried("product written")
        return self._id

    def write(self) -> Answer:
        """Send the UI's own form, as a browser does, and follow where it leads."""
        body, kind = http.multipart(
            self.sample.fields, "picture", "verify.png", "image/png", self.sample.picture
        )
        self._sent = True  # before the answer: one that got lost may have been saved
        answer = http.ask(f"{self._ui}/products", body, kind)
        self._id = product_id(answer)
        return answer

    def find(self) -> Answer:
        """Ask the API for products of its name."""
        return http.ask(f"{self._api}/products?q={quote(self.sample.name)}")

    def get(self, path: str = "") -> Answer:
        """Ask the API for it, or what is below it."""
        return http.ask(f"{self._api}/products/{self.id}{path}")

    def press_delete(self) -> Answer:
        return http.ask(f"{self._ui}/products/{self.id}/delete", b"", FORM)

    def removed(self) -> None:
        """Nothing is left of it to clean."""
        self._sent = False

    def clean(self) -> None:
        """Remove what is left of this run and of killed ones, past the UI, which may be down."""
        if not self._sent:
            return  # an API that is down would make the end wait for nothing
        listed = http.ask(f"{self._api}/products?q={PREFIX}&size=100", seconds=4)
        for number in leftovers(listed):
            http.ask(f"{self._api}/products/{number}", method="DELETE", seconds=4)


def product_id(answer: Answer) -> int:
    """The id in the address that the UI led to after saving, or 0."""
    place = PLACE.match(urlsplit(answer.url).path)
    return int(place.group(1)) if place else 0


def listed_items(listed: Answer) -> list[dict[str, Any]]:
    """The products in a list of the API's; none where the answer is no list."""
    content = listed.json
    items: list[dict[str, Any]] = content.get("items", []) if isinstance(content, dict) else []
    return items


def leftovers(listed: Answer) -> list[int]:
    """The ids of products that only a verification can have written."""
    # both the name and the text: a user's product may have a name like it
    return [
        item["id"]
        for item in listed_items(listed)
        if NAME.match(item["name"]) and item["description"] == DESCRIPTION
    ]
