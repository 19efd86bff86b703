"""A real MariaDB server in a folder of a test's, reached as kubeup reaches those of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubeup.database import scripts
from kubeup.database.server import Server, SqlError

SOCKET = "/run/mysqld/mysqld.sock"  # where the images have it
START_SECONDS = 60
AS_ROOT = ("--user=root",) if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Here:
    """The way to a server on this machine: its scripts as they are, but for the socket's place."""

    folder: Path

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return tuple(word.replace(SOCKET, str(self.folder / "db.sock")) for word in command)

    def runs_since(self, moment: datetime) -> bool:
        return True

    def __str__(self) -> str:
        return f"a server in {self.folder}"


@dataclass(frozen=True)
class MariaDb:
    """A data folder; its root has the password of `.env`."""

    folder: Path

    @property
    def server(self) -> Server:
        return Server(Here(self.folder), "api", "api", self.folder / ".env")

    def install(self) -> None:
        made = [
            found_program("mariadb-install-db"),
            "--no-defaults",
            *AS_ROOT,
            f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]
        subprocess.run(made, check=True, capture_output=True)
        (self.folder / ".env").write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
        with self.running():
            self.server.sql(
                "CREATE DATABASE api; CREATE USER api@'%' IDENTIFIED BY 'pppppppp';"
                "GRANT ALL ON api.* TO api@'%';"
                "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host <> 'localhost';"
                "FLUSH PRIVILEGES; ALTER USER root@localhost IDENTIFIED BY 'rrrrrrrr';",
                password="",
            )

    @contextmanager
    def running(self, *options: str, port: int = 0) -> Iterator[Server]:
        """The server while it runs; with a port it listens on this machine's own address."""
        network = (f"--port={port}", "--bind-address=127.0.0.1") if port else ("--skip-networking",)
        argv = [
            found_program("mariadbd"),
            "--no-defaults",
            *AS_ROOT,
            f"--datadir={self.folder / 'data'}",
            f"--socket={self.folder / 'db.sock'}",
            f"--pid-file={self.folder / 'db.pid'}",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
            "--skip-log-bin",
            *network,
            *options,
        ]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            self._wait(process)
            yield self.server
        finally:
            process.terminate()
            process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.server.sql("SELECT 1")
            except SqlError as error:
                if error.number:  # it answers, and refuses the password
                    return
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.1)
            else:
                return

    def logs_in(self, user: str, *options: str) -> str:
        """What the server's client says of a login over TCP by these options, 'in' for one."""
        client = found_program("mariadb")
        password = {"root": "rrrrrrrr", "api": "pppppppp"}[user]
        done = subprocess.run(
            [client, "--no-defaults", "--protocol=tcp", f"--user={user}", *options, "-N", "-B"],
            input="SELECT 'in';",
            env={**os.environ, "MYSQL_PWD": password},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip()


def found_program(name: str) -> str:
    """Where a program of the server's is. It is an error, and no skip, where there is none."""
    if found := shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin"):
        return found
    raise AssertionError(f"no {name} here: apt-get install mariadb-server mariadb-client")


assert SOCKET in scripts.OPTIONS
