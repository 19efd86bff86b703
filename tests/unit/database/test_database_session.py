"""One client for many questions: started once, and anew only where it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders import error_of

from kubeup.core.errors import CommandError
from kubeup.database.server import Server, SqlError
from kubeup.database.transport import pod_runs_since

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
class Transport:
    """A way to a client of this test's own."""

    folder: Path

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return ("env", f"PATH={self.folder}:/usr/bin:/bin", *command)

    def runs_since(self, moment: datetime) -> bool:
        return True

    def __str__(self) -> str:
        return "here"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    client, env = tmp_path / "mysql", tmp_path / ".env"
    client.write_text(CLIENT)
    client.chmod(0o755)
    env.write_text("MYSQL_ROOT_PASSWORD=root-secret\nMYSQL_PASSWORD=api-secret\n")
    return Server(Transport(tmp_path), "api", "api", env)


def starts(server: Server) -> int:
    assert isinstance(server.transport, Transport)
    file = server.transport.folder / "mysql.starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_one_client_answers_all(server: Server) -> None:
    with server.session() as session:
        assert starts(server) == 0, "who asks nothing starts nothing"
        assert session.sql("") == ""
        assert session.sql("SHOW a\tb") == "SHOW a\tb;\n"
        assert session.rows("SHOW a\tb;\n", "the`re") == [["USE `the``re`;"], ["SHOW a", "b;"]]
    assert starts(server) == 1


def test_a_refused_statement_is_told_and_the_next_is_asked_of_another_client(
    server: Server,
) -> None:
    with server.session() as session:
        error = error_of(session.sql, "REFUSED")
        assert (
            isinstance(error, SqlError)
            and error.number == 1064
            and "root-secret" not in "\n".join(error.lines())
        )
        assert session.sql("SHOW") == "SHOW;\n"
        away = error_of(session.sql, "AWAY")
        assert isinstance(away, SqlError) and away.number == 0 and "can't be reached" in away.what
    assert starts(server) == 2


def test_another_user_is_not_asked_through_roots_client(server: Server) -> None:
    with server.session() as session:
        assert (
            session.sql("SHOW", user="api") == session.sql("SHOW", password="another") == "SHOW\n"
        )
        assert session.sql("SHOW") == "SHOW;\n"
    assert starts(server) == 3


def test_one_that_is_silent_is_called_late_not_away(server: Server) -> None:
    with server.session() as session:
        error = error_of(lambda: session.sql("SLOW", timeout=0.3))
        assert (
            isinstance(error, CommandError)
            and not isinstance(error, SqlError)
            and error.status == 124
        )
        assert session.sql("SHOW") == "SHOW;\n"


BEGAN = datetime(2026, 11, 27, 13, 48, 36, tzinfo=UTC)


def status(started: str, ready: bool = True, pod_ready: str = "True") -> dict[str, object]:
    state = {"running": {"startedAt": started}} if started else {"terminated": {"exitCode": 137}}
    return {
        "conditions": [{"type": "Ready", "status": pod_ready}],
        "containerStatuses": [{"name": "mysql", "ready": ready, "state": state}],
    }


@pytest.mark.parametrize(
    ("of", "runs"),
    [
        (status("2026-11-27T13:48:36Z"), True),
        (status("2026-11-27T13:48:37Z"), False),  # killed, and started again
        (status("", ready=False, pod_ready="False"), False),
        (
            status("2026-11-27T13:48:36Z", ready=False, pod_ready="False"),
            True,
        ),  # too busy to say that it is ready
        (status("2026-11-27T13:48:36Z", ready=True, pod_ready="False"), False),  # its node has gone
        ({}, False),
    ],
)
def test_whether_a_server_still_runs_is_read_from_its_pod(
    of: dict[str, object], runs: bool
) -> None:
    assert pod_runs_since(of, BEGAN) is runs
    assert not pod_runs_since(of, BEGAN - timedelta(days=1))
