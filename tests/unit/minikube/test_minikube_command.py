"""minikube's command line and its driver, on machines with and without hypervisors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, SANDBOX, error_of, settings

from kubeup.cluster.providers.minikube import command, release
from kubeup.cluster.providers.minikube.facts import DryRun
from kubeup.core.errors import Refused
from kubeup.core.pace import Pace

USER = replace(DESKTOP, root=False)
FOUND = DryRun("kvm2")
NONE = DryRun("", "DRV_NOT_DETECTED", "No possible driver was detected.")
CONTAINERS = "--vm=true finds no hypervisor here (DRV_NOT_DETECTED), so nodes are containers of "


def line(folder: Path, keys: str, probed: DryRun = FOUND, host: object = USER) -> str:
    chosen = settings(folder, keys)
    return " ".join(
        command.start(chosen, command.driver(chosen.minikube.driver, probed, host), host)
    )  # type: ignore[arg-type]


def test_the_howtos_command_flag_for_flag(tmp_path: Path) -> None:
    assert line(tmp_path, "provider: minikube") == (
        "start --kubernetes-version=1.26.1 --memory=4096 --cpus=2 --disk-size=10GB --vm=true "
        "--nodes=2 -p test-1.26-2nodes"
    )


@pytest.mark.parametrize(("host", "words"), [
    (replace(USER, tools=frozenset({"podman"})), "podman"),
    (replace(USER, tools=frozenset({"podman", "docker", "docker-engine"})), "docker"),
])  # fmt: skip
def test_without_a_hypervisor_nodes_are_containers(host: object, words: str) -> None:
    chosen = command.driver("auto", NONE, host)  # type: ignore[arg-type]
    assert (chosen.word, chosen.why) == (f"--driver={words}", CONTAINERS + words)


# docker's client alone is no engine
@pytest.mark.parametrize("tools", [frozenset(), frozenset({"docker"})])
def test_no_driver_at_all(tools: frozenset[str]) -> None:
    error = error_of(lambda: command.driver("auto", NONE, replace(USER, tools=tools)))
    assert (
        isinstance(error, Refused)
        and error.what == "minikube has no driver on this machine"
        and "DRV_NOT_DETECTED" in error.why
    )


@pytest.mark.parametrize("tool", ["podman", "docker-engine"])
def test_a_container_engine_on_macos_is_no_driver(tool: str) -> None:
    """Its nodes' addresses end in the machine that the engine runs in."""
    mac = replace(USER, system="Darwin", tools=frozenset({tool}))
    error = error_of(lambda: command.driver("auto", NONE, mac))
    assert (
        isinstance(error, Refused)
        and error.what == "minikube has no hypervisor on this macOS"
        and "brew install vfkit" in error.next
    )
    assert "apt-get" not in error.next
    assert command.driver("auto", DryRun("vfkit"), mac).word == "--vm=true"
    assert command.driver("docker", NONE, mac).word == "--driver=docker", (
        "OrbStack's can be reached, for one"
    )


def test_a_named_driver_is_taken_unasked() -> None:
    assert command.driver("virtualbox", DryRun(), USER).word == "--driver=virtualbox"


def test_root_has_to_force_minikube(tmp_path: Path) -> None:
    assert line(tmp_path, "provider: minikube", NONE, SANDBOX).split()[-1] == "--force"
    assert "--force" not in line(tmp_path, "provider: minikube")
    assert "--force" in line(tmp_path, "minikube: {force: true}")
    assert command.restart(settings(tmp_path), USER) == ("start", "-p", "test-1.26-2nodes")
    assert command.restart(settings(tmp_path), SANDBOX) == (
        "start",
        "-p",
        "test-1.26-2nodes",
        "--force",
    )
    assert command.restart(settings(tmp_path), replace(USER, pace=Pace(5))) == (
        "start",
        "-p",
        "test-1.26-2nodes",
        "--wait-timeout=1800s",
    )


def test_settings_pass_through(tmp_path: Path) -> None:
    keys = """
    images: {via: registry, registry: "192.168.60.1:5000", prefix: ana, insecure: true}
    minikube:
      driver: kvm2
      nodes: 3
      cpus: 4
      memory: 6000
      disk_size: 20GB
      container_runtime: containerd
      base_image: localhost/base:1
      feature_gates: KubeletInUserNamespace=true
      image_mirror_country: cn
      registry_mirror: https://mirror.example.org
      binary_mirror: https://binaries.example.org
      preload: false
      cache_images: false
      extra_args: [--embed-certs]
    """
    words = line(tmp_path, keys).split()
    assert words == [
        "start",
        "--kubernetes-version=1.26.1",
        "--memory=6000",
        "--cpus=4",
        "--disk-size=20GB",
        "--driver=kvm2",
        "--nodes=3",
        "-p",
        "test-1.26-2nodes",
        "--container-runtime=containerd",
        "--base-image=localhost/base:1",
        "--feature-gates=KubeletInUserNamespace=true",
        "--image-mirror-country=cn",
        "--registry-mirror=https://mirror.example.org",
        "--binary-mirror=https://binaries.example.org",
        "--insecure-registry=192.168.60.1:5000",
        "--preload=false",
        "--cache-images=false",
        "--embed-certs",
    ]


@pytest.mark.parametrize(("keys", "flags"), [
    ("images: {mirrors: {docker.io: ['https://m.example.com/']}}", ["--registry-mirror=https://m.example.com"]),
    # minikube refuses one with a path (validateRegistryMirror in cmd/minikube/cmd/start.go)
    ("images: {mirrors: {docker.io: ['https://m.example.com/hub', 'https://n.example.com']}}",
     ["--registry-mirror=https://n.example.com"]),
    ("images: {mirrors: {docker.io: ['https://m.example.com']}}\n"
     "minikube: {registry_mirror: https://o.example.com}", ["--registry-mirror=https://o.example.com"]),
    ("images: {mirrors: {quay.io: ['https://m.example.com']}}", []),
])  # fmt: skip
def test_a_mirror_of_docker_hub_is_minikubes_too(
    tmp_path: Path, keys: str, flags: list[str]
) -> None:
    words = line(tmp_path, keys).split()
    assert [word for word in words if word.startswith("--registry-mirror")] == flags


def test_the_probe_is_the_start_itself_but_dry(tmp_path: Path) -> None:
    words = command.probe(settings(tmp_path), USER)
    assert words[:-2] == command.start(
        settings(tmp_path), command.driver("auto", FOUND, USER), USER
    )
    assert words[-2:] == ("--dry-run", "--output=json")


@pytest.mark.parametrize(("version", "wrong"), [
    ((1, 28, 0), "v1.28.0 does not support Kubernetes 1.26.1: v1.29.0 is the first that does"),
    ((1, 29, 0), ""), ((1, 36, 0), ""), ((1, 36, 9), ""),
    ((1, 37, 0), "v1.37.0 refuses Kubernetes 1.26.1 (K8S_OLD_UNSUPPORTED) unless it is given "
                 "--force: v1.36 is the last that takes it without"),
    ((2, 0, 0), "v2.0.0 refuses Kubernetes 1.26.1 (K8S_OLD_UNSUPPORTED) unless it is given "
                "--force: v1.36 is the last that takes it without"),
    ((), "its version can't be read"),
])  # fmt: skip
def test_minikubes_window_for_kubernetes_1_26_1(version: tuple[int, ...], wrong: str) -> None:
    assert release.misfit(version) == wrong
    assert release.misfit(version, force=True) == ("" if "--force" in wrong else wrong)


def test_the_download_that_fits() -> None:
    found = release.pinned(replace(DESKTOP, system="Darwin", arch="arm64"))
    assert (
        found.url
        == "https://github.com/kubernetes/minikube/releases/download/v1.36.0/minikube-darwin-arm64"
    )
    assert len({*release.SUMS.values()}) == len(release.SUMS) and all(
        len(one) == 64 for one in release.SUMS.values()
    )
    assert (
        "no minikube is pinned for Windows"
        in error_of(lambda: release.pinned(replace(DESKTOP, system="Windows"))).what
    )
