"""One client for many questions: started once, and anew only where it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import error_of

from kubeup.db.server import Server, SqlError
from kubeup.errors import CommandError

pytestmark = pytest.mark.real

CLIENT = """#!/bin/sh
echo start >>"$0.starts"
while read -r line; do
  case $line in
    "SELECT '"*) word=${line#SELECT \\'}; echo "${word%\\';}" ;;
    REFUSED*) echo "ERROR 1064 (42000) at line 1: near '$MYSQL_PWD'" >&2; exit 1 ;;
    AWAY*) exit 1 ;;
    SLOW*) exec sleep 60 ;;
    *) echo "$line" ;;
  esac
done
"""


@dataclass(frozen=True)
class Door:
    """A way to a client of this test's own."""

    folder: Path

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return ("env", f"PATH={self.folder}:/usr/bin:/bin", *command)

    def __str__(self) -> str:
        return "here"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    client, env = tmp_path / "mysql", tmp_path / ".env"
    client.write_text(CLIENT)
    client.chmod(0o755)
    env.write_text("MYSQL_ROOT_PASSWORD=root-secret\nMYSQL_PASSWORD=api-secret\n")
    return Server(Door(tmp_path), "api", "api", env)


def starts(server: Server) -> int:
    assert isinstance(server.door, Door)
    file = server.door.folder / "mysql.starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_one_client_answers_all(server: Server) -> None:
    with server.session() as session:
        assert starts(server) == 0, "who asks nothing starts nothing"
        assert session.sql("") == ""
        assert session.sql("SHOW a\tb") == "SHOW a\tb;\n"
        assert session.rows("SHOW a\tb;\n", "the`re") == [["USE `the``re`;"], ["SHOW a", "b;"]]
    assert starts(server) == 1


def test_a_refused_statement_is_told_and_the_next_is_asked_of_another_client(server: Server) -> None:
    with server.session() as session:
        error = error_of(session.sql, "REFUSED")
        assert isinstance(error, SqlError) and error.number == 1064 and "root-secret" not in "\n".join(error.lines())
        assert session.sql("SHOW") == "SHOW;\n"
        away = error_of(session.sql, "AWAY")
        assert isinstance(away, SqlError) and away.number == 0 and "can't be reached" in away.what
    assert starts(server) == 2


def test_another_user_is_not_asked_through_roots_client(server: Server) -> None:
    with server.session() as session:
        assert session.sql("SHOW", user="api") == session.sql("SHOW", password="another") == "SHOW\n"
        assert session.sql("SHOW") == "SHOW;\n"
    assert starts(server) == 3


def test_one_that_is_silent_is_called_late_not_away(server: Server) -> None:
    with server.session() as session:
        error = error_of(lambda: session.sql("SLOW", timeout=0.3))
        assert isinstance(error, CommandError) and not isinstance(error, SqlError) and error.status == 124
        assert session.sql("SHOW") == "SHOW;\n"
