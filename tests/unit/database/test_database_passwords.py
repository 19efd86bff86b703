"""New passwords: what `.env` holds at each moment, and the SQL that changes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import error_of, names, place, settings, state

from kubeup.application.deploying import ForgottenPasswords
from kubeup.application.deployment import Deployment
from kubeup.application.overlay import Overlay
from kubeup.core import record
from kubeup.core.errors import Refused
from kubeup.core.shell import Output
from kubeup.database import passwords
from kubeup.database.passwords import Passwords
from kubeup.database.server import Server, SqlError, literal
from kubeup.database.version import Version
from kubeup.system import secrets
from kubeup.system.kubectl import Kubectl

USERS_OWN = (
    "# of the compose project\nMYSQL_ROOT_PASSWORD=old-root\r\nPORT=3306\nexport "
    "MYSQL_PASSWORD='old api'\n"
)


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_bytes(USERS_OWN.encode())
    return path


@pytest.fixture
def held(tmp_path: Path, env: Path) -> Passwords:
    kubectl = Kubectl(Path("/cache/kubectl"), tmp_path / "kubeconfig", "kubeup-dev")
    deployment = Deployment(Overlay(settings(tmp_path), (), env, place(), tmp_path), kubectl)
    return Passwords(Server(object(), "api", "api", env), deployment, state(tmp_path))  # type: ignore[arg-type]


def test_new_passwords_wait_beside_the_old_until_they_are_taken(
    env: Path, held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not secrets.pending(env)
    secrets.StagePasswords(env).run(print)
    assert secrets.pending(env) and secrets.read(env)["MYSQL_PASSWORD"] == "old api"
    new = held.wanted()
    assert secrets.StagePasswords(env).already() and set(new.values()).isdisjoint(
        {"old-root", "old api", ""}
    )
    monkeypatch.setattr(passwords, "deployed", lambda _: {"MYSQL_ROOT_PASSWORD": "old-root"})
    assert held.known() == [new["MYSQL_ROOT_PASSWORD"], "old-root"]

    secrets.PromotePasswords(env).run(print)
    assert secrets.read(env) == {"PORT": "3306", **new} and not secrets.pending(env)
    assert (
        env.read_bytes().startswith(b"# of the compose project\n")
        and env.stat().st_mode & 0o777 == 0o600
    )
    assert secrets.PromotePasswords(env).already()


def test_earlier_passwords_come_back_whatever_is_in_them(env: Path) -> None:
    values = {"MYSQL_ROOT_PASSWORD": "a'b\\c \"$d #e", "MYSQL_PASSWORD": "${HOME}ñ"}
    secrets.StagePasswords(env).run(print)
    secrets.replace(env, values)
    assert secrets.read(env) == {"PORT": "3306", **values}


def test_both_passwords_are_good_until_the_api_has_the_new_one() -> None:
    assert (
        passwords.altering("api", ["%"], "new", "") == "ALTER USER 'api'@'%' IDENTIFIED BY 'new';\n"
    )
    assert passwords.altering("root", ["%", "localhost"], "new", "old").splitlines() == [
        "ALTER USER 'root'@'%' IDENTIFIED BY 'old', 'root'@'localhost' IDENTIFIED BY 'old';",
        "ALTER USER 'root'@'%' IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD, 'root'@'localhost' "
        "IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD;",
    ]
    assert passwords.altering("api", ["%"], "same", "same").count("ALTER") == 1


@pytest.mark.parametrize(
    ("version", "both"),
    [
        ("8.0.13", False),
        ("8.0.14", True),
        ("9.7.4-2", True),
        ("5.7.44", False),
        ("10.11.6-MariaDB", False),
    ],
)
def test_who_can_keep_two_passwords(version: str, both: bool) -> None:
    assert passwords.keeps_both(Version(version)) is both


def test_texts_are_quoted() -> None:
    assert literal("a'b\\c") == "'a''b\\\\c'"
    assert "line break" in error_of(literal, "a\nb").what


def test_without_a_root_password_that_works_nothing_is_carried_through(
    held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "deployed", lambda _: {"MYSQL_ROOT_PASSWORD": "earlier-root"})
    monkeypatch.setattr(Server, "admits", lambda *_: False)
    error = error_of(passwords.carry, held)
    assert (
        isinstance(error, ForgottenPasswords)
        and "refuses every known root password" in error.why
        and "earlier-root" not in error.why
    )

    def unreachable(*_: str) -> bool:
        raise SqlError("the database can't be reached", "no pod", "", 0)

    monkeypatch.setattr(Server, "admits", unreachable)
    assert "can't be reached" in error_of(passwords.carry, held).why
    monkeypatch.setattr(Server, "admits", lambda _, user, password: password == "earlier-root")
    assert names(passwords.carry(held)) == ["db/passwords", "db/old-passwords"]


def test_a_database_that_has_those_of_env_is_given_no_others(
    held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has changed the Secret: what it holds must not become good."""
    have = {"root": "old-root", "api": "old api"}
    monkeypatch.setattr(Server, "admits", lambda _, user, password: have[user] == password)
    monkeypatch.setattr(passwords, "deployed", lambda _: {"MYSQL_ROOT_PASSWORD": "by hand"})
    assert passwords.carry(held) == []
    have["api"] = "changed by SQL"
    assert names(passwords.carry(held)) == ["db/passwords", "db/old-passwords"]


@pytest.mark.usefixtures("held_profile")
def test_from_the_first_statement_to_the_last_it_is_on_record(
    env: Path, held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose passwords the database is being given; which they are is in `.env` alone."""
    told, said = list[tuple[str, bool]](), list[str]()

    def sql(server: Server, text: str, *_: object, **__: object) -> str:
        told.append((text.split()[0], record.read(held.state).passwords == str(env)))
        said.extend(text.splitlines())
        return "%" if "mysql.user" in text else "8.4.3"

    monkeypatch.setattr(Server, "sql", sql)
    monkeypatch.setattr(Server, "admits", lambda *_: True)
    monkeypatch.setattr(Passwords, "accept", lambda *_: None)
    monkeypatch.setattr(passwords, "deployed", lambda _: {})
    change, forget = passwords.steps(held, "asked for", ())
    change.action.run(print)
    assert "ALTER" in dict(told) and all(known for _, known in told)
    text = (held.state.folder / "state.json").read_text()
    assert not any(value in text for value in held.wanted().values())
    told.clear()
    forget.action.run(print)
    assert ("ALTER", True) in told and record.read(held.state).passwords == ""
    ours = [
        "ALTER USER 'api'@'%' IDENTIFIED BY 'old api';",
        "ALTER USER 'api'@'%' DISCARD OLD PASSWORD;",
    ]
    assert [line for line in said if "'api'@" in line][-2:] == ours, (
        "the server may call them the earlier ones"
    )
    monkeypatch.setattr(Server, "sql", lambda *_, **__: raise_())
    record.change(held.state, passwords=str(env))
    error_of(forget.action.run, print)
    assert record.read(held.state).passwords == str(env), "it may still take others"


def raise_() -> str:
    raise SqlError("the database can't be reached", "no pod", "", 0)


def test_a_user_that_is_not_there_gets_no_password(
    held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "sql", lambda *_, **__: "")
    error = error_of(passwords.hosts, held.server, "ana")
    assert isinstance(error, Refused) and error.what.endswith("has no user ana")


def test_a_password_that_was_not_taken_is_told(
    held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "admits", lambda _, user, password: user == "api")
    wanted = {"MYSQL_PASSWORD": "new", "MYSQL_ROOT_PASSWORD": "new"}
    assert error_of(passwords.SetPasswords._check, held.server, wanted).what.endswith(
        "refuses the new password of root"
    )


def test_only_a_password_that_is_denied_is_a_wrong_one(
    held: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Output(1, "", "ERROR 1045 (28000): Access denied for user")
    monkeypatch.setattr(Server, "alive", lambda _: lambda: True)
    monkeypatch.setattr("kubeup.core.shell.read", lambda *_, **__: said)
    server = replace(held.server, transport=SimpleNamespace(argv=lambda *words: words))
    assert not server.admits("root", "wrong")
    said = Output(1, "", "ERROR 2002 (HY000): Can't connect")
    assert isinstance(error_of(server.admits, "root", "right"), SqlError)
