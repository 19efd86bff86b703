"""Profiles as older kubeups left them, by their own code (data/record/README.md): carried over
once, under the lock.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DATA, DESKTOP, error_of, settings, state, three

from kubeup.core import lock, record
from kubeup.core.errors import Refused
from kubeup.core.record import CLUSTER, VM, Location, Made, Record
from kubeup.core.state import State
from kubeup.facts.kubernetes import KubeWorkload
from kubeup.workflows import choices, database, rollout
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

LEFT = DATA / "record"
BUILT = Made(
    "build",
    "dl.k8s.io gave no answer for "
    "https://dl.k8s.io/release/v1.26.1/bin/linux/amd64/kubectl.sha256 (its name can't be "
    "resolved)",
    "debian",
    "registry-1.docker.io gave no answer for the image library/python (its name can't be resolved)",
    "podman",
    "mysql 9.7",
)
PULLED = Made(
    "download",
    "https://dl.k8s.io and registry.k8s.io answer",
    "hub",
    "Docker Hub answers",
    "",
    "mysql 8.4",
)
ASKED = "an older kubeup asked the sites"
# by version and provider
MADE = {
    "fb99a26/local": BUILT,
    "fb99a26/minikube": Made(bases="hub", bases_why="Docker Hub answers", server="mysql 8.4"),
    "fb99a26/vagrant": PULLED,
    "b66f2b4/local": Made("build", ASKED, "debian", ASKED),
    "b66f2b4/minikube": Made("download", ASKED, "hub", ASKED),
    "b66f2b4/vagrant": Made("download", ASKED, "hub", ASKED),
    "7550e73/local": Made("build", ASKED, "debian", ASKED),
}
MACHINES = {
    "fb99a26/local": "dev-worker-2",
    "fb99a26/minikube": "test-1.26-2nodes-m03",
    "fb99a26/vagrant": "dev-worker-2",
    "b66f2b4/local": "dev-worker-2",
    "b66f2b4/vagrant": "dev-worker-2",
    "7550e73/local": "",  # it did not write that down
}
CASES = sorted(
    str(path.relative_to(LEFT).parents[1]) for path in LEFT.glob("*/*/*/state/choices.json")
)
SERVES = KubeWorkload("mysql", "db", 1, 1), KubeWorkload("api", "api", 1, 1)


def expected(case: str) -> Record:
    """What the record says of it.

    The node in the cluster is not known, nor the machine of a move that has just begun.
    """
    where, _, name = case.rpartition("/")
    base = Record(provider=where.rpartition("/")[2], made=MADE[where])
    in_cluster, machine = Location(CLUSTER), Location(VM, MACHINES.get(where, ""))
    found = {
        "in_cluster": replace(base, database=in_cluster),
        "on_machine": replace(base, database=machine),
        "own_machine": replace(base, database=Location(VM, "dev-db", "192.168.60.50")),
        "moved": replace(base, database=machine, left=in_cluster),
        "half_moved": replace(base, database=in_cluster, target=Location(VM)),
        "moved_back_halfway": replace(base, database=machine, target=in_cluster),
        "rotation_half_done": replace(base, database=in_cluster),
        "down": replace(base, provider="", database=in_cluster),
        "cluster_alone": replace(base, made=replace(base.made, server="")),
    }
    return found[name]


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "lock"
    }


@pytest.fixture
def left(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """The profile of a case, as it was left."""
    case = LEFT / request.param
    made = state(tmp_path)
    shutil.copytree(case / "state", made.folder)
    env = tmp_path / ".env"
    env.write_text("MYSQL_ROOT_PASSWORD=made-up-root\nMYSQL_PASSWORD=made-up\n")
    if (case / "env").exists():
        shutil.copy(case / "env", env)
    monkeypatch.setattr(State, "secrets", property(lambda _: env))
    provider = case.parent.name
    return Project(
        settings(tmp_path, f"provider: {provider}\nminikube: {{nodes: 3}}"), made, DESKTOP, provider
    )


def test_each_provider_has_each_case() -> None:
    cases = (
        "in_cluster",
        "on_machine",
        "moved",
        "half_moved",
        "moved_back_halfway",
        "rotation_half_done",
    )
    assert {
        f"fb99a26/{provider}/{name}"
        for provider in ("local", "minikube", "vagrant")
        for name in cases
    } < set(CASES)


@pytest.mark.parametrize(("left", "case"), [(case, case) for case in CASES], indirect=["left"])
def test_it_is_carried_over_once_and_under_the_lock(left: Project, case: str) -> None:
    one, before = left.state, everything(left.state.folder)
    found = record.read(one)
    assert found == expected(case)
    assert "is not held" in error_of(lambda: record.change(one, provider=found.provider)).what
    assert everything(one.folder) == before, "who only looks, or does not hold it, changes nothing"
    with lock.profile(one.folder, "cluster.start"):
        record.change(one, provider=found.provider)
    assert record.read(one) == found
    after = everything(one.folder)
    assert set(after) - set(before) == {"state.json", "choices.json.old"} and set(before) - set(
        after
    ) == {"choices.json"}
    assert after["choices.json.old"] == before["choices.json"], "the old file is kept"
    assert all(after[name] == text for name, text in before.items() if name != "choices.json")
    kept = (one.folder / "choices.json.old").stat()
    with lock.profile(one.folder, "cluster.start"):
        record.change(one, taken_over=("/gone",))
    assert record.read(one) == replace(found, taken_over=("/gone",))
    again = (one.folder / "choices.json.old").stat()
    assert (again.st_ino, again.st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns), (
        "that was the second change"
    )


@pytest.mark.parametrize("left", ["e3b95c8/local/half_moved"], indirect=True)
def test_a_record_without_what_came_later_is_read(left: Project) -> None:
    made = Made("build", "so", "debian", "so", "podman", "mysql 9.7")
    database, target = Location(CLUSTER, "dev-worker-1"), Location(VM, "dev-worker-2")
    assert left.record == Record(provider="local", made=made, database=database, target=target)


@pytest.mark.parametrize(("left", "case"), [(case, case) for case in CASES], indirect=["left"])
def test_what_was_under_way_is_gone_on_with(left: Project, case: str) -> None:
    name = case.rpartition("/")[2]
    facts = ClusterFacts(three(), answers=True, workloads=SERVES)
    told = {
        "half_moved": ("a move of the database was interrupted", "`inv db.move vm` finishes it"),
        "moved_back_halfway": (
            "a move of the database was interrupted",
            "`inv db.move cluster` finishes it",
        ),
        "rotation_half_done": (
            "a change of passwords was interrupted",
            "`inv db.rotate` finishes it",
        ),
    }
    if name not in told:
        assert rollout.password_steps(left, facts)
        return
    error = error_of(rollout.password_steps, left, facts)
    assert (
        isinstance(error, Refused)
        and error.what == told[name][0]
        and error.next.startswith(told[name][1])
    )
    assert told[name][1].partition("`")[2].partition("`")[0] in database.unfinished(left)


@pytest.mark.parametrize(
    ("left", "case"),
    [(case, case) for case in CASES if case.startswith("fb99a26")],
    indirect=["left"],
)
@pytest.mark.parametrize("damage", ["cut off", "another word", "another key", "a BOM", "empty"])
def test_one_that_can_not_be_understood_is_left_as_it_is(
    left: Project, case: str, damage: str
) -> None:
    path = left.state.folder / "choices.json"
    text = path.read_bytes()
    path.write_bytes(
        {
            "cut off": text[: len(text) // 2],
            "another word": text.replace(b'"provider": ', b'"provider": 5, "was": '),
            "another key": text.replace(b"}", b', "sauce": "build"}', 1),
            "a BOM": b"\xef\xbb\xbf" + text,
            "empty": b"",
        }[damage]
    )
    if damage == "another word" and case.endswith("/down"):  # it names no provider
        path.write_bytes(text.replace(b'"cluster"', b'"Cluster"'))
    before = everything(left.state.folder)
    with lock.profile(left.state.folder, "up"):
        for asked in (
            lambda: left.record,
            lambda: record.change(left.state, provider=""),
            lambda: choices.remember(left),
        ):
            error = error_of(asked)
            assert isinstance(error, Refused) and error.what == f"{path} can't be understood"
    assert everything(left.state.folder) == before
