"""Every error as JSON: ``{"detail": …}``, and nothing of the inside in it."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError

from products.db import NotReadyError, reason
from products.pictures import WrongTypeError
from products.store import NotFoundError, TooLargeError

log = logging.getLogger("products")

RETRY_AFTER = "2"


def install(app: FastAPI) -> None:
    """Register a handler for each kind of error."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotFoundError, _not_found)
    app.add_exception_handler(StaleDataError, _vanished)
    app.add_exception_handler(WrongTypeError, _wrong_type)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(NotReadyError, _not_ready)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(PoolTimeout, _database)
    app.add_exception_handler(Exception, _unexpected)


def unavailable(detail: str) -> JSONResponse:
    """Return the 503 of a service that will be back."""
    return JSONResponse({"detail": detail}, 503, headers={"Retry-After": RETRY_AFTER})


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    if isinstance(error.body, bytes):
        return JSONResponse({"detail": "Content-Type has to be application/json"}, 415)
    # Without the input itself: it may be what JSON cannot hold (NaN, half of a surrogate pair).
    problems = [{key: item[key] for key in ("type", "loc", "msg")} for item in error.errors()]
    return JSONResponse({"detail": problems}, 422)


async def _not_found(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 404)


async def _vanished(_: Request, __: Exception) -> JSONResponse:
    return JSONResponse({"detail": "somebody deleted it in the meantime"}, 404)


async def _wrong_type(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 415)


async def _too_large(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 413)


async def _not_ready(_: Request, error: Exception) -> JSONResponse:
    return unavailable(str(error))


async def _database(_: Request, error: Exception) -> JSONResponse:
    why = reason(error)
    log.warning("request refused: %s", why)
    return unavailable(why)


async def _unexpected(_: Request, __: Exception) -> JSONResponse:
    # The server logs the traceback.
    return JSONResponse({"detail": "internal error"}, 500)
