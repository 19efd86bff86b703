"""The products API: a small FastAPI service on top of MySQL or MariaDB."""

__version__ = "0.1.0"
