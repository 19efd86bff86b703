"""Backups that run by themselves: their script as it is, against a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from builders import error_of, settings, state
from mariadb import AS_ROOT, MariaDb, found_program

from kubeup.application import schedule
from kubeup.application.schedule import SCRIPT, Backups
from kubeup.core import lock, record
from kubeup.core.record import Schedule
from kubeup.database import backups, compression, restore, stored
from kubeup.database import schedule as accounts
from kubeup.database import server as servers
from kubeup.database.server import Server, SqlError
from kubeup.database.version import Version
from kubeup.system import tls

pytestmark = pytest.mark.real
TABLES = """
CREATE TABLE products (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL)
    DEFAULT CHARSET=utf8mb4;
INSERT INTO products (name) VALUES ('one'), ('it''s "two" \\\\ ñ 😀');
CREATE TABLE `we"ird` (data BLOB);
INSERT INTO `we"ird` VALUES (RANDOM_BYTES(5000)), (NULL);
CREATE TABLE alembic_version (version_num VARCHAR(32));
INSERT INTO alembic_version VALUES ('0002');
CREATE VIEW named AS SELECT name FROM products;
CREATE TRIGGER in_capitals BEFORE INSERT ON products FOR EACH ROW SET NEW.name = UPPER(NEW.name);
CREATE FUNCTION seven() RETURNS INT DETERMINISTIC RETURN 7;
"""
HAND = "by-hand.sql.zst"


@dataclass
class Runs:
    """Runs of the script in a folder of a test's, with programs of the test's before others'."""

    folder: Path
    options: str
    empty: Path  # an empty data folder
    keep: int = 2
    script: Path = SCRIPT
    reach_wait: int = 60

    def __post_init__(self) -> None:
        for path in (self.backups, self.scratch, self.bin):
            path.mkdir()
        # the image's user is no root, whose server wants to be told so
        self.program("mysqld", f'exec {found_program("mariadbd")} "$@" {" ".join(AS_ROOT)}')
        # an empty data folder is made once for all, which takes seconds
        copied = (
            f'[ "$2" = "--datadir={self.scratch}/data" ] && cp -a {self.empty} {self.scratch}/data'
        )
        self.program("mariadb-install-db", copied)

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def program(self, name: str, does: str) -> None:
        (self.bin / name).write_text(f"#!/bin/bash\n{does}\n")
        (self.bin / name).chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        options = self.folder / "client.cnf"
        options.write_text(self.options)
        options.chmod(0o600)
        return subprocess.Popen(
            ["bash", str(self.script)],
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                **{"PROFILE": "dev", "DATABASE": "api", "EVERY": "6h", "KEEP": str(self.keep)},
                "REACH_WAIT": str(self.reach_wait),
                **{"FOLDER": str(self.backups), "SCRATCH": str(self.scratch)},
                "OPTIONS": str(options),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, code: int = 0) -> str:
        """What a run prints."""
        process = self.start()
        printed = process.communicate(timeout=120)[0]
        assert process.returncode == code, printed
        assert list(self.scratch.iterdir()) == [], "nothing is left of its test"
        return printed

    @property
    def last(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.backups / "last.run").read_text())
        return found

    @property
    def names(self) -> list[str]:
        return [one.file.name for one in backups.listed(self.backups)]

    def left(self) -> set[str]:
        """Files that no list shows."""
        shown = {name for one in self.names for name in (one, f"{one}.json")}
        return {path.name for path in self.backups.iterdir()} - shown - {"last.run"}


def options(one: MariaDb) -> str:
    """Of root by the socket, for what is not about who gets in."""
    return f"[client]\nsocket={one.folder / 'db.sock'}\nuser=root\npassword=rrrrrrrr\n"


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> MariaDb:
    made = MariaDb(tmp_path_factory.mktemp("db"))
    made.install()
    with made.running() as server:
        server.sql(TABLES, "api")
    return made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as the script has it made."""
    folder = tmp_path_factory.mktemp("empty") / "data"
    install = next(line.strip(" \\") for line in SCRIPT.read_text().splitlines() if "--rpm" in line)
    assert install.startswith("mariadb-install-db ")
    words = f'datadir={folder}; {install} "$@"'
    normal = ("--auth-root-authentication-method=normal", "--skip-log-bin")
    subprocess.run(["bash", "-c", words, "install", *normal, *AS_ROOT], check=True)
    return folder


@pytest.fixture
def running(mariadb: MariaDb) -> Iterator[Server]:
    with mariadb.running() as server:
        yield server


@pytest.fixture
def runs(mariadb: MariaDb, empty: Path, running: Server, tmp_path: Path) -> Runs:
    return Runs(tmp_path, options(mariadb), empty)


@contextmanager
def writing(server: Server) -> Iterator[None]:
    """Somebody adds rows all the time."""
    end = threading.Event()

    def write() -> None:
        with server.session() as session:
            while not end.is_set():
                session.sql("INSERT INTO products (name) VALUES ('more'), ('and more')", "api")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_a_backup_is_one_as_others_are_and_was_restored(runs: Runs, running: Server) -> None:
    before = servers.checksums(running, "api")
    with writing(running):
        assert "restored and compared" in runs.run()
    (one,) = backups.listed(runs.backups)
    about = backups.check(one.file)
    assert about.scheduled and about.restored >= about.made and not about.wrong
    assert (about.profile, about.database, about.revision) == ("dev", "api", "0002")
    assert set(about.rows) == {"products", 'we"ird'} and about.rows["products"] % 2 == 0
    assert runs.last["ok"] and runs.left() == set()
    assert one.file.stat().st_mode & 0o077 == 0
    # what is more than tables no backup can be exchanged with at once, see `refuse_others`
    for kind, name in (("VIEW", "named"), ("TRIGGER", "in_capitals"), ("FUNCTION", "seven")):
        running.sql(f"DROP {kind} {name}", "api")
    try:
        runs.run()
        newest = backups.listed(runs.backups)[-1]
        at_backup = servers.checksums(running, "api")
        running.sql("DELETE FROM products", "api")
        restore.Restore(running, newest.file).run(print)
        assert servers.checksums(running, "api") == at_backup != before
    finally:
        running.sql("DELETE FROM products WHERE id > 2; DROP TABLE IF EXISTS nothing", "api")
        running.sql("".join(TABLES.partition("CREATE VIEW")[1:]), "api")


def test_the_last_that_were_restored_are_kept_and_others_left_alone(runs: Runs) -> None:
    (runs.backups / HAND).write_bytes(b"somebody's")
    for _ in range(3):
        runs.run()
    made = [name for name in runs.names if name != HAND]
    assert len(made) == 2 and (runs.backups / HAND).read_bytes() == b"somebody's"
    # a run that fails removes none
    runs.program("mysqldump", "exit 3")
    assert "the dump failed" in runs.run(code=1)
    assert [name for name in runs.names if name != HAND] == made
    assert not runs.last["ok"] and "the dump failed" in runs.last["why"]


def test_what_was_not_restored_replaces_none_that_was(runs: Runs) -> None:
    runs.run()
    (good,) = runs.names
    server = (runs.bin / "mysqld").read_text()
    runs.program("mysqld", "echo 'no memory' >&2; exit 1")
    for _ in range(2):
        assert "could not be tested: its server did not start: no memory" in runs.run(code=1)
    listed = [one.about for one in backups.listed(runs.backups) if one.about]
    assert len(listed) == 3 and [one.file for one in listed if one.restored] == [good]
    (runs.bin / "mysqld").write_text(server)
    runs.run()
    assert good in runs.names, "with the new one two that were restored are kept"
    runs.run()
    assert len(runs.names) == 2 and runs.names[0] > max(one.file for one in listed)


@pytest.mark.parametrize(
    ("alters", "told"),
    [
        ("sed s/two/TWO/", "has other rows"),
        ("""sed "s/^(1,'one'),//" """, "has other rows"),
        ("sed s/^INSERT/INSRET/", "it can't be loaded: ERROR 1064"),
    ],
)
def test_one_that_is_not_what_the_database_had_is_never_called_good(
    runs: Runs, alters: str, told: str
) -> None:
    runs.keep = 1
    runs.run()
    (good,) = runs.names
    runs.program("mysqldump", f'{found_program("mariadb-dump")} "$@" | {alters}')
    assert told in runs.run(code=1)
    bad = backups.listed(runs.backups)[-1]
    assert told in bad.wrong and bad.about and not bad.about.restored
    assert "failed its test" in error_of(backups.check, bad.file).what
    runs.run(code=1)
    assert {good, bad.file.name} < set(runs.names), "it stays until a good one came after it"
    (runs.bin / "mysqldump").unlink()
    runs.run()
    assert len(runs.names) == 1 and not {good, bad.file.name} & set(runs.names)


def test_a_full_disk_keeps_what_is_there_and_says_so(runs: Runs) -> None:
    runs.run()
    (good,) = runs.names
    runs.program("df", "echo head; echo /dev/x 100000 99000 1000 99% /backups")
    assert "no room for a further backup" in runs.run(code=1)
    assert "are free; the earlier ones are kept" in runs.last["why"]
    (runs.bin / "df").unlink()
    runs.program("zstd", "head -c 100; echo 'zstd: error 70: No space left on device' >&2; exit 1")
    assert "No space left on device" in runs.run(code=1)
    assert runs.names == [good] and runs.left() == set()


def test_a_database_that_is_not_up_yet_is_waited_for(
    mariadb: MariaDb, empty: Path, tmp_path: Path
) -> None:
    runs = Runs(tmp_path, options(mariadb), empty)
    process = runs.start()
    with mariadb.running():
        assert process.wait(60) == 0
    runs.reach_wait = 1
    assert "the database can't be asked: ERROR 2002" in runs.run(code=1)


def test_a_dump_without_its_last_line_is_none(runs: Runs) -> None:
    runs.program("mysqldump", f'{found_program("mariadb-dump")} "$@" | head -n -1')
    assert "its last line is missing" in runs.run(code=1)
    assert runs.names == [] and runs.left() == set()


@pytest.mark.parametrize("at", ["mysqldump", "zstd", "mv", "mariadb-install-db"])
def test_killed_anywhere_it_leaves_whole_backups_alone(runs: Runs, at: str) -> None:
    runs.run()
    before, real = runs.names, (runs.bin / at)
    kept = real.read_text() if real.exists() else ""
    # the second file that is renamed is the first of this backup's
    first = f"n=$(cat {runs.folder}/n 2>/dev/null); echo x$n >{runs.folder}/n; [ -z $n ] || "
    does = f'{first if at == "mv" else ""}kill -KILL 0; exec /bin/mv "$@"'
    runs.program(at, does)
    process = runs.start()
    assert process.wait(60) == -signal.SIGKILL
    for one in backups.listed(runs.backups):
        assert not one.wrong and backups.check(one.file)
    real.unlink()
    if kept:
        runs.program(at, kept.partition("\n")[2])
    whole = runs.names
    assert whole[: len(before)] == before
    runs.run()
    assert runs.left() == set() and runs.names[-1] not in whole


def test_without_zstd_it_is_gzip(runs: Runs, tmp_path: Path) -> None:
    hidden = SCRIPT.read_text().replace("command -v zstd", "command -v no-zstd")
    script = tmp_path / "backup.sh"
    script.write_text(hidden)
    runs.script = script
    runs.run()
    (one,) = backups.listed(runs.backups)
    assert one.file.name.endswith(".sql.gz") and backups.check(one.file).restored


# of this machine as well, but MariaDB's client of 11.4 and newer compares no name with 127.0.0.1
ADDRESS = "127.0.0.2"


def test_its_account_reads_over_tls_and_does_nothing_else(
    mariadb: MariaDb, empty: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tls"
    tls.MakeCertificate(folder).run(print)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = Backups(
        settings(tmp_path, "database: {engine: mariadb}"),
        lambda: {"ROOT_PASSWORD": "rrrrrrrr"},
        lambda: Schedule("6h", 7, ""),
    )
    text = known.options()
    for before, after in (
        (f"host={schedule.HOST}", f"host=127.0.0.1\nport={port}"),
        ("/run/kubeup-tls/ca.crt", str(folder / "ca.crt")),
    ):
        assert before in text
        text = text.replace(before, after)
    served = (f"--ssl-cert={folder / 'tls.crt'}", f"--ssl-key={folder / 'tls.key'}")
    runs = Runs(tmp_path, text.replace("ssl-verify-server-cert", ""), empty)
    with mariadb.running(*served, port=port) as server:
        assert "ERROR 1045" in runs.run(code=1)
        with lock.profile(state(tmp_path).folder, "a test"):
            for _ in range(2):  # once more is no harm
                accounts.Begin(server, known, state(tmp_path), "cluster one").run(print)
        mark = record.read(state(tmp_path)).schedule.account
        assert mark == accounts.account_mark(known, "cluster one")
        assert mark != accounts.account_mark(known, "vm one")
        assert "restored and compared" in runs.run()
        (one,) = backups.listed(runs.backups)
        unpack = (*compression.of(one.file).decompress, str(one.file))
        assert b"seven" in subprocess.run(unpack, capture_output=True, check=True).stdout
        for sql in ("DELETE FROM api.products", "CREATE DATABASE mine", "SELECT * FROM mysql.user"):
            with pytest.raises(SqlError, match="refuses a statement"):
                as_account(server, known, sql)
    # a server that shows a certificate for another name gets no password
    runs.options = text.replace("host=127.0.0.1", f"host={ADDRESS}")
    with mariadb.running(*served, f"--bind-address={ADDRESS}", port=port):
        assert re.search("certificate|Hostname verification failed", runs.run(code=1))


def as_account(server: Server, known: Backups, sql: str) -> None:
    # it has to come over TLS, so who asks by the socket is let in as another
    rights = server.sql(f"SHOW GRANTS FOR '{schedule.ACCOUNT}'@'%'")
    assert "ALL PRIVILEGES" not in rights
    server.sql(
        "CREATE OR REPLACE USER probe@localhost IDENTIFIED BY 'probeprobe';"
        "CREATE ROLE IF NOT EXISTS same;"
        + "".join(
            f"{line.partition(' IDENTIFIED BY')[0].partition(' REQUIRE ')[0]};".replace(
                f"`{schedule.ACCOUNT}`@`%`", "probe@localhost"
            )
            for line in rights.splitlines()
        ).replace("\\\\", "\\")
    )
    server.sql(sql, user="probe", password="probeprobe")


def test_mysql_and_mariadb_have_their_own_ways_to_routines() -> None:
    def last(version: str) -> str:
        return accounts.account("my_api", "secret", Version(version)).splitlines()[-1]

    assert last("8.4.3") == "GRANT SHOW_ROUTINE ON *.* TO 'kubeup_backup'@'%';"
    assert (
        last("10.11.6-MariaDB")
        == last("5.7.44")
        == ("GRANT SELECT ON mysql.proc TO 'kubeup_backup'@'%';")
    )
    assert r"`my\_api`.*" in accounts.account("my_api", "secret", Version("8.4.3"))


def test_what_a_machine_lists_is_what_is_there(runs: Runs, tmp_path: Path) -> None:
    def listed() -> stored.Stored:
        folder = runs.folder
        output = subprocess.run(stored.words(str(folder)), capture_output=True, text=True)
        assert output.returncode == 0, output.stderr
        return stored.parse("dev-worker-1", output.stdout)

    assert listed().backups == () and listed().last is None
    runs.run()
    found = listed()
    assert [one.file.name for one in found.backups] == runs.names and found.good
    assert found.last and found.last.ok and not found.backups[0].wrong
    assert (found.last.schedule.every, found.last.schedule.keep) == ("6h", 2)
    wanted = Schedule("6h", 7, "2026-01-01T00:00:00Z")
    assert "restored 20" in stored.health(wanted, found).words
    assert not stored.health(wanted, found).wrong
    (runs.backups / runs.names[0]).write_bytes(b"cut")
    assert "3 of " in listed().backups[0].wrong and listed().good is None
    # what can't be read is not none
    mine = tmp_path / "mine"
    (mine / "backups").parent.mkdir()
    (mine / "backups").write_text("no folder")
    asked = subprocess.run(stored.words(str(mine)), capture_output=True, check=False)
    assert asked.returncode != 0


def test_on_record_it_outlives_what_reads_it(tmp_path: Path) -> None:
    of = state(tmp_path)
    with lock.profile(of.folder, "a test"):
        accounts.Choose(of, Schedule("6h", 7, "2026-01-01T00:00:00Z")).run(print)
    assert str(record.read(of).schedule) == "every 6h, 7 kept"
    assert replace(record.read(of), schedule=record.BY_HAND).schedule.every == ""
