"""A real database server of the tests' own: MariaDB, or MySQL where KUBEUP_TEST_MYSQLD names its mysqld."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pymysql  # type: ignore[import-untyped,unused-ignore]  # its stubs are in no lock

USER = "shop"
PASSWORD = "p@ss:w/rd%"
DATABASE = "shop"
START_SECONDS = 30


class NoServerError(Exception):
    """There is no database server to test against."""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_binary() -> str:
    named = os.environ.get("KUBEUP_TEST_MYSQLD")
    found = shutil.which(named or "mariadbd") or (None if named else shutil.which("/usr/sbin/mariadbd"))
    if found:
        return found
    raise NoServerError(
        f"KUBEUP_TEST_MYSQLD={named} is no program that can be run."
        if named
        else "The tests need a real database server and mariadbd is not installed: apt-get install "
        "mariadb-server mariadb-client, or set KUBEUP_TEST_MYSQLD to the path of a mysqld or mariadbd."
    )


class DatabaseServer:
    """A server on a port of its own; it can be stopped and started again, and keeps its data."""

    def __init__(self, home: Path) -> None:
        self.binary = find_binary()
        self.port = free_port()
        self._home = home
        self._data = home / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self.options: tuple[str, ...] = ()
        self._as_root = ["--user=root"] if os.geteuid() == 0 else []

    def install(self) -> None:
        """Make the data directory and the user, who has rights on nothing but one schema."""
        version = subprocess.run([self.binary, "--version"], capture_output=True, text=True, check=True).stdout
        command = self._mariadb_install() if "MariaDB" in version else [self.binary, "--no-defaults", *self._as_root]
        if "MariaDB" not in version:
            command += ["--initialize-insecure", f"--datadir={self._data}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoServerError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
        self.start()
        self.admin(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'")
        self.make_schema(DATABASE)

    def make_schema(self, name: str) -> None:
        self.admin(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        self.admin(f"GRANT ALL ON {name}.* TO '{USER}'@'%'")

    def start(self) -> None:
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin("SELECT 1")
            except pymysql.err.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise NoServerError((self._home / "server.log").read_text()[-4000:]) from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def connect(self, database: str | None = None) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", password="", database=database, autocommit=True
        )

    def admin(self, statement: str, database: str | None = None) -> tuple[tuple[object, ...], ...]:
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            rows: tuple[tuple[object, ...], ...] = cursor.fetchall()
            return rows

    def _mariadb_install(self) -> list[str]:
        beside = Path(self.binary).resolve().parent
        script = shutil.which("mariadb-install-db") or shutil.which(str(beside / "mariadb-install-db"))
        if script is None:
            raise NoServerError("mariadb-install-db is not installed, it comes with the package mariadb-server.")
        return [
            script,
            "--no-defaults",
            *self._as_root,
            f"--datadir={self._data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]

    def _command(self) -> list[str]:
        return [
            self.binary,
            "--no-defaults",
            *self._as_root,
            f"--datadir={self._data}",
            f"--socket={self._home}/db.sock",
            f"--pid-file={self._home}/db.pid",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=0",
            "--skip-log-bin",
            "--skip-name-resolve",
            *self.options,
        ]
