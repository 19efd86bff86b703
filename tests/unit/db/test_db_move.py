"""Moving: what takes the right to write, and what follows from where an earlier run was cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, settings, state

from kubeup import database, moving, packages
from kubeup.db import move
from kubeup.db import server as servers
from kubeup.db.machine import Found, Machine
from kubeup.db.server import Server, Version
from kubeup.errors import Refused, UsageError
from kubeup.project import Project
from kubeup.state import State, change_choices, choices, write_private

ALL = ["GRANT USAGE ON *.* TO `api`@`%`", "GRANT ALL PRIVILEGES ON `my\\_db`.* TO `api`@`%`"]
FROZEN = ["GRANT USAGE ON *.* TO `api`@`%`", "GRANT SELECT, SHOW VIEW ON `my\\_db`.* TO `api`@`%`"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """One whose database answers, with 7 products, and whose machine is as it was found."""
    made = Project(settings(tmp_path), state(tmp_path), DESKTOP)
    write_private(tmp_path / ".env", "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    monkeypatch.setattr(packages, "missing", lambda _: ())
    monkeypatch.setattr(servers, "version", lambda _: Version("8.4.3"))
    monkeypatch.setattr(servers, "count", lambda *_: {"products": 7, "alembic_version": 1})
    monkeypatch.setattr(Machine, "look", lambda _: Found())
    write_private(made.state.kubeconfig, "there")
    for image in made.images:
        write_private(image.archive, "made") if tmp_path in image.archive.parents else None
    return made


def test_the_right_to_write_goes_and_comes_back() -> None:
    (statement,) = move.reading(ALL)
    assert statement.startswith("REVOKE INSERT, UPDATE, DELETE, ") and statement.endswith(" ON `my\\_db`.* FROM `api`@`%`;\n")
    assert "SELECT" not in statement
    assert move.reading(FROZEN) == []  # an earlier run has done it
    assert move.reading(["GRANT SELECT, INSERT, EVENT ON `a`.* TO `api`@`%`"]) == ["REVOKE INSERT, EVENT ON `a`.* FROM `api`@`%`;\n"]
    assert move.writing(FROZEN) == move.writing(ALL) == ["GRANT ALL PRIVILEGES ON `my\\_db`.* TO `api`@`%`;\n"]


def test_a_user_who_may_everything_can_not_be_held(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move, "hosts", lambda *_: ["%"])
    monkeypatch.setattr(Server, "sql", lambda *_: "GRANT ALL PRIVILEGES ON *.* TO `api`@`%` IDENTIFIED BY PASSWORD '*AB'\n")
    error = error_of(move.grants, project.server)
    assert isinstance(error, Refused) and "*AB" not in error.why


def test_the_plan_of_a_move(project: Project) -> None:
    steps = moving.plan(project, "vm")
    assert [one for one in steps.ids if one.startswith("db/move")] == [
        "db/move-admit", "db/move-freeze", "db/move-copy", "db/move-switch", "db/move-see", "db/move-tidy", "db/move-stop"]
    assert {"db/vm-packages", "db/vm-image", "db/vm-service"} <= set(steps.ids)
    assert steps.ids.index("db/vm-service") < steps.ids.index("db/move-freeze"), "nothing waits for a machine to be made"
    assert any(step.title == "copy 7 in products" for step in steps)
    assert steps.losses == ()


def test_where_a_run_was_cut_off_decides(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moving.plan(project, "cluster").ids == ()
    change_choices(project.state, {"copying": "vm"})
    assert moving.plan(project, "cluster").ids == ("db/move-thaw",)
    assert "db/move-copy" in moving.plan(project, "vm").ids
    assert "inv db.move vm" in database.unfinished(project)

    change_choices(project.state, {"copying": "", "database": "vm", "kept": "cluster"})
    monkeypatch.setattr(moving, "_serves", lambda *_: True)
    assert moving.plan(project, "vm").ids == ("db/move-switch", "db/move-see", "db/move-tidy", "db/move-stop")
    monkeypatch.setattr(moving, "_serves", lambda *_: False)
    assert moving.plan(project, "vm").ids == ()
    assert "still has the data" in error_of(moving.plan, project, "cluster").what
    assert isinstance(error_of(moving.plan, project, "moon"), UsageError)


def test_the_side_that_was_left_goes_only_by_name(project: Project) -> None:
    assert isinstance(error_of(moving.dropping, project, "cluster"), UsageError)
    change_choices(project.state, {"database": "vm", "kept": "cluster"})
    assert "inv db.move vm --drop-old" in error_of(moving.dropping, project, "cluster").next
    plan = moving.dropping(project, "vm")
    assert plan.ids == ("db/drop-old", "db/dropped") and "before the move, on dev-worker-1" in plan.losses[0]
    plan.steps[1].action.run(print)
    assert choices(project.state) == {"database": "vm"}


def test_the_settings_can_not_part_a_database_from_its_data(tmp_path: Path) -> None:
    made = Project(settings(tmp_path, "database: {on: cluster}"), state(tmp_path), DESKTOP)
    assert made.database_on == "cluster"
    change_choices(made.state, {"database": "vm"})
    error = error_of(lambda: made.database_on)
    assert isinstance(error, Refused) and "inv db.move cluster" in error.next and "database.on to vm" in error.next
    assert Project(settings(tmp_path), made.state, DESKTOP).database_on == "vm"


def test_what_was_decided_is_kept_beside_the_rest(project: Project) -> None:
    change_choices(project.state, {"copying": "vm"})
    project.remember_choices(("deploy/db",))
    kept = json.loads((project.state.folder / "choices.json").read_text())
    assert (kept["copying"], kept["database"]) == ("vm", "cluster") and kept["provider"]


def test_the_machine_is_the_first_worker_a_named_node_or_one_of_your_own(tmp_path: Path) -> None:
    def machine(keys: str) -> tuple[str, str]:
        found = Project(settings(tmp_path, keys), state(tmp_path), DESKTOP).machine
        return found.place.node, found.address

    assert machine("") == ("dev-worker-1", "192.168.60.11")
    assert machine("database: {vm: worker-2}") == machine("database: {vm: dev-worker-2}") == ("dev-worker-2", "192.168.60.12")
    assert machine("database: {address: 192.168.60.50}") == ("dev-db", "192.168.60.50")
