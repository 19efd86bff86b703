"""Puts the application together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from fastapi import FastAPI

from products import __version__, errors
from products.config import Settings
from products.db import Database
from products.headers import StandardHeaders
from products.lifecycle import Lifecycle
from products.limits import BodyLimit
from products.migrate import Migrator
from products.routes import health, pictures, products


def create_app(settings: Settings, lifecycle: Lifecycle) -> FastAPI:
    """Return the application. It starts, and stays up, whether or not the database answers."""
    database = Database(settings.url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.probe_threads = CapacityLimiter(4)
        migrator = Migrator(settings.url, database)
        migrator.start()
        yield
        migrator.stop()
        database.dispose()

    app = FastAPI(
        title="Products",
        description="Products with pictures. A price is sent as a number or a string, and answered as a string.",
        version=__version__,
        lifespan=lifespan,
        redoc_url=None,
        # A redirect would name the host that this service believes to have, which is wrong behind a proxy.
        redirect_slashes=False,
    )
    app.state.database = database
    app.state.lifecycle = lifecycle
    for routes in (health, products, pictures):
        app.include_router(routes.router)
    errors.install(app)
    # Added last is outermost: the answers of BodyLimit get the headers too.
    app.add_middleware(BodyLimit)
    app.add_middleware(StandardHeaders, draining=lambda: lifecycle.draining)
    return app
