"""What is made of a profile that minikube tells of, as data: recorded answers, no process."""

from __future__ import annotations

import difflib
import json
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from builders import SANDBOX, by_id, commands, error_of, names, recorded, settings, sid, sids, state

from kubeup.cluster.providers import base
from kubeup.cluster.providers.base import Machines, Needed, Usable
from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.minikube import (
    Minikube,
    actions,
    addons,
    facts,
    mark,
    release,
    selection,
    trust,
)
from kubeup.cluster.providers.minikube.actions import RunAndAdmit, Tool
from kubeup.cluster.providers.minikube.mark import Mark
from kubeup.cluster.providers.minikube.remake import RemakeNode
from kubeup.core import ids, lock, record, shell
from kubeup.core.errors import Refused, UsageError
from kubeup.core.plan import Step, todo
from kubeup.core.shell import Output
from kubeup.core.state import PROJECT, write_private
from kubeup.facts import registries
from kubeup.images.catalog import AppImage
from kubeup.inspect import doctor
from kubeup.system import packages
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, up
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

KEYS = "provider: minikube\nminikube: {container_runtime: containerd}"
TWO = ("profiles_two_running.rc0.json", "status_two_running.rc0.json")
Make = Callable[..., Minikube]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def one(
        profiles: str = "profiles_none.rc0.json",
        status: str = "status_none.rc85.json",
        keys: str = KEYS,
        version: tuple[int, ...] = (1, 36, 0),
        host: object = SANDBOX,
    ) -> Minikube:
        made = Minikube(settings(tmp_path, keys), state(tmp_path), host)  # type: ignore[arg-type]
        monkeypatch.setattr(selection, "version_of", lambda tool: version)
        monkeypatch.setattr(Minikube, "home", property(lambda self: tmp_path / ".minikube"))
        monkeypatch.setattr(shell, "which", lambda name: None)  # the system has no kubectl
        monkeypatch.setattr(
            Minikube, "tool", property(lambda self: Tool("minikube", (), self.profile_name))
        )
        monkeypatch.setattr(
            Minikube,
            "_dry_run",
            lambda self: facts.dry_run(recorded("minikube/dry_run_vm.json.rc55.txt")),
        )
        monkeypatch.setattr(
            Minikube,
            "_each_state",
            lambda self, profile: facts.statuses(
                '[{"Name":"test-1.26-2nodes","Host":"Running","Kubelet":"Running","APIServer":"Running"},{"Name":"test-1.26-2nodes-m02","Host":"Nonexistent"}]'
            ),
        )

        def read(self: Minikube, *words: str) -> str:
            return recorded(f"minikube/{profiles if words[0] == 'profile' else status}")

        monkeypatch.setattr(Minikube, "ask", read)
        if "none" not in profiles:
            write_private(
                tmp_path / ".minikube" / "profiles" / made.profile_name / "config.json", "{}"
            )
        return made

    return one


def access(one: Minikube) -> Minikube:
    """A profile that kubeup has access to."""
    write_private(one.state.kubeconfig, "apiVersion: v1\n")
    write_private(one.kubectl(), "kubectl")
    write_private(
        one.state.known_hosts,
        "".join(f"{reach.address} ssh-ed25519 AAAA\n" for reach in one.ssh_targets()),
    )
    return one


def planned(one: Minikube) -> dict[str, Step]:
    return by_id(one.plan(one.observe(), Needed()))


def seen(one: Minikube) -> list[tuple[str, str, str]]:
    return [(node.name, node.role, node.state) for node in one.observe().nodes]


def test_nothing_is_there_yet(make: Make) -> None:
    one = make()
    assert seen(one) == [
        ("test-1.26-2nodes", "control", "missing"),
        ("test-1.26-2nodes-m02", "worker", "missing"),
    ]
    step, kubectl = planned(one).values()
    assert step.id == sid("node/test-1.26-2nodes") and step.reason.startswith(
        "--vm=true finds no hypervisor here (DRV_NOT_DETECTED)"
    )
    assert commands([step]) == [
        "minikube start --kubernetes-version=1.26.1 --memory=4096 --cpus=2 --disk-size=10GB "
        "--driver=podman --nodes=2 "
        "-p test-1.26-2nodes --container-runtime=containerd --force"
    ]
    assert commands([kubectl]) == [
        "minikube kubectl -p test-1.26-2nodes -- version --client"
    ] and kubectl.needs == sids("node/test-1.26-2nodes")
    assert one.ssh_targets() == ()


def test_what_follows_a_start_waits_for_nothing_else(make: Make, tmp_path: Path) -> None:
    """Nodes become ready meanwhile."""
    one = Project(settings(tmp_path, KEYS), state(tmp_path), SANDBOX)
    one.__dict__["chosen"] = make(), "named"
    steps = by_id(cluster.plan(one, ClusterFacts(one.provider.observe()), Needed()))
    made = "node/test-1.26-2nodes", "node/kubectl"
    assert list(steps) == [
        *made,
        "cluster/answers",
        "cluster/metrics",
        "cluster/policies",
        "cluster/services",
        "cluster/names",
    ]
    later = ("cluster/metrics", "cluster/policies", "cluster/services", "cluster/names")
    assert {steps[name].needs for name in later} == {sids(*made)}


def test_what_a_start_by_hand_sets_back_is_set_again_after_it(make: Make, tmp_path: Path) -> None:
    one = Project(settings(tmp_path, KEYS), state(tmp_path), SANDBOX)
    one.__dict__["chosen"] = (
        make("profiles_two_stopped.rc0.json", "status_two_stopped.rc7.json"),
        "named",
    )
    start, *others = todo(cluster.start(one))
    after = {str(step.id): step.needs for step in others}
    assert after.pop("cluster/network") == sids("cluster/answers")
    assert set(after.values()) == {(start.id,)}
    assert set(after) == {"cluster/answers", "cluster/services", "cluster/names", "cluster/metrics"}


def test_all_is_there(make: Make) -> None:
    one = access(make(*TWO))
    assert one.observe().running and planned(one) == {}
    assert [(reach.name, reach.address, reach.user) for reach in one.ssh_targets()] == [
        ("test-1.26-2nodes", "192.168.58.2", "docker"),
        ("test-1.26-2nodes-m02", "192.168.58.3", "docker"),
    ]
    assert one.stop()[0].action.commands() == ("minikube stop -p test-1.26-2nodes",)  # type: ignore[attr-defined]
    assert one.start() == []


def test_one_made_by_hand_is_adopted(make: Make) -> None:
    steps = planned(make(*TWO))
    assert list(steps) == ["node/kubectl", "node/access", "node/host-keys"]
    assert commands([steps["node/access"]]) == ["minikube update-context -p test-1.26-2nodes"]


def test_one_started_by_hand_answers_elsewhere(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's published port changes with each start; only one kubeconfig is updated."""
    one = access(make(*TWO))
    elsewhere = recorded("minikube/status_two_running.rc0.json").replace(
        "Configured", "Misconfigured"
    )
    monkeypatch.setattr(Minikube, "_states", lambda self, *only: facts.statuses(elsewhere))
    (step,) = planned(one).values()
    assert (str(step.id), step.reason) == (
        "node/access",
        "the kubeconfig has an outdated address of the API server",
    )


def test_nodes_that_are_containers_tell_since_when_they_run(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = make(*TWO), list[tuple[str, ...]]()

    def read(*argv: str, **more: object) -> Output:
        asked.append(argv)
        return Output(0, recorded("minikube/podman_inspect_two_running.rc0.json"), "")

    assert one.observe().boots == {}  # no engine at hand
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shell, "read", read)
    assert {name: f"{booted:%H:%M:%S}" for name, booted in one.observe().boots.items()} == {
        "test-1.26-2nodes": "00:22:26",
        "test-1.26-2nodes-m02": "00:22:51",
    }
    assert asked == [("podman", "container", "inspect", "test-1.26-2nodes", "test-1.26-2nodes-m02")]


def test_minikube_is_not_asked_for_what_kubernetes_vouches_for(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = access(make(*TWO)), list[bool]()
    running = recorded("minikube/podman_inspect_two_running.rc0.json")
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shell, "read", lambda *argv, **more: Output(0, running, ""))
    monkeypatch.setattr(Minikube, "_states", lambda self, *only: asked.append(True) or {})
    seen = one.observe(lambda boots: set(boots) == {"test-1.26-2nodes", "test-1.26-2nodes-m02"})
    assert seen.running and not asked and set(one.boots()) == set(seen.boots)
    one.observe(lambda boots: False)
    assert asked == [True]
    # for 40 s Kubernetes still calls it ready
    running = running.replace('"Status": "running"', '"Status": "exited"', 1)
    one.observe(lambda boots: True)
    assert asked == [True, True]


def test_a_stopped_one_is_started(make: Make) -> None:
    one = access(make("profiles_two_stopped.rc0.json", "status_two_stopped.rc7.json"))
    (step,) = planned(one).values()
    assert (str(step.id), step.reason) == (
        "node/test-1.26-2nodes",
        "test-1.26-2nodes is stopped, test-1.26-2nodes-m02 is stopped",
    )
    assert (
        commands([step]) == commands(one.start()) == ["minikube start -p test-1.26-2nodes --force"]
    )
    assert one.stop() == []


def test_a_node_removed_behind_minikubes_back_is_made_anew(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = access(make("profiles_two_worker_missing.rc0.json", "status_two_worker_missing.rc0.json"))
    monkeypatch.setattr(
        shell, "which", lambda name: f"/usr/bin/{name}" if name == "podman" else None
    )
    monkeypatch.setattr(shell, "read", lambda *argv, **more: Output(125, "[]", "no such container"))
    assert seen(one)[1] == ("test-1.26-2nodes-m02", "worker", "missing")
    (step,) = planned(one).values()
    assert step.title == "recreate the node test-1.26-2nodes-m02"
    assert step.needs == (one._all,)
    assert commands([step]) == [
        "minikube node delete test-1.26-2nodes-m02 -p test-1.26-2nodes",
        "minikube node add -p test-1.26-2nodes",
    ]


def test_a_lost_control_plane_is_not_thrown_away(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make(TWO[0], "status_two_worker_missing.rc0.json")
    gone = (
        '[{"Name":"test-1.26-2nodes","Host":"Nonexistent"},'
        '{"Name":"test-1.26-2nodes-m02","Host":"Running","Kubelet":"Running","APIServer":"Irrelevant"}]'
    )
    monkeypatch.setattr(Minikube, "_each_state", lambda self, profile: facts.statuses(gone))
    error = error_of(lambda: planned(one))
    assert isinstance(error, Refused) and "data is kept" in error.next


def test_one_interrupted_before_its_first_node_is_made_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KEYS.replace("{", "{profile: bed-half, ")
    one = make("profiles_half_no_node.rc0.json", "status_half_no_node.rc0.json", keys)
    monkeypatch.setattr(Minikube, "_each_state", lambda self, profile: {})
    delete, create, _ = planned(one).values()
    assert commands([delete]) == ["minikube delete -p bed-half"]
    assert create.needs == (ids.PACKAGES, delete.id)


@pytest.mark.parametrize("again", [False, True])
def test_one_interrupted_later_is_set_up_again(make: Make, again: bool) -> None:
    """Also where that was interrupted as well: by then minikube has written our kubeconfig."""
    one = make(
        "profiles_half_booting.rc0.json",
        "status_half_booting.rc4.json",
        KEYS.replace("{", "{profile: bed-half, nodes: 1, "),
    )
    if again:
        one.state.folder.mkdir()
        one.state.kubeconfig.touch()
    (step,) = planned(one).values()
    assert step.reason == "its creation was interrupted"
    assert commands([step]) == [
        "minikube ssh -p bed-half -- sudo rm -f /var/tmp/minikube/kubeadm.yaml",
        "minikube start -p bed-half --force",
    ]


def test_a_node_more_waits_for_those_that_sleep(make: Make) -> None:
    stopped = "profiles_two_stopped.rc0.json", "status_two_stopped.rc7.json"
    start, third = planned(access(make(*stopped, keys=KEYS.replace("{", "{nodes: 3, ")))).values()
    assert third.needs == (start.id,)


def test_a_node_more(make: Make) -> None:
    one = access(make(*TWO, keys=KEYS.replace("{", "{nodes: 4, ")))
    assert seen(one)[2:] == [
        ("test-1.26-2nodes-m03", "worker", "missing"),
        ("test-1.26-2nodes-m04", "worker", "missing"),
    ]
    third, fourth = planned(one).values()
    assert commands([third, fourth]) == ["minikube node add -p test-1.26-2nodes"] * 2
    assert third.needs == () and fourth.needs == sids("node/test-1.26-2nodes-m03"), (
        "numbers are given one after the other"
    )
    # without it the first worker makes minikube's memory 2200
    assert ("MINIKUBE_MEMORY", "4096") in third.action.tool_commands[0].env  # type: ignore[attr-defined]


def test_a_node_less_is_taken_away_by_name_alone(make: Make) -> None:
    one = make(*TWO, keys=KEYS.replace("{", "{nodes: 1, "))
    error = error_of(lambda: planned(one))
    assert isinstance(error, Refused) and "inv cluster.remove test-1.26-2nodes-m02" in error.next
    assert commands([one.remove("test-1.26-2nodes-m02")]) == [
        "minikube node delete test-1.26-2nodes-m02 -p test-1.26-2nodes"
    ]


@pytest.mark.parametrize(
    ("keys", "differs"),
    [
        ("memory: 3000", "MiB of memory 4096, wanted 3000"),
        ("cpus: 4", "CPUs 2, wanted 4"),
        ("driver: kvm2", "driver podman, wanted kvm2"),
        ("container_runtime: docker", "container runtime containerd, wanted docker"),
        (
            "}, images: {via: registry, insecure: true, registry: '10.0.0.1:5000', prefix: p",
            "registries without TLS none, wanted 10.0.0.1:5000",
        ),
    ],
)
def test_what_would_need_another_cluster_is_refused(make: Make, keys: str, differs: str) -> None:
    error = error_of(lambda: planned(make(*TWO, keys=f"{{minikube: {{{keys}}}}}")))
    assert isinstance(error, Refused) and error.why == differs and "data is kept" in error.next


PINNED_SUM = "cddeab5ab86ab98e4900afac9d62384dae0941498dfbe712ae0c8868250bc3d7"


@pytest.fixture
def tools(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A provider on a machine with that minikube on PATH, or none; root's has podman."""
    real = Minikube.tool, Minikube.ask

    def one(version: tuple[int, ...] = (), keys: str = KEYS, **more: Any) -> Minikube:
        made = make(keys=keys, **more)
        monkeypatch.setattr(Minikube, "tool", real[0])
        monkeypatch.setattr(Minikube, "ask", real[1])
        monkeypatch.setattr(
            shell,
            "which",
            lambda name: "/usr/bin/minikube" if name == "minikube" and version else None,
        )
        monkeypatch.setattr(
            selection,
            "version_of",
            lambda tool: version if tool.path == "/usr/bin/minikube" else (1, 36, 0),
        )
        monkeypatch.setattr(shell, "read", lambda *argv, **more: Output(0, "", ""))
        return made

    return one


def whole(one: Minikube, monkeypatch: pytest.MonkeyPatch) -> dict[str, Step]:
    """The plan for the cluster alone, packages being there."""
    monkeypatch.setattr(packages, "missing", lambda names: ())
    monkeypatch.setattr(cluster, "observe", lambda *_: ClusterFacts(one.observe()))
    project = Project(one.settings, one.state, one.host)
    project.__dict__["chosen"] = one, "named"
    return by_id(up.plan(project, application=False).plan)


def test_a_missing_minikube_is_a_step_before_all_others(
    tools: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tools()
    steps = whole(one, monkeypatch)
    assert list(steps)[:2] == ["provider/minikube", "node/test-1.26-2nodes"]
    fetch, make_ = steps["provider/minikube"], steps["node/test-1.26-2nodes"]
    where = release.pinned(one.host).path
    assert fetch.action == release.FetchMinikube(
        f"{release.SITE}/v1.36.0/minikube-linux-amd64", PINNED_SUM, where
    )
    assert (fetch.title, fetch.reason) == (
        f"fetch minikube v1.36.0 to {where}",
        "minikube is not installed",
    )
    assert commands([fetch]) == [
        f"curl -fLo {where} --create-dirs {release.SITE}/v1.36.0/minikube-linux-amd64",
        f"echo '{PINNED_SUM}  {where}' | sha256sum --check && chmod 755 {where}",
    ]
    assert commands([make_]) == [
        f"{where} start --kubernetes-version=1.26.1 --memory=4096 --cpus=2 --disk-size=10GB "
        "--driver=podman --nodes=2 "
        "-p test-1.26-2nodes --container-runtime=containerd --force"
    ]
    assert make_.reason.startswith(
        "no hypervisor is known here, so nodes are containers of podman; minikube is asked once "
        "it is fetched"
    )
    assert all(
        ids.FETCH_MINIKUBE in step.needs
        for name, step in steps.items()
        if name != "provider/minikube"
    )
    project = Project(one.settings, one.state, one.host)
    project.__dict__["chosen"] = one, "named"
    assert up.machines(project).ids == sids(
        "provider/minikube", "node/test-1.26-2nodes", "node/kubectl"
    ), "`inv cluster.up` as well"
    with_virtualbox = tools(host=replace(SANDBOX, tools=frozenset({"VBoxManage"})))
    assert (
        "--vm=true --nodes=2"
        in commands([whole(with_virtualbox, monkeypatch)["node/test-1.26-2nodes"]])[0]
    )
    nothing_known = tools(host=replace(SANDBOX, root=False, tools=frozenset()))
    assert (
        "--vm=true --nodes=2"
        in commands([whole(nothing_known, monkeypatch)["node/test-1.26-2nodes"]])[0]
    )


def test_a_fetched_minikube_says_which_driver_it_takes(
    tools: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says counts, not what was expected of it."""
    one, ran, told = (
        tools(host=replace(SANDBOX, tools=frozenset({"VBoxManage", "podman"}))),
        list[str](),
        list[str](),
    )
    action = planned(one)["node/test-1.26-2nodes"].action
    assert "--vm=true" in action.commands()[0]  # type: ignore[attr-defined]
    monkeypatch.setattr(RunAndAdmit, "run", lambda self, log: ran.extend(self.commands()))
    action.run(told.append)
    assert "--driver=podman" in ran[0] and "--vm=true" not in ran[0] and told == ran


@pytest.mark.parametrize(
    ("version", "word"),
    [
        ((1, 28, 0), "does not support"),
        ((1, 37, 0), "K8S_OLD_UNSUPPORTED"),
        ((0,), "does not support"),
    ],
)
def test_another_minikube_stays_and_the_pinned_one_is_used_beside_it(
    tools: Make, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...], word: str
) -> None:
    one = tools(version)
    steps = whole(one, monkeypatch)
    assert word in steps["provider/minikube"].reason and steps[
        "provider/minikube"
    ].reason.startswith("the one at /usr/bin/minikube is not used: ")
    pinned = release.pinned(one.host).path
    assert commands([steps["node/test-1.26-2nodes"]])[0].startswith(f"{pinned} start ")
    found = one.probe()
    assert (
        found.ok and found.fetched and word in found.why and "v1.36.0 would be fetched" in found.why
    )
    assert "releases/download/v1.36.0/minikube-linux-amd64 (sha256 cddeab5a" in found.fix
    assert ("minikube.force, which gives it --force" in found.fix) == (version > (1, 37)), (
        "an older one is not helped by it"
    )
    write_private(pinned, "minikube")  # as an earlier plan left it
    assert (
        one.install() == []
        and not one.probe().fetched
        and "provider/minikube" not in whole(one, monkeypatch)
    )


def test_a_newer_minikube_is_taken_where_forced(tools: Make) -> None:
    keys = KEYS.replace("{", "{force: true, ")
    one = tools((1, 37, 0), keys)
    write_private(release.pinned(one.host).path, "minikube")
    host = replace(SANDBOX, root=False)
    for forced in (one, tools((1, 37, 0), keys, host=host)):
        command = commands([planned(forced)["node/test-1.26-2nodes"]])[0]
        assert command.startswith("/usr/bin/minikube start ") and command.endswith(" --force")
        assert forced.probe().ok and not forced.probe().fetched and forced.install() == []
    assert planned(one)["node/test-1.26-2nodes"].reason.endswith(
        "; --force, as minikube refuses root without"
    )
    assert planned(forced)["node/test-1.26-2nodes"].reason.endswith(
        "; --force, as minikube.force says"
    )
    older = tools((1, 28, 0), keys)
    assert planned(older)["node/test-1.26-2nodes"].action.tool_commands[0].argv[0] == str(
        release.pinned(one.host).path
    )  # type: ignore[attr-defined]


def test_no_minikube_is_pinned_for_this_machine(tools: Make) -> None:
    one = tools(host=replace(SANDBOX, arch="riscv64"))
    error = error_of(lambda: planned(one))
    assert (
        error.what == "no minikube is pinned for Linux on riscv64"
        and "https://minikube.sigs.k8s.io/docs/start/" in error.next
    )
    assert not one.probe().ok and "https://minikube.sigs.k8s.io/docs/start/" in one.probe().fix


def test_auto_takes_what_has_to_be_fetched_last(
    tools: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = {
        "local": Usable(False, "not root", "be root"),
        "vagrant": Usable(True, "Vagrant 2.4.9 with virtualbox"),
    }
    made = {
        "minikube": tools(),
        **{
            name: SimpleNamespace(name=name, probe=lambda found=found: found)
            for name, found in usable.items()
        },
    }
    monkeypatch.setattr(base, "make", lambda name, *_: made[name])
    auto = settings(tmp_path), state(tmp_path), SANDBOX
    assert [base.choose(*auto)[0].name, base.choose(*auto)[1]] == [
        "vagrant",
        "Vagrant 2.4.9 with virtualbox",
    ]
    made["vagrant"].probe = lambda: Usable(False, "no VirtualBox", "install it")
    assert [base.choose(*auto)[0].name, base.choose(*auto)[1]] == [
        "minikube",
        "minikube is not installed; v1.36.0 would be fetched",
    ]
    made["minikube"] = tools(host=replace(SANDBOX, root=False, tools=frozenset()))
    error = error_of(base.choose, *auto)
    assert (
        isinstance(error, UsageError)
        and "minikube is not installed, and there is neither a hypervisor nor " in error.why
    )


@pytest.mark.parametrize("text", ["", "{", '{"Name": "test-1.26-2no', "\0" * 64])
def test_a_profile_that_can_not_be_read_is_not_taken_as_half_of_one(make: Make, text: str) -> None:
    """minikube calls it invalid, as one whose creation was cut off, which is deleted."""
    one = make(
        "profiles_half_no_node.rc0.json",
        "status_half_no_node.rc0.json",
        KEYS.replace("{", "{profile: bed-half, nodes: 1, "),
    )
    path = one.home / "profiles" / one.profile_name / "config.json"
    path.write_text(text)
    for look in (one.observe, one.ssh_targets):
        error = error_of(look)
        assert (
            isinstance(error, Refused)
            and error.what == f"{path} is not valid JSON"
            and "to lose what is in" in error.next
        )


def remaking(tool: Tool, folder: Path, admit: RunAndAdmit) -> RemakeNode:
    return RemakeNode(
        name="bed-m02",
        engine=("podman",),
        data="/var/lib/kubeup/data",
        machine=folder / "machine",
        delete=tool.command("node", "delete", "bed-m02", *tool.on),
        add=tool.command("node", "add", *tool.on),
        admit=admit,
    )


@pytest.fixture
def remade(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> RemakeNode:
    """A node that is to be made anew, its volume being a folder of this machine."""
    one = make(*TWO)
    one.state.folder.mkdir()
    volume, minikube = tmp_path / "volume", tmp_path / "minikube"
    minikube.write_text(
        f"#!/bin/sh\ncase $2 in delete) rm -rf {volume};; add) mkdir -p {volume};; esac\n"
    )
    minikube.chmod(0o755)
    node = remaking(
        Tool(str(minikube), (), "bed"), tmp_path, RunAndAdmit(one.planned, (), tuple, one.state)
    )
    on_host = lambda _: str(volume / "lib/kubeup/data") if volume.exists() else ""  # noqa: E731
    monkeypatch.setattr(RemakeNode, "_on_host", on_host)
    return node


def rows_on(tmp_path: Path) -> Path:
    return tmp_path / "volume/lib/kubeup/data/mysql/rows"


@pytest.mark.real
def test_a_node_made_anew_loses_nothing_wherever_that_is_cut_off(
    tmp_path: Path, remade: RemakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the node was back, and its database had written more, before it was lost again."""
    done, write = count(), shell.write
    moment = 0

    def cut(*argv: str, **more: Any) -> str:
        if (number := next(done)) == moment:
            if "delete" in argv:
                rows_on(tmp_path).unlink()  # half of what it does
            raise KeyboardInterrupt
        assert number < 100
        return write(*argv, **more)

    for moment in range(20):
        shutil.rmtree(tmp_path / "volume", ignore_errors=True)
        rows_on(tmp_path).parent.mkdir(parents=True)
        rows_on(tmp_path).write_text("rows")
        (rows_on(tmp_path).parent / "ibdata1").touch()
        done = count()
        with monkeypatch.context() as patched:
            patched.setattr("kubeup.core.shell.write", cut)
            try:
                remade.run(print)
            except KeyboardInterrupt:
                ended = False
            else:
                ended = True
        wanted = "rows"
        if (
            rows_on(tmp_path).exists()
            and not (remade.admit.state.folder / "kept-bed-m02.going").exists()
        ):
            wanted = "newer rows"
            rows_on(tmp_path).write_text(wanted)  # somebody started it meanwhile
        remade.run(print)
        assert rows_on(tmp_path).read_text() == wanted, moment
        assert not (remade.admit.state.folder / "kept-bed-m02").exists()
        if ended:
            break
    assert moment > 8


@pytest.mark.parametrize("what", ["volume", "ls"])
def test_a_node_whose_data_can_not_be_looked_at_is_not_made_anew(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    ran: list[tuple[str, ...]] = []
    one = make(*TWO)
    node = remaking(one.planned, tmp_path, RunAndAdmit(one.planned, (), one.ssh_targets, one.state))

    def read(*argv: str, **_: object) -> Output:
        return (
            Output(125, "", "Error: timed out")
            if what in argv
            else Output(0, '[{"Mountpoint": "/volume"}]', "")
        )

    monkeypatch.setattr("kubeup.core.shell.write", lambda *argv, **_: ran.append(argv))
    monkeypatch.setattr("kubeup.core.shell.read", read)
    error = error_of(node.run, print)
    assert "can't be read" in error.what and "timed out" in error.why and ran == []


def test_a_profile_without_a_minikube_is_not_taken_as_gone(
    tools: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = tools()
    config = json.loads(recorded("minikube/profiles_two_running.rc0.json"))["valid"][0]["Config"]
    write_private(one.home / "profiles" / one.profile_name / "config.json", json.dumps(config))
    found = one.observe().nodes
    assert [(node.name, node.state, node.address) for node in found] == [
        ("test-1.26-2nodes", "stopped", "192.168.58.2"),
        ("test-1.26-2nodes-m02", "stopped", "192.168.58.3"),
    ]
    steps = whole(one, monkeypatch)
    assert list(steps)[:2] == ["provider/minikube", "node/test-1.26-2nodes"]
    assert (
        "can't be checked: minikube is not installed here" in steps["node/test-1.26-2nodes"].reason
    )
    assert commands([steps["node/test-1.26-2nodes"]])[0].endswith(
        "/minikube start -p test-1.26-2nodes --force"
    )
    for at_once in (
        lambda: one.destroy(data=False),
        one.start,
        one.stop,
        lambda: one.tool_command("dashboard"),
    ):
        error = error_of(at_once)
        assert (
            isinstance(error, Refused)
            and error.what == "minikube is not installed"
            and "inv doctor --fix" in error.next
        )


@pytest.mark.parametrize(
    "said", ["", '{"error":{"Op":"open","Path":"/home/ana/.minikube/profiles","Err":13}}']
)
def test_profiles_that_are_not_told_are_not_taken_as_gone(
    make: Make, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    one = make(*TWO)
    monkeypatch.setattr(Minikube, "ask", lambda self, *words: said)
    for look in (one.observe, lambda: one.destroy(data=False)):
        assert error_of(look).what == "minikube does not list its profiles"


def test_a_missing_tool_leaves_nothing_to_remove(tools: Make) -> None:
    one = tools()
    assert one.destroy(data=False) == [] and one.start() == []


def test_doctor_fetches_it_too(tools: Make) -> None:
    one = tools()
    project = Project(one.settings, one.state, one.host)
    project.__dict__["chosen"] = one, "named"
    found = doctor._provider(project)
    assert not found.ok and names(found.steps) == ["provider/minikube"]
    assert found.ask.startswith("fetch minikube v1.36.0") and "sha256" in found.fix


def test_down_takes_the_network_that_minikube_forgets(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = access(make(*TWO))
    monkeypatch.setattr(actions, "network_of", lambda engine, name: True)
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    delete, network = one.destroy(data=False)
    assert commands([delete, network]) == [
        "minikube delete -p test-1.26-2nodes",
        "podman network rm test-1.26-2nodes",
    ]
    assert delete.loses == "" and network.needs == (delete.id,)
    assert "the database's data included" in one.destroy(data=True)[0].loses
    one.host = replace(SANDBOX, root=False)
    assert commands(one.destroy(data=False))[1] == "sudo -n podman network rm test-1.26-2nodes"


@pytest.mark.parametrize("project", [None, "/home/bob/kubeup"])
def test_down_leaves_a_profile_that_is_not_ours(make: Make, project: str | None) -> None:
    """Its name alone says nothing: made by hand and never used, or by another checkout."""
    one = make(*TWO)
    if project:
        mark.write(one._folder, Mark("dev", project))
        access(one)
    error = error_of(one.destroy, True)
    assert isinstance(error, Refused) and (project or "somebody by hand") in error.why
    assert f"`minikube delete -p {one.profile_name}`" in error.next


def test_a_profile_that_up_has_taken_over_is_ours(make: Make) -> None:
    """As an earlier kubeup's, which made no marks: it has our access, or is on record."""
    one = make(*TWO)
    with lock.profile(one.state.folder, "a test"):
        record.change(one.state, provider="minikube")
    assert names(one.destroy(data=False))
    record_of_things = replace(record.read(one.state), provider="", things=(one.thing,))
    with lock.profile(one.state.folder, "a test"):
        record.write(one.state, record_of_things)
    assert names(one.destroy(data=False))


def test_a_new_profile_is_marked_and_found_by_its_mark(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    create = planned(one)[f"node/{one.profile_name}"].action
    assert isinstance(create, RunAndAdmit)
    assert one.traces() == ()
    monkeypatch.setattr(shell, "write", lambda *_, **__: "")
    create.run(lambda line: None)
    (found,) = one.traces()
    assert (found.thing, found.owner, found.profile) == (one.thing, one.state.ours, "dev")
    monkeypatch.setattr(
        Minikube, "ask", lambda self, *words: recorded("minikube/profiles_two_running.rc0.json")
    )
    assert one.foreign == "" and one.standing((one.thing,)) == (one.thing,)


def test_what_is_standing_is_asked_of_minikube(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = make()
    assert one.standing((one.thing,)) == ()
    monkeypatch.setattr(Minikube, "ask", lambda self, *words: "")
    assert error_of(one.standing, (one.thing,)).what == "minikube does not list its profiles"


def test_every_profile_of_minikubes_is_told_with_what_it_takes(make: Make) -> None:
    one = make("profiles_two_stopped.rc0.json")
    (survey,) = one.surveys().values()
    (found,) = survey()
    assert (found.thing.name, found.state, found.memory) == (one.profile_name, "stopped", 8192)
    assert (found.owner, found.profile) == ("", ""), "nothing says that it is ours"
    mark.write(one._folder, Mark("dev", "/gone"))
    assert survey()[0].owner == "/gone"


def test_data_on_its_nodes_are_looked_for_by_minikubes_own_way(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = make(*TWO), list[tuple[str, ...]]()

    def read(*argv: str, **_: object) -> Output:
        asked.append(argv)
        return Output(0, "mysql mysql 8.4\n" if argv[5].endswith("m02") else "", "")

    monkeypatch.setattr(shell, "read", read)
    assert one.holding(("mysql",)) == (("test-1.26-2nodes-m02", "mysql", "mysql 8.4"),)
    assert asked[0][:7] == ("minikube", "ssh", "-p", one.profile_name, "-n", one.profile_name, "--")
    assert shlex.split(asked[0][7])[:3] == ["sudo", "sh", "-c"]
    monkeypatch.setattr(shell, "read", lambda *_, **__: Output(83, "", "not running"))
    assert "can't tell what data" in error_of(one.holding, ("mysql",)).what


def test_corednss_usual_times_are_made_short_and_nothing_else() -> None:
    usual = recorded("minikube/corefile.txt")
    short = addons.forgetful(usual)
    changed = difflib.unified_diff(usual.splitlines(), short.splitlines(), n=0, lineterm="")
    assert [line for line in changed if line[0] in "+-"][2:] == [
        "-       ttl 30",
        "+       ttl 1",
        "-    cache 30",
        "+    cache 30 {",
        "+       success 9984 30 1",
        "+       denial 9984 2",
        "+    }",
    ]
    assert addons.forgetful(short) == short
    assert yaml.safe_load(
        Path(PROJECT, "ansible/roles/control_plane/files/coredns.yaml").read_text()
    )["data"]["Corefile"] == addons.forgetful(
        usual.replace("    log\n", "").replace(
            "    hosts {\n       192.168.49.1 host.minikube.internal\n       fallthrough\n    }\n",
            "",
        )
    )


def test_kubernetes_is_minikubes_business(make: Make) -> None:
    one = make(*TWO)
    assert (
        not one.uses_kubeadm and not one.keeps_data and one.kubernetes() == "provided by minikube"
    )
    assert one.list_images[0] == "ctr"
    assert isinstance(one.observe(), Machines)


MIRRORED = f"{KEYS}\nimages: {{mirrors: {{quay.io: ['https://mirror.example.com']}}}}"


def test_nodes_are_told_of_mirrors_when_they_are_new_or_were_told_others(make: Make) -> None:
    usual, one = make(*TWO), access(make(*TWO, keys=MIRRORED))
    assert usual.trust({}, made=True) == usual.trust({"n": ""}, made=False) == []
    (step,) = one.trust({}, made=True)
    assert step.id == ids.TRUST and isinstance(step.action, trust.ConfigureTrust)
    told = step.action.trust
    assert told.stamp and one.trust(dict.fromkeys("nm", told.stamp), made=False) == []
    assert one.trust({"n": told.stamp, "m": ""}, made=False)[0].reason.endswith(
        "differ from the settings"
    )
    (step,) = usual.trust({"n": told.stamp}, made=False)
    assert isinstance(step.action, trust.ConfigureTrust) and step.action.trust.stamp == "", (
        "it was taken out"
    )
    assert one.trust({}, made=False) == [], "a cluster that sleeps is looked at when it is awake"


def test_whatever_talks_to_the_cluster_waits_until_they_were(make: Make, tmp_path: Path) -> None:
    one = Project(settings(tmp_path, MIRRORED), state(tmp_path), SANDBOX)
    one.__dict__["chosen"] = make(keys=MIRRORED), "named"
    steps = by_id(cluster.plan(one, ClusterFacts(one.provider.observe()), Needed()))
    later = ("cluster/answers", "cluster/metrics", "cluster/services", "cluster/names")
    assert all(ids.TRUST in steps[name].needs for name in later)
    assert set(steps["cluster/trust"].needs) == set(sids("node/test-1.26-2nodes", "node/kubectl"))


@pytest.mark.processes
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_runtime_starts_anew_for_authorities_alone(tmp_path: Path, shell: str) -> None:
    """The script for a node run for real, with the node's folders below another one."""
    pem, restarted = recorded("certificates/authority.pem"), tmp_path / "restarted"
    known = registries.registries({"quay.io": ["https://mirror.example.com"]}, [])
    for folder in ("containerd", "ssl/certs"):
        (tmp_path / "etc" / folder).mkdir(parents=True)

    def tell(told: trust.NodeTrust) -> list[str]:
        restarted.write_text("")
        text = told.script().replace("/etc/", f"{tmp_path}/etc/")
        text = text.replace("/usr/local", f"{tmp_path}").replace("command -v update", "false")
        systemctl = (
            f'systemctl() {{ case "$*" in *docker*|*crio*) return 1;; is-*) ;; '
            f'*) echo "$@" >>{restarted};; esac; }}\n'
        )
        subprocess.run([shell, "-s"], input=systemctl + text, text=True, check=True)
        return restarted.read_text().splitlines()

    stamp = tmp_path / "etc" / "kubeup" / "provisioned"
    hosts = tmp_path / "etc" / "containerd" / "certs.d" / "quay.io" / "hosts.toml"
    both = trust.NodeTrust((pem,), known)
    assert tell(both) == ["restart containerd"] and tell(both) == []
    assert stamp.read_text() == f"{both.stamp}\n" and hosts.exists()
    assert tell(trust.NodeTrust((pem,), ())) == [] and not hosts.exists()
    assert tell(trust.NodeTrust((), ())) == ["restart containerd"] and not stamp.exists()


def test_a_minikube_that_does_not_fit_does_nothing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make(*TWO)
    monkeypatch.setattr(
        Minikube, "misfit", Misfit("it is 1.2, from 1.26 on it fits", "get another")
    )
    error = error_of(one.require_tool)
    assert isinstance(error, Refused) and error.why.startswith("it is 1.2")
    monkeypatch.setattr(Minikube, "tool", None)
    assert isinstance(error_of(one.require_tool), Refused)


@pytest.mark.parametrize("engine", [(), ("podman",)])
def test_a_node_that_can_not_be_made_as_it_was_is_refused(
    engine: tuple[str, ...],
    make: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not the last one, or nobody can look into its volume."""
    one = make("profiles_two_worker_missing.rc0.json", "status_two_worker_missing.rc0.json")
    monkeypatch.setattr(Minikube, "_engine", lambda *_: engine)
    profile = one.profile()
    assert profile is not None
    gone = profile.nodes[0 if engine else 1].name
    error = error_of(one._remake, gone, profile)
    assert isinstance(error, Refused) and error.what == f"the node {gone} is gone"


def test_it_has_no_snapshots(make: Make) -> None:
    assert isinstance(error_of(make(*TWO).tool_command, "snapshot", "save", "before"), UsageError)


@pytest.mark.parametrize("what", ["host key", "image", "services", "authorities"])
def test_what_a_node_did_not_take_is_told(
    what: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, boom = make(*TWO), Output(1, "", "boom")
    ssh_targets = one.ssh_targets()[:1]
    tool, nodes = Tool("minikube", (), one.profile_name), lambda: ssh_targets
    monkeypatch.setattr("kubeup.core.shell.read", lambda *_, **__: boom)
    monkeypatch.setattr("kubeup.core.shell.write", lambda *_, **__: "")
    monkeypatch.setattr("kubeup.system.ssh.run", lambda *_, **__: boom)
    kubectl = Kubectl(Path("kubectl"), one.state.kubeconfig, "dev")
    image = AppImage("api", "localhost/api:1", Path("/src"), ())
    action = {
        "host key": RunAndAdmit(tool, (), nodes, one.state),
        "image": actions.LoadImage(
            tool.command("image", "load"),
            image,
            nodes,
            (ssh_targets[0].name,),
            ("crictl", "images"),
        ),
        "services": addons.KeepServicesInside(nodes, "10.96.0.0/12"),
        "authorities": trust.ConfigureTrust(nodes, trust.NodeTrust((), ()), kubectl),
    }[what]
    error = error_of(action.run, print)
    assert ssh_targets[0].name in error.what and error.why == "boom"
