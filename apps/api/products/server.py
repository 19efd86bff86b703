"""Uvicorn, with a pause between SIGTERM and the end so that no request is lost."""

from __future__ import annotations

import logging
import threading
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from products.config import Settings
from products.connections import BoundedConnection
from products.lifecycle import Lifecycle
from products.routes.health import PROBES

log = logging.getLogger("products")


class QuietProbes(logging.Filter):
    """Keeps probes that went well out of the access log, where they would drown all else."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is to be written."""
        args = record.args
        return not (isinstance(args, tuple) and len(args) == 5 and args[2] in PROBES and args[4] == 200)


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"quiet_probes": {"()": QuietProbes}},
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {
        "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"},
        "access": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "line",
            "filters": ["quiet_probes"],
        },
    },
    "loggers": {"uvicorn.access": {"level": "INFO", "handlers": ["access"], "propagate": False}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
}


class DrainingServer(uvicorn.Server):
    """On SIGTERM it first says "not ready" for a while, and still serves, as some will still send requests here."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the wait. The parent's would make the exit code that of a signal."""
        if self._lifecycle.draining:
            self.should_exit = True
            return
        self._lifecycle.draining = True
        timer = threading.Timer(self._drain_seconds, self._exit)
        timer.daemon = True
        timer.start()

    def _exit(self) -> None:
        self.should_exit = True


def serve(app: FastAPI, settings: Settings, lifecycle: Lifecycle) -> None:
    """Serve until a signal comes and what is under way is done."""
    config = uvicorn.Config(
        app,
        host="0.0.0.0",  # noqa: S104
        port=settings.port,
        http=BoundedConnection,
        loop="asyncio",
        ws="none",
        log_config=LOGGING,
        server_header=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    DrainingServer(config, lifecycle, settings.drain_seconds).run()
