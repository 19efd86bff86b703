"""The profiles of a machine: by labels, whichever checkout made them, and what to type."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, on_record, recorded, settings, state, unreachable
from engines import Podman, replayed, volume

from kubeup.cluster.providers.local import disks
from kubeup.cluster.providers.minikube import Minikube
from kubeup.cluster.providers.vagrant import facts
from kubeup.core import lock
from kubeup.core.errors import KubeupError
from kubeup.core.options import Options
from kubeup.core.report import Report
from kubeup.core.state import State, write_private
from kubeup.core.things import Thing
from kubeup.facts.containers import volume_sizes
from kubeup.workflows import down, profiles, repair
from kubeup.workflows.profiles import Found
from kubeup.workflows.project import Project


@pytest.fixture
def podman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Podman:
    monkeypatch.setattr(Minikube, "home", tmp_path / ".minikube")
    monkeypatch.setattr(Minikube, "tool", None)
    monkeypatch.setenv("VAGRANT_HOME", str(tmp_path / ".vagrant.d"))
    return replayed(monkeypatch)


@pytest.fixture
def project(tmp_path: Path, podman: Podman) -> Project:
    place = replace(state(tmp_path), folder=tmp_path / ".kubeup" / "dev", ours=str(tmp_path))
    write_private(place.folder / "profile", "dev\n")
    on_record(place, provider="local")
    for row in podman.containers:
        row["Config"]["Labels"]["kubeup.project"] = str(tmp_path)
    podman.volumes = [volume(row["Name"], owner=str(tmp_path)) for row in podman.volumes]
    return Project(settings(tmp_path), place, replace(DESKTOP, tools=frozenset({"podman"})))


def shown(found: Found, *known: str) -> str:
    out = io.StringIO()
    profiles.show(found, Report(out), lambda name: name in known)
    return out.getvalue()


def row(found: Found, name: str) -> list[str]:
    (line,) = [line for line in shown(found).splitlines() if line.split()[:1] == [name]]
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_profile_with_what_it_has(project: Project, podman: Podman, tmp_path: Path) -> None:
    podman.containers[1]["State"]["Status"] = "exited"
    found = profiles.find(project)
    # four volumes of 1.5 GB
    assert row(found, "dev") == [
        "dev",
        "local",
        "1 running, 1 exited",
        "4.0 GiB",
        "5.6 GiB",
        str(tmp_path),
    ]
    assert profiles.data(found)["untold"] == {}


def test_one_that_is_down_is_known_by_its_folder_and_its_data(
    project: Project, podman: Podman
) -> None:
    podman.containers, podman.networks = [], []
    podman.volumes = podman.volumes[1:2]
    assert row(profiles.find(project), "dev")[2] == "none, volumes of data: 1"
    podman.volumes = []
    assert row(profiles.find(project), "dev")[2:4] == ["none", "-"]


def test_a_checkout_that_can_not_be_looked_at_is_not_gone(
    project: Project, podman: Podman, tmp_path: Path
) -> None:
    checkout = str(unreachable(tmp_path))
    for one in podman.containers:
        one["Config"]["Labels"] |= {"kubeup.project": checkout, "kubeup.profile": "old"}
    found = profiles.find(project)
    assert row(found, "old")[5] == checkout and "state.repair" not in shown(found)


def test_of_a_checkout_that_is_gone_it_says_what_to_type(project: Project, podman: Podman) -> None:
    for one in podman.containers:
        one["Config"]["Labels"] |= {"kubeup.project": "/gone", "kubeup.profile": "old"}
    found = profiles.find(project)
    assert row(found, "old")[5] == "/gone (gone)"
    assert "name a profile old in config/settings.yaml; then `inv state.repair" in shown(found)
    assert "over here: `inv state.repair --profile old`" in shown(found, "old")
    assert "`inv down --data --profile old`" in shown(found, "old")
    (gone,) = [one for one in profiles.data(found)["profiles"] if one["gone"]]  # type: ignore[attr-defined]
    assert gone["machines"] == {"dev-control": "running", "dev-worker-1": "running"}


@pytest.mark.parametrize("network", [{"kubeup": "1"}, {"kubeup.profile": "dev"}])
def test_what_it_says_to_type_clears_it(
    project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch, network: dict[str, str]
) -> None:
    """By a checkout that has never made anything, whatever an earlier kubeup labelled."""
    for row in (*podman.containers, *podman.volumes):
        row.get("Config", row)["Labels"]["kubeup.project"] = "/gone"
    owner = {} if "kubeup" in network else {"kubeup.project": "/gone"}
    podman.networks[0]["labels"] = {**network, **owner}
    monkeypatch.setattr(disks, "holding", lambda *_: ())
    silent = Report(io.StringIO())
    fresh = replace(project, state=replace(project.state, record="state.json.none"))
    with lock.profile(project.state.folder, "a test"):
        repair.repair(fresh, silent, yes=True)
        again = Project(project.settings, project.state, project.host, "local")
        assert [len(one.machines) for one in profiles.find(again).profiles] == [2], "taken over"
        down.take_down(again, silent, Options("down", yes=True), data=True)
    assert podman.names == {"podman"} and podman.rules == ""
    assert [one.checkout for one in profiles.find(again).profiles] == [project.state.ours]


def test_other_checkouts_that_are_there_are_looked_into(
    project: Project, podman: Podman, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    folder = other / ".kubeup" / "my-app"
    write_private(folder / "profile", "My_App\n")
    on_record(State(folder, folder / "k", folder / "k.pub", str(other)), provider="vagrant")
    podman.volumes.append(volume("x-data", profile="dev", owner=str(other)))
    found = profiles.find(project)
    assert row(found, "My_App")[:3] == ["My_App", "vagrant", "none"]
    write_private(folder / "state.json", "{broken")
    text = shown(profiles.find(project))
    assert "can't be understood; `inv state.repair`" in text and "My_App" in text


def test_a_tool_that_can_not_be_asked_is_not_taken_for_empty(
    project: Project, podman: Podman
) -> None:
    podman.broken = True
    found = profiles.find(project)
    assert row(found, "dev")[1:3] == ["local", "none"], "its folder is there"
    assert "podman can't be asked, so what it has is not in this list" in shown(found)
    assert "podman" in profiles.data(found)["untold"]  # type: ignore[operator]


def test_sizes_that_are_not_told_are_not_nothing(
    project: Project, podman: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.DF", "Error: {volumes}")
    assert row(profiles.find(project), "dev")[4] == "not told"


def test_what_all_share_is_nobodys(project: Project, podman: Podman) -> None:
    podman.volumes.append(volume("kubeup-disk-1", kubeup="disk"))
    found = profiles.find(project)
    assert [trace.thing.name for trace in found.shared] == ["kubeup-disk-1"]
    assert "on no record: the prepared disks kubeup-disk-1 (1.4 GiB;" in shown(found)


def test_a_profile_of_minikubes_is_whose_record_names_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Minikube, "tool", object())
    monkeypatch.setattr(
        Minikube, "ask", lambda self, *words: recorded("minikube/profiles_two_running.rc0.json")
    )
    found = profiles.find(project)
    assert row(found, "test-1.26-2nodes")[1:] == [
        "minikube",
        "1 running",
        "8.0 GiB",
        "0 MiB",
        "not known",
    ]
    assert "without kubeup's mark" in shown(found)
    on_record(project.state, things=(Thing("profile", "test-1.26-2nodes", "minikube"),))
    found = profiles.find(project)
    assert row(found, "dev")[2] == "3 running" and "mark" not in shown(found)


def test_machines_of_vagrants_whose_folder_is_gone(project: Project, tmp_path: Path) -> None:
    host = replace(project.host, tools=frozenset({"vagrant"}))
    index = tmp_path / ".vagrant.d" / "data" / "machine-index" / "index"
    text = recorded("vagrant/machine_index.json")
    write_private(index, text.replace("/home/ana/gone", str(tmp_path / "gone")))
    found = profiles.find(replace(project, host=host))
    assert row(found, "old") == [
        "old",
        "vagrant",
        "1 running",
        "-",
        "0 MiB",
        f"{tmp_path / 'gone'} (gone)",
    ]
    told = shown(found)
    assert "virsh --connect qemu:///system undefine old-control" in told and "default" not in told
    write_private(index, text.replace("/home/ana/gone", str(unreachable(tmp_path))))
    found = profiles.find(replace(project, host=host))
    assert row(found, "old")[4:] == ["0 MiB", str(tmp_path / "loop")]
    write_private(index, "{}")
    found = profiles.find(replace(project, host=host))
    assert "Vagrant's index of machines can't be understood" in found.untold["vagrant"]


@pytest.mark.parametrize("text", ["", "[]", '{"machines": [1]}', '{"machines": {"a": {}}}'])
def test_another_index_is_not_an_empty_one(text: str) -> None:
    assert isinstance(error_of(facts.index, text), KubeupError)


def test_sizes_of_volumes_as_both_engines_print_them() -> None:
    rows = "VOLUME NAME   LINKS     SIZE\na   1  266.4MB\nb 0 0B\nc 1 N/A\n"
    text = f"Images space usage:\n\nA B\n\nLocal Volumes space usage:\n\n{rows}"
    docker = f"{text}\nBuild cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE\nx  y  1GB\n"
    assert volume_sizes(text) == volume_sizes(docker) == {"a": 254, "b": 0}
    assert volume_sizes("") == {}


def test_the_data_are_json(project: Project) -> None:
    assert json.loads(json.dumps(profiles.data(profiles.find(project))))
