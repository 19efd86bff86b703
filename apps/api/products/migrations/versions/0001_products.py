"""The products.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make the table; "if not exists", since a crash before the revision is noted makes this run again."""
    op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        # In MySQL 5.7 and MariaDB too, and unlike unicode_ci it tells one emoji from another in a search.
        mysql_collate="utf8mb4_unicode_520_ci",
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("products")
