from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from builders import error_of, held_elsewhere
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core import lock
from kubeup.core.errors import Refused, UsageError
from kubeup.core.plan import todo
from kubeup.system import secrets

BOTH = "MYSQL_ROOT_PASSWORD, MYSQL_PASSWORD"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def add(path: Path) -> list[str]:
    said: list[str] = []
    for step in todo(secrets.plan(path)):
        step.action.run(said.append)
    return said


def test_passwords_are_made_once(env: Path) -> None:
    assert secrets.plan(env)[0].reason == f"{BOTH} not in .env"
    said = add(env)
    values = secrets.read(env)
    assert set(values) == set(secrets.PASSWORDS)
    assert min(map(len, values.values())) >= 32 and len(set(values.values())) == 2
    assert env.stat().st_mode & 0o777 == 0o600
    assert said == [f"{BOTH} written to .env"], "names, and no value"
    assert todo(secrets.plan(env)) == []


@pytest.mark.parametrize(
    "before",
    [
        "# mine\nexport EDITOR=vi\n\nMYSQL_ROOT_PASSWORD='with a # in it'\n",
        "MYSQL_ROOT_PASSWORD=abcdefgh\n\n\n",
    ],
)
def test_lines_that_are_there_stay_as_they_are(env: Path, before: str) -> None:
    env.write_text(before)
    root = secrets.read(env)["MYSQL_ROOT_PASSWORD"]
    assert secrets.plan(env)[0].reason == "MYSQL_PASSWORD not in .env"
    add(env)
    assert env.read_bytes().startswith(before.encode())
    assert secrets.read(env)["MYSQL_ROOT_PASSWORD"] == root
    assert todo(secrets.plan(env)) == []


def test_a_file_without_a_newline_at_its_end(env: Path) -> None:
    env.write_text("MYSQL_PASSWORD=abcdefgh")
    add(env)
    assert env.read_text().startswith("MYSQL_PASSWORD=abcdefgh\nMYSQL_ROOT_PASSWORD=")
    assert secrets.read(env)["MYSQL_PASSWORD"] == "abcdefgh"


def test_what_another_profile_has_chosen_meanwhile_stays(env: Path) -> None:
    """Both had planned it: a second value for the same name would be the one that counts, and
    lock the first database out.
    """
    first, second = secrets.plan(env)[0].action, secrets.plan(env)[0].action
    assert isinstance(second, secrets.AddPasswords) and second.already() == ""
    first.run(print)
    chosen = env.read_text()
    assert second.already()
    second.run(print)
    assert env.read_text() == chosen
    env.write_text("MYSQL_PASSWORD=abcdefgh\n")
    second.run(print)
    assert (
        env.read_text().startswith("MYSQL_PASSWORD=abcdefgh\nMYSQL_ROOT_PASSWORD=")
        and env.read_text().count("\n") == 2
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda env: secrets.AddPasswords(env, ("MYSQL_PASSWORD",)).run(print),
        lambda env: secrets.StagePasswords(env).run(print),
        lambda env: secrets.PromotePasswords(env).run(print),
        lambda env: secrets.replace(env, {"MYSQL_PASSWORD": "other"}),
    ],
)
def test_who_changes_it_waits_for_another_and_not_for_good(
    env: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "PATIENCE", 0.2)
    env.write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_ROOT_PASSWORD_NEXT=n\n")
    before = env.read_text()
    with held_elsewhere(lock.env_path(env), "db.rotate on the profile two"):
        error = error_of(change, env)
        assert isinstance(error, Refused) and "db.rotate on the profile two" in error.why
    assert env.read_text() == before
    change(env)


def test_an_empty_value_is_none(env: Path) -> None:
    env.write_text("MYSQL_PASSWORD=\nMYSQL_ROOT_PASSWORD=abcdefgh\n")
    assert secrets.missing(env) == ("MYSQL_PASSWORD",)
    add(env)
    assert len(secrets.read(env)["MYSQL_PASSWORD"]) >= 32


def test_a_broken_line_is_named_and_nothing_is_written(env: Path) -> None:
    text = "A=1\n# fine\nthis is no line\nMYSQL_PASSWORD=x\n"
    env.write_text(text)
    error = error_of(secrets.plan, env)
    assert isinstance(error, UsageError)
    assert error.what == f"{env}:3 is not `NAME=value`"
    assert "this is no line" not in "\n".join(error.lines()), "it may be a password"
    assert env.read_text() == text


def test_line_ends_of_windows_are_read(env: Path) -> None:
    env.write_bytes(b"MYSQL_PASSWORD=abcdefgh\r\nMYSQL_ROOT_PASSWORD=ijklmnop\r\n")
    assert secrets.read(env) == {"MYSQL_PASSWORD": "abcdefgh", "MYSQL_ROOT_PASSWORD": "ijklmnop"}


def test_line_ends_of_windows_stay(env: Path) -> None:
    env.write_bytes(b"# mine\r\nMYSQL_PASSWORD=abcdefgh\r\n")
    add(env)
    assert env.read_bytes().startswith(b"# mine\r\nMYSQL_PASSWORD=abcdefgh\r\n")


def test_no_file_no_values(env: Path) -> None:
    assert secrets.read(env) == {}


@given(
    st.dictionaries(
        st.text("ABC_", min_size=1, max_size=4),
        st.text(min_size=4, max_size=8),
        min_size=1,
        max_size=3,
    )
)
def test_a_fingerprint_follows_the_values_and_not_their_order(values: dict[str, str]) -> None:
    backwards = dict(reversed(values.items()))
    print_ = secrets.fingerprint(values)
    assert secrets.fingerprint(backwards) == print_
    name = next(iter(values))
    assert secrets.fingerprint({**values, name: values[name] + "x"}) != print_
    assert not any(value in print_ for value in values.values() if len(value) > 6)


def test_a_link_that_leads_nowhere_is_no_missing_file(env: Path) -> None:
    """As to a disk that is not mounted: new passwords would take the link's place."""
    env.symlink_to(env.parent / "elsewhere" / ".env")
    error = error_of(secrets.plan, env)
    assert (
        isinstance(error, UsageError)
        and error.what == f"{env} is a broken link"
        and env.is_symlink()
    )


@pytest.mark.parametrize("text", ["", "MYSQL_PASSWORD=\n"])
def test_a_password_that_is_not_there_is_asked_for(env: Path, text: str) -> None:
    env.write_text(text)
    assert isinstance(error_of(secrets.password, env, "MYSQL_PASSWORD"), UsageError)
