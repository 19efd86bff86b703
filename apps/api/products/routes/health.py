"""/healthz and /readyz: what Kubernetes asks."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from products.db import NotReadyError
from products.lifecycle import Lifecycle, Readiness
from products.routes import UNAVAILABLE
from products.schemas import Health

PROBES = ("/healthz", "/readyz")

router = APIRouter(tags=["health"])


async def _lifecycle(request: Request) -> Lifecycle:
    lifecycle: Lifecycle = request.app.state.lifecycle
    return lifecycle


async def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process is alive. It never asks the database."""
    return Health(status="ok")


@router.get("/readyz", responses={503: UNAVAILABLE})
async def readyz(
    lifecycle: Annotated[Lifecycle, Depends(_lifecycle)],
    readiness: Annotated[Readiness, Depends(_readiness)],
) -> Health:
    """Say whether requests can be served now, which takes the database."""
    if lifecycle.draining:
        raise NotReadyError("the service is shutting down")
    await readiness.check()
    return Health(status="ready")
