"""Files and folders are their user's alone, whatever the umask, and nobody else's decide."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import NOBODY, error_of, given_away, held_elsewhere

from kubeup.core import lock, private, record, state
from kubeup.core.errors import Refused, UsageError
from kubeup.core.runner import Journal
from kubeup.core.state import State, write_private
from kubeup.system import cache


@pytest.fixture
def everybody() -> Iterator[None]:
    """A user who lets everybody write to what they make."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def own(tmp_path: Path) -> State:
    folder = tmp_path / ".kubeup" / "dev"
    return State(folder, folder / "id_rsa", folder / "id_rsa.pub")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def closed(own: State) -> list[str]:
    """What is said of a profile's folder when it is opened."""
    said: list[str] = []
    state.require_private(own, said.append)
    return said


def test_what_is_made_under_any_umask_is_the_users_alone(own: State, everybody: None) -> None:
    with lock.profile(own.folder, "up"):
        record.write(own, record.Record())
        Journal(own.folder, "up").add("plan")
        write_private(own.folder / "vagrant" / "machines.json", "{}")
    found = [own.folder.parent, *own.folder.parent.rglob("*")]
    assert {path.name: mode(path) for path in found} == {
        ".kubeup": 0o700,
        "dev": 0o700,
        "vagrant": 0o700,
        "lock": 0o600,
        "journal.jsonl": 0o600,
        "state.json": 0o600,
        "machines.json": 0o600,
    }
    assert closed(own) == []


def test_the_cache_is_the_users_alone(cache_home: Path, everybody: None) -> None:
    with cache.made_whole(cache.folder("images", "api")), cache.context({}, {}):
        pass
    assert mode(cache_home) == mode(cache_home / "images") == mode(cache_home / "contexts") == 0o700


def test_what_an_earlier_version_left_open_is_closed_with_a_word(
    own: State, everybody: None
) -> None:
    """As it made them under a umask of 000."""
    own.folder.mkdir(parents=True)
    for name in ("lock", "journal.jsonl"):
        (own.folder / name).touch(0o666)
    write_private(own.folder / "state.json", "{}")
    said = closed(own)
    assert said == [
        f"{own.folder.parent} was open to other users (mode 0777): closed",
        f"{own.folder} was open to other users (mode 0777): closed",
    ]
    assert mode(own.folder.parent) == 0o755 and mode(own.folder) == 0o700
    with lock.profile(own.folder, "up"):
        Journal(own.folder, "up").add("plan")
    assert mode(own.folder / "lock") == mode(own.folder / "journal.jsonl") == 0o600
    assert closed(own) == []


def test_a_folder_that_others_can_only_read_is_closed_as_well(own: State) -> None:
    own.folder.mkdir(parents=True)
    own.folder.chmod(0o755)
    assert closed(own) == [f"{own.folder} was open to other users (mode 0755): closed"]


@pytest.mark.parametrize("name", ["state.json", "known_hosts", "vagrant/machines.json"])
def test_what_others_could_have_changed_decides_nothing(own: State, name: str) -> None:
    path = own.folder / name
    write_private(path, "{}", 0o666)
    own.folder.chmod(0o755)
    error = error_of(closed, own)
    assert isinstance(error, Refused) and error.why == str(path)
    assert f"chmod -R go-w {own.folder}" in error.next and mode(own.folder) == 0o755
    path.chmod(0o600)
    assert len(closed(own)) == 1


def test_what_somebody_else_put_there_decides_nothing(
    own: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_ = own.folder / "state.json"
    write_private(record_, "{}")
    own.folder.chmod(0o777)
    given_away(record_, monkeypatch)
    assert isinstance(error_of(closed, own), Refused)


def test_a_copy_of_a_databases_files_is_nobodys_doing(
    own: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MariaDB's are 0660, and of a user that this machine may not have."""
    write_private(own.folder / "kept-node" / "ibdata1", "rows", 0o660)
    monkeypatch.setattr(private, "_owners", tuple)
    assert list(private._doubtful(own.folder, False, ())) == []
    assert list(private._doubtful(own.folder, True, ())) == [own.folder / "kept-node"]


def test_a_folder_of_somebody_else_is_refused(own: State, monkeypatch: pytest.MonkeyPatch) -> None:
    own.folder.mkdir(parents=True, mode=0o700)
    given_away(own.folder, monkeypatch)
    error = error_of(closed, own)
    assert isinstance(error, Refused) and "belongs to somebody else" in error.what


def test_a_cache_that_others_could_change_is_refused(cache_home: Path) -> None:
    """What is found there by its name is run."""
    program = cache_home / "release" / "kubectl"
    write_private(program, "elf", 0o777)
    cache_home.chmod(0o755)
    error = error_of(cache.require_private, print)
    assert isinstance(error, Refused) and error.why == str(program)
    assert f"rm -r {cache_home}" in error.next
    program.chmod(0o755)
    said: list[str] = []
    cache.require_private(said.append)
    assert said == [f"{cache_home} was open to other users (mode 0755): closed"]
    assert mode(cache_home) == 0o700 and mode(program) == 0o755


def test_a_long_list_of_doubtful_files_is_cut(own: State) -> None:
    for number in range(8):
        write_private(own.folder / f"{number}.json", "{}", 0o666)
    own.folder.chmod(0o755)
    why = error_of(closed, own).why.splitlines()
    assert len(why) == 6 and why[-1] == "and 3 more"


def test_a_file_system_without_permissions_is_told(
    own: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.folder.mkdir(parents=True)
    own.folder.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    assert "its file system keeps no permissions" in error_of(closed, own).why


def test_a_group_that_is_the_users_alone_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ubuntu and Fedora make one for each user, and a umask of 002."""
    path = tmp_path / "file"
    write_private(path, "text", 0o664)
    user, group = path.stat().st_uid, path.stat().st_gid
    monkeypatch.setattr(private, "ROOT", -1)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="ana", pw_gid=group))

    def of(name: str, *members: str) -> None:
        private._own_group.cache_clear()
        entry = SimpleNamespace(gr_name=name, gr_mem=list(members))
        monkeypatch.setattr("grp.getgrgid", lambda _: entry)

    try:
        for members in ((), ("ana",)):
            of("ana", *members)
            assert private.read(path) == b"text" and private._own_group(user, group)
        for name, members in (("users", ()), ("ana", ("ana", "bob"))):
            of(name, *members)
            assert "chmod go-w" in error_of(private.read, path).next
    finally:
        private._own_group.cache_clear()


def test_roots_files_are_trusted_and_by_sudo_those_of_who_typed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("SUDO_UID", "1001")
    assert private._owners() == {0, 1000}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert private._owners() == {0, 1001}
    monkeypatch.setenv("SUDO_UID", "")
    assert private._owners() == {0}


def test_a_link_of_the_users_own_is_followed_and_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "secrets" / "kubeup.env", tmp_path / ".env"
    write_private(target, "one")
    link.symlink_to("secrets/kubeup.env")
    assert private.read(link) == b"one"
    write_private(link, "two")
    assert link.is_symlink() and target.read_text() == "two" and mode(target) == 0o600
    assert lock.env_path(link) == target.with_name("kubeup.env.lock")
    # of every checkout that has such a link
    with held_elsewhere(lock.env_path(target), "db.rotate"):
        assert isinstance(error_of(enter, lock.env(link, "up")), Refused)


def enter(block: object) -> None:
    with block:  # type: ignore[attr-defined]
        pass


def test_a_link_of_somebody_else_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    write_private(target, "mine")
    link.symlink_to(target)
    given_away(link, monkeypatch)
    for use in (private.read, private.real, lambda path: write_private(path, "theirs")):
        error = error_of(use, link)
        assert isinstance(error, Refused) and "the link" in error.what and "chown -h" in error.next
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", [".kubeup", ".kubeup/dev"])
def test_a_link_in_place_of_the_folder(
    tmp_path: Path, own: State, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "dev").mkdir(parents=True)
    (elsewhere / "dev").chmod(0o755)
    link = tmp_path / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere / "dev" if name.endswith("dev") else elsewhere)
    assert len(closed(own)) == 1 and mode(elsewhere / "dev") == 0o700
    given_away(link, monkeypatch)
    assert isinstance(error_of(closed, own), Refused)


@pytest.mark.parametrize("name", ["lock", "journal.jsonl"])
def test_a_link_in_place_of_what_is_added_to_is_not_followed(
    own: State, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    private.make_folder(own.folder)
    (own.folder / name).symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        private.opened(own.folder / name)
    journal = Journal(own.folder, "up")
    journal.add("plan")
    assert journal.is_broken() == (name == "journal.jsonl") and target.read_text() == "theirs"


def test_a_link_that_comes_meanwhile_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(tmp_path / "target", "mine")
    (tmp_path / "link").symlink_to("target")
    monkeypatch.setattr(private, "real", lambda path: path)  # it was no link when it was looked at
    assert isinstance(error_of(private.read, tmp_path / "link"), UsageError)


def test_a_folder_for_everybody_may_hold_profiles(own: State) -> None:
    """As /tmp, where nobody can rename what is another's."""
    own.folder.mkdir(parents=True, mode=0o700)
    own.folder.parent.chmod(0o1777)
    assert closed(own) == [] and mode(own.folder.parent) == 0o1777


@pytest.mark.parametrize("to", ["nowhere", "link"])
def test_a_link_that_leads_nowhere_is_not_written_over(tmp_path: Path, to: str) -> None:
    link = tmp_path / "link"
    link.symlink_to(to)
    error = error_of(write_private, link, "new")
    assert isinstance(error, UsageError) and "is a broken link" in error.what and link.is_symlink()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        error = error_of(private.read, tmp_path / name)
        assert isinstance(error, UsageError) and error.why == "it is no file"
    (tmp_path / "file").write_text("")
    assert "is no folder" in error_of(private.protect, tmp_path / "file", print).what
    assert private.read(tmp_path / "nothing") is None


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    error = error_of(private.read, tmp_path / ".env")
    assert isinstance(error, UsageError) and error.why == "Permission denied"


def test_who_may_not_close_a_folder_of_roots_leaves_it(
    own: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.folder.mkdir(parents=True)
    own.folder.chmod(0o755)
    monkeypatch.setattr(private, "_owners", lambda: {own.folder.stat().st_uid, NOBODY})
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert closed(own) == [] and mode(own.folder) == 0o755


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path, kept = tmp_path / ".env", [".env.kubeup-notes", ".env.2024-backup.part", "env.part"]
    left = tmp_path / f".env.kubeup-{2**22 + 1}-abcdefgh.part"  # more than a process' number can be
    at_work = tmp_path / f".env.kubeup-{os.getpid()}-abcdefgh.part"
    for one in (left, at_work, *(tmp_path / name for name in kept)):
        one.touch()
    write_private(path, "text")
    there = sorted(one.name for one in tmp_path.iterdir())
    assert there == sorted([".env", at_work.name, *kept])
