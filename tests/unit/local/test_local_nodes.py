"""What is seen of node containers, and what a plan makes of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from builders import (
    DESKTOP,
    OURS,
    SANDBOX,
    access,
    by_id,
    commands,
    error_of,
    machines,
    names,
    node,
    recorded,
    settings,
    sid,
    sids,
    state,
    three,
)

from kubeup.cluster.providers.base import Blocked, Machines, Needed, NodeState
from kubeup.cluster.providers.kubeadm import KubeadmProvider
from kubeup.cluster.providers.local import Local, disks
from kubeup.cluster.providers.local.forwarding import BETWEEN, NO_MODULE, NodesNetwork
from kubeup.cluster.providers.local.nodes import ADMIT
from kubeup.core import ids, shell
from kubeup.core.errors import CommandError, Refused
from kubeup.core.pace import Pace
from kubeup.core.plan import todo
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.facts.cgroups import Limits
from kubeup.facts.containers import Container, containers
from kubeup.facts.forwarding import Forwarding
from kubeup.facts.host import HostFacts

NEEDED = Needed((("system", Path("/cache/system.tar")),), (ids.SYSTEM_IMAGES,))
NETWORKS = (IPv4Network("192.168.60.0/24"), IPv4Network("10.244.0.0/16"))
PODMAN_ID = "a29e06189672c5eedba6567aafeac0f480be880b2989279c3db0123d123e643d"
KNOWN = "".join(f"192.168.60.{n} ssh-ed25519 AAAAC3\n" for n in (10, 11, 12))


def local(
    tmp_path: Path, host: HostFacts = DESKTOP, found: tuple[Container, ...] = (), keys_: str = ""
) -> Local:
    made = Local(settings(tmp_path, keys_), state(tmp_path), host)
    write_private(made.state.known_hosts, KNOWN)
    made._containers = lambda: found  # type: ignore[method-assign]
    made._blocked = lambda *_: None  # type: ignore[method-assign]
    made._taken = lambda: ""  # type: ignore[method-assign]
    return made


def podman_nodes() -> tuple[Container, ...]:
    return containers(recorded("local/podman_inspect_nodes.json"))


def test_what_is_there_as_wanted_and_what_is_missing(tmp_path: Path) -> None:
    seen = local(tmp_path, SANDBOX, podman_nodes()).observe()
    assert [(one.name, one.state, one.differs, one.detail) for one in seen.nodes] == [
        ("dev-control", "running", (), ""),
        ("dev-worker-1", "running", (), ""),
        ("dev-worker-2", "missing", (), ""),
    ]
    assert seen.limited and seen.containers and seen.release_inside
    assert seen.cgroup_driver == "cgroupfs"
    assert seen.any_there and not seen.running


def test_a_machine_with_cgroup_v2_has_systemds_driver_and_no_limits(tmp_path: Path) -> None:
    seen = local(tmp_path, DESKTOP).observe()
    assert (seen.cgroup_driver, seen.limited, seen.any_there) == ("systemd", False, False)


def test_other_sizes_are_told_in_words_and_lead_to_a_resize(tmp_path: Path) -> None:
    provider = local(
        tmp_path, DESKTOP, podman_nodes(), "nodes: {workers: {count: 1, cpu: 1, memory: 2048}}"
    )
    seen = provider.observe()
    assert seen.nodes[1].differs == ("2 CPUs, wanted 1", "4096 MiB, wanted 2048")
    (resize,) = todo(provider.plan(seen, NEEDED))
    assert (str(resize.id), resize.reason) == (
        "resize/dev-worker-1",
        "2 CPUs, wanted 1; 4096 MiB, wanted 2048",
    )
    assert resize.needs == sids("node/dev-worker-1")
    assert commands([resize]) == ["podman update --cpus 1 --memory 2048m dev-worker-1"]


def test_a_moved_node_is_refused(tmp_path: Path) -> None:
    provider = local(tmp_path, DESKTOP, podman_nodes(), "network: {control_ip: 192.168.61.10}")
    error = error_of(provider.plan, provider.observe(), NEEDED)
    assert isinstance(error, Refused)
    assert (
        error.what == "the node dev-control has the address 192.168.60.10, wanted is 192.168.61.10"
    )
    assert "network.control_ip" in error.next


def test_a_node_that_its_maker_never_finished_is_admitted(tmp_path: Path) -> None:
    provider = local(tmp_path, DESKTOP, podman_nodes(), "nodes: {workers: {count: 1}}")
    write_private(provider.state.known_hosts, KNOWN.splitlines()[0] + "\n")
    step, forwarding = todo(provider.plan(provider.observe(), NEEDED))
    assert forwarding.id == sid("local/forwarding")
    assert (str(step.id), step.title) == ("node/dev-worker-1", "finish dev-worker-1")
    assert step.needs == sids("ssh/key")
    assert step.reason == "it was not finished: its creation was interrupted"


def test_somebody_elses_container_is_refused(tmp_path: Path) -> None:
    provider = local(tmp_path, DESKTOP, podman_nodes())
    provider.state = replace(provider.state, ours="/home/ana/another-checkout")
    error = error_of(provider.plan, provider.observe(), NEEDED)
    assert isinstance(error, Refused)
    assert (error.what, error.why) == (
        "the container dev-control is not this profile's",
        f"it was made by {OURS}",
    )


def test_somebody_elses_is_told_before_what_is_too_many(tmp_path: Path) -> None:
    seen = machines(
        NodeState("dev-worker-3", "worker", "", "surplus"),
        node("dev-worker-1", "foreign", detail="another profile"),
    )
    error = error_of(local(tmp_path, DESKTOP).plan, seen, NEEDED)
    assert error.what == "the container dev-worker-1 is not this profile's"


def test_a_container_without_our_labels_is_refused(tmp_path: Path) -> None:
    bare = replace(podman_nodes()[0], labels={})
    provider = local(tmp_path, DESKTOP, (bare,))
    assert (
        error_of(provider.plan, provider.observe(), NEEDED).why == "it was made by another program"
    )


def test_a_surplus_node_is_refused_and_named(tmp_path: Path) -> None:
    provider = local(tmp_path, DESKTOP, podman_nodes(), "nodes: {workers: {count: 0}}")
    seen = provider.observe()
    assert seen.nodes[-1].state == "surplus"
    error = error_of(provider.plan, seen, NEEDED)
    assert isinstance(error, Refused)
    assert error.what == "the node dev-worker-1 is not in the settings"
    assert "inv cluster.remove dev-worker-1" in error.next


def test_stopped_nodes_are_started(tmp_path: Path) -> None:
    steps = todo(local(tmp_path, SANDBOX).plan(three("stopped"), NEEDED))
    *nodes, forwarding = steps
    assert names(nodes) == ["node/dev-control", "node/dev-worker-1", "node/dev-worker-2"]
    assert {(one.reason, one.needs) for one in nodes} == {("it is stopped", ())}
    started = tuple(one.id for one in nodes)
    assert forwarding.needs == (*sids("local/network", "local/image"), *started)
    assert commands(steps)[0] == "podman --runtime runc --cgroup-manager cgroupfs start dev-control"


@pytest.mark.parametrize(
    ("address", "names", "taken"),
    [
        ("192.168.62.10", "kubeup-e2e podman", "podman's network kubeup-e2e"),
        ("10.88.3.10", "kubeup-e2e podman", "podman's network podman"),
        ("192.168.63.10", "kubeup-e2e podman", ""),
        ("192.168.62.10", "kubeup-e2e kubeup-dev", ""),
        ("192.168.62.10", "", ""),
    ],
)
def test_a_network_that_somebody_else_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, names: str, taken: str
) -> None:
    """Two profiles with one address: the engine makes no second network of that range."""
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    inspected = recorded("local/podman_network_inspect.json")
    monkeypatch.setattr(
        shell, "read", lambda *argv, **_: Output(0, inspected if "inspect" in argv else names, "")
    )
    provider = local(tmp_path, DESKTOP, (), f"network: {{control_ip: {address}}}")
    del provider._taken
    assert provider.observe().taken == taken


def test_what_the_kernel_enforces_counts_and_not_what_podman_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """podman 4 tells the size that a container was made with, whatever `podman update` did."""
    provider = local(tmp_path, DESKTOP, podman_nodes(), "nodes: {workers: {count: 1}}")
    asked: list[tuple[str, int]] = []

    def enforced(group: str, version: int) -> Limits:
        asked.append((group, version))
        return Limits(2.0, 3072)

    monkeypatch.setattr("kubeup.cluster.providers.local.reading.limits", enforced)
    assert [one.differs for one in provider.observe().nodes] == [("3072 MiB, wanted 4096",)] * 2
    assert asked[0] == (f"/libpod_parent/libpod-{PODMAN_ID}", DESKTOP.cgroup)


def test_a_stopped_node_gets_its_size_again_when_it_is_started(tmp_path: Path) -> None:
    stopped = containers(recorded("local/podman_inspect_stopped.json"))
    provider = local(
        tmp_path,
        DESKTOP,
        (podman_nodes()[0], *stopped),
        "nodes: {workers: {count: 1, memory: 2304}}",
    )
    provider.state = replace(provider.state, ours=stopped[0].label("kubeup.project"))
    assert [(str(one.id), one.needs) for one in todo(provider.start())] == [
        ("node/dev-worker-1", ()),
        ("local/forwarding", sids("local/network", "local/image", "node/dev-worker-1")),
        ("resize/dev-worker-1", sids("node/dev-worker-1")),
    ]


def test_a_stopped_podman_node_is_not_a_moved_one(tmp_path: Path) -> None:
    stopped = containers(recorded("local/podman_inspect_stopped.json"))
    provider = local(
        tmp_path, DESKTOP, (podman_nodes()[0], *stopped), "nodes: {workers: {count: 1}}"
    )
    seen = provider.observe()
    assert (seen.nodes[1].state, seen.nodes[1].detail) == ("stopped", "")
    assert names(provider.plan(seen, NEEDED)) == ["node/dev-worker-1", "local/forwarding"]


def test_what_stopped_nodes_were_made_from_serves_to_look_at_the_packet_filter(
    tmp_path: Path,
) -> None:
    """The image of new nodes may not be there: the release or the roles may have changed since."""
    stopped = containers(recorded("local/podman_inspect_stopped.json"))
    provider = local(tmp_path, DESKTOP, stopped, "nodes: {workers: {count: 1}}")
    assert provider.observe().image == stopped[0].image != provider.node_image()


def test_running_nodes_need_nothing(tmp_path: Path) -> None:
    assert todo(local(tmp_path).plan(three(), NEEDED)) == []


def test_rules_that_are_gone_are_put_back_under_running_nodes(tmp_path: Path) -> None:
    (step,) = todo(
        local(tmp_path).plan(replace(three(), blocked=Blocked("another rule comes first")), NEEDED)
    )
    assert (str(step.id), step.reason) == ("local/forwarding", "another rule comes first")


def test_what_only_its_owner_may_change_is_refused_with_what_to_type(tmp_path: Path) -> None:
    seen = replace(three(), blocked=Blocked("firewalld drops it", "firewall-cmd --reload"))
    error = error_of(local(tmp_path).plan, seen, NEEDED)
    assert isinstance(error, Refused)
    assert (error.why, error.next) == ("firewalld drops it", "firewall-cmd --reload")


def test_nodes_that_kubernetes_vouches_for_are_not_asked_whether_they_reach_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = local(tmp_path, SANDBOX, podman_nodes())
    asked: list[tuple[str, str]] = []
    provider._blocked = Local._blocked.__get__(provider)  # type: ignore[method-assign]
    monkeypatch.setattr(
        NodesNetwork, "forwarding", lambda _: Forwarding("dev", "podman1", *NETWORKS)
    )
    saved, others = recorded("facts/iptables_save_nodes"), '{"nftables": []}'
    monkeypatch.setattr(
        "kubeup.core.shell.read", lambda *argv, **_: Output(0, f"{saved}{BETWEEN}{others}", "")
    )
    monkeypatch.setattr(NodesNetwork, "_dropped", lambda _, *ends: asked.append(ends[:2]))
    provider.observe(lambda boots: True)
    assert asked == []
    provider.observe()
    assert asked == [("dev-worker-1", "192.168.60.10")]
    others = (
        '{"nftables": [{"chain": {"family": "inet", "table": "firewalld", "hook": "forward"}}]}'
    )
    provider.observe(lambda boots: True)
    assert len(asked) == 2, "somebody else may drop what ours lets through"


def test_workers_without_their_control_plane_are_refused(tmp_path: Path) -> None:
    seen = machines(node("dev-control", "missing"), node("dev-worker-1"), node("dev-worker-2"))
    provider = local(tmp_path)
    # nodes are made side by side: a run was killed when the control plane's turn had not come
    assert "node/dev-control" in names(provider.plan(seen, NEEDED))
    write_private(provider.state.kubeconfig, access())
    assert "the control plane dev-control is gone" in error_of(provider.plan, seen, NEEDED).what


def test_from_nothing_to_three_nodes(tmp_path: Path) -> None:
    steps = by_id(local(tmp_path).plan(three("missing"), NEEDED))
    made = [f"node/{name}" for name in ("dev-control", "dev-worker-1", "dev-worker-2")]
    assert list(steps) == [
        "local/network",
        "rootfs/machine",
        "local/image",
        "local/disk",
        *made,
        "local/forwarding",
    ]
    assert steps["local/network"].needs == sids("host/packages")
    assert steps["local/image"].needs == sids(
        "host/packages", "rootfs/machine", "release/kubernetes"
    )
    assert steps["local/disk"].needs == sids("local/image", "image/system")
    assert steps["local/disk"].reason == "1 archives, once instead of on every node"
    assert steps["node/dev-worker-2"].needs == sids("local/network", "local/disk", "ssh/key")
    assert steps["local/forwarding"].needs == sids("local/network", "local/image", *made)
    assert steps["node/dev-worker-2"].reason == "192.168.60.12, 2 CPUs, 4096 MiB: missing"
    assert steps["local/network"].title == "make the network kubeup-dev (192.168.60.0/24)"


def test_a_machine_of_the_databases_own_is_made_like_a_node_and_is_none(tmp_path: Path) -> None:
    provider = local(tmp_path, keys_="nodes: {database: {count: 1, memory: 1024}}")
    assert [spec.name for spec in provider.node_specs()] == [
        "dev-control",
        "dev-worker-1",
        "dev-worker-2",
    ]
    assert [(one.name, one.role, one.address) for one in provider.extra_machines()] == [
        ("dev-db", "db", "192.168.60.9")
    ]
    seen = provider.observe()
    assert (
        by_id(provider.plan(seen, NEEDED))["node/dev-db"].reason
        == "192.168.60.9, 1 CPUs, 1024 MiB: missing"
    )


def test_one_missing_node_leaves_the_others_alone(tmp_path: Path) -> None:
    seen = machines(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "missing"))
    assert [
        one for one in names(local(tmp_path).plan(seen, NEEDED)) if one.startswith("node/")
    ] == ["node/dev-worker-2"]


def test_a_root_file_system_in_the_cache_is_not_made_again(
    tmp_path: Path, cache_home: Path
) -> None:
    provider = local(tmp_path)
    seen = three("missing")
    target = by_id(provider.plan(seen, NEEDED))["rootfs/machine"].action.rootfs.path  # type: ignore[attr-defined]
    assert target.is_relative_to(cache_home / "rootfs")
    write_private(target, "tar")
    assert "rootfs/machine" not in by_id(provider.plan(seen, NEEDED))


def removal(steps: object) -> list[tuple[str, str]]:
    return [(str(one.id), one.loses) for one in steps]  # type: ignore[attr-defined]


def test_down_keeps_data_unless_it_is_named(tmp_path: Path) -> None:
    provider = local(tmp_path, replace(DESKTOP, tools=frozenset()), podman_nodes())
    provider._orphaned = lambda removed, data: []  # type: ignore[method-assign]
    kept = provider.destroy(data=False)
    assert removal(kept) == [("node/dev-control", ""), ("node/dev-worker-1", "")]
    assert commands(kept)[:3] == [
        "podman stop --time 10 dev-control",
        "podman rm --force dev-control",
        "podman volume rm --force dev-control-var",
    ]
    lost = provider.destroy(data=True)
    assert removal(lost)[1] == (
        "node/dev-worker-1",
        "all data on dev-worker-1, the database's included if it is there",
    )
    assert commands(lost)[2] == "podman volume rm --force dev-control-var dev-control-data"


def test_data_of_another_profile_or_checkout_is_never_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """podman 4.3 lists what carries one of two labels where both are asked for: all three."""
    provider = local(tmp_path, replace(DESKTOP, tools=frozenset()), ())
    names = "dev-worker-1-data\ndev-worker-2-data\nsister-worker-1-data\n"
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        shell,
        "read",
        lambda *argv, **_: Output(
            0, recorded("local/volume_inspect_three.json") if "inspect" in argv else names, ""
        ),
    )
    assert removal(provider.destroy(data=True)) == [
        ("data/dev-worker-1", "all data of dev-worker-1")
    ]


@pytest.mark.parametrize("what", ["destroy", "stop"])
def test_containers_of_another_checkout_are_never_touched(tmp_path: Path, what: str) -> None:
    provider = local(tmp_path, replace(DESKTOP, tools=frozenset()), podman_nodes())
    provider.state = replace(provider.state, ours="/home/ana/another-checkout")
    provider._volumes = lambda: []  # type: ignore[method-assign]
    steps = provider.destroy(data=False) if what == "destroy" else provider.stop()
    assert names(steps) == []


def test_nothing_at_all_is_no_cluster() -> None:
    assert not Machines().running


def test_an_engine_that_does_not_tell_is_no_engine_without_that_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`volume rm --force` would take away whoever uses the disk."""
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        shell, "read", lambda *argv, **_: Output(125, "", "Error: database is locked")
    )
    monkeypatch.setattr(shell, "write", lambda *argv, **_: ran.append(argv))
    step = by_id(local(tmp_path, SANDBOX).plan(three("missing"), NEEDED))["node/dev-control"]
    error = error_of(step.action.run, print)
    assert (
        "can't tell whether the container dev-control exists" in error.what
        and "database is locked" in error.why
        and ran == []
    )


def named(one: Container, profile: str) -> Container:
    return replace(one, labels={**one.labels, "kubeup.named": profile})


@pytest.mark.parametrize(
    ("profile", "label", "folder", "ours"),
    [
        ("dev", "", False, True),
        ("dev", "Dev", False, False),
        ("Dev", "Dev", False, True),
        ("Dev", "DEV", True, False),
        ("Dev", "", True, True),
        ("Dev", "", False, False),
    ],
)
def test_a_profile_with_another_spelling_has_nodes_of_its_own(
    tmp_path: Path, profile: str, label: str, folder: bool, ours: bool
) -> None:
    """Of this very checkout, by other settings with another folder of state."""
    found = podman_nodes()
    one = Local(
        settings(tmp_path, "environment: test", profile),
        replace(state(tmp_path), ours=found[0].label("kubeup.project")),
        SANDBOX,
    )
    if folder:
        write_private(one.state.known_hosts, KNOWN)
    one._blocked = lambda *_: None  # type: ignore[method-assign]
    one._taken = lambda: ""  # type: ignore[method-assign]
    one._containers = lambda: tuple(named(each, label) if label else each for each in found)  # type: ignore[method-assign]
    assert {each.state for each in one.observe().nodes} <= (
        {"running", "missing"} if ours else {"foreign", "missing"}
    )
    assert bool(one._ours()) == ours
    if not ours:
        error = error_of(one._refuse, one.observe())
        assert "is not this profile's" in error.what and label in error.why


def test_what_is_made_for_a_profile_bears_its_name_as_it_is_written(tmp_path: Path) -> None:
    one = Local(settings(tmp_path, "environment: test", "My_App"), state(tmp_path), SANDBOX)
    made = one._container(one.settings.nodes_list()[0], "disk")
    assert made.labels == {
        "kubeup.profile": "my-app",
        "kubeup.project": OURS,
        "kubeup.named": "My_App",
    }
    assert "kubeup.named=My_App" in made.argv(one.engine)


def test_a_container_that_appeared_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = local(tmp_path)
    step = by_id(provider.plan(provider.observe(), NEEDED))["node/dev-worker-1"]
    monkeypatch.setattr(shell, "read", lambda *_, **__: Output(0, "[]", ""))
    error = error_of(step.action.run, print)
    assert (
        isinstance(error, Refused) and error.what == "a container named dev-worker-1 already exists"
    )


def test_what_does_not_come_about_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = local(tmp_path)
    planned = by_id(provider.plan(provider.observe(), NEEDED))
    monkeypatch.setattr(shell, "write", lambda *_, **__: "")
    monkeypatch.setattr(disks, "complete_disk", lambda *_: False)
    assert (
        error_of(planned["local/disk"].action.run, print).what
        == "the nodes' disk could not be filled"
    )
    monkeypatch.setattr(NodesNetwork, "forwarding", lambda _: None)
    assert error_of(planned["local/forwarding"].action.run, print).what.endswith(" is gone")


def test_a_kernel_without_its_modules_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: str, **__: object) -> str:
        raise CommandError("podman failed", stderr="modprobe: FATAL: Module br_netfilter not found")

    provider = local(tmp_path)
    step = by_id(provider.plan(provider.observe(), NEEDED))["local/forwarding"]
    monkeypatch.setattr(shell, "write", write)
    monkeypatch.setattr(NodesNetwork, "forwarding", lambda _: Forwarding("dev", "br0", *NETWORKS))
    assert error_of(step.action.run, print).next == NO_MODULE


def test_a_machine_that_does_not_tell_what_it_has_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeup.system.ssh.run", lambda *_, **__: Output(1, "", "no such file"))
    error = error_of(KubeadmProvider.holding, local(tmp_path), ("mysql",))
    assert error.what == "can't tell what data dev-control has"


def test_a_slow_machine_has_more_time_to_answer_another_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes late is no blocked network."""
    asked = list[tuple[str, ...]]()
    monkeypatch.setattr(shell, "read", lambda *argv, **_: asked.append(argv) or Output(0, "", ""))
    for times in (1, 3):
        network = local(tmp_path, replace(DESKTOP, pace=Pace(earlier=times)))._nodes_network(
            "image"
        )
        assert network._dropped("dev-worker-1", "192.168.60.10", "podman1", ()) is None
    assert [float(argv[-1]) for argv in asked] == [3, 9]


@pytest.mark.parametrize(
    ("keys", "users"), [("", ("vagrant",)), ("ssh: {root: true}", ("vagrant", "root"))]
)
def test_root_is_let_in_where_the_settings_say_so(
    tmp_path: Path, keys: str, users: tuple[str, ...]
) -> None:
    provider = Local(settings(tmp_path, keys), state(tmp_path), SANDBOX)
    for step in (provider._create("dev-control", "disk"), provider._admit("dev-control")):
        assert step.action.users == users  # type: ignore[attr-defined]
    assert "for who; do home=" in ADMIT
