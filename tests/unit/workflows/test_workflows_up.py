"""The whole job as one plan, from facts made by hand; nothing looks at a machine."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from builders import (
    DESKTOP,
    SANDBOX,
    access,
    by_id,
    error_of,
    holds,
    machines,
    names,
    node,
    on_record,
    recorded,
    settings,
    sid,
    sids,
    state,
    step,
    three,
)

from kubeup.application import deploying, stale
from kubeup.application.external import Published
from kubeup.cluster.providers import base
from kubeup.cluster.providers.base import Machines, NodeState
from kubeup.cluster.providers.local import Local
from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.release import go
from kubeup.core import ids
from kubeup.core import record as records
from kubeup.core import state as states
from kubeup.core.errors import CommandError, KubeupError, NotConverged, Refused, UsageError
from kubeup.core.options import Options
from kubeup.core.plan import Plan, plan_of, todo
from kubeup.core.record import CLUSTER, NOTHING, VM, Location, Made, Record
from kubeup.core.report import Report
from kubeup.core.shell import Output
from kubeup.core.state import State, write_private
from kubeup.database import passwords as database_passwords
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import Server
from kubeup.database.service_state import ServiceState
from kubeup.facts.disks import Disk
from kubeup.facts.faults import Fault
from kubeup.facts.host import HostFacts, Route
from kubeup.facts.kubernetes import KubeNode, KubeWorkload
from kubeup.images import load as loads
from kubeup.images.bases import HUB_IMAGE
from kubeup.inspect.verify import proof
from kubeup.inspect.verify.model import Line
from kubeup.system import keys, machine, packages, secrets, tls
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import choices, cluster, converge, down, health, rollout, up
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.health import Health
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")


@pytest.fixture(autouse=True)
def made_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(State, "secrets", property(lambda _: tmp_path / ".env"))
    monkeypatch.setattr(keys, "check", lambda _: None)
    monkeypatch.setattr(Local, "traces", lambda _: ())
    monkeypatch.setattr(
        packages, "missing", lambda names: tuple(name for name in names if name == "mmdebstrap")
    )
    monkeypatch.setattr(go, "go_tool", lambda: "")
    monkeypatch.setattr("kubeup.application.deployment.Deployment.diff", lambda *_: "")
    monkeypatch.setattr("kubeup.application.deployment.Deployment.render", lambda _: "")
    monkeypatch.setattr(stale, "api_is_stale", lambda _: False)
    monkeypatch.setattr(health, "look", lambda *_: Health())


def project(folder: Path, host: HostFacts = SANDBOX, keys_: str = "") -> Project:
    made = Project(settings(folder, keys_), state(folder), host)
    write_private(made.state.private_key, "key")
    write_private(made.state.public_key, "key")
    return made


def whole(
    one: Project, seen: ClusterFacts, monkeypatch: pytest.MonkeyPatch, application: bool = True
) -> up.UpPlan:
    monkeypatch.setattr(cluster, "observe", lambda *_: seen)
    return up.plan(one, application)


def standing(one: Project, found: Machines) -> ClusterFacts:
    """A cluster that has everything, and a machine that has made everything."""
    for path in (one.kubectl.path, one.system_archive, *(image.archive for image in one.images)):
        write_private(path, "made")
    write_private(one.state.kubeconfig, access())
    held = frozenset(image.reference for image in one.images)
    stamp = inventories.digest(cluster.inventory_inputs(one, ClusterFacts(found)))
    nodes = tuple(
        KubeNode(name, True, "", "v1.26.1", "", name == "dev-control", held) for name in NAMES
    )
    return ClusterFacts(
        found,
        dict.fromkeys(NAMES, stamp),
        dict.fromkeys(NAMES, held),
        {},
        nodes,
        True,
        system=frozenset({"metrics-server", "kube-router"}),
    )


def passwords(folder: Path) -> None:
    """What `up` makes once: the passwords, and the database's certificate."""
    tls.MakeCertificate(state(folder).tls).run(print)
    write_private(folder / ".env", "MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")


def test_a_machine_with_package_registries_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = whole(project(tmp_path), ClusterFacts(three("missing")), monkeypatch)
    steps = by_id(found.plan)
    assert next(iter(steps)) == "host/packages"
    assert steps["host/packages"].reason == "mmdebstrap"
    kinds = {
        "release/kubernetes",
        "image/system",
        "rootfs/machine",
        "rootfs/mysql",
        "image/db",
        "local/disk",
        "node/dev-control",
        "cluster/provision",
        "cluster/answers",
        "secrets/env",
        "deploy/db",
        "deploy/api",
        "deploy/ui",
    }
    assert kinds <= set(steps)
    assert not any(name.startswith(("load/", "push/")) for name in steps), (
        "images lie on the nodes' disk"
    )
    assert not found.incomplete
    assert found.plan.losses == ()


def test_an_open_internet_compiles_and_bootstraps_nothing_of_kubernetes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = by_id(
        whole(project(tmp_path, DESKTOP), ClusterFacts(three("missing")), monkeypatch).plan
    )
    assert {"release/kubeadm", "release/kubelet", "release/kubectl"} <= set(steps)
    assert "release/etcd" not in steps
    assert not any(name in steps for name in ("rootfs/python", "rootfs/mysql", "rootfs/npm"))


def test_the_cluster_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = whole(project(tmp_path), ClusterFacts(three("missing")), monkeypatch, application=False)
    assert not any(
        name.startswith(("deploy/", "secrets/")) or name == "image/api"
        for name in names(found.plan)
    )


def test_a_machine_that_does_not_do_is_refused_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = replace(
        SANDBOX,
        memory=1500,
        memory_available=1100,
        storage={"podman": Disk("/var/lib/containers", "/dev/sdb1", 0.5)},
    )
    error = error_of(whole, project(tmp_path, tiny), ClusterFacts(three("missing")), monkeypatch)
    assert isinstance(error, Refused) and error.code == 3
    assert [line.split(":")[0] for line in error.why.splitlines()] == ["memory", "disk"]


def test_force_goes_on_where_what_is_needed_is_an_estimate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, replace(SANDBOX, memory_available=2000))
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three("missing")))
    assert "--force" in error_of(up.plan, one).next
    assert sid("node/dev-control") in up.plan(one, force=True).plan.ids
    assert sid("node/dev-control") in up.machines(one, force=True).ids


def test_a_cluster_that_stands_is_never_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, replace(SANDBOX, memory=1500, memory_available=200))
    passwords(tmp_path)
    assert whole(one, standing(one, three()), monkeypatch).plan.ids == ()


def test_a_second_run_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = project(tmp_path)
    passwords(tmp_path)
    assert whole(one, standing(one, three()), monkeypatch).plan.ids == ()


def test_a_changed_api_is_built_loaded_and_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    passwords(tmp_path)
    seen = standing(one, three())
    api = next(image for image in one.images if image.part == "api")
    api.archive.unlink()
    seen = replace(
        seen, images={name: held - {api.reference} for name, held in seen.images.items()}
    )
    steps = by_id(whole(one, seen, monkeypatch).plan)
    assert {"image/api", "load/api"} <= set(steps)
    assert steps["load/api"].needs[0] == ids.image("api")
    assert not any(name.startswith("node/") or name == "cluster/provision" for name in steps)


def test_stopped_machines_hide_what_is_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    passwords(tmp_path)
    seen = replace(standing(one, three("stopped")), stamps={}, images={}, nodes=(), answers=False)
    found = whole(one, seen, monkeypatch)
    assert found.incomplete
    assert names(found.plan) == [
        "host/packages",
        "node/dev-control",
        "node/dev-worker-1",
        "node/dev-worker-2",
        "local/forwarding",
        "cluster/answers",
    ]


def test_a_cluster_that_does_not_answer_yet_hides_what_is_deployed_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that somebody else has made: it runs, our access to it is a step of the plan."""
    one = project(tmp_path)
    passwords(tmp_path)
    found = whole(one, replace(standing(one, three()), nodes=(), answers=False), monkeypatch)
    assert sid("cluster/answers") in found.plan.ids and sid("deploy/db") not in found.plan.ids
    assert found.incomplete


def test_through_a_registry_images_are_pushed_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, bool]] = []

    def holds(engine: object, reference: str, plain: bool) -> bool:
        asked.append((reference, plain))
        return "ui-node" in reference

    monkeypatch.setattr(loads, "in_registry", holds)
    one = project(
        tmp_path,
        keys_="images: {via: registry, registry: '192.168.1.5:5000', prefix: ana, insecure: true}",
    )
    passwords(tmp_path)
    steps = by_id(
        whole(
            one,
            replace(standing(one, three()), images=dict.fromkeys(NAMES, frozenset())),
            monkeypatch,
        ).plan
    )
    assert [name for name in steps if name.startswith(("push/", "load/"))] == [
        "push/db",
        "push/api",
    ]
    assert all(plain for _, plain in asked)
    *_, line = steps["push/api"].action.commands()  # type: ignore[attr-defined]
    assert line.startswith(
        "podman --runtime runc --cgroup-manager cgroupfs push --tls-verify=false "
        "192.168.1.5:5000/ana/fast-api-products:"
    )


def test_a_database_that_may_take_earlier_passwords_forgets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of passwords was cut off behind the Secret: nothing differs, but the record
    knows.
    """
    passwords(tmp_path)
    one = project(tmp_path)
    facts = standing(one, three())
    serving = tuple(
        KubeWorkload(name, app, 1, 1)
        for name, app in (("mysql", "db"), ("api", "api"), ("ui", "ui"))
    )
    assert "db/old-passwords" not in by_id(
        whole(one, replace(facts, workloads=serving), monkeypatch).plan
    )
    on_record(one.state, passwords=str(tmp_path / ".env"))
    # its data outlive a cluster
    there, anew = replace(facts, workloads=serving), ClusterFacts(three("missing"))
    for seen in (
        there,
        replace(there, workloads=(serving[0], KubeWorkload("api", "api", 1, 0), serving[2])),
        anew,
    ):
        forget = by_id(whole(one, seen, monkeypatch).plan)["db/old-passwords"]
        assert forget.reason == "a change of passwords was interrupted"
        assert set(sids("deploy/db", "deploy/api")) <= set(forget.needs), (
            "the API may still use them"
        )
    secrets.StagePasswords(tmp_path / ".env").run(print)
    assert "db/old-passwords" not in by_id(whole(one, anew, monkeypatch).plan), (
        "it may take those that wait for the new ones"
    )


@pytest.mark.parametrize(
    ("accepted", "standing_", "mends"),
    [
        ({"root": "rrrrrrrr"}, 0, True),
        ({"root": "rrrrrrrr"}, 1, False),
        ({"root": "rrrrrrrr", "api": "pppppppp"}, 0, False),
        ({}, 0, False),
    ],
)
def test_a_password_that_was_changed_by_sql_is_set_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accepted: dict[str, str],
    standing_: int,
    mends: bool,
) -> None:
    """Where root's still opens the database, and the API does not stand."""
    passwords(tmp_path)
    one = project(tmp_path)
    monkeypatch.setattr(
        Server, "admits", lambda _, user, password: accepted.get(user, "other") == password
    )
    monkeypatch.setattr(database_passwords, "deployed", lambda _: {})
    workloads = (KubeWorkload("mysql", "db", 1, 1), KubeWorkload("api", "api", 1, standing_))
    seen = replace(standing(one, three()), workloads=workloads)
    steps = by_id(whole(one, seen, monkeypatch).plan)
    assert ("db/passwords" in steps) == mends
    if mends:
        assert steps["db/passwords"].reason == "the database has other passwords than .env"
        assert {"deploy/db", "deploy/api", "db/old-passwords"} <= set(steps)


def test_lost_passwords_never_lock_a_database_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    seen = replace(standing(one, three()), workloads=(KubeWorkload("mysql", "db", 1, 1),))
    assert secrets.missing(one.state.secrets)
    try:
        steps = by_id(whole(one, seen, monkeypatch).plan)
    except Refused:
        return
    assert "deploy/db" not in steps and "secrets/env" not in steps


def test_a_change_that_the_cluster_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubeup.application.deployment import Deployment
    from kubeup.core.shell import failed

    def refuse(*_: object) -> str:
        raise failed(
            ("kubectl", "diff"),
            1,
            'The StatefulSet "mysql" is invalid: spec: Forbidden: updates to statefulset spec',
        )

    one = project(tmp_path)
    passwords(tmp_path)
    seen = standing(one, three())
    monkeypatch.setattr(Deployment, "diff", refuse)
    with pytest.raises(KubeupError):
        whole(one, seen, monkeypatch)


def test_a_play_on_machines_that_bring_no_kubernetes_has_it_here_first(tmp_path: Path) -> None:
    """As Vagrant's: the roles have changed, and somebody has emptied the cache since."""
    one = project(tmp_path, DESKTOP)
    write_private(one.kubectl.path, "made")
    empty = three(release_inside=False)
    older = {"dev-control": frozenset({"registry.k8s.io/pause:3.9"})}
    newest = {"dev-control": up.SYSTEM_IMAGES}
    for there, provisions, brought in (
        (ClusterFacts(empty), True, True),
        (ClusterFacts(empty), False, False),
        (ClusterFacts(three(), images=newest), True, False),
        # made by an earlier kubeup, before there was one more
        (ClusterFacts(three(), images=older), True, True),
        (ClusterFacts(three(), images=older), False, False),
    ):
        planned = up._own_images(one, there, provisions)
        assert (ids.SYSTEM_IMAGES in [step.id for step in todo(planned)]) is brought
        assert {ids.KUBERNETES, ids.SYSTEM_IMAGES} <= {answer.id for answer in planned}, (
            "it is there, or made"
        )


def test_a_user_who_is_not_root_is_told_what_to_install() -> None:
    error = error_of(packages.plan, ("podman", "mmdebstrap"), replace(DESKTOP, root=False))
    assert error.next.endswith(": sudo apt-get install podman mmdebstrap")


def test_who_may_use_sudo_installs_by_it() -> None:
    (step,) = packages.plan(("podman",), replace(DESKTOP, root=False, may_sudo=True))
    assert step.action.commands()[1] == (  # type: ignore[attr-defined]
        "sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install "
        "-y --no-install-recommends podman"
    )


def test_packages_of_this_machine() -> None:
    found = packages.installed(recorded("plans/dpkg_query"))
    assert set(found) == {
        "apt-transport-https",
        "dpkg",
        "mmdebstrap",
        "podman",
        "runc",
        "tmux",
        "vim",
    }
    assert found["podman"] == "4.3.1+ds1-8+deb12u1+b3"
    (step,) = packages.plan(("podman",), DESKTOP)
    assert step.action.commands() == (  # type: ignore[attr-defined]
        "env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update",
        "env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 install -y "
        "--no-install-recommends podman",
    )
    assert todo(packages.plan((), DESKTOP)) == []


def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
    error = error_of(base.make, "nowhere", settings(tmp_path), state(tmp_path), DESKTOP)
    assert isinstance(error, UsageError)
    assert error.what == "the provider nowhere is not there yet"
    assert "local" in error.why


def _chosen(one: Project) -> KubeupError | None:
    try:
        one.chosen  # noqa: B018
    except KubeupError as error:
        return error
    return None


def test_no_provider_works_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: None)
    error = _chosen(
        project(tmp_path, replace(DESKTOP, root=False, tools=frozenset({"ssh-keygen"})))
    )
    assert error is not None
    assert error.what == "no provider works on this machine"
    assert error.why.startswith("local: the provider local needs root for podman")
    for other in ("minikube", "vagrant"):
        assert other in error.why


@pytest.mark.usefixtures("held_profile")
def test_choices_stay(tmp_path: Path) -> None:
    one = project(tmp_path, DESKTOP)
    assert one.record == Record()
    choices.remember(one, sids("host/packages", "ssh/keys"))
    assert one.record == Record(), "nothing was made yet"
    choices.remember(one, sids("image/api"))
    assert one.made == Made(bases="hub", bases_why="Docker Hub answers")
    choices.remember(one, sids("node/dev-control"))
    assert one.record.provider == "local"
    assert one.made == Made(
        "download",
        "https://dl.k8s.io and registry.k8s.io answer",
        "hub",
        "Docker Hub answers",
        "podman",
    )
    choices.remember(one, sids("deploy/db"))
    assert one.made.server == "mysql 8.4"


@pytest.mark.usefixtures("held_profile")
def test_what_was_made_on_one_day_stays_so_on_another(tmp_path: Path) -> None:
    one = project(tmp_path)
    choices.remember(one, sids("release/kubernetes", "image/db"))
    other = replace(project(tmp_path), host=DESKTOP)
    assert (other.release.source, other.bases.source) == ("build", "debian")
    assert other.release.why == f"made so before ({one.release.why})"
    choices.remember(other, sids("release/kubernetes", "image/db"))
    assert one.made.source_why == one.release.why, "the reason is the one that counted"
    docker = replace(DESKTOP, tools=frozenset({"docker", "docker-engine"}))
    choices.remember(Project(one.settings, one.state, docker), sids("node/dev-control"))
    both = replace(docker, tools=docker.tools | {"podman"})
    assert Project(one.settings, one.state, both).provider.made_by() == "docker", (
        "podman was installed since"
    )
    assert Project(one.settings, one.state, both).engine.name == "docker"
    other = Project(
        settings(tmp_path, "{provider: local, local: {engine: podman}}"), one.state, DESKTOP
    )
    error = error_of(lambda: other.provider.made_by())
    assert (
        isinstance(error, Refused)
        and error.what == "the settings want nodes of podman, this profile's are docker's"
    )


@pytest.mark.usefixtures("held_profile")
@pytest.mark.parametrize(
    ("keys_", "host", "way"),
    [
        ("database: {engine: mariadb}", DESKTOP, "to lose the data"),
        ("database: {version: '8.0'}", DESKTOP, "to lose the data"),
        ("database: {version: '8.4'}", DESKTOP, ""),
        ("images: {bases: debian}", DESKTOP, ""),
    ],
)
def test_another_database_is_not_started_on_files_that_it_does_not_know(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys_: str,
    host: HostFacts,
    way: str,
) -> None:
    passwords(tmp_path)
    one = project(tmp_path, host)
    choices.remember(one, sids("deploy/db"))
    assert one.made.server == "mysql 8.4"
    other = project(tmp_path, host, keys_)
    plan = lambda: whole(other, ClusterFacts(three("missing")), monkeypatch)  # noqa: E731
    if not way:
        assert sid("deploy/db") in plan().plan.ids
        return
    error = error_of(plan)
    assert (
        isinstance(error, Refused)
        and error.what.endswith("the database's files are of MySQL 8.4")
        and way in error.next
    )


@pytest.mark.usefixtures("held_profile")
@pytest.mark.parametrize(
    ("told", "why"),
    [
        (None, ""),
        ("dictionary 0 1 58 19", ""),
        ("dictionary 0 1 98 80", "the database's files are of MySQL 9.7"),
        ("", "not known which database"),
    ],
)
def test_files_of_nobody_knows_which_database_are_looked_at(
    tmp_path: Path, told: str | None, why: str
) -> None:
    """An older kubeup did not write it down, and `state.repair` may not find it: that is no
    leave to start any.
    """
    one = project(tmp_path, DESKTOP)
    assert one.check_origin is None, "no data are there"
    records.change(one.state, database=Location(CLUSTER, "dev-worker-1"))
    choices.remember(one, sids("deploy/db"))
    assert one.made.server == "", "the settings don't tell who wrote them"
    look = by_id(rollout.data_steps(one, ()))["deploy/data"].action.check_origin  # type: ignore[attr-defined]
    assert look == one.machine.check_origin
    if why:
        error = error_of(look, "dev-worker-1", told)
        assert isinstance(error, Refused) and why in error.what and one.made.server == ""
        return
    look("dev-worker-1", told)
    assert one.made.server == "mysql 8.4" and one.check_origin is None


@pytest.mark.usefixtures("held_profile")
def test_rows_go_over_where_files_can_not(tmp_path: Path) -> None:
    one = project(tmp_path, DESKTOP, "database: {version: '5.7'}")
    choices.remember(one, sids("db/vm-service"))
    error = error_of(rollout.data_steps, project(tmp_path, DESKTOP), ())
    assert (
        error.what == "the settings want MySQL 8.4, the database's files are of MySQL 5.7"
        and "inv db.restore FILE" in error.next
    )
    down.ForgetAccess(one.state, data=True).run(print)
    assert one.made == NOTHING and rollout.data_steps(project(tmp_path, DESKTOP), ())


@pytest.mark.usefixtures("held_profile")
def test_a_cluster_of_an_older_checkout_is_not_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    asked = list[object]()
    monkeypatch.setattr(machine, "observe", lambda questions=(): asked.extend(questions) or DESKTOP)
    monkeypatch.setattr(machine, "arch", lambda: "amd64")
    monkeypatch.setattr(states, "of", lambda _: one.state)
    file = tmp_path / "settings.yaml"
    both = {"https://dl.k8s.io/", "https://registry.k8s.io/v2/"}
    for reachable, expected in (
        (both, ("download", "debian")),
        ({"https://registry-1.docker.io/v2/"}, ("build", "hub")),
        ((), ("build", "debian")),
    ):
        write_private(
            one.state.folder / "choices.json",
            json.dumps({"reachable": sorted(reachable), "provider": "local"}),
        )
        found = load(file, environ={})
        assert (found.release.source, found.bases.source) == expected and asked == []
        choices.remember(found, sids("deploy/api"))
        assert not (one.state.folder / "choices.json").exists()
        again = load(file, environ={})
        assert (again.release.source, again.bases.source, again.made.engine) == (
            *expected,
            "podman",
        ) and asked == []
        (one.state.folder / one.state.record).unlink()
    assert load(file, environ={}).release.source == "download" and len(asked) == 3
    asked.clear()
    load(file, environ={}, sets=("provider=minikube",), strict=False)
    assert asked == [HUB_IMAGE], "minikube brings its own Kubernetes"


def test_auto_stays_with_the_provider_that_the_cluster_stands_on(tmp_path: Path) -> None:
    chosen = replace(project(tmp_path, DESKTOP), stands_on="minikube").chosen
    assert (chosen[0].name, chosen[1]) == ("minikube", "this profile's cluster stands on it")


def test_one_profile_has_one_cluster(tmp_path: Path) -> None:
    one = replace(project(tmp_path, DESKTOP, "provider: minikube"), stands_on="local")
    assert one.provider.name == "minikube", "no cluster is left of it"
    write_private(one.state.kubeconfig, "apiVersion: v1\n")
    error = error_of(lambda: replace(one).provider)
    assert (
        isinstance(error, Refused)
        and error.what == "the profile dev has a cluster on local, the settings want it on minikube"
    )


@pytest.mark.usefixtures("held_profile")
def test_down_forgets_the_way_in_after_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    gone = [step("node/dev-control"), step("local/network", "node/dev-control")]
    monkeypatch.setattr(type(one.provider), "destroy", lambda self, data: gone)
    monkeypatch.setattr(type(one.provider), "standing", lambda self, things: ())
    last = "cluster/access"  # which looks that they are gone, also where no way in is left
    assert down.down(one, with_data=False).ids == sids("node/dev-control", "local/network", last)
    write_private(one.state.kubeconfig, "apiVersion: v1\n")
    plan = down.down(one, with_data=False)
    assert plan.ids[-1] == ids.FORGET_ACCESS and set(plan.steps[-1].needs) == set(
        sids("node/dev-control", "local/network")
    )
    plan.steps[-1].action.run(lambda line: None)
    assert not one.state.kubeconfig.exists()
    plan.steps[-1].action.run(lambda line: None)  # again is as good


@pytest.mark.usefixtures("held_profile")
def test_both_sides_of_a_database_are_saved_before_their_machines_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, keys_="{database: {vm: worker-2}}")
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three()))
    assert names(down.save_steps(one)) == ["data/save-cluster"]
    in_cluster, on_machine = Location(CLUSTER, "dev-worker-1"), Location(VM, "dev-worker-2")
    for database, left in ((on_machine, in_cluster), (in_cluster, on_machine)):
        records.change(one.state, database=database, left=left)
        saved = [step.action.files for step in down.save_steps(one)]  # type: ignore[attr-defined]
        assert [(files.place.node, files.names, files.archive.name) for files in saved] == [
            ("dev-worker-1", ("mysql", "mysql.passwords"), "data.tar.gz"),
            ("dev-worker-2", ("mysql-vm",), "data-vm.tar.gz"),
        ]
    records.change(one.state, database=Location(VM, "dev-db", "192.168.60.50"), left=in_cluster)
    other = Project(settings(tmp_path), one.state, SANDBOX)
    assert names(down.save_steps(other)) == ["data/save-cluster"], "the user's own machine stays"


def test_data_on_a_machine_that_is_gone_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path)
    gone = machines(node("dev-control"), node("dev-worker-1", "missing"), node("dev-worker-2"))
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(gone))
    error = error_of(down.save_steps, one)
    assert (
        isinstance(error, Refused)
        and error.what.startswith("dev-worker-1 is gone")
        and "inv down --data" in error.next
    )


def test_saved_files_are_back_before_the_machine_runs_its_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = project(tmp_path, keys_="{nodes: {database: {count: 1}}, database: {on: vm}}")
    passwords(tmp_path)
    write_private(one.state.saved_data("vm"), "saved")
    monkeypatch.setattr(DatabaseVm, "look", lambda _: ServiceState())
    monkeypatch.setattr(up.this_machine, "routes", tuple)
    seen = standing(one, three())
    lost = replace(
        seen,
        machines=replace(
            seen.machines,
            nodes=(*seen.machines.nodes, NodeState("dev-db", "db", "192.168.60.9", "missing")),
        ),
    )
    steps = by_id(whole(one, lost, monkeypatch).plan)
    assert "cluster/provision" not in steps, "the nodes are as they were"
    assert (
        sid("node/dev-db") in steps["data/restore"].needs
        and sid("data/restore") in steps["db/vm-service"].needs
    )


def test_who_answers_before_there_is_a_network_is_not_the_databases_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = project(tmp_path, keys_="{database: {on: vm, vm: worker-2}}"), list[str]()
    passwords(tmp_path)
    monkeypatch.setattr(
        DatabaseVm, "look", lambda self: asked.append(self.address) or ServiceState()
    )
    for routes, looked in (
        ((Route(IPv4Network("10.0.0.0/24"), "eth0"),), False),
        ((Route(IPv4Network("192.168.60.0/24"), "podman1"),), True),
        ((), True),
    ):  # nothing is known of a machine without ip(8)
        monkeypatch.setattr(up.this_machine, "routes", lambda routes=routes: routes)
        asked.clear()
        assert (up._look_at_machine(one) is not None, asked) == (
            looked,
            ["192.168.60.12"] if looked else [],
        )


@pytest.fixture
def brought_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Project, list[str], list[up.UpPlan]]:
    """A project whose `up` writes down what it comes to, with the plans it is to find one after
    the other.
    """
    one, calls, plans = project(tmp_path), list[str](), list[up.UpPlan]()

    def ran(plan: Plan) -> Plan:
        calls.extend(["run"] if plan else [])
        return plan

    monkeypatch.setattr(up, "plan", lambda *_: plans.pop(0))
    monkeypatch.setattr(converge, "carry_out", lambda project, make, *_, **more: ran(make()))
    monkeypatch.setattr(
        converge,
        "wait_until_healthy",
        lambda project, disrupted: calls.append("settle, shaken" if disrupted else "settle"),
    )
    monkeypatch.setattr(proof, "prove", lambda *_: calls.append("prove"))
    monkeypatch.setattr(converge, "show_urls", lambda *_: calls.append("urls"))
    return one, calls, plans


def found(*steps: str, incomplete: bool = False) -> up.UpPlan:
    return up.UpPlan(Plan(tuple(step(name) for name in steps)), ClusterFacts(three()), incomplete)


def test_what_was_started_is_proved_though_the_second_look_finds_nothing(
    brought_up: tuple[Project, list[str], list[up.UpPlan]],
) -> None:
    one, calls, plans = brought_up
    plans += [found("node/dev-control", incomplete=True), found(), found()]
    converge.bring_up(one, Report(io.StringIO()), Options("up", yes=True), proof.prove)
    assert calls == ["run", "settle, shaken", "prove", "urls"] and plans == []


@pytest.mark.parametrize("incomplete", [True, False])
def test_a_plan_says_where_it_can_not_be_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, incomplete: bool
) -> None:
    made, said = found("node/dev-control", incomplete=incomplete), io.StringIO()
    monkeypatch.setattr(up, "plan", lambda *_: made)
    monkeypatch.setattr(converge, "_show", lambda *_: None)
    converge.bring_up(project(tmp_path), Report(said), Options("plan", dry=True), proof.prove)
    assert (converge.MORE in said.getvalue()) is incomplete


def test_the_shortest_address_is_shown_first(tmp_path: Path) -> None:
    one = project(tmp_path)
    nodeports = (("ui", "http://192.168.60.12:30001/"), ("api", "http://192.168.60.12:31000/docs"))
    everywhere = Published(80, ("192.168.60.10", "192.168.60.12"))
    assert converge.urls(one, everywhere) == (("ui", "http://192.168.60.12/"), *nodeports)
    on_one = Published(80, ("192.168.60.10",))
    assert converge.urls(one, on_one)[0] == ("ui", "http://192.168.60.10/")
    assert converge.urls(one, Published()) == nodeports


def test_where_nothing_was_run_nothing_is_proved(
    brought_up: tuple[Project, list[str], list[up.UpPlan]],
) -> None:
    one, calls, plans = brought_up
    plans += [found()]
    converge.bring_up(one, Report(io.StringIO()), Options("up", yes=True), proof.prove)
    assert calls == ["urls"] and plans == []


def test_a_refusal_after_something_ran_does_not_say_that_nothing_was_changed(
    brought_up: tuple[Project, list[str], list[up.UpPlan]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _, plans = brought_up

    def refused(*_: object) -> up.UpPlan:
        if plans:
            return plans.pop(0)
        raise Refused("the port can't be the UI's")

    monkeypatch.setattr(up, "plan", refused)
    for ran, code in (
        ([], 3),
        ([found("node/dev-control", incomplete=True)], 1),
        ([found("deploy/ui")], 1),
    ):
        plans[:] = ran
        assert (
            int(
                error_of(
                    lambda: converge.bring_up(
                        one, Report(io.StringIO()), Options("up", yes=True), proof.prove
                    )
                ).code
            )
            == code
        )


def test_what_no_step_mends_is_said_where_there_is_nothing_to_do(
    brought_up: tuple[Project, list[str], list[up.UpPlan]],
) -> None:
    one, _, plans = brought_up
    full = Fault("dev-worker-1", "the disk of dev-worker-1 is full", "/ is at 97%")
    plans.append(replace(found(), unmended=(full,)))
    said = io.StringIO()
    converge.bring_up(one, Report(said), Options("up", yes=True), proof.prove)
    assert "! the disk of dev-worker-1 is full (/ is at 97%): no step" in said.getvalue()


def test_something_left_to_do_is_an_error(
    brought_up: tuple[Project, list[str], list[up.UpPlan]],
) -> None:
    one, calls, plans = brought_up
    plans += [found("deploy/api"), found("deploy/api")]
    error = error_of(
        lambda: converge.bring_up(one, Report(io.StringIO()), Options("up", yes=True), proof.prove)
    )
    assert isinstance(error, NotConverged) and "do deploy/api" in error.why
    assert calls == ["run", "settle"]


@pytest.mark.parametrize("last", [(), ("api",)])
def test_pods_that_fell_are_waited_for_once_again(
    brought_up: tuple[Project, list[str], list[up.UpPlan]], last: tuple[str, ...]
) -> None:
    one, calls, plans = brought_up

    def falling(*parts: str) -> up.UpPlan:
        return up.UpPlan(
            plan_of(
                holds("load/api", "load/ui", "push/api", "push/ui"),
                deploying.wait(one.deployment, parts, ()),
            ),
            ClusterFacts(three()),
            False,
        )

    plans += [found("cluster/provision"), falling("api"), falling(*last)]
    if last:
        assert isinstance(
            error_of(
                lambda: converge.bring_up(
                    one, Report(io.StringIO()), Options("up", yes=True), proof.prove
                )
            ),
            NotConverged,
        )
    else:
        converge.bring_up(one, Report(io.StringIO()), Options("up", yes=True), proof.prove)
    assert calls[:3] == ["run", "settle, shaken", "settle, shaken"] and plans == []


@pytest.mark.parametrize(
    ("ids", "disrupted"),
    [
        (("cluster/provision",), True),
        (("node/dev-worker-2",), True),
        (("cluster/answers", "deploy/db", "deploy/ui"), True),
        (("cluster/provision", "deploy/db", "deploy/api", "deploy/ui"), False),
        (("deploy/api",), False),
    ],
)
def test_what_is_done_to_nodes_shakes_what_is_not_deployed_after_it(
    brought_up: tuple[Project, list[str], list[up.UpPlan]], ids: tuple[str, ...], disrupted: bool
) -> None:
    one, calls, plans = brought_up
    plans += [found(*ids), found()]
    converge.bring_up(one, Report(io.StringIO()), Options("up", yes=True), proof.prove)
    assert calls[:2] == ["run", "settle, shaken" if disrupted else "settle"]


def test_without_a_cluster_there_is_one_answer_not_one_for_each_check(tmp_path: Path) -> None:
    error = error_of(proof.prove, project(tmp_path), Report(io.StringIO()))
    assert error.what == "there is no cluster of this profile yet" and "inv up" in error.next


def test_an_api_server_that_is_gone_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a refusal comes from an address that nobody has: kubectl runs into its time."""
    one = project(tmp_path)
    write_private(one.kubectl.path, "made")
    write_private(one.state.kubeconfig, access())

    def nobody(*argv: str, **more: object) -> Output:
        raise CommandError("kubectl took longer than 10 s", code=124)

    monkeypatch.setattr("kubeup.core.shell.read", nobody)
    assert not one.kubectl.answers()
    monkeypatch.setattr(
        type(one.provider), "observe", lambda self, ready_since_boot: three("missing")
    )
    assert cluster.observe(one).answers is False


@pytest.mark.parametrize(
    ("parts", "steps"),
    [
        (("api",), ["deploy/api"]),
        (("ui",), []),
        (("db", "api", "ui"), ["deploy/api"]),
    ],
)
def test_a_part_that_is_deployed_alone_is_waited_for_as_in_the_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parts: tuple[str, ...],
    steps: list[str],
) -> None:
    """Nothing of it differs, and its pods are not ready."""
    passwords(tmp_path)
    one = project(tmp_path)
    falling = (
        KubeWorkload("mysql", "db", 1, 1),
        KubeWorkload("api", "api", 1, 0),
        KubeWorkload("ui", "ui", 1, 1),
    )
    seen = replace(standing(one, three()), workloads=falling)
    for plan, expected in (
        (whole(one, seen, monkeypatch).plan, ["deploy/api"]),
        (rollout.plan(one, parts), steps),
    ):
        assert [name for name in names(plan) if name != "host/packages"] == expected


def test_a_change_of_passwords_that_was_cut_off_is_ended_by_a_deploy_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords(tmp_path)
    one = project(tmp_path)
    serving = tuple(
        KubeWorkload(name, app, 1, 1)
        for name, app in (("mysql", "db"), ("api", "api"), ("ui", "ui"))
    )
    monkeypatch.setattr(
        cluster, "observe", lambda *_: replace(standing(one, three()), workloads=serving)
    )
    on_record(one.state, passwords=str(tmp_path / ".env"))
    assert "db/old-passwords" in names(rollout.plan(one, ("db", "api", "ui")))
    assert names(rollout.plan(one, ("api",))) == [], "the database and the API get them together"


def test_a_cluster_that_does_not_answer_gets_no_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(three(), answers=False))
    one = Project(settings(tmp_path), state(tmp_path), DESKTOP)
    assert error_of(rollout.plan, one, ("api",)).what == "the cluster does not answer"
    assert isinstance(error_of(rollout.part, "worker"), UsageError) and rollout.part("db") == "db"


def test_a_check_that_failed_ends_the_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        Line("api", "it answers", True, 1, ""),
        Line("ui", "it answers", False, 1, "", "it is away", "look there"),
    ]
    monkeypatch.setattr(Kubectl, "require_access", lambda _: None)
    monkeypatch.setattr(proof, "context", lambda _: None)
    monkeypatch.setattr(proof, "run", lambda *_: lines)
    one, out = Project(settings(tmp_path), state(tmp_path), DESKTOP), Report(io.StringIO())
    error = error_of(proof.prove, one, out)
    assert (error.what, error.why, error.next) == (
        "1 of 2 checks failed: ui",
        "it is away",
        "look there",
    )
    lines.pop()
    proof.prove(one, out)
