"""`.env` for git: what sops is asked, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import error_of, held_elsewhere

from kubeup.core import lock
from kubeup.core.errors import CommandError, Refused, UsageError
from kubeup.core.shell import Output
from kubeup.system import sealing, secrets
from kubeup.system.sealing import Seal, Unseal

HELD = "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n"
SEALED = """\
MYSQL_ROOT_PASSWORD=ENC[AES256_GCM,data:xyz]
MYSQL_PASSWORD=ENC[AES256_GCM,data:abc]
sops_version=3.8.1
"""


@pytest.fixture
def env(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text(HELD)
    return tmp_path / ".env"


def answers(monkeypatch: pytest.MonkeyPatch, text: str) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []

    def read(*argv: str, **_: object) -> Output:
        asked.append(argv)
        return Output(0, text, "")

    monkeypatch.setattr("kubeup.core.shell.read", read)
    return asked


def test_sealed_with_names_alone_on_the_command_line(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answers(monkeypatch, SEALED)
    Seal(env, env.with_name("secrets.enc.env")).run(print)
    assert asked == [
        ("sops", "--encrypt", "--input-type", "dotenv", "--output-type", "dotenv", str(env))
    ]
    assert env.with_name("secrets.enc.env").read_text() == SEALED


def test_what_sops_left_readable_is_not_written(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, HELD)
    assert "left a password readable" in error_of(Seal(env, env.with_name("s")).run, print).what
    assert not env.with_name("s").exists()


def test_opened_only_where_nothing_else_would_be_lost(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = env.with_name("secrets.enc.env")
    assert isinstance(error_of(Unseal(env, sealed).run, print), UsageError)
    sealed.write_text(SEALED)
    answers(monkeypatch, HELD.replace("pppppppp", "qqqqqqqq"))
    assert isinstance(error_of(Unseal(env, sealed).run, print), Refused) and env.read_text() == HELD
    env.unlink()
    Unseal(env, sealed).run(print)
    assert "qqqqqqqq" in env.read_text() and env.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in env.parent.iterdir()) == [
        ".env",
        ".env.lock",
        "secrets.enc.env",
    ]


def test_env_is_not_replaced_beside_a_rotation(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PATIENCE", 0.2)
    sealed = env.with_name("secrets.enc.env")
    sealed.write_text(SEALED)
    answers(monkeypatch, HELD)
    env.unlink()
    with held_elsewhere(lock.env_path(env), "db.rotate on the profile two"):
        assert "db.rotate" in error_of(Unseal(env, sealed).run, print).why and not env.exists()


def test_what_is_refused_is_refused_before_the_step_begins(
    env: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3 says that nothing was changed."""
    sealed = env.with_name("secrets.enc.env")
    assert isinstance(error_of(Unseal(env, sealed).already), UsageError)
    sealed.write_text(SEALED)
    answers(monkeypatch, HELD.replace("pppppppp", "qqqqqqqq"))
    assert isinstance(error_of(Unseal(env, sealed).already), Refused)
    answers(monkeypatch, HELD)
    assert Unseal(env, sealed).already() == ""
    env.write_text("")
    assert isinstance(error_of(Seal(env, sealed).already), Refused) and sealed.read_text() == SEALED


def test_without_sops_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubeup.core.shell.which", lambda _: None)
    assert "sops is not installed" in error_of(sealing.require_sops).what


def test_what_sops_says_is_the_reason(env: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: str, **__: object) -> Output:
        raise CommandError("sops failed", "no key could be found")

    monkeypatch.setattr("kubeup.core.shell.read", read)
    sealed = env.with_name("secrets.enc.env")
    error = error_of(Seal(env, sealed).run, print)
    assert (error.what, error.why) == (
        "sops did not seal .env",
        "no key could be found",
    ) and not sealed.exists()
    sealed.write_text(SEALED)
    assert "SOPS_AGE_KEY_FILE" in error_of(Unseal(env, sealed).run, print).next
