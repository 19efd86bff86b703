"""What the API does with the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, load_only

from products.models import Picture, Product

PART_BYTES = 256 * 1024
_PACKET_MARGIN = 1024


class NotFoundError(Exception):
    """There is no such thing; the text says what."""


class TooLargeError(Exception):
    """The database would refuse a picture of this size."""


@dataclass(frozen=True)
class Found:
    """One page of products, and the number of all that were found."""

    items: list[Product]
    total: int


def find_products(session: Session, search: str, page: int, size: int) -> Found:
    """Return one page of the products whose name or description contains ``search``, by id."""
    query = select(Product)
    if search:
        # autoescape: a % or _ that somebody searches for is that character and no wildcard.
        query = query.where(
            or_(
                Product.name.contains(search, autoescape=True),
                Product.description.contains(search, autoescape=True),
            )
        )
    # Of the table alone: counting the query itself would look up a picture for each of all products.
    total = session.scalar(query.with_only_columns(func.count(Product.id))) or 0
    items = session.scalars(query.order_by(Product.id).limit(size).offset((page - 1) * size))
    return Found(list(items), total)


def get_product(session: Session, product_id: int) -> Product:
    """Return the product or raise :class:`NotFoundError`."""
    product = session.get(Product, product_id)
    if product is None:
        raise NotFoundError(f"there is no product {product_id}")
    return product


def add_product(session: Session, values: dict[str, Any]) -> Product:
    """Store a new product."""
    product = Product(**values)
    session.add(product)
    return _saved(session, product)


def change_product(session: Session, product_id: int, values: dict[str, Any]) -> Product:
    """Change the named fields of a product."""
    product = get_product(session, product_id)
    for field, value in values.items():
        setattr(product, field, value)
    return _saved(session, product)


def remove_product(session: Session, product_id: int) -> None:
    """Delete a product, and with it its picture."""
    session.delete(get_product(session, product_id))
    session.commit()


def picture_tag(session: Session, product_id: int) -> Picture:
    """Return the picture with its bytes not loaded yet."""
    query = select(Picture).where(Picture.product_id == product_id)
    picture = session.scalar(query.options(load_only(Picture.content_type, Picture.etag, Picture.size)))
    if picture is None:
        raise NotFoundError(f"there is no picture of product {product_id}")
    return picture


def picture_part(session: Session, picture: Picture, begin: int) -> bytes:
    """Return PART_BYTES from ``begin`` on; raise :class:`NotFoundError` where there is another picture by now."""
    part: bytes | None = session.scalar(
        select(func.substring(Picture.data, begin + 1, PART_BYTES)).where(
            Picture.product_id == picture.product_id, Picture.etag == picture.etag
        )
    )
    if part is None:
        raise NotFoundError("the picture was replaced in the meantime")
    return part


def put_picture(session: Session, picture: Picture) -> None:
    """Store a picture, in place of the one there is."""
    get_product(session, picture.product_id)
    _refuse_oversize(session, picture.data)
    statement = insert(Picture).values(
        product_id=picture.product_id,
        content_type=picture.content_type,
        etag=picture.etag,
        data=picture.data,
    )
    new = statement.inserted
    try:
        session.execute(
            statement.on_duplicate_key_update(content_type=new.content_type, etag=new.etag, data=new.data),
        )
        session.commit()
    except IntegrityError:
        # The product was deleted since it was looked up.
        raise NotFoundError(f"there is no product {picture.product_id}") from None


def remove_picture(session: Session, product_id: int) -> None:
    """Delete the picture of a product."""
    session.delete(picture_tag(session, product_id))
    session.commit()


def _saved(session: Session, product: Product) -> Product:
    session.flush()
    # Read back what the database made of it (its id, its rounding), and whether there is a picture.
    session.refresh(product)
    session.commit()
    return product


def _refuse_oversize(session: Session, data: bytes) -> None:
    # Past this limit (4 MiB by default in MySQL 5.7) the server breaks the connection off without an answer.
    limit = int(session.scalar(text("SELECT @@max_allowed_packet")) or 0)
    # The driver writes each byte as two: as hexadecimal digits, before as the escaped character.
    needed = 2 * len(data) + _PACKET_MARGIN
    if needed > limit:
        raise TooLargeError(f"the database takes no more than {limit} bytes at once (max_allowed_packet)")
