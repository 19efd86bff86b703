"""Which profile is meant, and where it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeup.settings import Loaded, load

Load = Callable[..., Loaded]
TWO = (
    "settings:\n  env: one\n  users:\n    one: {cluster_name: first}\n    two: "
    "{cluster_name: second}\n"
)


@pytest.mark.parametrize(
    ("profile", "environ", "name"),
    [
        (None, {}, "first"),
        (None, {"KUBEUP_ENV": "two"}, "second"),
        ("one", {"KUBEUP_ENV": "two"}, "first"),
    ],
)
def test_the_callers_word_then_the_variable_then_the_file(
    load_text: Load, profile: str | None, environ: dict[str, str], name: str
) -> None:
    assert load_text(TWO, profile=profile, environ=environ).require().cluster_name == name


def test_without_env_it_is_dev(load_text: Load) -> None:
    assert load_text("settings: {users: {dev: {cluster_name: x}}}").require().profile == "dev"


def test_a_missing_profile_lists_those_there_are(load_text: Load) -> None:
    (problem,) = load_text(TWO.replace("env: one", "env: onne")).errors
    assert (problem.line, problem.column, problem.key) == (2, 8, "settings.env")
    assert (problem.found, problem.allowed, problem.hint) == (
        "no profile onne",
        "one, two",
        "did you mean one?",
    )


@pytest.mark.parametrize(
    ("more", "where"),
    [({"profile": "nine"}, "settings.yaml:4"), ({"environ": {"KUBEUP_ENV": "nine"}}, "KUBEUP_ENV")],
)
def test_a_missing_profile_asked_for_elsewhere(
    load_text: Load, more: dict[str, object], where: str
) -> None:
    (problem,) = load_text(TWO, **more).errors
    assert where in problem.where
    assert problem.allowed == "one, two"


@pytest.mark.parametrize("name", ["a b", "-a", "a-", "1", "", "ü", "a" * 41, "../x", "a/b"])
def test_a_bad_name(load_text: Load, name: str) -> None:
    (problem,) = load_text(TWO, profile=name).errors
    assert (problem.key, problem.where) == ("settings.env", "the profile asked for")
    assert "nodes are named after it" in problem.why


@pytest.mark.parametrize(
    ("env", "found"),
    [("on", "on, which YAML"), ("1.20", "1.20, which YAML"), ("[a]", "a list"), ("", "no value")],
)
def test_env_that_is_not_text(load_text: Load, env: str, found: str) -> None:
    (problem,) = load_text(TWO.replace("env: one", f"env: {env}")).errors
    assert (problem.line, problem.key) == (2, "settings.env")
    assert found in problem.found


@pytest.mark.parametrize(
    ("text", "key", "hint"),
    [
        ("setings: {}\n", "setings", "did you mean settings?"),
        ("settings: {envv: a, users: {dev: }}\n", "settings.envv", "did you mean env?"),
        ("settings: 1\n", "settings", ""),
        ("settings: {users: [a]}\n", "settings.users", ""),
        ("settings: {users: {dev: text}}\n", "settings.users.dev", ""),
    ],
)
def test_the_outline(load_text: Load, text: str, key: str, hint: str) -> None:
    problem = load_text(text).errors[0]
    assert (problem.line, problem.key, problem.hint) == (1, key, hint)


def test_an_empty_profile_has_every_default(load_text: Load) -> None:
    loaded = load_text("settings:\n  users:\n    dev:\n")
    assert loaded.problems == ()
    assert [node.name for node in loaded.require().nodes_list()] == [
        "dev-control",
        "dev-worker-1",
        "dev-worker-2",
    ]


class TestOneFileAProfile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "profiles").mkdir()
        (tmp_path / "profiles" / "lab.yaml").write_text("cluster_name: lab\n\nports: {api: 1}\n")
        (tmp_path / "settings.yaml").write_text(TWO)
        return tmp_path / "settings.yaml"

    def test_is_read_with_its_own_places(self, path: Path) -> None:
        (problem,) = load(path, "lab", environ={}).errors
        assert problem.where == f"{path.parent}/profiles/lab.yaml:3:14"

    def test_is_not_read_when_another_is_meant(self, path: Path) -> None:
        assert load(path, "one", environ={}).problems == ()

    def test_is_listed(self, path: Path) -> None:
        assert load(path, "nine", environ={}).errors[0].allowed == "one, two, lab"

    def test_the_same_name_in_both_places_names_both(self, path: Path) -> None:
        path.with_name("profiles").joinpath("two.yaml").write_text("cluster_name: other\n")
        (problem,) = load(path, "one", environ={}).errors
        assert problem.file == f"{path.parent}/profiles/two.yaml"
        assert f"{path}:5:5" in problem.found

    def test_a_link_to_itself(self, path: Path) -> None:
        loop = path.with_name("profiles") / "loop.yaml"
        loop.symlink_to(loop)
        (problem,) = load(path, "loop", environ={}).errors
        assert (problem.file, problem.found) == (str(loop), "too many levels of symbolic links")

    def test_suffices_without_users(self, path: Path) -> None:
        path.write_text("settings: {env: lab}\n")
        assert load(path, sets=["ports.api=31000"], environ={}).require().cluster_name == "lab"


@pytest.mark.parametrize("alike", ["One", "ONE", "o_ne", "o-ne"])
def test_profiles_whose_names_differ_too_little_are_refused_by_both_names(
    load_text: Load, alike: str
) -> None:
    first = "o-ne" if alike == "o_ne" else "o_ne" if alike == "o-ne" else "one"
    text = f"settings:\n  env: two\n  users:\n    {first}: {{}}\n    two: {{}}\n    {alike}: {{}}\n"
    (problem,) = load_text(text).errors
    assert (problem.line, problem.key) == (6, f"settings.users.{alike}")
    assert (
        f"the profile {first} (" in problem.found and "only in case, or in - and _" in problem.found
    )
    assert f"{first} or {alike}" in problem.hint


def test_so_is_one_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "My_App.yaml").write_text("{}")
    (tmp_path / "settings.yaml").write_text("settings:\n  env: my-app\n  users: {my-app: {}}\n")
    (problem,) = load(tmp_path / "settings.yaml", environ={}).errors
    assert problem.file.endswith("My_App.yaml") and "the profile my-app (" in problem.found
