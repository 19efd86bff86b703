"""An hour of faults drawn by lot, with somebody writing all the time: nothing acknowledged is lost.

KUBEUP_TEST_SOAK=<minutes> makes it shorter; KUBEUP_TEST_SEED=<number> draws the same lots again.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.real.faults.breakages import BREAKAGES, Breakage
from tests.real.harness import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long]

MINUTES = float(os.environ.get("KUBEUP_TEST_SOAK") or 60)
SEED = int(os.environ.get("KUBEUP_TEST_SEED") or 20261130)
FAULTS_A_MINUTE = 1.0
LARGEST = 20000  # writes: bounded, whatever the machine


class Writer(threading.Thread):
    """Writes products one after another, and remembers those that were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.over = url, threading.Event()
        self.written: dict[int, str] = {}
        self.refused = 0

    def run(self) -> None:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=10) as client:
            while not self.over.wait(0.3) and len(self.written) < LARGEST:
                name = f"soak {len(self.written)}"
                product = {"name": name, "description": "soak", "price": "1.00", "stock": 1}
                with contextlib.suppress(httpx.HTTPError):
                    answer = client.post("/products", json=product)
                    if answer.status_code == 201:
                        self.written[int(answer.json()["id"])] = name
                        continue
                self.refused += 1


def test_an_hour_of_faults_loses_no_acknowledged_write(cluster: Cluster) -> None:
    dice, drawn = random.Random(SEED), Counter[str]()  # noqa: S311 - no secret
    writer = Writer(str(cluster.api.base_url))
    writer.start()
    end = time.monotonic() + MINUTES * 60
    while time.monotonic() < end:
        one = _draw(dice, drawn)
        drawn[one.what] += 1
        one.do(cluster)
        if one.undo:
            one.undo(cluster)
        cluster.up()
        cluster.verify_until_ok()
    writer.over.set()
    writer.join(30)
    assert sum(drawn.values()) >= FAULTS_A_MINUTE * MINUTES, drawn
    assert writer.written, "nothing was ever acknowledged"
    there = {row["id"]: row["name"] for row in _products(cluster)}
    lost = {number: name for number, name in writer.written.items() if there.get(number) != name}
    assert not lost, f"{len(lost)} of {len(writer.written)} acknowledged writes are gone: {lost}"


def _draw(dice: random.Random, drawn: Counter[str]) -> Breakage:
    """One of those that were drawn least."""
    least = min(drawn[one.what] for one in BREAKAGES)
    return dice.choice([one for one in BREAKAGES if drawn[one.what] == least])


def _products(cluster: Cluster) -> list[dict[str, Any]]:
    first = cluster.asked("GET", "/products?size=100").json()
    others = range(2, first["pages"] + 1)
    pages = [cluster.asked("GET", f"/products?size=100&page={number}").json() for number in others]
    return [row for page in (first, *pages) for row in page["items"]]
