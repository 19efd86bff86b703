"""Who changes something takes the profile's lock before anything that decides is read; who only
looks takes none.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke import Context, Exit

from kubeup.core import lock
from kubeup.system import machine, sealing
from tasks import namespace

WORDS = {"backup": "a.sql.zst", "name": "dev-worker-2", "to": "vm"}  # what tasks take beside flags
ONLY_BY_FLAG: dict[str, dict[str, Any]] = {
    "doctor": {"fix": True},
    "cluster.kubeconfig": {"merge": True},
    "cluster.addons": {"enable": "dashboard"},
    "cluster.snapshot": {"save": "before"},
}
TAKES = {
    name: list(inspect.signature(namespace[name].body).parameters) for name in namespace.task_names
}
OF_NO_PROFILE = ("cache.prune", "support")  # the one holds the cache, the other only looks
CHANGING = sorted(
    name
    for name, takes in TAKES.items()
    if ("dry" in takes or name in ONLY_BY_FLAG) and name not in OF_NO_PROFILE
)
PLANNING = sorted(name for name in CHANGING if "dry" in TAKES[name])
LOOKING = [
    "plan",
    "profiles",
    "cache.show",
    "cache.prune",
    "support",
    "status",
    "verify",
    "doctor",
    "cluster.addons",
    "cluster.snapshot",
    "cluster.kubeconfig",
    "config.show",
    "db.list",
    "deploy.diff",
    "deploy.status",
    "deploy.url",
    "images.list",
]


class Decided(Exception):
    """Something was looked at that decides."""


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a profile that another command holds."""
    settings = tmp_path / "settings.yaml"
    keys = f"{{state_dir: {tmp_path / 'state'}, images: {{prefix: ana}}}}"
    settings.write_text(f"settings: {{env: dev, users: {{dev: {keys}}}}}\n")
    monkeypatch.setenv("KUBEUP_SETTINGS", str(settings))

    def decide(*_: object, **__: object) -> None:
        raise Decided

    monkeypatch.setattr(machine, "observe", decide)
    monkeypatch.setattr("kubeup.core.record.read", decide)
    monkeypatch.setattr(sealing, "require_sops", lambda: None)
    folder = tmp_path / "state" / "dev"
    with lock.profile(folder, "another"):
        yield folder


def call(name: str, **more: Any) -> None:
    words = {word: value for word, value in WORDS.items() if word in TAKES[name]}
    namespace[name](Context(), **(words | more))


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(one): (one.stat().st_mtime_ns, one.read_bytes())
        for one in folder.rglob("*")
        if one.is_file()
    }


@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_something_is_refused_and_has_changed_nothing(
    name: str, held: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(held.parent)
    with pytest.raises(Exit) as end:
        call(name, **ONLY_BY_FLAG.get(name, {}))
    assert end.value.code == 3
    said = capsys.readouterr().err
    assert (
        "another kubeup command is running on this profile" in said and "another (process" in said
    )
    assert contents(held.parent) == before and len(before) == 1


@pytest.mark.parametrize("name", PLANNING)
def test_a_mere_plan_takes_no_lock(name: str, held: Path) -> None:
    with pytest.raises(Decided):
        call(name, **ONLY_BY_FLAG.get(name, {}), dry=True)


def test_what_is_at_work_is_named_though_the_record_can_not_be_read(
    held: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as end:
        call("state.stop", yes=True)
    assert end.value.code == 3 and "another (process" in capsys.readouterr().err


@pytest.mark.parametrize("name", LOOKING)
def test_who_only_looks_takes_none(name: str, held: Path) -> None:
    with pytest.raises(Decided):
        call(name)
