"""Connections that are bounded: how many there are, and how long one may take to say what it wants."""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 100
HEAD_SECONDS = 10


class Stage(IntEnum):
    """What a connection waits for; of those that wait for their client the first gives way first."""

    HEAD = 0  # a request: it is idle, or part of the head is there
    BODY = 1  # the rest of a body
    READER = 2  # a client that does not read its answer
    ANSWER = 3  # us


class BoundedConnection(H11Protocol):
    """A connection that ends where no head comes in time, and gives way to a new one where there are many.

    Uvicorn has a limit of time for idle connections alone, and past its ``limit_concurrency`` it refuses whoever
    comes next, Kubernetes' probes too. Here whoever has kept the service waiting the longest has to go.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since = self.loop.time()
        self._gave_way = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let it in, in place of another one if need be."""
        self._make_room()
        super().connection_made(transport)
        self._time_head()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent; the time for a head begins with its first byte."""
        super().data_received(data)
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        if self._head_timer is not None:
            self._head_timer.cancel()

    def _make_room(self) -> None:
        others = [one for one in self.connections if isinstance(one, BoundedConnection) and not one._gave_way]
        if len(others) < MAX_CONNECTIONS:
            return
        first = min(others, key=lambda one: (one._stage, one._since))
        if first._stage is not Stage.ANSWER or len(others) >= 2 * MAX_CONNECTIONS:
            first._give_way()

    def _give_way(self) -> None:
        self._gave_way = True
        # close() would wait until the client has read what was sent to it.
        self.transport.abort()

    def _time_head(self) -> None:
        if self._stage is Stage.HEAD:
            self._head_timer = self._head_timer or self.loop.call_later(HEAD_SECONDS, self._give_way)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
            self._since = self.loop.time()

    @property
    def _stage(self) -> Stage:
        if self.cycle is None or self.cycle.response_complete:
            return Stage.HEAD
        if self.cycle.more_body:
            return Stage.BODY
        return Stage.READER if self.flow.write_paused else Stage.ANSWER
