from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import error_of
from hypothesis import given
from hypothesis import strategies as st

from kubeup.core.state import write_private
from kubeup.system import cache


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_where_the_cache_is(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.folder("images", "a") == cache_home / "images" / "a"
    assert not cache_home.exists(), "asking makes nothing"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ana")
    assert cache.folder("images") == Path("/home/ana/.cache/kubeup/images")


def test_a_tree_is_its_content(tmp_path: Path) -> None:
    files = {"main.py": "print()", "lib/util.py": ""}
    first = cache.tree_digest(write(tmp_path / "a", files))
    assert cache.tree_digest(write(tmp_path / "b", files)) == first, "not where it lies"
    assert cache.tree_digest(write(tmp_path / "c", {**files, "main.py": "print(1)"})) != first
    assert (
        cache.tree_digest(write(tmp_path / "d", {"main.py": "print()", "lib/other.py": ""}))
        != first
    ), "names count"
    assert cache.tree_digest(write(tmp_path / "e", {**files, "new": ""})) != first


def test_the_right_to_execute_counts_and_the_time_does_not(tmp_path: Path) -> None:
    root = write(tmp_path, {"run.sh": "#!/bin/sh\n"})
    first = cache.tree_digest(root)
    os.utime(root / "run.sh", (1, 1))
    assert cache.tree_digest(root) == first
    (root / "run.sh").chmod(0o755)
    assert cache.tree_digest(root) != first


@pytest.mark.parametrize(
    "path", ["__pycache__/a.pyc", "lib/.mypy_cache/x", "tests/test_a.py", "lib/tests/x.py"]
)
def test_excluded_folders_do_not_count(tmp_path: Path, path: str) -> None:
    root = write(tmp_path, {"main.py": "1"})
    first = cache.tree_digest(root, but=("tests",))
    write(root, {path: "x"})
    assert cache.tree_digest(root, but=("tests",)) == first


def test_one_file_is_a_tree_too(tmp_path: Path) -> None:
    write(tmp_path, {"a": "1", "b": "1"})
    assert cache.tree_digest(tmp_path / "a") != cache.tree_digest(tmp_path / "b")


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_digests_are_equal_only_for_equal_parts(one: list[str], other: list[str]) -> None:
    assert (cache.digest(*one) == cache.digest(*other)) == (one == other)


def test_a_digest_stays_the_same_in_every_release() -> None:
    assert cache.digest("a", b"b") == cache.digest("a", "b") == "facdde7abf1eac5b"
    assert cache.digest("ab") != cache.digest("a", "b")


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "made" / "thing"

    def broken() -> None:
        with cache.made_whole(target) as work:
            (work / "half").write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        broken()
    assert [path.name for path in target.parent.iterdir()] == [".thing.lock"]
    with cache.made_whole(target) as work:
        (work / "file").write_text("whole")
        assert not target.exists()
    assert (target / "file").read_text() == "whole"


def test_makers_wait_for_each_other_and_the_first_one_stays(tmp_path: Path) -> None:
    target, inside, most, together = tmp_path / "thing", 0, 0, threading.Barrier(4)

    def make(number: int) -> None:
        nonlocal inside, most
        together.wait(5)
        with cache.made_whole(target) as work:
            inside += 1
            most = max(most, inside)
            (work / f"by-{number}").touch()
            threading.Event().wait(0.01)
            inside -= 1

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most == 1
    assert len(list(target.iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".thing.lock", "thing"]


@pytest.fixture
def strict() -> Iterator[None]:
    """A user who lets nobody see what they make."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_whole_can_be_read_by_everybody(tmp_path: Path, strict: None) -> None:
    target = tmp_path / "made" / "thing"
    with cache.made_whole(target) as work:
        write(work, {"bin/program": "", "text": ""})
        (work / "bin" / "program").chmod(0o700)
        (work / "elsewhere").symlink_to(tmp_path / "nowhere")
    assert [
        mode(path) for path in (target, target / "bin", target / "bin" / "program", target / "text")
    ] == [0o755, 0o755, 0o755, 0o644]
    assert mode(target.parent) == 0o700, "the rest stays the user's business"


def test_a_build_context(tmp_path: Path, cache_home: Path, strict: None) -> None:
    program = write(tmp_path, {"program": "elf"}) / "program"
    program.chmod(0o700)
    with cache.context({"Containerfile": "FROM scratch"}, {"bin/kubectl": program}) as context:
        assert context.parent == cache_home / "contexts"
        assert (context / "Containerfile").read_text() == "FROM scratch"
        assert (context / "bin" / "kubectl").samefile(program)
        names = ("Containerfile", "bin", "bin/kubectl")
        assert [mode(context / name) for name in names] == [0o644, 0o755, 0o755]
    assert not context.exists() and program.exists()


def test_a_file_that_can_not_be_linked_is_copied(
    tmp_path: Path, cache_home: Path, strict: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    program = write(tmp_path, {"program": "elf"}) / "program"
    program.chmod(0o700)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with cache.context({}, {"program": program}) as context:
        assert (context / "program").read_text() == "elf" and mode(context / "program") == 0o755
    assert mode(program) == 0o700


def test_a_cache_that_engines_can_not_be_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a:b", "$HOME", "a\nb", "\udcff"):
        monkeypatch.setenv("XDG_CACHE_HOME", f"/srv/{name}")
        error = error_of(cache.folder, "images")
        assert error.what.endswith("has a colon or a variable in its name")
        error.what.encode()
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # a volume's name to podman -v
    assert cache.folder("images") == Path("/home/ana/.cache/kubeup/images")


def test_private_files(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    write_private(path, "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    write_private(path, "two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o600)
    write_private(path, "three", 0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["secret"]


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    write_private(path, "old")

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_private(path, "new")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["secret"]
