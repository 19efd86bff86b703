"""The ledger: what is made is on record before it is there, and off it once it is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import (
    DESKTOP,
    Do,
    Told,
    access,
    by_id,
    error_of,
    recorded,
    settings,
    state,
    step,
    three,
)
from engines import replayed

from kubeup.cluster.providers.base import Needed
from kubeup.cluster.providers.local import Local
from kubeup.cluster.providers.vagrant import Vagrant
from kubeup.cluster.providers.vagrant.networks import DisallowNetwork
from kubeup.cluster.providers.vagrant.networks_conf import allowing, line_for, without
from kubeup.core import ids, record
from kubeup.core.errors import Refused
from kubeup.core.plan import Plan, plan_of, todo
from kubeup.core.record import VM, Location, Record
from kubeup.core.runner import Journal, run
from kubeup.core.state import write_private
from kubeup.core.things import Thing
from kubeup.database.machine import DatabaseVm
from kubeup.database.machine_service import Drop
from kubeup.facts.containers import containers
from kubeup.system import kubeconfig
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import choices, down
from kubeup.workflows.project import Project

pytestmark = pytest.mark.usefixtures("held_profile")

NODE = Thing("container", "dev-control", "podman")
DISK = Thing("volume", "dev-control-data", "podman")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(settings(tmp_path), state(tmp_path), DESKTOP)


def on_record(one: Project) -> tuple[Thing, ...]:
    return record.read(one.state).things


def knowing(one: Project, *things: Thing) -> Project:
    record.write(one.state, Record(things=tuple(sorted(things))))
    return one


def carry_out(one: Project, plan: Plan) -> None:
    one.state.folder.mkdir(parents=True, exist_ok=True)
    run(
        plan,
        Told(),
        Journal(one.state.folder, "up"),
        ledger=lambda *both: record.account(one.state, *both),
    )


# the runner


def test_what_is_made_is_on_record_before_it_is_there(project: Project) -> None:
    seen = list[tuple[Thing, ...]]()
    make = step(
        "node/dev-control", action=Do(lambda: seen.append(on_record(project))), makes=(NODE, DISK)
    )
    carry_out(project, plan_of([make]))
    assert seen == [(NODE, DISK)] == [on_record(project)]


def test_what_was_cut_off_stays_on_record(project: Project) -> None:
    def fail() -> None:
        raise OSError("no room")

    error_of(
        carry_out, project, plan_of([step("node/dev-control", action=Do(fail), makes=(NODE,))])
    )
    assert on_record(project) == (NODE,)
    error_of(
        carry_out, project, plan_of([step("node/dev-control", action=Do(fail), removes=(NODE,))])
    )
    assert on_record(project) == (NODE,), "its removal failed"


def test_what_is_gone_is_off_the_record(project: Project) -> None:
    record.account(project.state, (NODE, DISK), ())
    carry_out(project, plan_of([step("node/dev-control", removes=(NODE,))]))
    assert on_record(project) == (DISK,)


def test_nothing_is_made_that_can_not_be_written_down(project: Project) -> None:
    write_private(project.state.folder / "state.json", "{broken")
    ran = list[str]()
    make = step("node/dev-control", action=Do(lambda: ran.append("it ran")), makes=(NODE,))
    assert isinstance(error_of(carry_out, project, plan_of([make])), Refused) and ran == []


# what the providers make, and take away again


def made(planned: Any) -> set[Thing]:
    return {thing for one in todo(planned) for thing in one.makes}


def removed(planned: Any) -> set[Thing]:
    return {thing for one in todo(planned) for thing in one.removes}


def test_down_takes_away_all_that_up_makes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the data, unless they are named."""
    local = Local(project.settings, project.state, DESKTOP)
    things = made(local.plan(three("missing"), Needed()))
    assert {thing.kind for thing in things} == {"container", "volume", "network", "rules"}
    nodes = containers(recorded("local/podman_inspect_nodes.json"))
    there = (*nodes, replace(nodes[1], name="dev-worker-2"))
    monkeypatch.setattr(Local, "_containers", lambda _: there)
    monkeypatch.setattr(Local, "_volumes", lambda _: [])
    replayed(monkeypatch)
    assert removed(local.destroy(data=True)) == things
    left = things - removed(local.destroy(data=False))
    assert {thing.name for thing in left} == {
        "dev-control-data",
        "dev-worker-1-data",
        "dev-worker-2-data",
    }


@pytest.mark.parametrize(
    ("keys", "thing", "setting"),
    [
        (
            "provider: vagrant",
            Thing("machine", "dev-control", "libvirt"),
            "vagrant: {provider: libvirt}",
        ),
        ("provider: minikube", Thing("profile", "mine", "minikube"), "minikube: {profile: mine}"),
    ],
)
def test_settings_that_lead_elsewhere_are_refused(
    tmp_path: Path, keys: str, thing: Thing, setting: str
) -> None:
    """Another set of machines would be made beside those that are there, and `down` would not
    see these.
    """
    one = knowing(Project(settings(tmp_path, keys), state(tmp_path), DESKTOP), thing)
    error = error_of(choices.refuse_unreachable, one)
    assert isinstance(error, Refused) and thing.name in error.what
    choices.refuse_unreachable(replace(one, settings=settings(tmp_path, f"{keys}\n{setting}")))


@pytest.mark.processes
def test_a_line_in_virtualbox_file_goes_with_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Project(settings(tmp_path, "provider: vagrant"), state(tmp_path), DESKTOP)
    vagrant, file = Vagrant(one.settings, one.state, DESKTOP), tmp_path / "networks.conf"
    monkeypatch.setattr("kubeup.cluster.providers.vagrant.networks.FILE", file)
    write_private(file, "* 10.0.0.0/8\n")
    (allow,) = todo(vagrant.host_steps())
    carry_out(one, plan_of([allow]))
    assert on_record(one) == (Thing("line", "* 192.168.60.0/24", str(file)),)
    assert todo(vagrant.destroy(data=False)) == []
    carry_out(one, plan_of(vagrant.destroy(data=True)))
    assert file.read_text() == "* 10.0.0.0/8\n" and on_record(one) == ()


def test_a_line_that_was_there_is_the_users_own(tmp_path: Path) -> None:
    network = settings(tmp_path).node_network
    text = f"# mine\n{line_for(network)}\n"
    assert without(text, line_for(network)) == text == allowing(text, network)
    file = tmp_path / "networks.conf"
    file.write_text(text)
    assert DisallowNetwork(line_for(network), file).already()


# down


def taken_down(one: Project, monkeypatch: pytest.MonkeyPatch, data: bool) -> Plan:
    monkeypatch.setattr(Local, "destroy", lambda self, data: [])
    return down.down(one, with_data=data)


def test_down_forgets_what_went_with_the_machines(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = (
        NODE,
        DISK,
        Thing("rules", "kubeup-dev", "podman"),
        Thing("service", "kubeup-db", "dev-db"),
    )
    one = knowing(project, *there)
    assert by_id(taken_down(one, monkeypatch, data=False))["cluster/access"].removes == (
        NODE,
        *there[2:],
    )
    assert by_id(taken_down(one, monkeypatch, data=True))["cluster/access"].removes == tuple(
        sorted(there)
    )
    record.write(one.state, Record(things=(DISK,)))
    assert not taken_down(one, monkeypatch, data=False)


def test_a_database_on_a_machine_of_the_users_goes_by_name_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Thing("service", "kubeup-db", "dev-db@192.168.1.9")
    keys = "{database: {on: vm, address: 192.168.1.9}}"
    one = knowing(Project(settings(tmp_path, keys), state(tmp_path), DESKTOP), service)
    record.change(one.state, database=Location(VM, "dev-db", "192.168.1.9"))
    assert not taken_down(one, monkeypatch, data=False)
    drop = by_id(taken_down(one, monkeypatch, data=True))["data/dev-db"]
    assert isinstance(drop.action, Drop) and drop.removes == (service,)
    assert drop.loses == (
        "the database's data on dev-db@192.168.1.9, and the backups that it made by itself"
    )
    assert drop.action.backups


def test_a_service_is_told_by_its_machine(project: Project) -> None:
    theirs = replace(project.machine, own_address="192.168.1.9")
    assert isinstance(theirs, DatabaseVm) and theirs.service.at == "dev-worker-1@192.168.1.9"
    assert project.machine.service == Thing("service", "kubeup-db", "dev-worker-1")


# a context in the user's own kubeconfig

USERS = """\
apiVersion: v1
kind: Config
current-context: kubeup-dev
contexts:
- {name: work, context: {cluster: work, user: ana}}
- {name: kubeup-dev, context: {cluster: kubeup, user: ana}}
clusters:
- {name: work, cluster: {server: https://work}}
- {name: kubeup, cluster: {server: https://192.168.60.10:6443}}
users:
- {name: ana, user: {token: t}}
"""


def test_down_takes_a_merged_context_out_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cluster that it alone has; a user of another context stays, and a copy of the
    file as it was.
    """
    file = tmp_path / "config"
    file.write_text(USERS)
    one = knowing(project, Thing("context", "kubeup-dev", str(file)))
    take = by_id(taken_down(one, monkeypatch, data=False))["cluster/context"]
    carry_out(one, plan_of([replace(take, needs=())]))
    assert (
        "work" in file.read_text()
        and "kubeup" not in file.read_text()
        and "ana" in file.read_text()
    )
    assert [path.read_text() for path in tmp_path.glob("config.kubeup-*")] == [USERS]
    assert take.action.already()  # type: ignore[attr-defined]


def test_a_context_stays_for_as_long_as_its_cluster(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = knowing(project, Thing("context", "kubeup-dev", str(tmp_path / "config")))
    going = step("node/remove")
    removal = replace(going, id=ids.profile_removal("dev"))
    monkeypatch.setattr(Local, "destroy", lambda self, data: [removal])
    planned = by_id(down.down(one, with_data=False))
    assert removal.id in planned["cluster/context"].needs


def test_a_users_link_to_a_kubeconfig_stays_and_the_copy_is_private(tmp_path: Path) -> None:
    file, link = tmp_path / "dotfiles" / "config", tmp_path / "config"
    file.parent.mkdir()
    file.write_bytes(USERS.encode() + b"\r\n")
    file.chmod(0o644)
    link.symlink_to(file)
    kubeconfig.TakeOut("kubeup-dev", link).run(print)
    assert link.is_symlink() and "kubeup" not in file.read_text()
    (copy,) = tmp_path.glob("config.kubeup-*")
    assert copy.read_bytes() == USERS.encode() + b"\r\n" and copy.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "not: a kubeconfig", "{broken", access("another")])
def test_a_file_without_it_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    assert kubeconfig.TakeOut("kubeup-dev", file).already() and file.read_text() == text
    assert kubeconfig.TakeOut("kubeup-dev", tmp_path / "none").already()


def test_a_merge_is_on_record_first(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    write_private(project.state.kubeconfig, access())
    monkeypatch.setattr(
        "kubeup.core.shell.read", lambda *_, **__: type("Output", (), {"stdout": USERS})
    )
    monkeypatch.setattr("kubeup.core.shell.write", lambda *_, **__: None)
    monkeypatch.setattr(
        kubeconfig,
        "write_private",
        lambda *_: error_of(lambda: None) if not on_record(project) else None,
    )
    kubeconfig.merge(
        Kubectl(tmp_path / "kubectl", project.state.kubeconfig, "kubeup-dev"), project.state
    )
    assert on_record(project) == (Thing("context", "kubeup-dev", str(file)),)
    assert ids.FORGET_CONTEXT.kind is ids.Kind.FORGET
