from __future__ import annotations

from dataclasses import replace

import pytest
from builders import DESKTOP, SANDBOX, error_of

from kubeup.core.errors import Refused
from kubeup.system import engine

MODULES = ("-v", "/lib/modules:/lib/modules:ro")
TMPFS = ("--tmpfs", "/run", "--tmpfs", "/tmp")


def test_podman_on_a_usual_machine() -> None:
    found = engine.choose("auto", DESKTOP)
    assert found.command == ("podman",)
    assert found.node_options == (
        "--systemd=false",
        "--cgroupns=private",
        "--ulimit",
        "nofile=65536:65536",
        *TMPFS,
        *MODULES,
    )
    assert found.build_options == ()
    assert found.why == "podman"


def test_hybrid_cgroups_without_systemd_and_without_the_right_to_raise_limits() -> None:
    found = engine.choose("auto", SANDBOX)
    assert found.command == ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
    assert found.node_options == (
        "--systemd=false",
        "--cgroupns=private",
        "--ulimit",
        "nofile=20000:20000",
        "--ulimit",
        "nproc=16384:16384",
        *TMPFS,
    )
    assert found.build_options == ("--isolation", "chroot")
    assert found.why == "podman, runc, as cgroups are v1, cgroupfs, as PID 1 is not systemd"


def test_each_reason_stands_for_itself() -> None:
    assert engine.choose("podman", replace(DESKTOP, cgroup=1)).command == (
        "podman",
        "--runtime",
        "runc",
    )
    without_systemd = engine.choose("podman", replace(DESKTOP, systemd=False))
    assert without_systemd.command == ("podman", "--cgroup-manager", "cgroupfs")
    assert without_systemd.build_options == ("--isolation", "chroot")


def test_a_limit_is_never_raised_over_the_machines_own() -> None:
    small = engine.choose("podman", replace(SANDBOX, open_files=4096, processes=900)).node_options
    assert "nofile=4096:4096" in small and "nproc=900:900" in small
    # -1: RLIM_INFINITY
    endless = engine.choose(
        "podman", replace(SANDBOX, open_files=1 << 20, processes=-1)
    ).node_options
    assert "nofile=65536:65536" in endless
    assert not any(word.startswith("nproc=") for word in endless)


def test_a_build_asks_for_no_more_than_this_machine_may_give() -> None:
    limited = replace(SANDBOX, systemd=True)
    assert engine.choose("podman", limited).build_options == (
        "--ulimit",
        "nofile=20000:20000",
        "--ulimit",
        "nproc=16384:16384",
    )


def test_docker() -> None:
    found = engine.choose("docker", DESKTOP)
    assert found.command == ("docker",)
    assert found.node_options == (
        "--cgroupns=private",
        "--ulimit",
        "nofile=65536:65536",
        *TMPFS,
        *MODULES,
    )
    assert found.argv("ps", "--all") == ("docker", "ps", "--all")


def test_dockers_builds_are_told_of_a_proxy_without_its_password() -> None:
    behind = replace(
        DESKTOP,
        proxies={
            "https_proxy": "http://ana:secret@proxy.example.org:3128",
            "no_proxy": "localhost",
        },
    )
    assert engine.choose("docker", behind).build_options == (
        "--build-arg",
        "https_proxy",
        "--build-arg",
        "no_proxy",
    )
    assert engine.for_images("docker", behind).build_options == (
        "--build-arg",
        "https_proxy",
        "--build-arg",
        "no_proxy",
    )
    assert "--build-arg" not in engine.choose("podman", behind).build_options


def test_docker_can_not_do_without_sys_resource() -> None:
    error = error_of(engine.choose, "docker", replace(DESKTOP, sys_resource=False))
    assert isinstance(error, Refused)
    assert "CAP_SYS_RESOURCE" in error.why
    assert "local.engine=podman" in error.next


@pytest.mark.parametrize(
    ("host", "what"),
    [
        (replace(DESKTOP, system="Darwin"), "the provider local does not work on macOS"),
        (
            replace(DESKTOP, system="Darwin", root=False),
            "the provider local does not work on macOS",
        ),
        (replace(DESKTOP, root=False), "the provider local needs root for podman"),
    ],
)
def test_where_nodes_can_not_run_the_others_are_named(host: object, what: str) -> None:
    error = error_of(engine.choose, "auto", host)
    assert isinstance(error, Refused)
    assert error.what == what
    for other in ("minikube", "vagrant"):
        assert other in error.next


ORDINARY = replace(DESKTOP, root=False, may_sudo=True)


def test_an_ordinary_user_runs_podman_by_sudo_and_nothing_is_asked_there() -> None:
    found = engine.choose("auto", ORDINARY)
    assert found.command == ("sudo", "-A", "podman") and found.by_sudo
    assert found.why == "podman by sudo"
    assert found.packages == engine.choose("auto", DESKTOP).packages


def test_sudo_hands_a_proxy_on_by_its_name_alone() -> None:
    behind = replace(
        ORDINARY,
        proxies={
            "https_proxy": "http://ana:secret@proxy.example.org:3128",
            "no_proxy": "localhost",
        },
    )
    assert engine.choose("podman", behind).command == (
        "sudo",
        "-A",
        "--preserve-env=https_proxy,no_proxy",
        "podman",
    )
    told = replace(behind, proxies={}, variables=("SSL_CERT_FILE", "CONTAINERS_REGISTRIES_CONF"))
    kept = "--preserve-env=CONTAINERS_REGISTRIES_CONF,SSL_CERT_FILE"
    assert engine.choose("podman", told).command == ("sudo", "-A", kept, "podman")


def test_who_may_speak_to_docker_needs_no_root() -> None:
    in_the_group = replace(
        DESKTOP, root=False, tools=frozenset({"podman", "docker", "docker-engine"})
    )
    assert engine.choose("auto", in_the_group).command == ("docker",)
    assert engine.choose("auto", replace(in_the_group, may_sudo=True)).command == ("docker",)
    assert engine.choose("auto", replace(in_the_group, root=True)).name == "podman", (
        "root has no group to thank"
    )
    # where docker can't make nodes podman does
    limited = replace(in_the_group, may_sudo=True, sys_resource=False)
    assert engine.choose("auto", limited).command == ("sudo", "-A", "podman")


def test_a_docker_that_is_roots_alone_is_run_by_sudo() -> None:
    closed = replace(ORDINARY, tools=frozenset({"docker", "docker-of-root"}))
    assert engine.choose("auto", closed).command == ("sudo", "-A", "docker")
    assert engine.choose("auto", replace(closed, tools=closed.tools | {"podman"})).name == "podman"


def test_images_need_no_root() -> None:
    assert engine.for_images("auto", replace(ORDINARY, may_sudo=False)).command == ("podman",)


def test_an_engine_of_another_system_is_a_client() -> None:
    """podman-remote has no options for runtime and cgroups: they are its machine's."""
    mac = replace(DESKTOP, system="Darwin", cgroup=1, systemd=False)
    assert engine.for_images("auto", mac) == engine.Engine("podman", ("podman",), (), (), "podman")


def test_auto_takes_podman_where_both_are_there() -> None:
    assert (
        engine.choose("auto", replace(DESKTOP, tools=frozenset({"podman", "docker"}))).name
        == "podman"
    )


def test_auto_takes_docker_where_it_alone_runs() -> None:
    assert (
        engine.choose("auto", replace(DESKTOP, tools=frozenset({"docker", "docker-engine"}))).name
        == "docker"
    )
    assert engine.choose("auto", replace(DESKTOP, tools=frozenset({"docker"}))).name == "podman", (
        "a client without its server"
    )
