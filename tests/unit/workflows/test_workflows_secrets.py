from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import error_of, given_away, held_elsewhere
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core import lock
from kubeup.core.errors import Refused, UsageError
from kubeup.core.plan import todo
from kubeup.core.state import PROJECT
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
        lambda env: secrets.replace(env, {"MYSQL_PASSWORD": "another"}),
    ],
)
def test_who_changes_it_waits_for_another_and_not_for_good(
    env: Path,
    change: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "PATIENCE", 0.2)
    env.write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_ROOT_PASSWORD_NEXT=nnnnnnnn\n")
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


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("'as${HOME}it stands'", "as${HOME}it stands"),
        ("  '${HOME}'  # mine", "${HOME}"),
        ("$HOME$(id)`id`", "$HOME$(id)`id`"),
    ],
)
def test_a_value_stands_for_itself(env: Path, line: str, value: str) -> None:
    env.write_text(f"MYSQL_PASSWORD={line}\n")
    assert secrets.read(env) == {"MYSQL_PASSWORD": value}


@pytest.mark.parametrize("line", ["${HOME}/abc", '"${HOME}/abc"'])
def test_what_other_tools_would_put_another_value_into_is_refused(env: Path, line: str) -> None:
    env.write_text(f"OTHER=${{HOME}}\n\nMYSQL_PASSWORD={line}\n")
    error = error_of(secrets.read, env)
    assert isinstance(error, UsageError) and error.what.startswith(f"{env}:3: MYSQL_PASSWORD")
    assert line not in "\n".join(error.lines())


@pytest.mark.parametrize("name", secrets.NAMES)
@pytest.mark.parametrize("line", ["ab #cdefghij", "'abcde'", '"abcdefgh\nOTHER="', "'abcdefgh\a'"])
def test_a_password_that_was_cut_off_is_not_taken(env: Path, name: str, line: str) -> None:
    env.write_text(f"# mine\nSHORT=ab\n{name}={line}\n")
    error = error_of(secrets.read, env)
    assert isinstance(error, UsageError)
    assert error.what == f"{env}:3: {name} was probably cut off, or its quotes don't close"
    assert "6 characters at least" in error.why and line not in "\n".join(error.lines())
    assert isinstance(error_of(secrets.plan, env), UsageError)


def test_what_is_hidden_from_who_sees_is_all_that_is_there(env: Path) -> None:
    env.write_text("MYSQL_PASSWORD=ab #cd\nno line\nMYSQL_ROOT_PASSWORD=abcdefgh\nPORT=3306\n")
    assert secrets.to_hide(env) == ["ab", "abcdefgh"]


def test_a_byte_order_mark_is_none_of_the_first_name(env: Path) -> None:
    env.write_bytes(b"\xef\xbb\xbfMYSQL_PASSWORD=abcdefgh\n")
    assert secrets.read(env) == {"MYSQL_PASSWORD": "abcdefgh"}


@pytest.mark.parametrize("text", ["MYSQL_PASSWORD=ñandú-ñandú\n", "PORT=3306\n"])
def test_another_encoding_is_told(env: Path, text: str) -> None:
    env.write_bytes(text.encode("utf-16"))
    error = error_of(secrets.read, env)
    assert isinstance(error, UsageError) and error.what == f"{env} is not in UTF-8"
    assert isinstance(error_of(add, env), UsageError) and env.read_bytes() == text.encode("utf-16")


def test_a_folder_in_its_place_is_told(env: Path) -> None:
    env.mkdir()
    assert error_of(secrets.read, env).what == f"{env} can't be read"


def test_one_that_is_read_only_is_left(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env.write_text("MYSQL_PASSWORD=abcdefgh\n")
    env.chmod(0o400)
    writable = os.access
    # root may write to it all the same
    monkeypatch.setattr(os, "access", lambda path, how: how != os.W_OK and writable(path, how))
    error = error_of(add, env)
    assert isinstance(error, UsageError) and error.what == f"{env} is read-only"
    assert "chmod u+w" in error.next and env.read_text() == "MYSQL_PASSWORD=abcdefgh\n"


def test_one_that_others_write_to_is_not_taken(env: Path) -> None:
    env.write_text("MYSQL_PASSWORD=abcdefgh\n")
    env.chmod(0o666)
    error = error_of(secrets.read, env)
    assert isinstance(error, Refused) and error.next.endswith(f"`chmod go-w {env}`")
    env.chmod(0o644)  # to be read by others is told by `inv doctor`
    assert secrets.read(env)


def test_a_link_of_somebody_else_is_not_taken(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (env.parent / "theirs").write_text("MYSQL_PASSWORD=abcdefgh\n")
    env.symlink_to("theirs")
    given_away(env, monkeypatch)
    for use in (secrets.read, add):
        assert isinstance(error_of(use, env), Refused) and env.is_symlink()


def test_a_link_of_the_users_own_stays_one(env: Path) -> None:
    target = env.parent / "secrets" / "kubeup.env"
    target.parent.mkdir()
    target.write_text("# mine\nPORT=3306\n")
    env.symlink_to(target)
    add(env)
    assert env.is_symlink() and target.read_text().startswith("# mine\nPORT=3306\nMYSQL_")
    assert mode(target) == 0o600 and secrets.missing(env) == ()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


WRITE = """
import os, sys, time
from pathlib import Path
from kubeup.system import secrets

def wait(_):
    print("writing", flush=True)
    time.sleep(60)

os.fsync = wait  # all of it is written, and not in its place yet
secrets.AddPasswords(Path(sys.argv[1]), secrets.PASSWORDS).run(print)
"""


@pytest.mark.real
def test_what_kill_9_leaves_of_it_is_nothing_for_git_and_goes_next_time(env: Path) -> None:
    shutil.copy(PROJECT / ".gitignore", env.parent)
    env.write_text("# mine\n")
    git = ("git", "-C", str(env.parent))
    subprocess.run((*git, "init", "--quiet"), check=True)
    argv = (sys.executable, "-c", WRITE, str(env))
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"writing\n"
        writer.kill()
    (left,) = env.parent.glob(".env.*.part")
    assert b"MYSQL_PASSWORD=" in left.read_bytes() and mode(left) == 0o600
    assert env.read_text() == "# mine\n"
    status = (*git, "status", "--porcelain", "--untracked-files=all")
    assert subprocess.run(status, capture_output=True, check=True).stdout == b"?? .gitignore\n"
    add(env)
    assert not left.exists() and secrets.missing(env) == ()
