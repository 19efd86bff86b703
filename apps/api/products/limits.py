"""How many requests are served at once, and how much of a body is read, before the application does."""

from __future__ import annotations

import asyncio
import re
from contextlib import ExitStack, suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from products.errors import unavailable
from products.pictures import MAX_BYTES
from products.routes.health import PROBES

JSON_BYTES = 64 * 1024
BODY_SECONDS = 60
# Fewer than there may be connections: those that are told to come back need some, too.
REQUESTS = 80
UPLOADS = 5  # of 5 MiB each: with 8 the most memory under load was 262 MiB, above half of the pod's, with 5 it is 234
_PICTURE_PATH = re.compile(r"/products/[^/]+/picture")
# Reset while it still sends, a client sees a broken connection and no 413; so some of the rest is read, unkept.
_DISCARD_BYTES = 32 * 1024 * 1024
_DISCARD_SECONDS = 10


class _TooLargeError(Exception):
    """The body is larger than its limit."""


class _GoneError(Exception):
    """The client went away before its body was whole."""


class RequestLimits:
    """ASGI middleware that holds requests to their number, and bodies to their limits, whatever Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # What fills one of them keeps nobody out of the others.
        self._requests = asyncio.Semaphore(REQUESTS)
        self._uploads = asyncio.Semaphore(UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request if there is room for it, or answer 503."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            # Probes are answered however much is going on, and whatever is still to come of a body.
            await self._app(scope, receive, send)
        elif scope["method"] == "PUT" and _PICTURE_PATH.fullmatch(scope["path"]):
            await _in(self._uploads, self._with_body(MAX_BYTES))(scope, receive, send)
        else:
            await self._with_body(JSON_BYTES)(scope, receive, send)

    def _with_body(self, limit: int) -> ASGIApp:
        """Return what reads the body, then hands it to the application in one piece; or answers 413 or 408."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                body = await asyncio.wait_for(_read(scope, receive, limit), BODY_SECONDS)
            except _GoneError:
                return
            except _TooLargeError:
                answer: ASGIApp = _refusal(413, f"the body is larger than {limit} bytes")
            except TimeoutError:
                answer = _refusal(408, f"the body did not arrive within {BODY_SECONDS} seconds")
            else:
                receive, answer = _Replay(body, receive), _in(self._requests, self._app)
            await answer(scope, receive, send)

        return serve


def _in(room: asyncio.Semaphore, app: ASGIApp) -> ASGIApp:
    """Return what runs the application if there is room, until it answers: how long that is read is the client's."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if room.locked():
            await unavailable("the service is busy")(scope, receive, send)
            return
        await room.acquire()
        leave = ExitStack()
        leave.callback(room.release)

        async def send_and_leave(message: Message) -> None:
            leave.close()
            await send(message)

        with leave:
            await app(scope, receive, send_and_leave)

    return serve


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
