"""A record made anew: what follows from labels and data that are there, and what is refused
without one.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from builders import (
    DATA,
    DESKTOP,
    OURS,
    by_id,
    error_of,
    names,
    on_record,
    recorded,
    settings,
    state,
    step,
    unreachable,
)

from kubeup.cluster.providers.base import Trace
from kubeup.cluster.providers.kubeadm import HOLDING, held
from kubeup.cluster.providers.local import Local, disks
from kubeup.cluster.providers.vagrant import Vagrant
from kubeup.core import lock
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.options import Options
from kubeup.core.plan import plan_of
from kubeup.core.record import CLUSTER, VM, Location, Made, Record, Schedule
from kubeup.core.report import Report
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.core.things import Thing
from kubeup.facts.containers import Container, Volume, containers
from kubeup.system import ssh
from kubeup.workflows import choices, converge, repair, rollout, up
from kubeup.workflows.project import Project

ON_WORKER_1 = Location(CLUSTER, "dev-worker-1")


class There:
    """What is there of the profile on this machine; tests change it."""

    def __init__(self) -> None:
        self.containers: tuple[Container, ...] = ()
        self.owner = OURS
        self.data: dict[str, tuple[str, ...]] = {}
        self.told: dict[str, str] = {}  # by such a folder, of the database that wrote it
        self.machines: tuple[Trace, ...] = ()  # of vagrant

    def holding(self, node: str) -> tuple[tuple[str, str], ...]:
        return tuple((name, self.told.get(f"{node}/{name}", "")) for name in self.data[node])

    @property
    def volumes(self) -> list[Volume]:
        return [
            Volume(f"{name}-data", (("kubeup.profile", "dev"), ("kubeup.project", self.owner)))
            for name in self.data
        ]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> There:
    found = There()
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(Local, "_containers", lambda _: found.containers)
    monkeypatch.setattr(Local, "_volumes", lambda _: found.volumes)
    monkeypatch.setattr(Local, "_taken", lambda _: "")
    monkeypatch.setattr(Local, "_blocked", lambda *_: None)
    monkeypatch.setattr(Local, "_built", lambda _: "localhost/kubeup/node:1")
    monkeypatch.setattr(
        disks,
        "holding",
        lambda _engine, _image, volume, _names: found.holding(volume.removesuffix("-data")),
    )
    monkeypatch.setattr(Vagrant, "traces", lambda _: found.machines)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def without_record(project: Project) -> Project:
    return replace(project, state=replace(project.state, record=repair.NONE))


def two_nodes(owner: str = OURS) -> tuple[Container, ...]:
    return containers(recorded("local/podman_inspect_nodes.json").replace(OURS, owner))


def test_where_nothing_is_there_the_record_is_empty(project: Project, there: There) -> None:
    assert repair.look(without_record(project)) == repair.ProfileTraces((), Record())


def test_nodes_and_data_are_found_by_their_labels(project: Project, there: There) -> None:
    there.containers, there.data = two_nodes(), {"dev-control": (), "dev-worker-1": ("mysql",)}
    found = repair.look(without_record(project))
    names = [
        "container dev-control",
        "container dev-worker-1",
        "volume dev-control-data",
        "volume dev-worker-1-data",
    ]
    assert [str(one) for one in found.traces] == [f"{name} (podman)" for name in names]
    things = tuple(one.thing for one in found.traces)
    assert found.record == Record(
        provider="local", made=Made(engine="podman"), database=ON_WORKER_1, things=things
    )


def test_how_often_it_was_backed_up_is_told_by_the_last_run(
    project: Project, there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.data = {"dev-worker-1": ("mysql",)}
    ran = '{"began": "2026-01-02T03:04:05Z", "ok": true, "every": "6h", "keep": 5}'
    said = Output(0, f"now 2026-01-02T05:00:00Z\nlast {ran}\n", "")
    monkeypatch.setattr(ssh, "run_all", lambda nodes, *_, **__: {one.name: said for one in nodes})
    found = repair.look(without_record(project)).record
    assert found.schedule == Schedule("6h", 5, "2026-01-02T03:04:05Z")


def test_of_two_places_with_data_the_one_in_use_is_named(project: Project, there: There) -> None:
    there.data = {"dev-worker-1": ("mysql",), "dev-worker-2": ("mysql-vm",)}
    error = error_of(repair.look, without_record(project))
    assert (
        isinstance(error, Refused)
        and "dev-worker-1: the cluster; dev-worker-2: a machine of its own" in error.why
    )
    found = repair.look(without_record(project), "dev-worker-2").record
    assert (found.database, found.left) == (Location(VM, "dev-worker-2"), ON_WORKER_1)


def test_which_database_wrote_the_data_in_use_is_told_by_them(
    project: Project, there: There
) -> None:
    there.data = {"dev-worker-1": ("mysql",), "dev-worker-2": ("mysql-vm",)}
    there.told = {
        "dev-worker-1/mysql": "dictionary 0 1 98 80",
        "dev-worker-2/mysql-vm": "10.11.19-MariaDB",
    }
    assert repair.look(without_record(project), "dev-worker-1").record.made.server == "mysql 9.7"
    assert (
        repair.look(without_record(project), "dev-worker-2").record.made.server == "mariadb 10.11"
    )
    there.told = {}
    assert repair.look(without_record(project), "dev-worker-1").record.made.server == "", (
        "nobody tells"
    )


@pytest.mark.usefixtures("held_profile")
def test_after_a_repair_another_database_is_not_started_on_them(
    project: Project, there: There
) -> None:
    there.data, out = {"dev-worker-1": ("mysql",)}, io.StringIO()
    for told, words in (("dictionary 0 1 98 80", "MySQL 9.7"), ("", "unknown")):
        there.told = {"dev-worker-1/mysql": told}
        repair.repair(without_record(project), Report(out), yes=True)
        assert f"the database that wrote them: {words}" in out.getvalue()
        if told:
            # 8.4 is wanted
            assert (
                "the database's files are of MySQL 9.7"
                in error_of(rollout.data_steps, project, ()).what
            )
        else:
            assert by_id(rollout.data_steps(project, ()))["deploy/data"].action.check_origin  # type: ignore[attr-defined]


def test_a_profile_stands_on_one_provider(project: Project, there: There) -> None:
    there.containers, there.machines = (
        two_nodes(),
        (Trace(Thing("machine", "dev-control", "virtualbox"), OURS),),
    )
    assert "by local and vagrant" in error_of(repair.look, without_record(project)).what


def test_a_checkout_that_is_there_keeps_its_own(
    project: Project, there: There, tmp_path: Path
) -> None:
    for checkout in (tmp_path, unreachable(tmp_path)):
        there.containers = two_nodes(str(checkout))
        error = error_of(repair.look, without_record(project))
        assert isinstance(error, Refused) and f"{checkout} made it" in error.why


@pytest.mark.usefixtures("held_profile")
def test_one_that_is_gone_is_taken_over(project: Project, there: There) -> None:
    there.containers, there.owner, there.data = (
        two_nodes("/gone"),
        "/gone",
        {"dev-worker-1": ("mysql",)},
    )
    assert {node.state for node in project.provider.observe().nodes} == {"foreign", "missing"}
    repair.repair(without_record(project), Report(io.StringIO()), yes=True)
    again = Project(project.settings, project.state, DESKTOP)
    assert again.record.taken_over == ("/gone",) and again.place.node == "dev-worker-1"
    assert {node.state for node in again.provider.observe().nodes} == {"running", "missing"}
    assert names(again.provider._orphaned(set(), True)) == ["data/dev-worker-1"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("held_profile")
def test_what_could_not_be_understood_is_kept(project: Project, there: There) -> None:
    there.data = {"dev-worker-1": ("mysql",)}
    write_private(project.state.folder / "state.json", "{broken")
    write_private(project.state.folder / "choices.json", "[]")
    out = io.StringIO()
    assert (
        error_of(repair.repair, without_record(project), Report(out)).what
        == "confirmation needed, but standard input is not a terminal"
    )
    assert (project.state.folder / "state.json").read_text() == "{broken", "nobody said yes"
    repair.repair(without_record(project), Report(out), yes=True)
    assert project.record.database == ON_WORKER_1
    assert sorted(path.read_text() for path in project.state.folder.glob("*.json.2*")) == [
        "[]",
        "{broken",
    ]


def test_who_does_not_hold_the_profile_repairs_nothing(project: Project, there: There) -> None:
    write_private(project.state.folder / "state.json", "{broken")
    assert (
        "is not held"
        in error_of(repair.repair, without_record(project), Report(io.StringIO()), "", True).what
    )
    assert [path.name for path in project.state.folder.iterdir()] == ["state.json"], (
        "it was not set aside"
    )


def test_without_a_record_nothing_is_changed_but_by_name(project: Project, there: There) -> None:
    there.data = {"dev-worker-1": ("mysql",)}
    plan, out = plan_of([step("node/dev-control")]), Report(io.StringIO())
    for changing in (
        lambda: up.plan(project),
        lambda: converge.carry_out(project, lambda: plan, out, Options("cluster.start")),
    ):
        with lock.profile(project.state.folder, "cluster.start"):
            error = error_of(changing)
        assert (
            isinstance(error, Refused)
            and "volume dev-worker-1-data" in error.why
            and "inv state.repair" in error.next
        )
    on_record(project.state, database=ON_WORKER_1)
    choices.refuse_unrecorded(project)


@pytest.mark.processes
@pytest.mark.parametrize("broken", [False, True])
def test_what_can_not_be_read_is_not_nothing(tmp_path: Path, broken: bool) -> None:
    """By the script itself."""
    (tmp_path / "mysql").mkdir()
    (tmp_path / "mysql-vm").mkdir()
    shutil.copy(DATA / "db" / "folders" / "mysql-9.7.4" / "mysql.ibd", tmp_path / "mysql-vm")
    tools = tmp_path / "tools"
    tools.mkdir()
    if broken:
        (tools / "ls").write_text("#!/bin/sh\nexit 5\n")
        (tools / "ls").chmod(0o755)
    run = subprocess.run(
        ("sh", "-c", HOLDING, "holding", str(tmp_path), "mysql", "mysql-vm", "other"),
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{tools}:/usr/bin:/bin"},
    )
    found = [(name, told.split()) for name, told in held(run.stdout)]
    assert (run.returncode, found) == (
        (5, []) if broken else (0, [("mysql-vm", ["dictionary", "0", "1", "98", "80"])])
    )


def test_where_volumes_can_not_be_looked_into_nothing_is_written(
    project: Project, there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.data = {"dev-worker-1": ("mysql",)}
    monkeypatch.setattr(Local, "_built", lambda _: "")
    assert isinstance(error_of(repair.look, without_record(project)), KubeupError)
