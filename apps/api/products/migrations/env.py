"""Alembic's environment. The caller hands over the connection, which holds the lock (see products.migrate)."""

from alembic import context

from products.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
