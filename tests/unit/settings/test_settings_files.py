"""Files that can't be read as settings: a problem that says so, at the right place, never an
exception.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from builders import error_of

from kubeup.core.errors import Refused, SettingsError
from kubeup.core.report import Report
from kubeup.settings import Loaded, load, tree
from kubeup.workflows import configuration

Load = Callable[..., Loaded]


def lines(loaded: Loaded) -> list[tuple[int, int, str]]:
    assert loaded.settings is None
    return [(problem.line, problem.column, problem.found) for problem in loaded.errors]


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (b"", (1, 1), "empty"),
        (b"# only a comment\n", (1, 1), "empty"),
        (b"---\n", (1, 1), "empty"),
        (b"\xef\xbb\xbf", (1, 1), "empty"),
        (b"- a\n- b\n", (1, 1), "no keys and values"),
        (b"settings:\n  env: d\x00v\n", (2, 9), "a NUL byte"),
        (b"settings:\n  env: caf\xe9\n", (2, 11), "byte 0xe9, which is not UTF-8"),
        ("settings:\n  é: \n".encode() + b"\xff", (3, 1), "byte 0xff, which is not UTF-8"),
        (b"settings:\n\tenv: dev\n", (2, 1), "a tab in the indentation"),
        (b"settings:\n  env: [dev\n", (3, 1), "not YAML"),
        (b"settings:\n  env: 'dev\n", (3, 1), "not YAML"),
        (b"settings:\n  env: *nobody\n", (2, 8), "not YAML"),
        (b"settings:\n  env: a: b\n", (2, 9), "not YAML"),
        (b"settings: {}\n---\nsettings: {}\n", (2, 1), "more than one document"),
        (b"settings: &a\n  env: *a\n", (2, 8), "inside the value that it refers to"),
        (b"[" * 5000, (1, 17), "deeper than 16"),
        (b"{" * 100_000, (1, 17), "deeper than 16"),
        (b"a: [" + b"1," * 6000 + b"]", None, "more than 5000 values"),
        (b" " * (256 * 1024 + 1), (0, 0), "too large"),
        (b"settings:\n  users: {dev: {}}\n? [a]\n: b\n", (3, 3), "a list or mapping as a key"),
        (
            b"settings:\n  env: dev\n  users:\n    dev: !!python/object:os.system {}\n",
            (4, 10),
            "a YAML tag",
        ),
    ],
)
def test_unreadable(
    load_text: Load, text: bytes, place: tuple[int, int] | None, found: str
) -> None:
    problem = load_text(text).errors[0]
    assert found in problem.found
    assert place is None or (problem.line, problem.column) == place


def test_a_tag_is_refused_also_where_the_rest_is_fine(load_profile: Load) -> None:
    assert [p.found for p in load_profile("ssh: {user: !name vagrant}").errors] == [
        "a YAML tag (!…)"
    ]


def test_an_alias_bomb_is_refused_at_once(load_text: Load) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problem = load_text("\n".join(rows)).errors[0]
    assert "more than 5000 values once its aliases are followed" in problem.found
    assert problem.line == 4


def test_small_aliases_and_merge_keys_work(load_text: Load) -> None:
    text = """
settings:
  env: dev
  users:
    base: &base
      ports: &ports {api: 31001, ui: 31002}
      cluster_name: shared
    dev:
      <<: *base
      cluster_name: own
"""
    settings = load_text(text).require()
    assert (settings.cluster_name, settings.ports.api) == ("own", 31001)


@pytest.mark.parametrize("key", ["cluster_name", "provider"])
def test_duplicate_keys(load_profile: Load, key: str) -> None:
    (problem,) = load_profile(f"{key}: local\n\n{key}: local\n").errors
    assert (problem.line, problem.key) == (7, f"settings.users.dev.{key}")
    assert problem.found == "given twice, first in line 5"


def test_every_line_with_a_tab_is_named(load_text: Load) -> None:
    assert [place[:2] for place in lines(load_text("a:\n\tb: c\n  \td: e\n\n\t\n"))] == [
        (2, 1),
        (3, 3),
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    (problem,) = load(tmp_path / "none.yaml", environ={}).errors
    assert problem.file == str(tmp_path / "none.yaml")
    assert problem.found == "no such file or directory"
    assert problem.hint


def test_a_folder(tmp_path: Path) -> None:
    assert lines(load(tmp_path, environ={})) == [(0, 0, "is a directory")]


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert lines(load(tmp_path / "a", environ={})) == [(0, 0, "too many levels of symbolic links")]


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert lines(load(tmp_path / "file" / "x", environ={}))[0][2].startswith("not a directory")


def test_a_pipe_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert lines(load(tmp_path / "pipe", environ={})) == [(0, 0, "not a regular file")]


def test_a_path_with_a_nul_byte() -> None:
    assert lines(load(Path("a\0b"), environ={})) == [(0, 0, "a path with a NUL byte")]


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by chmod: the tests may run as root, who reads everything.
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kubeup.settings.source._bytes", refuse)
    assert lines(load(tmp_path / "settings.yaml", environ={})) == [(0, 0, "permission denied")]


def test_wrong_options_are_told_beside_an_unreadable_file(tmp_path: Path) -> None:
    found = load(tmp_path / "none.yaml", sets=["ports.api=1"], environ={}).errors
    assert {(problem.key, problem.found) for problem in found} == {
        ("", "no such file or directory"),
        ("ports.api", "1"),
    }


@pytest.mark.parametrize("loader", [yaml.SafeLoader, tree.LOADER])
@pytest.mark.parametrize(
    "secret",
    [
        "*hunter2",
        "!hunter2",
        "12345",
        "yes",
        "2024-01-01",
        "1.20",
        "{a: hunter2}",
        "'hunter2",
        "&hunter2 [}",
    ],
)
def test_no_message_shows_a_password(
    load_profile: Load, secret: str, loader: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two parsers word their complaints differently.
    monkeypatch.setattr(tree, "LOADER", loader)
    loaded = load_profile(f"ssh:\n  password: {secret}\n")
    assert loaded.errors
    words = secret.strip("*!'&{}[] ").replace("a: ", "").split()
    assert not any(words[0] in str(problem).split(":", 3)[3] for problem in loaded.problems)


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "settings.yaml"
    mine.write_text("mine")
    assert (
        isinstance(error_of(configuration.write_default, mine), Refused)
        and mine.read_text() == "mine"
    )
    configuration.write_default(tmp_path / "new" / "settings.yaml")
    assert (tmp_path / "new" / "settings.yaml").read_text().startswith("---\n# kubeup")


def test_a_file_with_errors_ends_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = tmp_path / "settings.yaml", Report(io.StringIO())
    monkeypatch.setattr(configuration, "_on_this_machine", lambda _: [])
    file.write_text("settings: {env: dev, users: {dev: {environment: test}}}\n")
    configuration.check_file(file, "", (), out, json=False)
    file.write_text("settings: {env: dev, users: {dev: {nodes: many}}}\n")
    assert isinstance(error_of(configuration.check_file, file, "", (), out, False), SettingsError)
