"""Puts the application together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI

from products import __version__, docs, errors
from products.config import Settings
from products.db import POOL_SIZE, Database
from products.headers import StandardHeaders
from products.hosts import AllowedHosts
from products.lifecycle import Lifecycle, Readiness
from products.limits import RequestLimits
from products.migrate import Migrator
from products.routes import health, pictures, products


def create_app(settings: Settings, lifecycle: Lifecycle) -> FastAPI:
    """Return the application. It starts, and stays up, whether or not the database answers."""
    database = Database(settings.url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # More would wait for a connection to the database, each with what it was sent.
        to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
        app.state.readiness = Readiness(database)
        # The driver makes a statement of several times a picture's size.
        app.state.upload_threads = CapacityLimiter(1)
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
        docs_url=None,
        redoc_url=None,
        # A redirect would name the host that this service believes to have, which is wrong behind a proxy.
        redirect_slashes=False,
    )
    app.state.database = database
    app.state.lifecycle = lifecycle
    for routes in (health, products, pictures):
        app.include_router(routes.router)
    docs.install(app)
    errors.install(app)
    # Added last is outermost: the answers of the others get the headers too.
    app.add_middleware(RequestLimits)
    app.add_middleware(AllowedHosts, names=settings.allowed_hosts)
    app.add_middleware(StandardHeaders, draining=lambda: lifecycle.draining)
    return app
