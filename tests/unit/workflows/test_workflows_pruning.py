"""What is freed of the cache: what no profile uses, and nothing that a command is at work with."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import DESKTOP, error_of, held_elsewhere, on_record, settings, state

from kubeup.cli import base
from kubeup.core import lock
from kubeup.core.errors import Refused, UsageError
from kubeup.core.options import Options
from kubeup.core.plan import plan_of
from kubeup.core.record import Made
from kubeup.core.report import Report
from kubeup.core.state import write_private
from kubeup.system import cache
from kubeup.workflows import converge, pruning, uses
from kubeup.workflows.project import Project

OLD, NEW = "images/ui-node-products-sha-1", "images/ui-node-products-sha-2"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    place = replace(state(tmp_path), folder=tmp_path / ".kubeup" / "dev")
    return Project(settings(tmp_path, "release: {source: build}"), place, DESKTOP)


def part(name: str, days: float = 0) -> Path:
    """Something in the cache that was last used so long ago."""
    path = cache.folder(name)
    write_private(path / "it", b"x" * 5000)
    touched(path, days)
    return path


def touched(path: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def prune(project: Project, older_than: str = "", every: bool = False, **more: bool) -> str:
    out = io.StringIO()
    options = Options("cache.prune", **{"yes": True, **more})
    pruning.prune(project, Report(out), options, older_than, every)
    return out.getvalue()


def test_what_was_not_used_for_long_goes(project: Project) -> None:
    old, new = part(OLD, days=31), part(NEW, days=29)
    said = prune(project)
    assert "free 1 of archives of images" in said
    assert not old.exists() and new.exists()
    assert not list(old.parent.glob(".*")), "nothing is left behind"
    prune(project, "4w")
    assert not new.exists()
    assert "Nothing to do." in prune(project, "0d")


def test_a_dry_run_and_a_no_free_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    old = part(OLD, days=31)
    said = prune(project, dry=True, commands=True)
    assert f"$ rm -r {old}" in said and old.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    error = error_of(lambda: prune(project, yes=False))
    assert isinstance(error, Refused) and old.exists()


def test_what_a_profile_uses_stays_whatever_its_age(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    used, other = part(OLD, days=99), part(NEW, days=99)
    monkeypatch.setattr(uses, "parts", lambda _: frozenset({OLD}))
    on_record(project.state, provider="local")
    uses.note(project)
    touched(used, 99)
    prune(project, every=True)
    assert used.exists() and not other.exists()
    assert f"{OLD}  " in shown(project) and "dev" in shown(project)
    # `down --data` leaves nothing that would use it
    on_record(project.state, provider="", made=Made())
    prune(project, every=True)
    assert not used.exists()


def shown(project: Project) -> str:
    out = io.StringIO()
    pruning.show(project, Report(out))
    return out.getvalue()


def test_a_record_that_can_not_be_understood_still_uses_what_it_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = part(OLD, days=99)
    monkeypatch.setattr(uses, "parts", lambda _: frozenset({OLD}))
    uses.note(project)
    touched(used, 99)
    write_private(project.state.folder / "state.json", "{broken")
    prune(project, every=True)
    assert used.exists()
    (note,) = cache.folder("used").glob("*.json")
    note.write_text("[]")
    assert isinstance(error_of(prune, project, "", True), Refused), "nor is a note"


def test_what_a_profile_of_an_earlier_kubeup_uses_is_not_guessed(project: Project) -> None:
    old = part(OLD, days=99)
    on_record(project.state, provider="local")
    error = error_of(prune, project)
    assert isinstance(error, Refused) and "`inv up --profile dev` notes it" in error.next
    assert "not noted yet" in shown(project) and old.exists()
    assert "not noted yet" in prune(project, every=True) and not old.exists()


def test_what_is_used_is_noted_by_whoever_changes_a_profile(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nothing has to be done, and not by who only looks."""
    for check in ("refuse_unreachable", "refuse_unrecorded"):
        monkeypatch.setattr(f"kubeup.workflows.choices.{check}", lambda _: None)
    path = part(next(iter(sorted(uses.parts(project)))), days=50)
    converge.carry_out(project, plan_of, Report(io.StringIO()), Options("up", dry=True))
    assert not cache.folder("used").exists()
    with lock.profile(project.state.folder, "a test"):
        converge.carry_out(project, plan_of, Report(io.StringIO()), Options("up"))
    assert time.time() - path.stat().st_mtime < 60
    on_record(project.state, provider="local")
    (use,) = uses.noted()
    assert use.profile == "dev" and uses.unnoted(project) == []


def test_all_that_a_profile_may_use_is_known(project: Project) -> None:
    """By the folders of the cache; a kind that is missing here would be freed under it."""
    kinds = {name.partition("/")[0] for name in uses.parts(project)}
    assert {"release", "images", "rootfs", "go", "manifests"} <= kinds <= set(pruning.KINDS)
    minikube = replace(
        project, settings=project.settings.model_copy(update={"provider": "minikube"})
    )
    assert any(name.startswith("tools/minikube-v") for name in uses.parts(minikube))
    root = project.provider.cached()[0].name
    assert f"rootfs/{root}" in uses.parts(project)


def test_nothing_is_freed_while_a_command_uses_the_cache(project: Project) -> None:
    old = part(OLD, days=31)
    with lock.beside_others(cache.folder(cache.LOCK)):
        assert isinstance(error_of(prune, project), Refused)
        prune(project, dry=True)
    assert old.exists()


def test_what_comes_into_use_while_the_question_stands_stays(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other commands don't wait for the answer."""
    old, new = part(OLD, days=31), part(NEW, days=31)

    def answer(*_: object) -> None:
        with lock.beside_others(cache.folder(cache.LOCK)):
            touched(old, 0)
            more.append(part("images/not-shown", days=31))

    more = list[Path]()
    monkeypatch.setattr(pruning, "confirm", answer)
    prune(project)
    assert old.exists() and more[0].exists() and not new.exists()


def test_who_changes_a_profile_holds_the_cache(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(given: Options, strict: bool, first: Any, record: str) -> tuple[Any, Any]:
        if first:
            first(project.state)
        return project, None

    monkeypatch.setattr(base, "open_project", opened)
    old = part(OLD, days=31)
    with base.change_project(Options("up")):
        assert isinstance(error_of(prune, project), Refused)
    with base.change_project(Options("up", dry=True)):
        prune(project)
    assert not old.exists()


def test_what_is_being_made_is_left(project: Project) -> None:
    """By an earlier kubeup, which holds that alone."""
    old = part(OLD, days=31)
    with held_elsewhere(old.parent / f".{old.name}.lock", "up"):
        prune(project)
    assert old.exists()


def test_what_a_killed_command_has_left_goes_after_a_day(project: Project) -> None:
    half, context = part("images/.ui-sha-3.ab12", days=2), part("contexts/tmp1", days=2)
    fresh = part("images/.ui-sha-4.ab12", days=0.5)
    assert "a command that was cut off" in shown(project)
    prune(project)
    assert half.exists() and context.exists(), "they are not older than 30 days"
    prune(project, every=True)
    assert not half.exists() and not context.exists() and fresh.exists()


def test_what_it_does_not_know_stays(project: Project) -> None:
    kept = [part("beds/go-1", days=99), part("somebody", days=99)]
    write_private(cache.folder("pace.json"), "{}")
    prune(project, every=True)
    assert all(path.exists() for path in kept) and cache.folder("pace.json").exists()


@pytest.mark.parametrize("text", ["30", "d", "-1d", "1.5d", "30 d", "٣d", "30m", "9999999d"])
def test_what_is_no_age_is_refused(project: Project, text: str) -> None:
    assert isinstance(error_of(prune, project, text), UsageError)


def test_a_file_with_two_names_takes_its_room_once(tmp_path: Path) -> None:
    write_private(tmp_path / "a" / "one", b"x" * 50_000)
    (tmp_path / "a" / "two").hardlink_to(tmp_path / "a" / "one")
    assert 50_000 <= cache.taken(tmp_path / "a") < 90_000
    assert cache.taken(tmp_path / "a" / "one") >= 50_000
    assert cache.taken(tmp_path / "none") == 0
