"""The tables. Column types are those that MySQL 5.7 and later and MariaDB have in common."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKey, Integer, Numeric, String, Text, exists, func
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column


class Base(DeclarativeBase):
    """Base of all tables."""


class Picture(Base):
    """The picture of a product. A table of its own, so that no list of products drags the bytes along."""

    __tablename__ = "pictures"

    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)
    content_type: Mapped[str] = mapped_column(String(32))
    etag: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(MEDIUMBLOB)
    size: Mapped[int] = column_property(func.length(data))


class Product(Base):
    """A product."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    stock: Mapped[int] = mapped_column(Integer)
    has_picture: Mapped[bool] = column_property(exists().where(Picture.product_id == id).correlate_except(Picture))

    @property
    def picture_url(self) -> str | None:
        """Path of the picture, relative to the root of this API; None where there is none."""
        return f"/products/{self.id}/picture" if self.has_picture else None
