"""Reads each request's body before the application does, and no more of it than is allowed."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from products.pictures import MAX_BYTES

JSON_BYTES = 64 * 1024
BODY_SECONDS = 60
_PICTURE_PATH = re.compile(r"/products/[^/]+/picture")
# Reset while it still sends, a client sees a broken connection and no 413; so some of the rest is read, unkept.
_DISCARD_BYTES = 32 * 1024 * 1024
_DISCARD_SECONDS = 10


class _TooLargeError(Exception):
    """The body is larger than its limit."""


class _GoneError(Exception):
    """The client went away before its body was whole."""


class BodyLimit:
    """ASGI middleware that holds bodies to their limits, whatever Content-Length says or does not say."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then hand it to the application in one piece; or answer 413 or 408."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _limit_of(scope)
        try:
            body = await asyncio.wait_for(_read(scope, receive, limit), BODY_SECONDS)
        except _GoneError:
            return
        except _TooLargeError:
            answer = _refusal(413, f"the body is larger than {limit} bytes")
        except TimeoutError:
            answer = _refusal(408, f"the body did not arrive within {BODY_SECONDS} seconds")
        else:
            await self._app(scope, _Replay(body, receive), send)
            return
        await answer(scope, receive, send)


class _Replay:
    """A ``receive`` that gives the body already read, and then what comes from the client."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        if self._message is not None:
            message, self._message = self._message, None
            return message
        return await self._receive()


def _limit_of(scope: Scope) -> int:
    is_picture = scope["method"] == "PUT" and _PICTURE_PATH.fullmatch(scope["path"])
    return MAX_BYTES if is_picture else JSON_BYTES


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    headers = Headers(scope=scope)
    declared = headers.get("content-length", "")
    too_large = declared.isdigit() and int(declared) > limit
    if too_large and headers.get("expect", "").lower() == "100-continue":
        # The client asks before it sends, and nothing was received yet that would tell it to.
        raise _TooLargeError
    body = bytearray()
    more = True
    while more and not too_large:
        chunk, more = await _chunk(receive)
        body += chunk
        too_large = len(body) > limit
    if too_large:
        body.clear()
        if more:
            await _discard(receive)
        raise _TooLargeError
    return bytes(body)


async def _discard(receive: Receive) -> None:
    async def rest() -> None:
        seen, more = 0, True
        while more and seen < _DISCARD_BYTES:
            chunk, more = await _chunk(receive)
            seen += len(chunk)

    with suppress(TimeoutError):
        await asyncio.wait_for(rest(), _DISCARD_SECONDS)


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _GoneError
    return message.get("body", b""), message.get("more_body", False)


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers={"Connection": "close"})
