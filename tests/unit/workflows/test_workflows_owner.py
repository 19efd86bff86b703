"""Whose a profile's folder is: two profiles whose names differ too little never share it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, settings, state

from kubeup.core import lock
from kubeup.core import state as states
from kubeup.core.errors import Refused
from kubeup.core.report import Report
from kubeup.core.state import State
from kubeup.workflows import choices, configuration
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Settings with the profile My_App alone, in a folder of state that my-app has used before."""
    file = tmp_path / "settings.yaml"
    file.write_text(
        f"settings:\n  env: My_App\n  users:\n    My_App: {{state_dir: {tmp_path}}}\n",
        encoding="utf-8",
    )
    before = State(tmp_path / "my-app", tmp_path / "key", tmp_path / "key.pub")
    states.claim(before, "my-app")
    return file


def test_the_first_change_says_whose_it_is(tmp_path: Path) -> None:
    one = Project(settings(tmp_path, profile="My_App"), state(tmp_path), DESKTOP)
    states.require_own(one.state, "My_App")
    assert not one.state.folder.exists(), "who only looks leaves nothing"
    for _ in range(2):
        with lock.profile(one.state.folder, "up"):
            choices.remember(one)
        assert (one.state.folder / "profile").read_text() == "My_App\n"
    other = Project(settings(tmp_path, profile="my-app"), one.state, DESKTOP)
    with lock.profile(one.state.folder, "up"):
        assert isinstance(error_of(choices.remember, other), Refused)


def test_another_programs_folder_is_none(tmp_path: Path) -> None:
    """`state_dir: /etc` and a profile named ssh would make kubeup write ssh's own files."""
    other = State(tmp_path / "ssh", tmp_path / "key", tmp_path / "key.pub")
    other.folder.mkdir()
    states.require_own(other, "ssh")
    (other.folder / "ssh_config").touch()
    error = error_of(states.require_own, other, "ssh")
    assert isinstance(error, Refused) and error.what == f"{other.folder} is not kubeup's"
    other.known_hosts.touch()  # written by hand for database.address
    states.require_own(other, "ssh")


@pytest.mark.parametrize("name", ["$HOME/keys", "a${IFS}b", "a\nHost *", "\udcff", "a\x9b31m"])
def test_what_programs_can_not_be_given_is_no_path(tmp_path: Path, name: str) -> None:
    one = settings(tmp_path)
    for wrong in (
        one.model_copy(update={"state_dir": name}),
        one.model_copy(update={"ssh": one.ssh.model_copy(update={"private_key_path": name})}),
    ):
        error = error_of(states.of, wrong)
        assert isinstance(error, Refused) and "can't be given to ssh" in error.what
        error.what.encode()


def test_a_colon_is_the_end_of_a_path_in_kubeconfig(tmp_path: Path) -> None:
    one = settings(tmp_path)
    assert isinstance(error_of(states.of, one.model_copy(update={"state_dir": "a:b"})), Refused)
    key = one.ssh.model_copy(update={"private_key_path": "/keys/a:b"})
    assert states.of(one.model_copy(update={"ssh": key})).private_key == Path("/keys/a:b")


@pytest.mark.parametrize("name", ["a $(b) '\" `c` {{ d }} 100% ü $", "a\\b", "#{e}"])
def test_names_that_are_rare_are_paths(tmp_path: Path, name: str) -> None:
    one = settings(tmp_path).model_copy(update={"state_dir": name})
    assert states.of(one).folder == states.PROJECT / name / "dev"


def test_every_task_and_the_check_refuse_a_folder_that_is_anothers(
    written: Path, tmp_path: Path
) -> None:
    for task in (
        lambda: load(written, environ={}),
        lambda: load(written, environ={}, strict=False),
        lambda: configuration.check_file(written, "", (), Report(io.StringIO()), json=False),
    ):
        error = error_of(task)
        assert (
            isinstance(error, Refused)
            and error.what == "the profiles my-app and My_App would share nodes, data and state"
        )
        assert str(tmp_path / "my-app" / "profile") in error.why
    # what is advised for another name of the same
    (tmp_path / "my-app" / "profile").write_text("My_App\n")
    states.require_own(State(tmp_path / "my-app", tmp_path / "key", tmp_path / "key.pub"), "My_App")


def test_an_owner_that_can_not_be_read_is_nobody_elses_leave(written: Path, tmp_path: Path) -> None:
    (tmp_path / "my-app" / "profile").write_text("")
    assert isinstance(error_of(load, written), Refused)
