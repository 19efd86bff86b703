"""A database that an older kubeup left open is closed, in an order that nobody is locked out by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import scenarios
from builders import (
    DESKTOP,
    by_id,
    error_of,
    names,
    on_record,
    settings,
    sid,
    sids,
    state,
    three,
)
from scenarios import IN_CLUSTER, World, standing

from kubeup.application.apply import ApplyPart
from kubeup.core import record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.plan import Plan
from kubeup.core.record import VM, Location
from kubeup.core.shell import Output
from kubeup.database import access, machine, packet_filter
from kubeup.database.machine import DatabaseVm
from kubeup.database.machine_service import Run
from kubeup.database.service_state import ServiceState
from kubeup.facts.kubernetes import KubeWorkload
from kubeup.inspect import doctor
from kubeup.system import ssh, tls
from kubeup.workflows import choices, cluster, rollout
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

ON_MACHINE = Location(VM, "dev-worker-1")
DEPLOYED = ("deploy/db", "deploy/api")
CLOSING = (*DEPLOYED, "db/root", "db/tls")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with scenarios.world(tmp_path) as there:
        yield there


def standing_project(world: World, keys: str = "", **known: Any) -> Project:
    one = world.project(keys)
    on_record(one.state, provider="local", **{"database": IN_CLUSTER, **known})
    tls.MakeCertificate(one.state.tls).run(print)
    world.passwords()
    world.access(one)
    return one


def up(world: World, one: Project, **facts: Any) -> Plan:
    """What `up` would do where nothing differs."""
    return world.up(one, three(), **{**standing(three()), **facts})


def of_database(plan: Plan) -> list[str]:
    return [name for name in names(plan) if name.startswith(("deploy/", "db/", "secrets/"))]


@pytest.mark.parametrize(
    ("scenario", "bring_up"),
    [(scenarios.left_open, ApplyPart), (scenarios.left_open_on_a_machine, Run)],
)
def test_the_server_offers_tls_then_the_api_demands_it_then_the_server(
    scenario: Any, bring_up: type, world: World
) -> None:
    plan = scenario(world)
    steps = by_id(plan)
    order = names(plan)
    on_machine = "db/vm-service" in order
    expected = ["secrets/certificate", *(["db/vm-service"] if on_machine else []), *CLOSING]
    assert [one for one in order if one in expected] == expected
    assert sid("deploy/db") in steps["deploy/api"].needs
    assert sids("db/root", "deploy/api") == steps["db/tls"].needs
    action = steps["db/tls"].action
    assert isinstance(action, access.RequireTls) and isinstance(action.bring_up, bring_up)


def test_one_that_was_cut_off_goes_on(world: World) -> None:
    """Deployed already as it is to be, also where the API does not stand."""
    one = standing_project(world)
    fallen = (KubeWorkload("api", "api", 1, 0),)
    for workloads in ((), fallen):
        plan = up(world, one, workloads=workloads)
        assert set(CLOSING) <= set(names(plan))
        assert "left the database open" in by_id(plan)["deploy/api"].reason


def test_once_it_is_closed_there_is_nothing_left(world: World) -> None:
    one = standing_project(world, guarded=True)
    assert of_database(up(world, one)) == []


def test_the_api_alone_is_not_sent_to_a_server_without_a_certificate(world: World) -> None:
    one = standing_project(world)
    seen = ClusterFacts(three(), **standing(three()))
    world.patch.setattr(cluster, "observe", lambda *_: seen)
    error = error_of(rollout.plan, one, ("api",))
    assert isinstance(error, Refused) and "`inv deploy.all`" in error.next
    world.changed("Secret mysecret")
    world.patch.setattr("kubeup.application.deploying.new_passwords", lambda _: False)
    assert "db/tls" not in names(rollout.plan(one, ("db",)))
    on_record(one.state, guarded=True)
    world.changed("Deployment api")
    world.patch.setattr("kubeup.application.deploying.new_passwords", lambda _: False)
    assert "deploy/api" in names(rollout.plan(one, ("api",)))


def test_a_certificate_that_ends_is_renewed_and_brought_everywhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = standing_project(world, guarded=True)
    monkeypatch.setattr(tls, "RENEWED", timedelta(days=366))
    plan = up(world, one)
    assert {"secrets/certificate", *DEPLOYED} <= set(names(plan))
    assert "db/tls" not in names(plan)
    assert by_id(plan)["deploy/db"].reason == "a certificate is made for it"
    assert not doctor._certificate(one).ok


def test_a_renewed_certificate_and_new_nodes_reach_a_machine(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = standing_project(world, "database: {on: vm}", database=ON_MACHINE, guarded=True)
    there = ServiceState(
        daemon=True,
        image=True,
        state="running",
        health="healthy",
        running_image=one.machine.image.reference,
        files=machine.checksums(one.machine.files()),
        containers={"kubeup-db": machine.FOLDER},
        filtered=True,
    )
    world.patch.setattr(DatabaseVm, "look", lambda _: there)
    world.patch.setattr("kubeup.workflows.up._look_at_machine", lambda _: there)
    assert "db/vm-service" not in names(up(world, one))
    fresh = [tls.CERTIFICATE, packet_filter.NAME]
    monkeypatch.setattr(tls, "RENEWED", timedelta(days=366))
    assert by_id(up(world, one))["db/vm-service"].reason == f"{fresh[0]} new or changed"


def test_what_begins_with_this_kubeup_begins_closed(tmp_path: Path, held_profile: None) -> None:
    one = Project(settings(tmp_path), state(tmp_path), DESKTOP)
    assert one.guarded and not one.record.guarded
    choices.remember(one, sids("node/dev-control"))
    assert one.record.guarded
    record.change(one.state, guarded=False)  # as an older one leaves it
    assert not one.guarded
    choices.remember(one, sids("deploy/db"))
    assert not one.record.guarded
    record.change(one.state, provider="", database=None)  # as `down --data` leaves it
    assert one.guarded
    record.change(one.state, left=ON_MACHINE)
    assert not one.guarded, "there are data of then"


def test_who_may_reach_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clients(keys: str) -> tuple[str, ...]:
        return Project(settings(tmp_path, keys), state(tmp_path), DESKTOP).machine.clients()

    nodes = tuple(f"192.168.60.{number}" for number in (10, 11, 12))
    assert clients("database: {on: vm}") == (*nodes, "10.244.0.0/16"), "pods of its own node"
    more = clients("{nodes: {workers: {count: 3}}, database: {on: vm}}")
    assert "192.168.60.13" in more, "a node that comes is let in"
    assert clients("{nodes: {database: {count: 1}}, database: {on: vm}}") == nodes
    own = "database: {on: vm, address: 10.0.0.5}"
    monkeypatch.setattr(ssh, "run", lambda *_, **__: Output(0, "10.0.0.3\n", ""))
    assert clients(own) == (*nodes, "10.0.0.3"), "nodes are behind this machine"
    monkeypatch.setattr(ssh, "run", lambda *_, **__: Output(0, "\n", ""))
    assert isinstance(error_of(clients, own), KubeupError)


def test_doctor_tells_of_one_that_is_open(world: World) -> None:
    one = standing_project(world)
    found = doctor._certificate(one)
    assert not found.ok and "root from everywhere" in found.what
    on_record(one.state, guarded=True)
    assert doctor._certificate(one).ok
    assert doctor._certificate(world.project("environment: other")).ok
