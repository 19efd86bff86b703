from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders import recorded

from kubeup.facts import host
from kubeup.facts.host import Distribution, Route


@pytest.mark.parametrize(("file", "expected", "has_apt"), [
    ("os_release_debian_12", Distribution("debian", "bookworm", "12"), True),
    ("os_release_ubuntu_22_04", Distribution("ubuntu", "jammy", "22.04", ("debian",)), True),
    ("os_release_fedora_41", Distribution("fedora", "", "41"), False),
    ("os_release_arch", Distribution("arch"), False),
    ("os_release_opensuse_tumbleweed", Distribution("opensuse-tumbleweed", "", "20250115", ("opensuse", "suse")), False),
])
def test_distribution(file: str, expected: Distribution, has_apt: bool) -> None:
    found = host.distribution(recorded(f"facts/{file}"))
    assert found == expected
    assert found.has_apt is has_apt


def test_a_derivative_of_debian_has_apt() -> None:
    mint = 'NAME="Linux Mint"\n# a comment with = in it\nID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\n'
    found = host.distribution(mint)
    assert found.id == "linuxmint"
    assert found.like == ("ubuntu", "debian")
    assert found.has_apt


def test_no_os_release_at_all() -> None:
    assert host.distribution("") == Distribution()
    assert not Distribution().has_apt


def test_hybrid_cgroups_are_version_1_though_cgroup2_is_mounted_below() -> None:
    text = recorded("facts/mounts_cgroup_hybrid")
    assert "cgroup2 /sys/fs/cgroup/unified" in text
    assert host.cgroup_version(text) == 1


def test_pure_cgroup_v2() -> None:
    assert host.cgroup_version(recorded("facts/mounts_cgroup_v2")) == 2


def test_capability_of_the_bounding_set() -> None:
    without, with_it = recorded("facts/status_no_sys_resource"), recorded("facts/status_sys_resource")
    assert not host.has_capability(without, host.CAP_SYS_RESOURCE)
    assert host.has_capability(without, 21)  # CAP_SYS_ADMIN, of the same line
    assert host.has_capability(with_it, host.CAP_SYS_RESOURCE)
    assert not host.has_capability("Name:\tcat\n", host.CAP_SYS_RESOURCE)


def test_memory() -> None:
    assert recorded("facts/meminfo").startswith("MemTotal:       24684096 kB")
    assert host.memory_mib(recorded("facts/meminfo")) == 24105
    assert host.memory_mib("") == 0


def test_routes_leave_the_default_one_out() -> None:
    assert host.routes(recorded("facts/ip_route.json")) == (
        Route(IPv4Network("192.0.2.0/24"), "eth0"), Route(IPv4Network("192.168.60.0/24"), "podman1"))


def test_routes_of_a_vpn_and_of_single_hosts() -> None:
    networks = {str(route.network): route.device for route in host.routes(recorded("facts/ip_route_vpn.json"))}
    assert networks == {"0.0.0.0/1": "tun0", "10.8.0.1/32": "tun0", "172.17.0.0/16": "docker0", "192.168.60.0/24": "lo"}


def test_no_routes() -> None:
    assert host.routes("") == ()


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")])
def test_processors_are_named_as_kubernetes_names_them(machine: str, name: str) -> None:
    assert host.ARCHITECTURES[machine] == name


def test_the_tightest_disk_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kubeup import machine

    asked = list[Path]()
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=7))
    assert machine._free(tmp_path / "not" / "made yet") == 7
    assert asked == [tmp_path]


@pytest.mark.real
def test_this_machine_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from kubeup import machine

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    found = machine.observe()
    assert found.system == "Linux"
    assert found.cpus >= 1
    assert found.memory > 100
    assert "apt-get" in found.tools or not found.distribution.has_apt
    assert found.proxies["https_proxy"] == "http://proxy.example.org:3128"
    assert "proxy.example.org" not in repr(found)  # it may hold a password
    assert found.reachable == frozenset()
