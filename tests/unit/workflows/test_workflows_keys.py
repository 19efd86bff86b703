from __future__ import annotations

from pathlib import Path

import pytest
from builders import error_of, sid, sids

from kubeup.core import shell
from kubeup.core.errors import Refused
from kubeup.core.plan import todo
from kubeup.system import keys
from kubeup.system.keys import MakeKey


def make(path: Path, *more: str) -> None:
    """A small key, made in a moment."""
    shell.write("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path), *more)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "id_rsa", tmp_path / "id_rsa.pub"


def test_no_key_yet(pair: tuple[Path, Path]) -> None:
    (step,) = keys.plan(*pair)
    assert (str(step.id), step.title, step.reason) == (
        "ssh/key",
        "make the SSH key",
        f"{pair[0]} is missing",
    )
    assert step.action.commands() == (
        f"ssh-keygen -q -t rsa -b 4096 -m PEM -N '' -C kubeup -f {pair[0]}",
    )  # type: ignore[attr-defined]


def test_a_public_half_alone_is_never_overwritten(pair: tuple[Path, Path]) -> None:
    pair[1].write_text("ssh-rsa AAAA ana")
    error = error_of(keys.plan, *pair)
    assert isinstance(error, Refused)
    assert error.what == f"{pair[1]} exists without its private half {pair[0]}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read(pair: tuple[Path, Path], mode: int) -> None:
    pair[0].write_text("key")
    pair[0].chmod(mode)
    error = error_of(keys.plan, *pair)
    assert isinstance(error, Refused)
    assert f"(mode {mode:04o})" in error.what
    assert error.next == f"chmod 600 {pair[0]}"


@pytest.mark.real
def test_a_good_pair_needs_nothing(pair: tuple[Path, Path]) -> None:
    make(pair[0])
    assert todo(keys.plan(*pair)) == []
    assert MakeKey(*pair).already() == "there"


@pytest.mark.real
def test_a_missing_public_half_is_written_and_is_the_right_one(pair: tuple[Path, Path]) -> None:
    make(pair[0])
    public, private = pair[1].read_text(), pair[0].read_bytes()
    pair[1].unlink()
    (step,) = keys.plan(*pair)
    assert step.title == "write the SSH key's public half" and step.needs == sids("host/packages")
    step.action.run(print)
    assert pair[1].read_text().split()[:2] == public.split()[:2]
    assert pair[0].read_bytes() == private


@pytest.mark.real
def test_a_passphrase_is_refused(pair: tuple[Path, Path]) -> None:
    shell.write(
        "ssh-keygen", "-q", "-t", "ed25519", "-a", "1", "-N", "correct horse", "-f", str(pair[0])
    )
    error = error_of(keys.plan, *pair)
    assert isinstance(error, Refused)
    assert error.what == f"the key {pair[0]} has a passphrase"


@pytest.mark.real
def test_what_is_no_key_is_refused(pair: tuple[Path, Path]) -> None:
    pair[0].write_text("this is no key\n")
    pair[0].chmod(0o600)
    error = error_of(keys.plan, *pair)
    assert isinstance(error, Refused)
    assert error.what == f"{pair[0]} is not a usable private key"


@pytest.mark.real
def test_a_new_pair_has_its_public_half_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = tmp_path / "keys" / "id", tmp_path / "keys" / "another-name.pub"
    # quick
    monkeypatch.setattr(
        MakeKey,
        "_argv",
        lambda key: ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key.private)),
    )
    MakeKey(private, public).run(print)
    assert sorted(path.name for path in private.parent.iterdir()) == ["another-name.pub", "id"]
    assert private.stat().st_mode & 0o777 == 0o600
    assert todo(keys.plan(private, public)) == []


def test_a_key_waits_for_the_package_that_makes_it(pair: tuple[Path, Path]) -> None:
    assert sid("host/packages") in keys.plan(*pair)[0].needs
