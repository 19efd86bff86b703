"""`down` is complete: what was made is looked for again, and what is not ours stays."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, OURS, by_id, error_of, settings, state, three
from engines import Podman, replayed, volume

from kubeup.cluster.providers.base import Needed
from kubeup.cluster.providers.vagrant import Vagrant
from kubeup.core import record
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.options import Options
from kubeup.core.record import Record
from kubeup.core.report import Report
from kubeup.core.state import write_private
from kubeup.core.things import Thing, of_kind
from kubeup.workflows import down
from kubeup.workflows.project import Project

pytestmark = pytest.mark.usefixtures("held_profile")
NODES = ("dev-control", "dev-worker-1")
MADE = (
    *(Thing("container", node, "podman") for node in NODES),
    *(Thing("volume", f"{node}-{kind}", "podman") for node in NODES for kind in ("data", "var")),
    Thing("network", "kubeup-dev", "podman"),
    Thing("rules", "kubeup-dev", "podman"),
)


@pytest.fixture
def podman(monkeypatch: pytest.MonkeyPatch) -> Podman:
    return replayed(monkeypatch)


@pytest.fixture
def project(tmp_path: Path, podman: Podman) -> Project:
    one = Project(settings(tmp_path), state(tmp_path), DESKTOP, "local")
    record.write(one.state, Record(provider="local", things=tuple(sorted(MADE))))
    write_private(one.state.kubeconfig, "")
    write_private(one.state.baseline, "")
    return one


def take_down(project: Project, data: bool = False) -> str:
    out = io.StringIO()
    down.take_down(project, Report(out), Options("down", yes=True), data)
    return out.getvalue()


def test_all_that_was_made_is_gone_but_data(project: Project, podman: Podman) -> None:
    said = take_down(project)
    assert podman.names == {"dev-control-data", "dev-worker-1-data", "podman"}
    assert podman.rules == "" and not project.state.kubeconfig.exists()
    assert not project.state.baseline.exists(), "another cluster is made anew"
    assert {thing.name for thing in project.record.things} == {
        "dev-control-data",
        "dev-worker-1-data",
    }
    assert "inv cache.show" in said, "what others share stays, and that is said"
    take_down(project, data=True)
    assert podman.names == {"podman"} and project.record == Record()
    assert "Nothing to do." in take_down(replace(project, stands_on=""), data=True)


@pytest.mark.parametrize("stuck", ["dev-worker-1", "dev-worker-1-var", "kubeup-dev"])
def test_what_is_still_there_is_an_error_and_stays_on_record(
    project: Project, podman: Podman, stuck: str
) -> None:
    """Whatever the engine said when it was to remove it."""
    podman.stuck.add(stuck)
    error = error_of(take_down, project)
    assert type(error) is KubeupError and stuck in error.why and stuck in error.next
    assert project.state.kubeconfig.exists() and project.record.provider == "local"
    assert stuck in {thing.name for thing in project.record.things}
    podman.stuck.clear()
    take_down(project)
    assert project.record.provider == "" and stuck not in podman.names


def test_rules_that_are_left_are_seen(
    project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = podman.write

    def write(*argv: str, **more: object) -> str:
        rules = podman.rules
        text = keep(*argv, **more)
        podman.rules = rules
        return text

    monkeypatch.setattr("kubeup.core.shell.write", write)
    assert "rules kubeup-dev" in error_of(take_down, project).why


def test_an_engine_that_does_not_answer_has_removed_nothing(
    project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time-out is no proof."""
    keep = podman.write

    def write(*argv: str, **more: object) -> str:
        podman.broken = "network" in argv
        return keep(*argv, **more)

    monkeypatch.setattr("kubeup.core.shell.write", write)
    assert "podman does not answer" in error_of(take_down, project).what
    assert project.record.provider == "local" and project.state.kubeconfig.exists()


def test_the_disk_of_a_node_that_was_never_finished_goes_and_its_data_stay(
    project: Project, podman: Podman
) -> None:
    """Killed between making a node's volumes and its container."""
    podman.containers = []
    take_down(project)
    assert podman.names == {"dev-control-data", "dev-worker-1-data", "podman"}


def test_rules_go_where_the_network_was_removed_by_hand(project: Project, podman: Podman) -> None:
    podman.networks = [row for row in podman.networks if row["name"] == "podman"]
    take_down(project)
    assert podman.rules == ""


@pytest.mark.parametrize(
    "labels", [{}, {"kubeup": "1", "kubeup.profile": "dev", "kubeup.project": "/another"}]
)
def test_labels_decide_not_names(project: Project, podman: Podman, labels: dict[str, str]) -> None:
    """Somebody else's container, volumes and network that are named like ours."""
    podman.networks[0]["labels"] = labels
    podman.containers[1]["Config"]["Labels"] = {"kubeup.profile": "dev", **labels}
    podman.volumes = [
        volume("dev-control-var"),
        volume("dev-worker-1-var", owner="/another"),
        volume("dev-worker-1-data", owner="/another"),
        volume("dev-worker-2-var", profile="other"),
    ]
    podman.images = []
    take_down(project, data=True)
    assert podman.names == {
        "dev-worker-1",
        "dev-worker-1-var",
        "dev-worker-1-data",
        "dev-worker-2-var",
        "kubeup-dev",
        "podman",
    }
    assert project.record.things == (), "ours are gone"


def test_anothers_volumes_under_our_node_stay(project: Project, podman: Podman) -> None:
    """Of a container that is ours, by a label of its own."""
    podman.volumes[0]["Labels"] = {}
    podman.volumes[1]["Labels"] = {"kubeup.profile": "dev", "kubeup.project": "/another"}
    take_down(project, data=True)
    assert podman.names == {podman.volumes[0]["Name"], podman.volumes[1]["Name"], "podman"}


def test_a_node_is_not_made_on_anothers_volume(project: Project, podman: Podman) -> None:
    """`up` would take it for the node's data, and remove it as its disk."""
    podman.containers, podman.volumes = [], [volume("dev-control-data", a="b")]
    make = by_id(project.provider.plan(three("missing"), Needed()))["node/dev-control"].action
    error = error_of(make.run, print)
    assert isinstance(error, Refused) and "dev-control-data is not this profile's" in error.what
    assert podman.ran == []


def test_a_network_of_an_earlier_kubeup_is_anothers_without_record_and_nodes(
    project: Project, podman: Podman
) -> None:
    """It bears no owner: another checkout's profile of this name may have it."""
    podman.containers, podman.volumes = [], []
    record.write(project.state, Record(provider="local"))
    take_down(project)
    assert podman.names == {"kubeup-dev", "podman"}


def test_what_another_provider_made_is_not_forgotten(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings name another one since: it alone can tell, and remove it."""
    machine = Thing("machine", "dev-control", "virtualbox")
    record.account(project.state, (machine,), ())
    monkeypatch.setattr(Vagrant, "standing", lambda self, things: of_kind(things, "machine"))
    assert str(machine) in error_of(take_down, project).why
    assert machine in project.record.things
    monkeypatch.setattr(Vagrant, "standing", lambda self, things: ())
    take_down(project)
    assert machine not in project.record.things


def test_a_new_network_says_whose_it_is(project: Project) -> None:
    from kubeup.cluster.providers.local.nodes import CreateNetwork

    local = project.provider
    (line,) = CreateNetwork(local.engine, "n", "10.0.0.0/24", local._labels).commands()  # type: ignore[attr-defined]
    assert f"--label kubeup=1 --label kubeup.profile=dev --label kubeup.project={OURS}" in line


def test_a_service_on_a_users_machine_is_not_forgotten(project: Project) -> None:
    """The record does not say any more where the database is, so nothing removes it."""
    service = Thing("service", "kubeup-db", "dev-db@192.168.1.9")
    record.account(project.state, (service,), ())
    assert "kubeup-db" in error_of(take_down, project, True).why
    assert service in project.record.things


def test_a_line_that_nobody_took_back_is_named(project: Project, tmp_path: Path) -> None:
    """Vagrant's, of a profile whose settings name another provider by now."""
    line = Thing("line", "* 192.168.60.0/24", str(tmp_path / "networks.conf"))
    Path(line.at).write_text("* 10.0.0.0/8\n* 192.168.60.0/24\n")
    record.account(project.state, (line,), ())
    take_down(project)
    assert line in project.record.things
    assert str(line) in error_of(take_down, project, True).why
    Path(line.at).write_text("* 10.0.0.0/8\n")
    take_down(project, True)
    assert project.record == Record()


def test_an_engine_that_was_uninstalled_is_not_asked_in_vain(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: None)
    one = replace(project, host=replace(DESKTOP, tools=frozenset()))
    assert "podman is not installed" in error_of(take_down, one).what
    assert project.record.provider == "local"
