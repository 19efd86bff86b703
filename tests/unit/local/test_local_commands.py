"""The exact command lines of node containers, for each engine and machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, OURS, SANDBOX, commands, recorded, settings, state, step, three

from kubeup.cluster.providers import base
from kubeup.cluster.providers.base import Needed
from kubeup.cluster.providers.local import Local, disks, nodes
from kubeup.core.shell import Output
from kubeup.facts.host import HostFacts
from kubeup.settings.model import NodeSpec
from kubeup.system import engine

WORKER = nodes.NodeContainer(
    NodeSpec("dev-worker-1", "worker", "192.168.60.11", 2, 4096),
    "dev",
    "kubeup-dev",
    "localhost/kubeup/node:abc",
    "disk",
    OURS,
)


def run_words(host: HostFacts, wanted: str = "auto") -> str:
    return " ".join(WORKER.argv(engine.choose(wanted, host)))


def test_the_command_is_the_one_that_made_the_recorded_node() -> None:
    import json

    made = json.loads(recorded("local/podman_inspect_nodes.json"))[1]
    words = list(
        replace(WORKER, image=made["Config"]["Image"]).argv(engine.choose("auto", SANDBOX))
    )
    assert ["/usr/bin/podman", *words[1:]] == made["Config"]["CreateCommand"]


def test_podman_on_a_usual_machine() -> None:
    assert run_words(DESKTOP) == (
        "podman run --detach --name dev-worker-1 --hostname dev-worker-1 --network kubeup-dev "
        "--ip 192.168.60.11 "
        "--mac-address 02:00:c0:a8:3c:0b --privileged --cpus 2 --memory 4096m --pids-limit -1 "
        "--stop-signal SIGRTMIN+3 --env container=oci "
        f"--label kubeup.profile=dev --label kubeup.project={OURS} --label kubeup.role=worker "
        "--label kubeup.address=192.168.60.11 "
        "--systemd=false --cgroupns=private --ulimit nofile=65536:65536 --tmpfs /run --tmpfs "
        "/tmp -v /lib/modules:/lib/modules:ro "
        "-v dev-worker-1-var:/var -v dev-worker-1-data:/var/lib/kubeup/data "
        "localhost/kubeup/node:abc /sbin/init"
    )


def test_docker_has_no_systemd_option() -> None:
    words = run_words(DESKTOP, "docker")
    assert words.startswith("docker run --detach --name dev-worker-1")
    assert "--systemd" not in words
    assert "--cgroupns=private" in words


def test_the_network_has_no_resolver_of_podmans_own() -> None:
    podman, docker = engine.choose("podman", DESKTOP), engine.choose("docker", DESKTOP)
    assert commands(
        [step("n", action=nodes.CreateNetwork(podman, "kubeup-dev", "192.168.60.0/24"))]
    ) == [
        "podman network create --subnet 192.168.60.0/24 --disable-dns --label kubeup=1 kubeup-dev"
    ]
    assert commands(
        [step("n", action=nodes.CreateNetwork(docker, "kubeup-dev", "192.168.60.0/24"))]
    ) == ["docker network create --subnet 192.168.60.0/24 --label kubeup=1 kubeup-dev"]


def test_stopping_gives_systemd_time() -> None:
    assert nodes.StopNode(engine.choose("podman", DESKTOP), "dev-control").commands() == (
        "podman stop --time 30 dev-control",
    )


def test_docker_removes_a_node_with_options_that_it_has() -> None:
    assert nodes.RemoveNode(
        engine.choose("docker", DESKTOP), "dev-control", ("dev-control-var",), "dev", frozenset()
    ).commands() == (
        "docker stop --time 10 dev-control",
        "docker rm --force dev-control",
        "docker volume rm --force dev-control-var",
    )


def test_volumes_are_copied_by_the_engine_below_one_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user may not even look into them, and two mounts can't share files."""
    run: list[tuple[str, ...]] = []
    asked = recorded("local/volume_inspect.json")
    monkeypatch.setattr(
        "kubeup.core.shell.read",
        lambda *argv, **more: Output(0, asked.replace("dev-worker-1-data", argv[-1]), ""),
    )
    monkeypatch.setattr("kubeup.core.shell.write", lambda *argv, **more: run.append(argv))
    ordinary = engine.choose("podman", replace(DESKTOP, root=False, may_sudo=True))
    disks.copy_disk(ordinary, "node:1", "disk", "a-var", lambda line: None)
    volumes = "/var/lib/containers/storage/volumes"
    options = " ".join(ordinary.node_options)
    start = (
        f"sudo -A podman run --rm --network none {options} --volume {volumes}:{volumes} "
        "node:1 sh -c"
    ).split()
    assert run[0][: len(start)] == tuple(start)
    assert run[0][-4:-2] == (f"{volumes}/disk/_data", f"{volumes}/a-var/_data")


def provider(tmp_path: Path, host: HostFacts = DESKTOP, keys: str = "") -> Local:
    return Local(settings(tmp_path, keys), state(tmp_path), host)


def test_host_packages_are_those_of_the_engine(tmp_path: Path) -> None:
    podmans = (
        "podman (>= 4.3)",
        "runc",
        "netavark | containernetworking-plugins",
        "aardvark-dns | containernetworking-plugins",
        "nftables",
        "iptables",
        "iproute2",
    )
    assert provider(tmp_path).packages() == (*podmans, "mmdebstrap", "openssh-client")
    ordinary = replace(DESKTOP, root=False, may_sudo=True)
    assert provider(tmp_path, ordinary).packages() == (
        *podmans,
        "mmdebstrap",
        "uidmap",
        "openssh-client",
    )
    assert provider(tmp_path, keys="local: {engine: docker}").packages() == (
        "mmdebstrap",
        "openssh-client",
    )


def test_the_nodes_image_changes_with_the_release_and_its_packages(tmp_path: Path) -> None:
    build, download = provider(tmp_path, SANDBOX), provider(tmp_path, DESKTOP)
    assert build.node_image() != download.node_image()
    assert (
        build.node_image()
        == provider(tmp_path, replace(SANDBOX, cpus=64, stale_mirror=True)).node_image()
    )
    assert provider(tmp_path, replace(DESKTOP, arch="arm64")).node_image() != download.node_image()


def test_another_image_is_another_disk(tmp_path: Path) -> None:
    one = provider(tmp_path)
    assert one._disk(Needed((("system", Path("a")),))) != one._disk(
        Needed((("system", Path("a")), ("localhost/api:1", Path("b"))))
    )


def test_ways_to_the_nodes(tmp_path: Path) -> None:
    found = provider(tmp_path, keys="ssh: {user: ana}").ssh_targets()
    assert [(one.name, one.role, one.address, one.user, one.port) for one in found] == [
        ("dev-control", "control", "192.168.60.10", "ana", 22),
        ("dev-worker-1", "worker", "192.168.60.11", "ana", 22),
        ("dev-worker-2", "worker", "192.168.60.12", "ana", 22),
    ]
    assert found[0].key == tmp_path / "state" / "id_rsa"


def test_the_command_of_a_new_node_is_in_the_plan(tmp_path: Path) -> None:
    steps = provider(tmp_path).plan(three("missing"), Needed())
    assert any(
        "--name dev-worker-2 --hostname dev-worker-2 --network kubeup-dev --ip 192.168.60.12"
        in line
        for one in steps
        if str(one.id) == "node/dev-worker-2"
        for line in one.action.commands()
    )  # type: ignore[attr-defined]


def test_auto_takes_local_where_it_works(tmp_path: Path) -> None:
    found, why = base.choose(settings(tmp_path), state(tmp_path), SANDBOX)
    assert found.name == "local"
    assert (
        why == "nodes as containers of podman, runc, as cgroups are v1, cgroupfs, as PID 1 is not "
        "systemd"
    )


def test_named_in_the_settings(tmp_path: Path) -> None:
    assert (
        base.choose(settings(tmp_path, "provider: local"), state(tmp_path), DESKTOP)[1]
        == "named in the settings"
    )
