"""Figures of the database. Rows are of the bench's own, and gone afterwards."""

from __future__ import annotations

import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from kubeup.core import shell
from kubeup.core.errors import Refused
from kubeup.core.record import CLUSTER
from kubeup.database import backups, compression, restore
from kubeup.database.scripts import PASSWORD
from kubeup.database.server import Server
from kubeup.inspect.bench.timing import HOUR, INV, Figure, in_turn, timed
from kubeup.system import http
from kubeup.workflows.project import Project

SCHEMA, PREFIX = "kubeup_bench", "kubeup-bench-"
THROUGHPUT = 1.05  # in time: nine tenths and a half of what is typed by hand
# rows of 5 kB that nothing compresses: 100 MB; the times of one way differ by a third
ROWS, TIMES = 20_000, 9
HAND = f"{PASSWORD}exec $(command -v {{tool}} || command -v {{other}}) -uroot {{more}}"


def backup(project: Project) -> Figure:
    """A backup against `mysqldump | zstd`, both through kubectl."""
    with _rows(project) as (server, folder):
        by_hand = _hand(project, "mysqldump", "mariadb-dump", f"--single-transaction {SCHEMA}")
        ours, other = in_turn(
            lambda: _seconds(lambda: backups.Backup(server, _new(folder), "bench").run(_quiet)),
            lambda: _sh(server, f"{by_hand} | zstd --quiet > {_new(folder)}"),
            TIMES,
        )
    return Figure(
        "backup",
        ours,
        other,
        THROUGHPUT,
        "a backup of 100 MB against `mysqldump | zstd` typed by hand",
    )


def restored(project: Project) -> Figure:
    """A restore, old rows kept until the new ones are there, against `zstd -d | mysql`."""
    with _rows(project) as (server, folder):
        file = _new(folder)
        backups.Backup(server, file, "bench").run(_quiet)
        by_hand = _hand(project, "mysql", "mariadb", SCHEMA)
        ours, other = in_turn(
            lambda: _seconds(lambda: restore.Restore(server, file).run(_quiet)),
            lambda: _sh(server, f"{{ cat; zstd --quiet -dc {file}; }} | {by_hand}"),
            TIMES,
        )
    return Figure(
        "restore",
        ours,
        other,
        THROUGHPUT,
        "restoring 100 MB against `zstd -d | mysql` typed by hand",
    )


def on_machine(project: Project) -> Figure:
    """A second `db.vm` against one `ssh true`."""
    profile = ("--profile", project.settings.profile)
    shell.write(INV, "db.vm", "--yes", *profile)
    true = project.machine.place.reach().argv("true")
    ours, other = in_turn(lambda: timed(INV, "db.vm", "--yes", *profile), lambda: timed(*true), 9)
    return Figure("db-vm", ours, other, 4, "a second `./inv db.vm` against one `ssh true`")


def moved(project: Project) -> Figure:
    """The longest time without an acknowledged write while 10,000 products move to the machine,
    against 5 seconds.
    """
    if project.database_on != CLUSTER or project.record.left:
        raise Refused(
            "this figure moves the database from the cluster to a machine",
            "it is there already, or has been",
            "`inv db.move cluster`, `inv db.move cluster --drop-old`, then measure again",
        )
    project.server.sql(_products(10_000), project.server.database, timeout=600)
    gaps = _Gaps(
        f"http://{project.provider.ssh_targets()[-1].address}:{project.settings.ports.api}/products"
    )
    try:
        with gaps:
            shell.write(INV, "db.move", "vm", "--yes", "--profile", project.settings.profile)
    finally:
        project.server.sql(
            f"DELETE FROM products WHERE name LIKE '{PREFIX}%'",
            project.server.database,
            timeout=600,
        )
    return Figure(
        "move",
        gaps.longest,
        5.0,
        1,
        "the time without a write while `./inv db.move vm` moves 10,000 products, against 5 s",
    )


class _Gaps:
    """A client that writes products one after the other, for the length of a `with`; `longest`
    is the time without an answer to one.
    """

    def __init__(self, url: str) -> None:
        self._url, self._end, self.longest, self._last = url, threading.Event(), 0.0, 0.0
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> _Gaps:
        self._last = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(2)
        self._end.set()
        self._thread.join()

    def _write(self) -> None:
        body = (
            f'{{"name": "{PREFIX}written", "description": "", "price": "1.00", "stock": 0}}'
        ).encode()
        while not self._end.is_set():
            if http.ask(self._url, body, "application/json", seconds=5).status == 201:
                now = time.monotonic()
                self.longest, self._last = max(self.longest, now - self._last), now
            else:
                time.sleep(0.05)


def _products(number: int) -> str:
    columns = f"CONCAT('{PREFIX}', i), REPEAT('d', 50), 1, i"
    return f"INSERT INTO products (name, description, price, stock) {_numbered(columns, number)};"


def _numbered(columns: str, number: int) -> str:
    """So many rows, the number of each being `i`: no recursion, whose limit has another name in
    each server.
    """
    digits = " UNION ALL ".join(["SELECT 0 AS n", *(f"SELECT {one}" for one in range(1, 10))])
    sources = " CROSS JOIN ".join(f"digits d{place}" for place in range(5))
    value = " + ".join(f"d{place}.n * {10**place}" for place in range(5))
    return (
        f"WITH digits AS ({digits}), numbers AS (SELECT {value} AS i FROM {sources}) "
        f"SELECT {columns} FROM numbers WHERE i < {number}"
    )


@contextmanager
def _rows(project: Project) -> Iterator[tuple[Server, Path]]:
    """A schema of its own with some hundred megabytes, and a folder for files."""
    if project.database_on != CLUSTER:
        raise Refused(
            "this figure needs the database in the cluster",
            "what is typed by hand goes through kubectl",
            "`inv db.move cluster`",
        )
    server = replace(project.server, database=SCHEMA)
    print("filling a schema", file=sys.stderr)
    rows = _numbered(f"i, CONCAT({', '.join(['RANDOM_BYTES(1000)'] * 5)})", ROWS)
    server.sql(
        f"DROP DATABASE IF EXISTS {SCHEMA}; CREATE DATABASE {SCHEMA}; CREATE TABLE "
        f"{SCHEMA}.bytes (id INT PRIMARY KEY, data MEDIUMBLOB); "
        f"INSERT INTO {SCHEMA}.bytes {rows};",
        timeout=900,
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield server, Path(folder)
    finally:
        server.sql(f"DROP DATABASE IF EXISTS {SCHEMA};")


def _hand(project: Project, tool: str, other: str, more: str) -> str:
    script = HAND.format(tool=tool, other=other, more=more)
    return shlex.join(project.kubectl.argv("exec", "-i", "mysql-0", "--", "sh", "-c", script))


def _sh(server: Server, line: str) -> float:
    """Run what a person types, who has given the password before."""
    return _seconds(
        lambda: shell.read("sh", "-c", line, stdin=f"{server.password()}\n", timeout=HOUR)
    )


def _seconds(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def _new(folder: Path) -> Path:
    return folder / f"{time.monotonic_ns()}{compression.ZSTD.suffix}"


def _quiet(_: str) -> None: ...
