"""Whether a machine does, from facts and plans made by hand."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from builders import DESKTOP, error_of, node, recorded, settings, step, three

from kubeup.cluster.providers.base import Machines, Sizes
from kubeup.cluster.providers.minikube import Minikube
from kubeup.core.errors import Refused
from kubeup.core.plan import Room
from kubeup.facts import host as facts
from kubeup.facts.disks import Disk
from kubeup.facts.host import Address, HostFacts, Kernel, Listener, Route
from kubeup.workflows import requirements
from kubeup.workflows.requirements import CONTROLLERS, Requirement, Work

MODULES = frozenset(name for name, *_ in (*requirements.MODULES, *requirements.TABLES))
FULL = Kernel("6.1.0-39-amd64", frozenset({"overlay"}), frozenset(CONTROLLERS[2]), MODULES)


def work(
    folder: Path,
    host: HostFacts = DESKTOP,
    machines: Machines | None = None,
    keys: str = "",
    **more: Any,
) -> Work:
    """Three nodes to be made, unless told otherwise."""
    chosen = settings(folder, keys)
    found = three("missing") if machines is None else machines
    return Work(
        **{
            "settings": chosen,
            "host": host,
            "machines": found,
            "wanted": chosen.machines_list(),
            "steps": (),
            "engine": "podman",
            "sizes": Sizes(),
            **more,
        }
    )


def found(of: Work, name: str) -> Requirement:
    """The one finding of that name."""
    (one,) = (one for one in requirements.check(of) if one.name == name)
    return one


def small(memory: int, free: int = 0, **more: Any) -> HostFacts:
    return replace(DESKTOP, memory=memory, memory_available=free or memory - 400, **more)


def test_a_usual_machine_does(tmp_path: Path) -> None:
    every = requirements.check(work(tmp_path, replace(DESKTOP, kernel=FULL)))
    assert all(one.ok for one in every)
    assert [one.name for one in every] == [
        "memory",
        "disk",
        "processors",
        "kernel",
        "inotify",
        "addresses",
    ]
    requirements.require(every, force=False)


def test_what_is_not_known_is_not_missing(tmp_path: Path) -> None:
    assert all(one.ok for one in requirements.check(work(tmp_path, HostFacts())))


# memory


@pytest.mark.parametrize(
    ("memory", "free", "ok", "estimate"),
    [
        (16384, 12000, True, True),
        (3993, 3300, True, True),
        (3993, 2800, False, True),
        (1700, 1500, False, False),
    ],
)
def test_limits_of_containers_are_not_what_they_take(
    tmp_path: Path, memory: int, free: int, ok: bool, estimate: bool
) -> None:
    one = found(work(tmp_path, small(memory, free)), "memory")
    assert (one.ok, one.estimate) == (ok, estimate)


def test_the_figures_and_what_would_fit(tmp_path: Path) -> None:
    one = found(work(tmp_path, small(3993, 2800)), "memory")
    assert one.found == "3.9 GiB here, 2.7 GiB free; 3 new machines of 4096 MiB take about 3.0 GiB"
    assert one.fix == "nodes.workers.count 1 would fit"


def test_a_definite_no_tells_the_least(tmp_path: Path) -> None:
    one = found(work(tmp_path, small(1500)), "memory")
    assert (
        one.found
        == "1.5 GiB here, 1.1 GiB free; 3 new machines of 4096 MiB take 1.4 GiB at the very "
        "least, this machine itself 0.4 GiB"
    )
    assert one.fix == "no number and size of nodes fits: the smallest take a machine with 2.7 GiB"


@pytest.mark.parametrize(
    ("memory", "ok", "fix"),
    [
        (16384, True, ""),
        (12288, False, "nodes.control.memory 3072 and nodes.workers.memory 3072 would fit"),
        (6000, False, "nodes.control.memory 1700 and nodes.workers.memory 1700 would fit"),
        (
            5000,
            False,
            "nodes.workers.count 1 and nodes.control.memory 2048 and nodes.workers.memory 2048 "
            "would fit",
        ),
    ],
)
def test_virtual_machines_take_what_they_are_given(
    tmp_path: Path, memory: int, ok: bool, fix: str
) -> None:
    one = found(work(tmp_path, small(memory), three("missing", containers=False)), "memory")
    assert (one.ok, one.fix, one.estimate) == (ok, fix, True)


def test_what_is_there_already_takes_nothing_more(tmp_path: Path) -> None:
    one = found(work(tmp_path, small(1500), three()), "memory")
    assert one.ok and one.found.endswith("; no machine is to be made")


def test_one_more_worker(tmp_path: Path) -> None:
    there = replace(
        three(), nodes=(node("dev-control"), node("dev-worker-1"), node("dev-worker-2", "missing"))
    )
    one = found(work(tmp_path, small(3993, 500), there), "memory")
    assert not one.ok and "a new machine of 4096 MiB takes about 0.7 GiB" in one.found
    assert one.fix == "nodes.workers.count 1 would fit"


def test_a_machine_beside_the_nodes_takes_memory_too(tmp_path: Path) -> None:
    beside = work(tmp_path, small(3993, 3300), keys="nodes: {database: {count: 1, memory: 4096}}")
    assert "4 new machines" in found(beside, "memory").found and not found(beside, "memory").ok


def test_minikubes_settings_have_other_names(tmp_path: Path) -> None:
    sizes = Minikube.sizes
    one = found(
        work(tmp_path, small(5000), three("missing", containers=False), sizes=sizes), "memory"
    )
    assert one.fix == "minikube.nodes 2 and minikube.memory 2048 would fit"
    one = found(
        work(tmp_path, replace(DESKTOP, cpus=1), sizes=sizes, engine="docker"), "processors"
    )
    assert one.fix.startswith("minikube.cpus 1 would fit")


@pytest.mark.parametrize("memory", range(1200, 20000, 700))
@pytest.mark.parametrize("containers", [True, False])
def test_what_is_said_to_fit_does(tmp_path: Path, memory: int, containers: bool) -> None:
    import re

    one = found(work(tmp_path, small(memory), three("missing", containers=containers)), "memory")
    sets = dict(re.findall(r"(nodes\.\S+) (\d+)", one.fix))
    if sets:
        keys = {"nodes": {"control": {}, "workers": {}}}
        for key, value in sets.items():
            _, role, name = key.split(".")
            keys["nodes"][role][name] = int(value)
        again = work(tmp_path, small(memory), keys=str(keys)[1:-1].replace("'", ""))
        missing = three("missing", containers=containers)
        again = replace(again, machines=replace(missing, nodes=missing.nodes[: len(again.wanted)]))
        assert found(again, "memory").ok


# disk


def steps(*rooms: Room) -> tuple[Any, ...]:
    return tuple(step(str(n), room=room) for n, room in enumerate(rooms))


def disks(
    cache: tuple[str, float], home: tuple[str, float], storage: tuple[str, float]
) -> HostFacts:
    places = [
        Disk(path, *at)
        for path, at in (
            ("/home/ana/.cache/kubeup", cache),
            ("/home/ana", home),
            ("/var/lib/containers", storage),
        )
    ]
    return replace(
        DESKTOP,
        cache_disk=places[0],
        home_disk=places[1],
        storage={"podman": places[2], "podman of this user": places[2]},
    )


def test_nothing_to_make_takes_no_disk(tmp_path: Path) -> None:
    one = found(work(tmp_path, disks(("a", 0.1), ("a", 0.1), ("a", 0.1))), "disk")
    assert one.ok and one.found == "0.1 GiB free at /home/ana/.cache/kubeup; nothing is to be made"


def test_places_on_one_file_system_share_its_room(tmp_path: Path) -> None:
    some = steps(Room(cache=2048), Room(home=2048, images=512, nodes=512))
    apart = work(tmp_path, disks(("a", 3), ("b", 3), ("c", 3)), steps=some)
    assert [one.ok for one in requirements.check(apart) if one.name == "disk"] == [True, True, True]
    one = found(work(tmp_path, disks(("a", 3), ("a", 3), ("a", 3)), steps=some), "disk")
    assert not one.ok and one.estimate
    assert one.found == (
        "3.0 GiB free at /home/ana/.cache/kubeup and /home/ana and /var/lib/containers; "
        "what is to be made takes about 5.0 GiB"
    )


def test_half_of_what_is_needed_is_too_little_for_certain(tmp_path: Path) -> None:
    one = found(
        work(tmp_path, disks(("a", 1), ("b", 9), ("c", 9)), steps=steps(Room(cache=3000))), "disk"
    )
    assert not one.ok and not one.estimate and "XDG_CACHE_HOME" in one.fix


def test_an_engine_whose_storage_is_elsewhere_needs_none_here(tmp_path: Path) -> None:
    mac = replace(DESKTOP, storage={})
    assert found(work(tmp_path, mac, steps=steps(Room(cache=10, nodes=10**6))), "disk").ok


def test_a_user_of_sudo_has_images_of_his_own_and_nodes_of_roots(tmp_path: Path) -> None:
    storage = {
        "podman": Disk("/var/lib/containers", "a", 9.0),
        "podman of this user": Disk("/home/ana/.local/share/containers", "b", 0.1),
    }
    some = work(
        tmp_path, replace(DESKTOP, storage=storage), steps=steps(Room(images=600, nodes=600))
    )
    assert [one.ok for one in requirements.check(some) if one.name == "disk"] == [False, True]


# processors


@pytest.mark.parametrize(
    ("cpus", "engine", "ok", "estimate"),
    [
        (2, "podman", True, True),
        (1, "podman", False, True),
        (2, "docker", True, True),
        (1, "docker", False, False),
    ],
)
def test_processors(tmp_path: Path, cpus: int, engine: str, ok: bool, estimate: bool) -> None:
    one = found(work(tmp_path, replace(DESKTOP, cpus=cpus), engine=engine), "processors")
    assert (one.ok, one.estimate) == (ok, estimate)


def test_docker_gives_no_container_more_than_there_are(tmp_path: Path) -> None:
    one = found(
        work(
            tmp_path, replace(DESKTOP, cpus=2), engine="docker", keys="nodes: {workers: {cpu: 4}}"
        ),
        "processors",
    )
    assert one.found == "2 here; docker gives no container 4"
    assert one.fix == "nodes.workers.cpu 2 would fit; or `--set local.engine=podman`"


# the kernel


def kernel(tmp_path: Path, known: Kernel, cgroup: int = 2, **more: Any) -> list[Requirement]:
    of = work(tmp_path, replace(DESKTOP, kernel=known, cgroup=cgroup), three("missing", **more))
    return [one for one in requirements.check(of) if one.name == "kernel"]


def test_a_recorded_kernel_has_it_all(tmp_path: Path) -> None:
    known = Kernel(
        "6.18.44",
        facts.filesystems(recorded("facts/filesystems")),
        facts.controllers(1, recorded("facts/cgroups"), ""),
        None,
        facts.options(recorded("facts/kernel_config")),
    )
    (one,) = kernel(tmp_path, known, cgroup=1)
    assert (one.ok, one.found) == (True, "6.18.44 has what kubelet needs")


def test_a_silent_kernel_is_not_called_wrong(tmp_path: Path) -> None:
    (one,) = kernel(tmp_path, Kernel("6.1.0"))
    assert one.ok and one.found.endswith("as far as is known: it does not tell its modules")


def test_memory_switched_off_at_start_as_on_a_raspberry_pi(tmp_path: Path) -> None:
    (one,) = kernel(tmp_path, replace(FULL, controllers=FULL.controllers - {"memory"}))
    assert not one.ok and not one.estimate
    assert (
        one.found == "6.1.0-39-amd64 lacks the cgroup controllers memory (memory: start it with "
        "cgroup_enable=memory)"
    )


@pytest.mark.parametrize("gone", ["br_netfilter", "nf_conntrack", "xt_comment", "veth"])
def test_a_module_that_can_not_be_had(tmp_path: Path, gone: str) -> None:
    (one,) = kernel(tmp_path, replace(FULL, modules=MODULES - {gone}))
    assert not one.ok and f"lacks {gone} (" in one.found


def test_either_kind_of_tables_does(tmp_path: Path) -> None:
    assert all(
        kernel(tmp_path, replace(FULL, modules=MODULES - {gone}))[0].ok
        for gone in ("ip_tables", "nf_tables")
    )
    (one,) = kernel(tmp_path, replace(FULL, modules=MODULES - {"ip_tables", "nf_tables"}))
    assert "lacks ip_tables and nf_tables" in one.found


def test_virtual_machines_have_kernels_of_their_own(tmp_path: Path) -> None:
    assert kernel(tmp_path, replace(FULL, controllers=frozenset({"io"})), containers=False) == []


@pytest.mark.parametrize(
    ("limit", "containers", "ok"), [(128, True, True), (50, True, False), (50, False, None)]
)
def test_containers_share_inotify(
    tmp_path: Path, limit: int, containers: bool, ok: bool | None
) -> None:
    of = work(tmp_path, replace(DESKTOP, inotify=limit), three(containers=containers))
    rows = [one for one in requirements.check(of) if one.name == "inotify"]
    assert [one.ok for one in rows] == ([] if ok is None else [ok])
    assert all(f"max_user_instances={8 * limit}" in one.fix for one in rows)


# addresses and ports


def at(*addresses: str) -> HostFacts:
    own = tuple(Address("eth0", IPv4Interface(one)) for one in addresses)
    return replace(
        DESKTOP, addresses=own, routes=tuple(Route(one.interface.network, "eth0") for one in own)
    )


@pytest.mark.parametrize(
    ("own", "ok"),
    [
        ("192.168.1.5/24", True),
        ("192.168.60.1/24", True),
        ("192.168.60.11/24", False),
        ("192.168.60.77/24", False),
        ("192.168.60.1/16", True),
    ],
)
def test_addresses_of_this_machine(tmp_path: Path, own: str, ok: bool) -> None:
    one = found(work(tmp_path, at(own)), "addresses")
    assert one.ok == ok and not one.estimate
    fits = IPv4Network(f"{one.fix.split()[1]}/24", strict=False)
    assert not fits.overlaps(IPv4Network("192.168.60.0/24")) and not fits.overlaps(
        IPv4Interface(own).network
    )


def test_whose_address_it_is(tmp_path: Path) -> None:
    assert (
        found(work(tmp_path, at("192.168.60.11/24")), "addresses").found
        == "192.168.60.11 of dev-worker-1 is this machine's own on eth0"
    )
    assert (
        found(work(tmp_path, at("192.168.60.77/24")), "addresses").found
        == "192.168.60.0/24 is the network that eth0 is in, as 192.168.60.77"
    )


def test_a_network_that_another_profile_has(tmp_path: Path) -> None:
    one = found(
        work(tmp_path, machines=three("missing", taken="podman's network kubeup-work")), "addresses"
    )
    assert (
        not one.ok
        and not one.estimate
        and one.found == "192.168.60.0/24 is podman's network kubeup-work"
    )
    assert found(
        work(tmp_path, machines=three(taken="podman's network kubeup-work"), wanted=()), "memory"
    ).ok


@pytest.mark.parametrize(
    ("shares", "listening", "ok"),
    [
        (True, {Listener("::", 31000)}, False),
        (True, {Listener("127.0.0.1", 22)}, True),
        (True, None, None),
        (False, {Listener("::", 31000)}, None),
    ],
)
def test_node_ports_matter_where_a_node_is_this_machine(
    tmp_path: Path, shares: bool, listening: Any, ok: bool | None
) -> None:
    of = work(
        tmp_path,
        machines=three("missing", shares_ports=shares),
        listening=None if listening is None else frozenset(listening),
    )
    rows = [one for one in requirements.check(of) if one.name == "ports"]
    assert [one.ok for one in rows] == ([] if ok is None else [ok])
    assert all(one.ok or one.found == "something listens on 31000 (ports.api)" for one in rows)


# refusing


GOOD, ROUGH, CERTAIN = (
    Requirement("memory", True, "enough"),
    Requirement("disk", False, "little", "make room", estimate=True),
    Requirement("kernel", False, "lacks veth", "another kernel"),
)


def test_all_that_does_not_do_is_told_at_once(tmp_path: Path) -> None:
    error = error_of(requirements.require, (GOOD, ROUGH, CERTAIN), False)
    assert isinstance(error, Refused)
    assert (error.why, error.next) == (
        "disk: little\nkernel: lacks veth",
        "disk: make room\nkernel: another kernel",
    )


def test_force_goes_on_with_an_estimate_and_with_nothing_else() -> None:
    requirements.require((GOOD, ROUGH), force=True)
    assert "--force" in error_of(requirements.require, (GOOD, ROUGH), False).next
    assert error_of(requirements.require, (GOOD, ROUGH, CERTAIN), True).why == "kernel: lacks veth"
