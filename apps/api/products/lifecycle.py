"""What the server knows and the application has to be told, and whether it is ready."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from products.db import Database


@dataclass
class Lifecycle:
    """State of the process."""

    draining: bool = False


class Readiness:
    """Whether the database can be used: however many ask at once, it is asked once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # A thread of its own, as all others may be waiting for the database.
        self._thread = CapacityLimiter(1)
        self._asking: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Return where it can be used; raise :class:`NotReadyError` where not."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(to_thread.run_sync(self._database.check, limiter=self._thread))
        # Whoever goes away leaves it to the others.
        await asyncio.shield(self._asking)
