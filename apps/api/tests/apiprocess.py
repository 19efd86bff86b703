"""The API as production runs it: a process of its own, asked over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.dbserver import DATABASE, PASSWORD, USER, DatabaseServer, free_port

ROOT = Path(__file__).parent.parent


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def environment(server: DatabaseServer, database: str = DATABASE) -> dict[str, str]:
    return {
        "MYSQL_HOST": "127.0.0.1",
        "MYSQL_PORT": str(server.port),
        "MYSQL_USER": USER,
        "MYSQL_PASSWORD": PASSWORD,
        "MYSQL_DATABASE": database,
    }


def uri(server: DatabaseServer, database: str = DATABASE) -> str:
    return f"mysql+pymysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/{database}"


class Api:
    """One process of the API."""

    def __init__(self, log: Path, env: dict[str, str]) -> None:
        self.port = free_port()
        self.log = log
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False)
        full = {"PATH": os.environ["PATH"], "PORT": str(self.port), "DRAIN_SECONDS": "0", **env}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-B", "-u", "-m", "products"], cwd=ROOT, env=full, stdout=out, stderr=out
            )
        try:
            wait_until(self.is_alive, "the API answers /healthz")
        except AssertionError:
            self.stop()
            raise AssertionError(f"the API did not start:\n{self.output()}") from None

    def is_alive(self) -> bool:
        assert self.process.poll() is None, f"the API ended:\n{self.output()}"
        return self.status("/healthz") == 200

    def status(self, path: str) -> int | None:
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return None

    def wait_ready(self) -> None:
        wait_until(lambda: self.status("/readyz") == 200, "/readyz is 200")

    def output(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def run_to_end(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start the API where it is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-B", "-m", "products"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
