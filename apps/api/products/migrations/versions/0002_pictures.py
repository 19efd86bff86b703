"""The pictures of the products.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the table; "if not exists", since a crash before the revision is noted makes this run again."""
    op.create_table(
        "pictures",
        sa.Column(
            "product_id",
            sa.Integer,
            sa.ForeignKey("products.id", ondelete="CASCADE", name="pictures_product"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("content_type", sa.String(32), nullable=False),
        sa.Column("etag", sa.String(64), nullable=False),
        sa.Column("data", MEDIUMBLOB, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_unicode_520_ci",
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("pictures")
