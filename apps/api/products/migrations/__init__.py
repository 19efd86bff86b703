"""Alembic migrations. One statement that changes the schema in each: MySQL cannot roll such a statement back."""
