"""What a node tells of itself, and the script that it is asked by, run before a made-up node."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kubeup.facts import node_health
from kubeup.facts.faults import Fault, Repair

NOW = 1764500000.0
WELL = """\
unit containerd active enabled
unit kubelet active enabled
unit pod-network active enabled
clock 1764500001
end
"""


def faults(*lines: str) -> list[Fault]:
    return node_health.faults("dev-control", WELL + "".join(f"{line}\n" for line in lines), NOW)


def test_a_node_that_is_well_has_no_fault() -> None:
    assert faults() == []


@pytest.mark.parametrize("text", ["", "sh: 1: cannot fork\n", WELL.replace("end\n", "")])
def test_a_node_that_does_not_answer_to_the_end_is_not_well(text: str) -> None:
    (fault,) = node_health.faults("dev-control", text, NOW)
    assert fault.what == "dev-control could not be asked"


@pytest.mark.parametrize(
    ("line", "repair", "details"),
    [
        ("unit kubelet inactive enabled", Repair.UNITS, ("kubelet",)),
        ("unit kubelet inactive disabled", Repair.UNITS, ("kubelet",)),
        ("unit kubelet active masked", Repair.UNITS, ("kubelet",)),
        ("unit containerd failed enabled", Repair.UNITS, ("containerd",)),
        ("unit pod-network inactive", Repair.UNITS, ("pod-network",)),
        ("cni missing", Repair.CNI, ()),
        ("network ip route replace 10.1.1.0/24 via 192.168.60.11", Repair.POD_NETWORK, ()),
        ("network sh: 6: /usr/local/sbin/kubeup-pod-network: not found", Repair.CNI, ()),
        ("names missing", Repair.NAMES, ()),
        ("disk / 97%", Repair.NONE, ()),
        ("manifest etcd missing", Repair.STATIC_PODS, ("etcd",)),
        ("manifest kube-scheduler changed", Repair.STATIC_PODS, ("kube-scheduler",)),
        ("certificate apiserver.crt", Repair.CERTIFICATES, ()),
        ("certificate ca.crt", Repair.NONE, ()),
        ("certificate etcd/ca.crt", Repair.NONE, ()),
    ],
)
def test_each_line_is_a_fault(line: str, repair: Repair, details: tuple[str, ...]) -> None:
    (fault,) = faults(line)
    assert (fault.repair, fault.details) == (repair, details)
    assert repair is Repair.NONE or fault.target == "dev-control"
    assert fault.users == (line.endswith("changed"))


@pytest.mark.parametrize(("clock", "wrong"), [(30, False), (86400, True), (-90, True)])
def test_a_clock_that_is_off(clock: int, wrong: bool) -> None:
    text = WELL.replace("1764500001", f"{NOW + clock:.0f}")
    assert bool(node_health.faults("dev-control", text, NOW)) == wrong


@pytest.mark.processes
def test_the_script_itself_asks_to_the_end(tmp_path: Path) -> None:
    """On a machine that is no node at all: each part that is not there is said, none ends it."""
    text = re.sub(r"/(etc|usr/local|var/lib)/", rf"{tmp_path}/\1/", node_health.SCRIPT)
    ran = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    found = node_health.faults("dev-control", ran.stdout, float(ran.stdout.split()[-2]))
    assert ran.stdout.endswith("end\n")
    assert {fault.repair for fault in found} == {Repair.UNITS, Repair.CNI, Repair.NAMES}


@pytest.mark.processes
def test_the_script_tells_of_a_control_plane(tmp_path: Path) -> None:
    """A manifest that is missing, one that was changed, and a certificate that has ended."""
    text = re.sub(r"/(etc|usr/local|var/lib)/", rf"{tmp_path}/\1/", node_health.SCRIPT)
    etc = tmp_path / "etc"
    for folder in ("kubeup", "kubernetes/manifests", "kubernetes/pki/etcd"):
        (etc / folder).mkdir(parents=True)
    (etc / "kubeup" / "control-plane").touch()
    manifests = etc / "kubernetes" / "manifests"
    for pod in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        (manifests / f"{pod}.yaml").write_text("as made\n")
    sums = subprocess.run(
        ["sh", "-c", "sha256sum -- *.yaml"], cwd=manifests, capture_output=True, check=True
    )
    (etc / "kubeup" / "manifests.sha256").write_bytes(sums.stdout)
    (manifests / "etcd.yaml").unlink()
    (manifests / "kube-scheduler.yaml").write_text("another\n")
    pki = etc / "kubernetes" / "pki"
    for name, days in (("apiserver", 1), ("ca", 3650)):
        words = f"req -x509 -newkey ed25519 -nodes -subj /CN=x -days {days}".split()
        files = ["-keyout", str(tmp_path / "key"), "-out", str(pki / f"{name}.crt")]
        subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    ran = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    lines = ran.stdout.splitlines()
    assert [line for line in lines if line.startswith("manifest")] == [
        "manifest etcd missing",
        "manifest kube-scheduler changed",
    ]
    assert [line for line in lines if line.startswith("certificate")] == [
        "certificate apiserver.crt"
    ]
