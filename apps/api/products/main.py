"""Starts the service, or says why it cannot start."""

from __future__ import annotations

import os
import sys

from products.app import create_app
from products.config import ConfigError, load
from products.lifecycle import Lifecycle
from products.server import serve


def main() -> int:
    """Run the service; return the exit code, 2 for an environment it cannot run in."""
    try:
        settings = load(os.environ)
    except ConfigError as error:
        print(f"products: {error}", file=sys.stderr)
        return 2
    lifecycle = Lifecycle()
    serve(create_app(settings, lifecycle), settings, lifecycle)
    return 0
