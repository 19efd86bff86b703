"""/healthz and /readyz: what Kubernetes asks."""

from typing import Annotated

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request

from products.db import NotReadyError
from products.lifecycle import Lifecycle
from products.routes import UNAVAILABLE, DatabaseDep
from products.schemas import Health

router = APIRouter(tags=["health"])


def _lifecycle(request: Request) -> Lifecycle:
    lifecycle: Lifecycle = request.app.state.lifecycle
    return lifecycle


def _probe_threads(request: Request) -> CapacityLimiter:
    threads: CapacityLimiter = request.app.state.probe_threads
    return threads


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process is alive. It never asks the database."""
    return Health(status="ok")


@router.get("/readyz", responses={503: UNAVAILABLE})
async def readyz(
    database: DatabaseDep,
    lifecycle: Annotated[Lifecycle, Depends(_lifecycle)],
    threads: Annotated[CapacityLimiter, Depends(_probe_threads)],
) -> Health:
    """Say whether requests can be served now, which takes the database."""
    if lifecycle.draining:
        raise NotReadyError("the service is shutting down")
    # Threads of its own, as all others may be waiting for the database.
    await to_thread.run_sync(database.check, limiter=threads)
    return Health(status="ready")
