"""What the tests of the database share: rows that can be told apart, a client that never stops
writing, runs that are killed.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from kubeup.core.record import CLUSTER, Side
from kubeup.core.state import PROJECT
from kubeup.system import secrets
from tests.real.harness import Cluster, kill, processes_of, until

TABLES = ("products", "pictures")


def passwords() -> dict[str, str]:
    return {
        name: value for name, value in secrets.read(PROJECT / ".env").items() if "PASSWORD" in name
    }


def sums(cluster: Cluster) -> dict[str, tuple[int, str]]:
    """Rows and checksum of each table, by the database itself, as `db.shell` reaches it."""
    found = {}
    for table in TABLES:
        text = sql(cluster, f"SELECT COUNT(*) FROM {table}; CHECKSUM TABLE {table} EXTENDED;")
        number, checksum = (
            line.split("\t")[-1] for line in text.splitlines() if line.split("\t")[-1].isdigit()
        )
        found[table] = (int(number), checksum)
    return found


def sql(cluster: Cluster, text: str, root: bool = False) -> str:
    """What `inv db.shell` prints for SQL on its standard input."""
    import subprocess

    from tests.real.harness import ROOT

    words = [str(ROOT / "inv"), "db.shell", *(["--root"] if root else [])]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=cluster.environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bring_to(cluster: Cluster, side: Side) -> None:
    """Have the database on that side, and nothing of it on the other, whatever a test before has
    left.
    """
    known = cluster.project.record
    on = known.database.side if known.database else CLUSTER
    if known.left is not None:
        cluster.inv("db.move", on, "--drop-old", "--yes")
    if on != side:
        cluster.inv("db.move", side, "--yes")
        cluster.inv("db.move", side, "--drop-old", "--yes")


def fill(cluster: Cluster, products: int, bytes_: int = 2000) -> None:
    """Have that many products at least, with a picture each, of random bytes that nothing
    compresses.
    """
    held = sums(cluster)
    products -= min(rows for rows, _ in held.values())
    if products <= 0:
        return
    sql(
        cluster,
        f"""SET SESSION cte_max_recursion_depth = 1000000;
        INSERT INTO products (name, description, price, stock)
            WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {products})
            SELECT CONCAT('filled ', i, ' \\t\\n ñ 😀'), REPEAT('d', 50), i / 100, i FROM n;
        INSERT IGNORE INTO pictures (product_id, content_type, etag, data)
            SELECT id, 'image/png', SHA2(id, 256),
                   CONCAT(RANDOM_BYTES(1000), RANDOM_BYTES(LEAST(1000, {bytes_} - 1000)))
            FROM products;""",
    )


def empty(cluster: Cluster) -> None:
    sql(cluster, "DELETE FROM products;")


@dataclass
class Writer:
    """Writes products through the API, one after the other; keeps what was acknowledged, and how
    long nothing was.
    """

    cluster: Cluster
    acknowledged: dict[int, str] = field(default_factory=dict)  # id -> hash of what was sent
    longest: float = 0.0  # seconds between two acknowledged writes

    def __enter__(self) -> Writer:
        self._end, self._thread = (
            threading.Event(),
            threading.Thread(target=self._write, daemon=True),
        )
        self._thread.start()
        until(lambda: self.acknowledged, "the first product written", 60)
        return self

    def __exit__(self, *_: object) -> None:
        before = len(self.acknowledged)
        try:
            until(lambda: len(self.acknowledged) > before, "a product written after all", 120)
        finally:
            self._end.set()
            self._thread.join()

    def _write(self) -> None:
        number, last = 0, time.monotonic()
        with httpx.Client(base_url=self.cluster.api.base_url, trust_env=False, timeout=5) as client:
            while not self._end.is_set():
                number += 1
                body = {
                    "name": f"written {number}",
                    "description": os.urandom(20).hex(),
                    "price": "1.00",
                    "stock": number % 100,
                }
                try:
                    answer = client.post("/products", json=body)
                except httpx.HTTPError:
                    time.sleep(0.1)
                    continue
                if answer.status_code != 201:
                    time.sleep(0.1)
                    continue
                now = time.monotonic()
                self.longest, last = (
                    max(self.longest, now - last if self.acknowledged else 0.0),
                    now,
                )
                self.acknowledged[answer.json()["id"]] = digest(body["name"], body["description"])

    def lost(self) -> list[int]:
        """Acknowledged products that the database does not have as they were sent."""
        rows = sql(
            self.cluster, "SELECT id, name, description FROM products WHERE name LIKE 'written %';"
        )
        cells = [line.split("\t") for line in rows.splitlines()]
        found = {int(one[0]): digest(one[1], one[2]) for one in cells if one[0].isdigit()}
        return [number for number, sent in self.acknowledged.items() if found.get(number) != sent]


def digest(name: object, description: object) -> str:
    return hashlib.sha256(f"{name}\0{description}".encode()).hexdigest()


def kill_at(
    cluster: Cluster,
    step: str,
    *words: str,
    seconds: float = 0.0,
    do: Callable[[], object] | None = None,
    within: float = 900,
) -> None:
    """Run a task and kill it, with all it has started, `seconds` after a step has begun; or `do`
    something else to the world then.

    The task has to end `within` seconds of that.
    """
    row = len(cluster.journal)
    process, began = cluster.start(*words), time.monotonic()

    def started() -> bool:
        assert process.poll() is None or seen(), (
            f"{words} ended before {step}: {cluster.end(process, words, began, code=None)}"
        )
        return seen()

    def seen() -> bool:
        return any(
            entry["event"] == "start" and entry["step"] == step for entry in cluster.journal[row:]
        )

    until(started, f"{step} under way", 180, 0.02)
    time.sleep(seconds)
    if do is not None:
        do()
        cluster.end(process, words, began, code=None, timeout=within)
        return
    kill((process.pid, *processes_of(process.pid)))
    cluster.end(process, words, began, code=None)
    cluster.inv("state.stop", "--yes")  # what was started between the look at them and their end
