"""JSON shapes of requests and responses."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

MAX_PAGE = 1_000_000


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a price is a number or a string such as '12.50'")
    return value


def _no_control_characters(value: str) -> str:
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("control characters are not allowed")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("NUL characters are not allowed")
    return value


def _drop_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_no_control_characters),
]
Description = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_no_nul)]
Price = Annotated[
    Decimal,
    BeforeValidator(_no_bool),
    Field(ge=0, max_digits=10, decimal_places=2, description="Number or string; at most two decimals."),
]
Stock = Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)]
# A string: a JSON number would be read as a float by most clients, and 12.50 would be written as 12.5.
PriceText = Annotated[
    Decimal,
    PlainSerializer(lambda price: f"{price:.2f}", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d{2}$", "examples": ["12.50"]}),
]


class ProductIn(BaseModel):
    """A whole product, to create or to replace one."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    description: Description = ""
    price: Price
    stock: Stock = 0


class ProductPatch(BaseModel):
    """Some fields of a product; those left out stay as they are, and null is no value for any."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_drop_defaults)

    # The defaults only mark the fields as optional; they are never stored.
    name: Name = ""
    description: Description = ""
    price: Price = Decimal(0)
    stock: Stock = 0

    def changes(self) -> dict[str, Any]:
        """Return only what the request names."""
        return self.model_dump(exclude_unset=True)


class ProductOut(BaseModel):
    """A product as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    price: PriceText
    stock: int
    picture_url: str | None = Field(description="Path relative to the root of the API, or null.")


class ProductPage(BaseModel):
    """One page of a list of products."""

    items: list[ProductOut]
    total: int
    page: int
    size: int
    pages: int = Field(description="Number of the last page; 1 where nothing is found.")


class Problem(BaseModel):
    """Every error but a 422 of field errors looks like this."""

    detail: str


class Health(BaseModel):
    """Answer of the probes when all is well."""

    status: str
