from __future__ import annotations

import re
import socket
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from builders import recorded

from kubeup.facts import host
from kubeup.facts.host import Address, Distribution, Kernel, Listener, Route


@pytest.mark.parametrize(
    ("file", "expected", "has_apt"),
    [
        ("os_release_debian_12", Distribution("debian", "bookworm", "12"), True),
        ("os_release_ubuntu_22_04", Distribution("ubuntu", "jammy", "22.04", ("debian",)), True),
        ("os_release_fedora_41", Distribution("fedora", "", "41"), False),
        ("os_release_arch", Distribution("arch"), False),
        (
            "os_release_opensuse_tumbleweed",
            Distribution("opensuse-tumbleweed", "", "20250115", ("opensuse", "suse")),
            False,
        ),
    ],
)
def test_distribution(file: str, expected: Distribution, has_apt: bool) -> None:
    found = host.distribution(recorded(f"facts/{file}"))
    assert found == expected
    assert found.has_apt is has_apt


def test_a_derivative_of_debian_has_apt() -> None:
    mint = (
        'NAME="Linux Mint"\n# a comment with = in it\nID=linuxmint\nID_LIKE="ubuntu '
        'debian"\nVERSION_CODENAME=wilma\n'
    )
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
    without, with_it = (
        recorded("facts/status_no_sys_resource"),
        recorded("facts/status_sys_resource"),
    )
    assert not host.has_capability(without, host.CAP_SYS_RESOURCE)
    assert host.has_capability(without, 21)  # CAP_SYS_ADMIN, of the same line
    assert host.has_capability(with_it, host.CAP_SYS_RESOURCE)
    assert not host.has_capability("Name:\tcat\n", host.CAP_SYS_RESOURCE)


def test_controllers_of_both_versions() -> None:
    cgroups = recorded("facts/cgroups")
    assert {"cpu", "memory", "pids"} <= host.controllers(1, cgroups, "")
    # cgroup_disable=memory, as the Raspberry Pi's firmware has it
    off = re.sub(r"(?m)^(memory\t\d+\t\d+)\t1$", r"\1\t0", cgroups)
    assert "memory" not in host.controllers(1, off, "")
    assert host.controllers(2, cgroups, "cpuset cpu io pids\n") == {"cpuset", "cpu", "io", "pids"}


def test_file_systems_of_the_kernel() -> None:
    found = host.filesystems(recorded("facts/filesystems"))
    assert {"overlay", "ext4", "proc"} <= found and "nodev" not in found


def test_a_module_is_lacking_only_where_the_kernel_tells_of_some() -> None:
    loaded = "br_netfilter 32768 0 - Live 0x0000000000000000\n"
    builtin = "kernel/net/ipv4/netfilter/ip_tables.ko\n"
    loadable = (
        "kernel/net/netfilter/nf-conntrack.ko.zst: "
        "kernel/lib/libcrc32c.ko.zst\nkernel/fs/overlayfs/overlay.ko:\n"
    )
    known = Kernel(modules=host.modules(loaded, builtin, loadable))
    there = ("br_netfilter", "br-netfilter", "ip_tables", "nf_conntrack", "overlay")
    assert not any(known.lacks(name) for name in there) and known.lacks("ip_vs")
    assert not Kernel(modules=host.modules("", "", "")).lacks("ip_vs"), (
        "a container sees no modules at all"
    )
    assert not Kernel(modules=host.modules(loaded, "", "")).lacks("ip_vs"), (
        "or those that are loaded alone"
    )


def test_what_a_kernel_was_configured_with() -> None:
    known, silent = (
        Kernel(options=host.options(recorded("facts/kernel_config"))),
        Kernel(options=host.options("")),
    )
    assert known.has("overlay", "OVERLAY_FS") and not known.lacks("overlay", "OVERLAY_FS")
    assert known.lacks("ip_vs", "IP_VS") and not known.has("ip_vs", "IP_VS")
    assert not silent.lacks("overlay", "OVERLAY_FS") and not silent.has("overlay", "OVERLAY_FS"), (
        "unknown is neither"
    )


def test_addresses_keep_their_networks() -> None:
    rows = [
        ("eth0", "192.0.2.2", "255.255.255.0"),
        ("tun0", "10.8.0.2", ""),
        ("lo", "127.0.0.1", "255.0.0.0"),
    ]
    assert host.addresses(rows) == (
        Address("eth0", IPv4Interface("192.0.2.2/24")),
        Address("lo", IPv4Interface("127.0.0.1/8")),
    )


def test_routes_leave_the_default_one_out() -> None:
    assert host.routes(recorded("facts/ip_route.json")) == (
        Route(IPv4Network("192.0.2.0/24"), "eth0"),
        Route(IPv4Network("192.168.60.0/24"), "podman1"),
    )


def test_routes_of_a_vpn_and_of_single_hosts() -> None:
    networks = {
        str(route.network): route.device
        for route in host.routes(recorded("facts/ip_route_vpn.json"))
    }
    assert networks == {
        "0.0.0.0/1": "tun0",
        "10.8.0.1/32": "tun0",
        "172.17.0.0/16": "docker0",
        "192.168.60.0/24": "lo",
    }


def test_no_routes() -> None:
    assert host.routes("") == ()


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64"), ("arm64", "arm64")]
)
def test_processors_are_named_as_kubernetes_names_them(machine: str, name: str) -> None:
    assert host.ARCHITECTURES[machine] == name


@pytest.mark.real
def test_this_machine_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from kubeup.system import machine

    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.org:3128")
    found = machine.observe()
    assert found.system == "Linux"
    assert found.cpus >= 1
    assert 100 < found.memory_available < found.memory
    assert found.storage.keys() == {"podman", "docker", "podman of this user"} and all(
        one.free > 0 for one in found.storage.values()
    )
    assert "overlay" in found.kernel.filesystems and "memory" in found.kernel.controllers
    assert IPv4Interface("127.0.0.1/8") in [one.interface for one in found.addresses]
    assert "apt-get" in found.tools or not found.distribution.has_apt
    assert found.proxies["https_proxy"] == "http://proxy.example.org:3128"
    assert "proxy.example.org" not in repr(found)  # it may hold a password
    assert found.answers == {}


@pytest.mark.real
def test_room_is_looked_for_where_a_folder_will_be(tmp_path: Path) -> None:
    from kubeup.system import machine

    there, later = machine.disk(tmp_path), machine.disk(tmp_path / "not" / "yet")
    assert later.path == str(tmp_path / "not" / "yet")
    assert (
        later.filesystem == there.filesystem != ""
        and abs(later.free - there.free) < 1
        and later.free > 0
    )
    proc = machine.disk(Path("/proc/self"))
    assert (proc.filesystem, proc.free) == ("/proc", 0)


@pytest.mark.real
def test_who_listens_here() -> None:
    from kubeup.system import machine

    with socket.create_server(("127.0.0.1", 0)) as server:
        one = Listener("127.0.0.1", server.getsockname()[1])
        assert one in (machine.listening() or ())
    assert one not in (machine.listening() or ())


def test_room_below_a_folder_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubeup.system import machine

    looked = Path.exists

    def closed(path: Path) -> bool:
        if "root" in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(Path, "exists", closed)
    found = machine.disk(tmp_path / "root" / "storage")
    assert found.free > 0 and found.filesystem == machine.disk(tmp_path).filesystem
