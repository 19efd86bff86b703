"""Moving: what takes the right to write, and what follows from where an earlier run was cut off."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import (
    DESKTOP,
    access,
    by_id,
    error_of,
    holds,
    names,
    reach,
    settings,
    sid,
    sids,
    state,
    step,
)

from kubeup.cluster.providers.base import Machines
from kubeup.core import record
from kubeup.core.errors import KubeupError, Refused, UsageError
from kubeup.core.plan import plan_of, todo
from kubeup.core.record import CLUSTER, VM, Location
from kubeup.core.state import State, write_private
from kubeup.database import move
from kubeup.database import server as servers
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import Server, SqlError
from kubeup.database.service_state import ServiceState
from kubeup.database.transport import Container
from kubeup.database.version import Version
from kubeup.facts import manifests
from kubeup.facts.kubernetes import KubeWorkload
from kubeup.system import packages, secrets
from kubeup.workflows import choices, database, rollout
from kubeup.workflows import move as moving
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

pytestmark = pytest.mark.usefixtures("held_profile")

ALL = ["GRANT USAGE ON *.* TO `api`@`%`", "GRANT ALL PRIVILEGES ON `my\\_db`.* TO `api`@`%`"]
IN_CLUSTER, ON_MACHINE = Location(CLUSTER, "dev-worker-1"), Location(VM, "dev-worker-1")
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
    monkeypatch.setattr(DatabaseVm, "look", lambda _: ServiceState())
    write_private(made.state.kubeconfig, access())
    for image in made.images:
        write_private(image.archive, "made") if tmp_path in image.archive.parents else None
    return made


def test_the_right_to_write_goes_and_comes_back() -> None:
    (statement,) = move.reading(ALL)
    assert statement.startswith("REVOKE INSERT, UPDATE, DELETE, ") and statement.endswith(
        " ON `my\\_db`.* FROM `api`@`%`;\n"
    )
    assert "SELECT" not in statement
    assert move.reading(FROZEN) == []  # an earlier run has done it
    assert move.reading(["GRANT SELECT, INSERT, EVENT ON `a`.* TO `api`@`%`"]) == [
        "REVOKE INSERT, EVENT ON `a`.* FROM `api`@`%`;\n"
    ]
    assert (
        move.writing(FROZEN)
        == move.writing(ALL)
        == ["GRANT ALL PRIVILEGES ON `my\\_db`.* TO `api`@`%`;\n"]
    )


def test_a_user_who_may_everything_can_not_be_held(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move, "hosts", lambda *_: ["%"])
    monkeypatch.setattr(
        Server,
        "sql",
        lambda *_: "GRANT ALL PRIVILEGES ON *.* TO `api`@`%` IDENTIFIED BY PASSWORD '*AB'\n",
    )
    error = error_of(move.grants, project.server)
    assert isinstance(error, Refused) and "*AB" not in error.why


class Servers:
    """Schemas with their tables, by server: what Admit asks and makes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: dict[str, dict[str, set[str]]] = {}
        monkeypatch.setattr(
            servers, "tables", lambda server, schema: sorted(self.of(server).get(schema, ()))
        )
        monkeypatch.setattr(
            servers,
            "count",
            lambda server, schema: dict.fromkeys(servers.tables(server, schema), 7),
        )
        monkeypatch.setattr(Server, "sql", lambda server, text: self.sql(server, text))
        monkeypatch.setattr(move, "keep_root_local", lambda *_: self.held.update(closed={}))

    def of(self, server: Server) -> dict[str, set[str]]:
        return self.held.setdefault(str(server), {})

    def sql(self, server: Server, text: str) -> str:
        for line in text.splitlines():
            if made := re.match(r"CREATE TABLE (\w+)\.`(\w+)`", line):
                self.of(server).setdefault(made[1], set()).add(made[2])
            if gone := re.match(r"DROP DATABASE IF EXISTS (\w+)", line):
                self.of(server).pop(gone[1], None)
        return ""


def on(machine: str) -> Server:
    return Server(
        Container(lambda: reach(machine), machine, "kubeup-db"), "api", "api", Path(".env")
    )


def test_only_its_own_copy_is_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    held, source, one, other = (
        Servers(monkeypatch),
        on("dev-worker-1"),
        on("dev-worker-2"),
        on("dev-worker-3"),
    )
    held.of(source)["api"] = {"products"}
    move.Admit(source, one).run(print)
    held.of(one)["api"] = {"products"}  # copied, and cut off there
    move.Admit(source, one).run(print)

    held.of(other)["api"] = {
        "orders"
    }  # then the settings name another machine, which has data of its own
    error = error_of(move.Admit(source, other).run, print)
    assert isinstance(error, Refused) and "7 in orders" in error.why and "database.vm" in error.next
    held.of(other)["kubeup_move"] = {"copies_of_another"}
    assert isinstance(error_of(move.Admit(source, other).run, print), Refused)
    held.of(other).clear()
    move.Admit(source, other).run(print)
    assert (
        held.of(other)["kubeup_move"]
        == held.of(one)["kubeup_move"]
        == held.of(source)["kubeup_move"]
    )

    move.Tidy(one).run(print)  # in use from here on: nobody's copy
    assert "kubeup_move" not in held.of(one) and "closed" in held.held
    assert isinstance(error_of(move.Admit(source, one).run, print), Refused)


def test_where_a_move_is_on_record_the_target_is_looked_at_all_the_same(project: Project) -> None:
    record.change(project.state, target=ON_MACHINE)
    action = by_id(moving.plan(project, "vm"))["db/move-admit"].action
    assert isinstance(action, move.Admit)
    assert (str(action.source), str(action.target)) == (
        str(project.server_on("cluster")),
        str(project.server_on("vm")),
    )


def test_the_plan_of_a_move(project: Project) -> None:
    steps = moving.plan(project, "vm")
    assert [one for one in names(steps) if one.startswith("db/move")] == [
        "db/move-admit",
        "db/move-freeze",
        "db/move-copy",
        "db/move-switch",
        "db/move-see",
        "db/move-tidy",
        "db/move-stop",
    ]
    assert set(sids("db/vm-packages", "db/vm-image", "db/vm-service")) <= set(steps.ids)
    assert names(steps).index("db/vm-service") < names(steps).index("db/move-freeze"), (
        "nothing waits for a machine to be made"
    )
    needs = {str(step.id): names(step.needs) for step in steps}
    assert "db/vm-service" in needs["db/move-admit"]
    assert (needs["db/move-freeze"], needs["db/move-copy"], needs["db/move-switch"]) == (
        ["db/move-admit"],
        ["db/move-freeze"],
        ["db/move-copy"],
    )
    assert needs["db/move-see"] == ["db/move-switch"] and needs["db/move-tidy"] == needs[
        "db/move-stop"
    ] == ["db/move-see"]
    assert any(step.title == "copy 7 in products" for step in steps)
    assert steps.losses == ()


def test_a_machine_that_is_not_there_is_made_first(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(_: DatabaseVm) -> ServiceState:
        raise KubeupError("dev-db can't be reached", "no route", "")

    monkeypatch.setattr(DatabaseVm, "look", unreachable)
    made = plan_of(
        [step("local/network"), step("node/dev-db", "local/network")], holds("host/packages")
    )
    monkeypatch.setattr(database.up, "machines", lambda _: made)
    steps = by_id(database.on_machine(project))
    assert sid("node/dev-db") in steps["db/vm-packages"].needs
    monkeypatch.setattr(database.up, "machines", lambda _: plan_of())
    assert error_of(database.on_machine, project).what == "dev-db can't be reached"


def test_files_that_were_saved_from_a_machine_are_back_before_its_service_runs(
    project: Project,
) -> None:
    assert "data/restore" not in by_id(database.on_machine(project))
    write_private(project.state.saved_data("vm"), "saved")
    steps = by_id(database.on_machine(project))
    assert sid("data/restore") in steps["db/vm-service"].needs


@pytest.mark.parametrize("there", [True, False])
def test_an_image_that_the_machine_has_is_not_built_for_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(DatabaseVm, "look", lambda _: ServiceState(image=there))
    for image in project.images:
        image.archive.unlink(missing_ok=True)
    steps = by_id(database.on_machine(project))
    assert ("image/db" in steps) is not there and ("db/vm-image" in steps) is not there


def test_where_a_run_was_cut_off_decides(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moving.plan(project, "cluster").ids == ()
    record.change(project.state, target=ON_MACHINE)
    assert moving.plan(project, "cluster").ids == sids("db/move-thaw")
    assert sid("db/move-copy") in moving.plan(project, "vm").ids
    assert "inv db.move vm" in database.unfinished(project)

    record.change(project.state, target=None, database=ON_MACHINE, left=IN_CLUSTER)
    monkeypatch.setattr(moving, "_serves", lambda *_: True)
    assert moving.plan(project, "vm").ids == sids(
        "db/move-switch", "db/move-see", "db/move-tidy", "db/move-stop"
    )
    monkeypatch.setattr(moving, "_serves", lambda *_: False)
    assert moving.plan(project, "vm").ids == ()
    assert "still has the data" in error_of(moving.plan, project, "cluster").what
    assert isinstance(error_of(moving.plan, project, "moon"), UsageError)


@pytest.mark.parametrize("cut_off", ["a move of the database", "a change of passwords"])
def test_what_was_cut_off_stops_an_up_only_where_a_database_is_there_to_finish_it(
    project: Project, cut_off: str
) -> None:
    if cut_off == "a move of the database":
        record.change(project.state, target=ON_MACHINE)
    else:
        secrets.StagePasswords(project.state.secrets).run(print)
    database_runs = KubeWorkload("mysql", "db", 1, 1), KubeWorkload("api", "api", 1, 1)
    refused = error_of(
        rollout.password_steps,
        project,
        ClusterFacts(Machines(), answers=True, workloads=database_runs),
    )
    assert isinstance(refused, Refused) and refused.what == f"{cut_off} was interrupted"
    assert todo(rollout.password_steps(project, ClusterFacts(Machines()))) == []  # gone, or asleep
    assert (
        todo(
            rollout.password_steps(
                project, ClusterFacts(Machines(), answers=True, workloads=database_runs[1:])
            )
        )
        == []
    )
    record.change(project.state, database=ON_MACHINE)
    assert isinstance(
        error_of(rollout.password_steps, project, ClusterFacts(Machines(), answers=True)), Refused
    )


def test_the_side_that_was_left_goes_only_by_name(project: Project) -> None:
    assert isinstance(error_of(moving.dropping, project, "cluster"), UsageError)
    record.change(project.state, database=ON_MACHINE, left=IN_CLUSTER)
    assert "inv db.move vm --drop-old" in error_of(moving.dropping, project, "cluster").next
    plan = moving.dropping(project, "vm")
    assert (
        plan.ids == sids("db/drop-old", "db/dropped")
        and "before the move, on dev-worker-1" in plan.losses[0]
    )
    plan.steps[1].action.run(print)
    assert (project.record.database, project.record.left) == (ON_MACHINE, None)


def test_a_machine_that_was_left_goes_with_what_was_saved_of_it(project: Project) -> None:
    record.change(project.state, database=IN_CLUSTER, left=Location(VM, "dev-worker-2"))
    write_private(project.state.saved_data("vm"), "saved")
    plan = moving.dropping(project, "cluster")
    assert (
        plan.ids == sids("db/drop-saved", "db/drop-old", "db/dropped")
        and "on dev-worker-2" in plan.losses[0]
    )
    plan.steps[0].action.run(print)
    plan.steps[2].action.run(print)
    assert not project.state.saved_data("vm").exists() and project.record.left is None
    assert project.record.database == IN_CLUSTER


def test_the_settings_can_not_part_a_database_from_its_data(tmp_path: Path) -> None:
    made = Project(settings(tmp_path, "database: {on: cluster}"), state(tmp_path), DESKTOP)
    assert made.database_on == "cluster"
    record.change(made.state, database=ON_MACHINE)
    error = error_of(lambda: made.database_on)
    assert (
        isinstance(error, Refused)
        and "inv db.move cluster" in error.next
        and "database.on to vm" in error.next
    )
    assert Project(settings(tmp_path), made.state, DESKTOP).database_on == "vm"


def test_another_machine_is_no_way_to_an_empty_database(tmp_path: Path) -> None:
    one = Project(settings(tmp_path, "database: {on: vm}"), state(tmp_path), DESKTOP)
    choices.remember(one, sids("deploy/db"))
    assert one.record.database == ON_MACHINE
    for keys in ("database: {vm: worker-2}", "database: {address: 192.168.60.50}"):
        error = error_of(
            lambda keys=keys: Project(settings(tmp_path, keys), one.state, DESKTOP).database_on
        )
        assert isinstance(error, Refused) and "its data are on dev-worker-1" in error.what
    error = error_of(
        lambda: (
            Project(
                settings(tmp_path, "nodes: {workers: {count: 0}}"), one.state, DESKTOP
            ).database_on
        )
    )
    assert isinstance(error, Refused) and "do without dev-worker-1" in error.what
    for keys in (
        "database: {vm: worker-1}",
        "nodes: {database: {count: 1}}",
    ):  # a new machine beside them is not where they are
        assert (
            Project(settings(tmp_path, keys), one.state, DESKTOP).machine.place.node
            == "dev-worker-1"
        )


def test_a_machine_of_your_own_is_remembered_by_its_address(tmp_path: Path) -> None:
    one = Project(
        settings(tmp_path, "database: {on: vm, address: 192.168.60.50}"), state(tmp_path), DESKTOP
    )
    choices.remember(one, sids("deploy/db"))
    again = Project(settings(tmp_path), one.state, DESKTOP).machine
    assert (again.place.node, again.address, again.own_address) == (
        "dev-db",
        "192.168.60.50",
        "192.168.60.50",
    )


def test_what_was_decided_is_kept_beside_the_rest(project: Project) -> None:
    record.change(project.state, target=ON_MACHINE)
    choices.remember(project, sids("deploy/db"))
    kept = project.record
    assert (kept.target, kept.database) == (ON_MACHINE, IN_CLUSTER) and kept.provider


def test_the_machine_is_the_first_worker_a_named_node_or_one_of_your_own(tmp_path: Path) -> None:
    def machine(keys: str) -> tuple[str, str]:
        found = Project(settings(tmp_path, keys), state(tmp_path), DESKTOP).machine
        return found.place.node, found.address

    assert machine("") == ("dev-worker-1", "192.168.60.11")
    assert (
        machine("database: {vm: worker-2}")
        == machine("database: {vm: dev-worker-2}")
        == ("dev-worker-2", "192.168.60.12")
    )
    assert machine("database: {address: 192.168.60.50}") == ("dev-db", "192.168.60.50")
    assert (
        machine("nodes: {database: {count: 1}}")
        == machine("{nodes: {database: {count: 1}}, database: {vm: db}}")
        == ("dev-db", "192.168.60.9")
    )
    assert machine("{nodes: {database: {count: 1}}, database: {vm: worker-2}}") == (
        "dev-worker-2",
        "192.168.60.12",
    )


ONE, TWO = on("dev-worker-1"), on("dev-worker-2")


class Copied:
    """Two servers between which a dump goes, and what the copy is said to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sums: str = "sum", rows: int = 7) -> None:
        self.done, told = (
            list[str](),
            {(ONE, "api"): "sum", (TWO, "api"): "none", (TWO, "kubeup_new"): sums},
        )
        monkeypatch.setattr(Server, "session", lambda server: nullcontext(server))
        monkeypatch.setattr(servers, "version", lambda _: Version("8.4.3"))
        monkeypatch.setattr(servers, "checksums", lambda *of: told[of])
        monkeypatch.setattr(
            servers, "count", lambda _, schema: {"products": 7 if schema == "api" else rows}
        )
        monkeypatch.setattr(servers, "others", lambda *_: [])
        monkeypatch.setattr(move.Copy, "_load", lambda *_: self.done.append("load"))
        for name in ("prepare", "exchange"):
            monkeypatch.setattr(move.restore, name, lambda _, name=name: self.done.append(name))


def test_a_copy_with_other_rows_takes_nobodys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    for told, says in (
        ({"sums": "another"}, "a checksum differs"),
        ({"rows": 6}, "products: 6 rows of 7"),
    ):
        copied = Copied(monkeypatch, **told)
        assert error_of(move.Copy(ONE, TWO).run, print).why == says and copied.done == [
            "prepare",
            "load",
        ]
    copied = Copied(monkeypatch)
    move.Copy(ONE, TWO).run(print)
    assert copied.done == ["prepare", "load", "exchange"]


def test_connections_that_stay_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move, "KILL_SECONDS", -1.0)
    monkeypatch.setattr(Server, "rows", lambda *_: [["5", "api"], ["6", "root"]])
    assert "1 connections to" in error_of(move.end_connections, ONE).what


def test_only_a_connection_that_has_gone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(number: int) -> None:
        left = [[["5", "api"]], []]
        monkeypatch.setattr(Server, "rows", lambda *_: left.pop(0))
        monkeypatch.setattr(Server, "sql", lambda *_: raises(SqlError("no", "", "", number)))

    refused(move.NO_THREAD)
    move.end_connections(ONE)
    refused(1095)
    assert isinstance(error_of(move.end_connections, ONE), SqlError)


def raises(error: Exception) -> None:
    raise error


class Api:
    """What the API answers to a product, and what is found of it in the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int, found: str) -> None:
        answer = SimpleNamespace(status=status, json={"id": 5}, words=f"{status}")
        monkeypatch.setattr(moving.http, "ask", lambda *_, **__: answer)
        monkeypatch.setattr(Server, "sql", lambda *_: found)
        monkeypatch.setattr(moving.time, "sleep", lambda _: None)


@pytest.mark.parametrize(
    ("status", "found", "what"),
    [(503, "", "the API does not write on the new side"), (201, "0\n", "the API writes elsewhere")],
)
def test_a_move_is_proved_by_a_row(
    status: int, found: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Api(monkeypatch, status, found)
    assert error_of(moving.SeeTheApi(ONE, "http://ui", wait=0.05).run, print).what == what
    Api(monkeypatch, 201, "1\n")
    moving.SeeTheApi(ONE, "http://ui").run(print)


def test_a_side_in_use_is_not_dropped(project: Project) -> None:
    record.change(project.state, database=IN_CLUSTER, left=IN_CLUSTER)
    assert (
        error_of(moving.dropping, project, "cluster").what
        == "the record has one side both as in use and as left"
    )


def test_a_side_gets_its_certificate_before_its_name_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered = "\n---\n".join(
        f"{{kind: {kind}, metadata: {{name: {name}, labels: {{app: db}}}}}}"
        for kind, name in (
            *(("Service", "mysql-headless"), ("Secret", "mysecret"), ("Secret", "mysql-tls")),
            ("StatefulSet", "mysql"),
        )
    )
    one = SimpleNamespace(render=lambda: rendered)
    first, last = (
        [manifests.key(each) for each in manifests.documents(move._rendered(one, of_service))]  # type: ignore[arg-type]
        for of_service in (False, True)
    )
    assert first == ["Secret mysql-tls", "StatefulSet mysql"]
    assert last == ["Service mysql-headless", "Secret mysecret"]
