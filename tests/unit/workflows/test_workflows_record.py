"""What is on record of a profile: never taken as empty."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, on_record, settings, sids, state, three

from kubeup.cluster.providers.base import NodeState
from kubeup.core import record
from kubeup.core import state as states
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.record import CLUSTER, NOTHING, VM, Location, Made, Record
from kubeup.core.shell import Output
from kubeup.core.state import State, write_private
from kubeup.settings.loading import Loaded
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import choices, cluster, down, loading, placement, removal
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project

pytestmark = pytest.mark.usefixtures("held_profile")

WHOLE = Record(
    provider="local",
    made=Made("build", "so", "hub", "so", "podman", "mysql 8.4"),
    database=Location(CLUSTER, "dev-worker-1"),
    left=Location(VM, "dev-db", "192.168.60.50"),
    target=Location(VM, "dev-worker-2", saved=True),
    passwords="/home/ana/kubeup/.env",
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def of(project: Project, keys: str) -> Project:
    """The same profile under other settings."""
    return Project(settings(project.state.folder.parent, keys), project.state, DESKTOP)


def test_all_of_it_is_read_as_it_was_written(project: Project) -> None:
    assert project.record == Record()
    record.write(project.state, WHOLE)
    assert (
        project.record == WHOLE
        and (project.state.folder / "state.json").stat().st_mode & 0o777 == 0o600
    )
    record.change(project.state, target=None)
    assert project.record == Record(
        provider="local",
        made=WHOLE.made,
        database=WHOLE.database,
        left=WHOLE.left,
        passwords=WHOLE.passwords,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{broken",
        "null",
        "[]",
        "\ufeff{}",
        '{"version": true}',
        '{"version": 1, "sauce": "build"}',
        '{"version": 1, "made": []}',
        '{"version": 1, "made": {"source": "guessed"}}',
        '{"version": 1, "made": {"server": 8}}',
        '{"version": 1, "database": {"side": "VM"}}',
        '{"version": 1, "database": {"side": 5}}',
        '{"version": 1, "database": "cluster"}',
        '{"version": 1, "provider": null}',
    ],
)
@pytest.mark.parametrize("name", ["state.json", "choices.json"])
def test_what_can_not_be_understood_is_not_empty(project: Project, name: str, text: str) -> None:
    path = project.state.folder / name
    write_private(path, text)
    for asked in (
        lambda: project.record,
        lambda: project.database_on,
        lambda: choices.remember(project, sids("node/dev-control")),
        lambda: record.change(project.state, provider=""),
    ):
        error = error_of(asked)
        assert isinstance(error, Refused) and error.what == f"{path} can't be understood"
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "write",
    [
        lambda state: record.write(state, WHOLE),
        lambda state: record.change(state, target=None),
        lambda state: record.relocate(state, CLUSTER, saved=True),
        lambda state: down.ForgetAccess(state).run(print),
    ],
)
def test_who_does_not_hold_the_profile_writes_nothing(
    tmp_path: Path, write: Callable[[State], object]
) -> None:
    other = replace(state(tmp_path), folder=tmp_path / "other")
    on_record(other, database=WHOLE.database)
    before = (other.folder / "state.json").read_bytes()
    error = error_of(write, other)
    assert error.what.endswith("lock is not held") and "a mistake in kubeup" in error.next
    assert (other.folder / "state.json").read_bytes() == before


def test_what_is_no_text_is_not_empty(project: Project) -> None:
    path = project.state.folder / "state.json"
    write_private(path, b"\xff{}")
    assert error_of(lambda: project.record).what == f"{path} can't be understood"
    assert path.read_bytes() == b"\xff{}"


def test_a_folder_in_the_place_of_what_decides_is_not_nothing(tmp_path: Path) -> None:
    (tmp_path / "admitted.json").mkdir()
    error = error_of(states.read_json, tmp_path / "admitted.json", "put it back")
    assert isinstance(error, Refused) and error.next == "put it back"


def test_a_document_says_of_which_version_it_is(project: Project) -> None:
    write_private(project.state.folder / "state.json", "{}")
    assert isinstance(error_of(lambda: project.record), Refused)


def test_nothing_begins_with_one_that_can_not_be_understood(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_private(project.state.folder / "state.json", "{broken")
    monkeypatch.setattr(states, "of", lambda _: project.state)
    assert (
        "can't be understood" in error_of(load, project.state.folder.parent / "settings.yaml").what
    )


def test_a_folder_in_its_place_is_not_empty(project: Project) -> None:
    (project.state.folder / "state.json").mkdir(parents=True)
    assert isinstance(error_of(lambda: project.record), Refused)


def test_a_newer_kubeup_s_is_left_to_it(project: Project) -> None:
    write_private(project.state.folder / "state.json", '{"version": 2, "tomorrow": []}')
    assert error_of(lambda: project.record).what.endswith("was written by a newer kubeup")


def test_changes_side_by_side_lose_none(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    record.write(project.state, WHOLE)
    read = record.read

    def slowly(one: State) -> Record:
        found = read(one)
        time.sleep(0.05)  # as long as others may write
        return found

    monkeypatch.setattr(record, "read", slowly)
    changes = [{"provider": ""}, {"target": None}, {"left": None}, {"passwords": ""}]
    with ThreadPoolExecutor(len(changes) + 1) as pool:
        moved = pool.submit(record.relocate, project.state, CLUSTER, saved=True)
        list(pool.map(lambda values: record.change(project.state, **values), changes))
        moved.result()
    assert project.record == Record(
        made=WHOLE.made, database=Location(CLUSTER, "dev-worker-1", saved=True)
    )


def test_data_forgotten_by_name_are_forgotten_alone(project: Project) -> None:
    record.write(project.state, WHOLE)
    down.ForgetAccess(project.state).run(print)
    assert project.record.database == WHOLE.database and project.record.provider == ""
    down.ForgetAccess(project.state, data=True).run(print)
    assert project.record == Record(made=NOTHING)


def test_the_database_stays_on_its_node(project: Project) -> None:
    choices.remember(project, sids("deploy/db"))
    assert project.record.database == Location(CLUSTER, "dev-worker-1")
    fewer = of(project, "nodes: {workers: {count: 0}}")
    assert fewer.place.node == "dev-worker-1"
    error = error_of(lambda: fewer.database_on)
    assert (
        isinstance(error, Refused)
        and error.what == "the settings do without dev-worker-1, which has the database's data"
    )
    record.relocate(project.state, CLUSTER, saved=True)
    assert (fewer.database_on, fewer.place.node) == (CLUSTER, "dev-control"), (
        "its files wait for another node"
    )


VAGRANT = "provider: vagrant"


@pytest.mark.parametrize("known", [Location(CLUSTER, "dev-worker-1"), Location(CLUSTER)])
def test_fewer_workers_do_not_lose_the_data_of_one(
    project: Project, known: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saved from the control plane, which never had them, they would be gone with the machines."""
    record.change(project.state, database=known)
    fewer = of(project, f"{{{VAGRANT}, nodes: {{workers: {{count: 0}}}}}}")
    surplus = [NodeState(f"dev-worker-{number}", "worker", "", "surplus") for number in (1, 2)]
    nodes = three().nodes[:1] + tuple(surplus)
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three().__class__(nodes)))
    monkeypatch.setattr(Kubectl, "look", told(Output(0, "dev-worker-1", "")))
    error = error_of(down.down, fewer, False)
    assert (
        isinstance(error, Refused)
        and "do without dev-worker-1" in error.what
        and "inv down --data" in error.next
    )


def told(answer: Output | KubeupError) -> Callable[..., Output]:
    def look(*_: object) -> Output:
        if isinstance(answer, KubeupError):
            raise answer
        return answer

    return look


def test_where_nobody_tells_which_node_has_the_data_nothing_goes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.change(project.state, database=Location(CLUSTER))
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three()))
    monkeypatch.setattr(Kubectl, "look", told(Output(1, "", "connection refused")))
    assert "not on record which node" in error_of(down.save_steps, of(project, VAGRANT)).what


@pytest.mark.parametrize("known", [Location(CLUSTER, "dev-worker-2"), Location(CLUSTER)])
def test_the_node_with_the_data_is_not_removed(
    project: Project, known: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.change(project.state, database=known)
    monkeypatch.setattr(type(project.provider), "observe", lambda *_: three())
    monkeypatch.setattr(Kubectl, "look", told(Output(0, "dev-worker-2", "")))
    assert (
        "the database's volume lies on dev-worker-2"
        in error_of(removal.remove, project, "dev-worker-2").what
    )


def test_what_an_older_kubeup_has_done_since_is_not_passed_over(project: Project) -> None:
    """It knows nothing of the record, and goes on with a file of its own."""
    record.change(project.state, database=Location(CLUSTER, "dev-worker-1"))
    earlier = project.state.folder / "choices.json"
    write_private(earlier, '{"database": "cluster"}')
    assert project.record.database == Location(CLUSTER, "dev-worker-1")
    write_private(earlier, '{"database": "vm", "machine": "dev-worker-2", "kept": "cluster"}')
    error = error_of(lambda: project.record)
    assert (
        isinstance(error, Refused)
        and "older kubeup" in error.why
        and "inv state.repair" in error.next
    )


def test_a_machine_that_is_not_there_has_no_database(tmp_path: Path) -> None:
    """Of minikube's nodes nobody knows the names before."""
    wanted = settings(tmp_path, "{provider: minikube, database: {vm: other}}")
    names = ("minikube", "minikube-m02")
    error = error_of(placement.machine, wanted, Record(), names, "minikube")
    assert isinstance(error, Refused) and error.why == "there are: minikube, minikube-m02"


def test_settings_that_do_not_fit_this_machine_are_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = project.settings.error("provider", "local")
    monkeypatch.setattr(loading, "problems", lambda _: [wrong])
    loading._refuse(project, Loaded(project.settings, (wrong,)))
    assert error_of(loading._refuse, project, Loaded(project.settings)).why == str(wrong)
